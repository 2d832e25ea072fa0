"""The native interface over mutual TLS against a real hub process."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from exchange.client import Refused
from exchange.courier import client_tls
from exchange.errors import ReceiptInvalid
from exchange.web.app import description
from signing.evidence import check
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess


def now() -> datetime:
    return datetime.now(UTC)


def test_the_whole_journey(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    document_id = f"{SENDER},2026/11/20,1/QĐ-UBND"

    async def go() -> None:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as recipient:
            package = maker.package(document_id)
            first = await sender.submit(package, now=now())
            again = await sender.submit(package, now=now())
            assert again.replayed and again.data == first.data
            assert await sender.receipt(first.finding.envelope) == first.data
            items, cursor = await recipient.inbox()
            line = next(i for i in items if i["document_id"] == document_id)
            got = await recipient.fetch(line["delivery"], tmp_path / "got.edxml")
            assert (tmp_path / "got.edxml").read_bytes() == package.read_bytes()
            assert got.seal and got.envelope == first.finding.envelope
            data, seal = maker.status("01", document_id=document_id)
            await recipient.acknowledge(line["delivery"], data, now=now(), seal=seal)
            for code in ("03", "06"):
                data, seal = maker.status(code, document_id=document_id)
                await recipient.send_status(data, now=now(), seal=seal)
            back, _ = await sender.inbox()
            assert [i["code"] for i in back if i["document_id"] == document_id] == ["01", "03", "06"]
            message, message_seal = await sender.status_message(back[-1]["status_id"])
            assert b"<edXML:StatusCode>06<" in message and message_seal
            assert (await sender.find(document_id))[0]["envelope"] == first.finding.envelope
            assert len((await sender.timeline(first.finding.envelope))["events"]) == 5
            assert (await sender.proof(first.finding.envelope)).startswith("c2sp.org/tlog-proof@v1\nindex ")
            assert {a["code"] for a in await sender.agencies("H56")} >= {SENDER, PULLER}
            target = tmp_path / "evidence.asice"
            await sender.evidence(first.finding.envelope, target)
            trust = hub.pki.folder / "trust"
            report = check(target, trust=Trust.load(trust), vkeys=(trust / "log.vkey").read_text().split(), at=now())
            assert report.ok, report.reasons

    asyncio.run(go())


def test_long_poll_wakes_on_a_new_document(hub: HubProcess, maker: House) -> None:
    async def go() -> None:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as recipient:
            _, cursor = await recipient.inbox(limit=500)
            waiting = asyncio.create_task(recipient.inbox(after=cursor, wait=20))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            await sender.submit(maker.package(f"{SENDER},2026/11/20,2/QĐ-UBND"), now=now())
            items, _ = await asyncio.wait_for(waiting, 20)
            assert len(items) == 1

    asyncio.run(go())


def test_refusals_say_what_where_and_whether_to_try_again(hub: HubProcess, maker: House) -> None:
    async def go() -> None:
        async with hub.client(SENDER) as sender:
            with pytest.raises(Refused) as caught:
                await sender.submit(maker.package(f"{SENDER},2026/11/20,3/QĐ-UBND", recipients=("H56.404",)), now=now())
            problem = caught.value
            assert (problem.hub_code, problem.place, problem.hub_retry) == ("agency.unknown", "MessageHeader/To[1]/OrganId", False)
            assert "danh bạ" in problem.hub_vi and "directory" in problem.hub_en

    asyncio.run(go())


def test_no_or_foreign_certificate(hub: HubProcess, pki: Pki) -> None:
    async def go() -> None:
        anonymous = ssl.create_default_context(cafile=str(pki.folder / "tls" / "ca.pem"))
        own = client_tls(pki.folder / "tls" / "hub.pem", pki.folder / "tls" / "ca.pem")
        async with aiohttp.ClientSession() as session:
            for tls in (anonymous, own):
                async with session.get(f"{hub.url}/v1/inbox", ssl=tls) as answer:
                    assert answer.status == 401 and answer.content_type == "application/problem+json"
                    assert (await answer.json(content_type=None))["code"] == "access.not_authenticated"
            async with session.get(f"{hub.url}/custody/checkpoint", ssl=anonymous) as answer:
                assert answer.status == 200 and (await answer.text()).startswith("hub.example.vn/custody/2026\n")

    asyncio.run(go())


def test_another_agencys_documents_are_not_found(hub: HubProcess, maker: House) -> None:
    async def go() -> None:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as other:
            proven = await sender.submit(maker.package(f"{SENDER},2026/11/20,4/QĐ-UBND", recipients=("H56.97",)), now=now())
            for call in (other.timeline, other.receipt, other.proof):
                with pytest.raises(Refused) as caught:
                    await call(proven.finding.envelope)
                assert caught.value.hub_code == "not_found"

    asyncio.run(go())


def test_the_interface_is_as_described(hub: HubProcess, pki: Pki) -> None:
    described = description()
    paths: dict[str, dict[str, object]] = described["paths"]  # type: ignore[assignment]

    async def go() -> None:
        tls = client_tls(pki.folder / "tls" / f"{SENDER}.pem", pki.folder / "tls" / "ca.pem")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{hub.url}/openapi.json", ssl=tls) as answer:
                assert await answer.json() == described
            for path, methods in paths.items():
                for method, operation in methods.items():
                    url = hub.url + re.sub(r"\{level\}", "0", re.sub(r"\{path\}", "000.p/1", re.sub(r"\{(id|envelope|code)\}", "x", path)))
                    async with session.request(method, url, ssl=tls, data=b"<x/>" if method == "post" else None) as answer:
                        allowed = operation["responses"]  # type: ignore[index]
                        assert str(answer.status) in allowed, (method, path, answer.status)
                        assert answer.content_type in allowed[str(answer.status)]["content"], (path, answer.content_type)

    asyncio.run(go())


def test_sixty_four_at_the_same_moment(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    async def go() -> None:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as recipient:
            packages = [maker.package(f"{SENDER},2026/11/22,{n}/QĐ-UBND", subject=f"Số {n}", recipients=(PULLER,)) for n in range(64)]
            receipts = await asyncio.gather(*(sender.submit(p, now=now()) for p in packages))
            assert len({r.data for r in receipts}) == len({r.finding.index for r in receipts}) == 64
            items, _ = await recipient.inbox(limit=500)
            lines = {i["envelope"]: i["delivery"] for i in items}
            for package, receipt in zip(packages, receipts, strict=True):
                got = await recipient.fetch(lines[receipt.finding.envelope], tmp_path / "got")
                assert got.sha256 == hashlib.sha256(package.read_bytes()).hexdigest() == receipt.finding.package_sha256

    asyncio.run(go())


def test_a_receipt_of_another_hub_proves_nothing(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    async def go() -> None:
        async with hub.client(SENDER) as sender:
            sender._vkeys = ("x+00000000+AQ==",)
            with pytest.raises(ReceiptInvalid):
                await sender.submit(maker.package(f"{SENDER},2026/11/20,5/QĐ-UBND"), now=now())

    asyncio.run(go())
