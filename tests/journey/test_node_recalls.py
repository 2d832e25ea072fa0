"""Recalls, take-backs, updates and replacements between a real hub process and agencies' nodes, over mutual TLS with real signatures."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from exchange.change_errors import CopyDestroyed
from exchange.client import Client
from exchange.config import NodeSettings
from exchange.delivery import Retry
from exchange.envelope import Business, Kind, ReceiverChange, Replacement
from exchange.errors import NotTheSender, StatusNotAllowed
from exchange.node import recalls
from exchange.node.agent import Agent
from exchange.node.desk import Desk
from exchange.store import journal, tombstones
from exchange.store.engine import Store
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess

OTHER = "H56.97"


@dataclass
class Node:
    """One agency's node whose loops are stepped by hand."""

    desk: Desk
    agent: Agent

    async def round(self, *, settle: bool = True) -> None:
        for _ in range(2):
            await self.agent.submit()
            await self.agent.collect()
            await self.agent.acknowledge()
            if settle:
                await self.agent.settle()
            while await self.agent.report():
                pass
            await self.agent.ask_back()

    def read(self, query: Any) -> Any:
        with self.desk.store.read() as connection:
            return query(connection)

    def inbox(self, document_id: str) -> list[journal.Inbound]:
        return [r for r in self.read(lambda c: journal.all_inbound(c, 500)) if r.document_id == document_id]

    def told(self, document_id: str) -> list[tuple[str, str]]:
        return [(s.agency, s.code) for s in self.read(lambda c: journal.all_incoming_statuses(c, 500)) if s.document_id == document_id]


@cache
def trust_of(folder: Path) -> Trust:
    return Trust.load(folder)


def desk_of(pki: Pki, folder: Path, code: str, sandbox: Sandbox, fault: Any = None) -> Desk:
    file = folder / f"{code}.sqlite"
    store = Store.open(f"sqlite:///{file}", blobs=folder / code, migrate=not file.exists(), schema="node", fault=fault)
    trust = trust_of(pki.folder / "trust")
    return Desk(code, "Cơ quan (mô phỏng)", store, pki.seal(code), lambda: trust, sandbox, lambda: datetime.now(UTC))


@asynccontextmanager
async def nodes(hub: HubProcess, sandbox: Sandbox, folder: Path, *codes: str, auto: bool = True) -> AsyncIterator[list[Node]]:
    made: list[Node] = []
    clients: list[Client] = []
    for code in codes:
        desk = desk_of(hub.pki, folder, code, sandbox)
        client = await hub.client(code).__aenter__()
        clients.append(client)
        settings = NodeSettings(code, folder, hub.url, folder, folder, folder, folder, poll_wait_seconds=0, auto_recall=auto)
        made.append(Node(desk, Agent(desk, client, Retry(first=timedelta(0)), settings)))
    try:
        yield made
    finally:
        for client in clients:
            await client.__aexit__(None, None, None)
        for node in made:
            node.desk.store.close()


def test_a_recall_goes_all_the_way(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,r1/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient):
            recall = maker.recall(document, recipients=(PULLER,), reason="Ban hành nhầm")
            sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            got = recipient.inbox(document)[0]
            content = recipient.desk.store.blobs.path(got.package_sha256)
            assert content.exists() and got.status == "01"
            sender.desk.send(recall)
            await sender.round()
            await recipient.round()
            await sender.round()
            assert not content.exists()
            stone = recipient.read(lambda c: tombstones.tombstone(c, got.delivery))
            assert (stone.package_sha256, stone.reason, stone.by, stone.change) == (got.package_sha256, "Ban hành nhầm", SENDER, "recall")
            assert stone.destroyed_at is not None and [f["name"] for f in json.loads(stone.files)] == ["125_QĐ-UBND.pdf", "phu-luc.pdf"]
            assert sender.told(document) == [(PULLER, "01"), (PULLER, "01"), (PULLER, "15")]
            own = sender.read(lambda c: journal.outbound(c, document, 0))
            assert own.frozen_by == document
            life = await sender.agent.client.timeline(own.envelope)
            assert life["deliveries"][0]["state"] == "recalled"
            assert [(c["effect"], c["answer"], c["reason"]) for c in life["changes"]] == [("asked", "15", "Ban hành nhầm")]
            with pytest.raises(StatusNotAllowed):
                recalls.report(recipient.desk, recipient.inbox(document)[0].delivery, "16", "Đổi ý")
            for code in ("03", "02"):  # what is destroyed is neither registered nor refused
                with pytest.raises(CopyDestroyed):
                    recalls.report(recipient.desk, got.delivery, code, "Vào sổ")

    asyncio.run(go())


def test_a_recall_finds_its_document_whichever_code_either_bears(pki: Pki, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    """The hub names the sender by its own code; the node knows the other codes of its own agency."""
    desk = desk_of(pki, tmp_path, PULLER, sandbox)
    desk.other_codes = ("vxp.saas.98",)
    try:
        kept, removed = (f"{SENDER},2026/11/20,{n}/QĐ-UBND" for n in ("ma-1", "ma-2"))

        def arrives(number: str, package: Path) -> journal.Inbound:
            data = package.read_bytes()
            digest = hashlib.sha256(data)
            seal = sign_seal(digest.digest(), pki.seal(SENDER))
            facts = {"from": SENDER}
            return desk.receive(delivery=number, envelope=f"e-{number}", package=package, sha256=digest.hexdigest(), seal=seal, facts=facts)

        assert arrives("d1", maker.package(kept, sender="H56.99", recipients=(PULLER,))).sender == SENDER
        arrives("d2", maker.package(removed, recipients=(PULLER,)))
        arrives("d3", maker.recall(kept, recipients=(PULLER,)))
        without = Business(kind=Kind.UPDATE, reason="Bớt nơi nhận", content_changed=False, receivers=(ReceiverChange("vxp.saas.98", False),))
        arrives("d4", maker.package(removed, recipients=(PULLER,), business=without, files=False))
        recalls.settle(desk, answer_by_itself=True)
        with desk.store.read() as connection:
            assert {"d1", "d2"} <= {t.delivery for t in tombstones.all_tombstones(connection, 10)}
        own = maker.package(f"{PULLER},2026/11/20,ma-3/QĐ", sender="vxp.saas.98", recipients=(SENDER,))
        assert desk.send(own).state == "waiting"
        with pytest.raises(NotTheSender):
            desk.send(maker.package(f"{PULLER},2026/11/20,ma-4/QĐ", sender="H56.99", recipients=(SENDER,)))
    finally:
        desk.store.close()


def test_a_recall_waits_at_the_node_for_its_document(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    """Sent in the wrong order by the agency: the document is submitted first all the same. Arriving in the wrong order: dropped at once."""
    document = f"{SENDER},2026/11/20,r2/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient):
            package, recall = maker.package(document, recipients=(PULLER,)), maker.recall(document, recipients=(PULLER,))
            sender.desk.send(package)
            later = datetime.now(UTC) + timedelta(hours=1)
            row = sender.read(lambda c: journal.outbound(c, document, 0))
            sender.desk.store.write(lambda c: journal.settle_outbound(c, row, state="waiting", next_at=later))
            sender.desk.send(recall)
            assert sender.read(lambda c: journal.due_outbound(c, datetime.now(UTC), 10)) == []
            assert [r.kind for r in sender.read(lambda c: journal.due_outbound(c, later, 10))][:1] == [0]
            seals = [sender.desk.store.blobs.path(r.seal_sha256).read_bytes() for r in sender.read(lambda c: journal.all_outbound(c, 5))]
            by_kind = {1: seals[0], 0: seals[1]}
            for kind, file, name in ((1, recall, "d-recall"), (0, package, "d-doc")):
                sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
                recipient.desk.receive(delivery=name, envelope=name, package=file, sha256=sha256, seal=by_kind[kind], facts={})
                await recipient.agent.settle()
            await recipient.agent.settle()
            stone = recipient.read(lambda c: tombstones.tombstone(c, "d-doc"))
            assert stone.destroyed_at is not None and not recipient.desk.store.blobs.exists(stone.package_sha256)
            said = [s.code for s in recipient.read(lambda c: journal.statuses_of(c, "d-recall"))]
            assert said == ["01", "15"]

    asyncio.run(go())


def test_take_back_agreed_before_and_refused_after_registration(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    documents = [f"{SENDER},2026/11/20,t{n}/QĐ-UBND" for n in (1, 2)]

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient):
            for document in documents:
                sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            kept = recipient.inbox(documents[1])[0]
            recalls.report(recipient.desk, kept.delivery, "03", "Vào sổ")
            await recipient.round()
            for document in documents:
                data, seal = maker.status("13", agency=SENDER, about=PULLER, document_id=document, why="Gửi nhầm nơi nhận")
                await sender.agent.client.send_status(data, now=datetime.now(UTC), seal=seal)
            await recipient.round()
            await sender.round()
            assert sender.told(documents[0])[-1] == (PULLER, "15") and sender.told(documents[1])[-1] == (PULLER, "16")
            gone = recipient.inbox(documents[0])[0]
            assert not recipient.desk.store.blobs.exists(gone.package_sha256) and gone.status == "15"
            assert recipient.desk.store.blobs.exists(kept.package_sha256) and recipient.inbox(documents[1])[0].status == "03"
            recalls.report(recipient.desk, kept.delivery, "06", "")
            await recipient.round()
            states = {d: (await sender.agent.client.timeline((await sender.agent.client.find(d))[0]["envelope"]))["deliveries"][0] for d in documents}
            assert [(states[d]["state"], states[d]["status"]) for d in documents] == [("recalled", "15"), ("acknowledged", "06")]

    asyncio.run(go())


def test_a_clerk_decides_where_the_node_is_told_to_ask(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,k1/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER, auto=False) as (sender, recipient):
            for package in (maker.package(document, recipients=(PULLER,)), maker.recall(document, recipients=(PULLER,))):
                sender.desk.send(package)
                await sender.round()
                await recipient.round()
            first, asked = sorted(recipient.inbox(document), key=lambda r: r.kind)
            assert recipient.desk.store.blobs.exists(first.package_sha256) and asked.status == "01"
            recalls.report(recipient.desk, asked.delivery, "16", "Văn bản đang được dùng làm căn cứ")
            await recipient.round()
            await sender.round()
            assert sender.told(document)[-1] == (PULLER, "16") and recipient.desk.store.blobs.exists(first.package_sha256)

    asyncio.run(go())


def test_update_and_replacement_at_the_nodes(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document, change, new = (f"{SENDER},2026/11/20,{name}" for name in ("u1/QĐ-UBND", "u1/CN", "u2/QĐ-UBND"))

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient):
            update = Business(kind=Kind.UPDATE, document_id=document, reason="Sửa phụ lục", content_changed=True)
            replace = Business(kind=Kind.REPLACE, reason="Sai căn cứ", replacements=(Replacement(change, (PULLER,)),))
            for package in (
                maker.package(document, recipients=(PULLER,)),
                maker.package(change, recipients=(PULLER,), business=update),
                maker.package(new, recipients=(PULLER,), business=replace),
            ):
                sender.desk.send(package)
                await sender.round()
                await recipient.round()
            await sender.round()
            assert [recipient.inbox(d)[0].superseded_by for d in (document, change, new)] == [change, new, ""]
            assert [code for _, code in sender.told(change)] == ["01", "15"] and [code for _, code in sender.told(new)] == ["01"]
            removed = Business(kind=Kind.UPDATE, document_id=new, reason="Gửi nhầm", receivers=(ReceiverChange(PULLER, False), ReceiverChange(OTHER, True)))
            sender.desk.send(maker.package(f"{SENDER},u2/CN", recipients=(OTHER,), business=removed, files=False))
            await sender.round()
            await recipient.round()
            await sender.round()
            assert not recipient.desk.store.blobs.exists(recipient.inbox(new)[0].package_sha256)
            assert [code for _, code in sender.told(f"{SENDER},u2/CN")] == ["01", "15"]
            life = await sender.agent.client.timeline((await sender.agent.client.find(new))[0]["envelope"])
            assert {d["recipient"]: d["state"] for d in life["deliveries"]}[PULLER] == "recalled"
            assert OTHER in {d["recipient"] for d in life["deliveries"]}

    asyncio.run(go())


class Crash(Exception):
    """The power went here."""


def test_a_crash_at_every_step_of_destruction_loses_no_report(pki: Pki, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    """Tombstone, bytes, report: wherever it stops, the next start brings all three about, in that order."""
    document = f"{SENDER},2026/11/20,c1/QĐ-UBND"
    template = tmp_path / "received"
    template.mkdir()
    desk = desk_of(pki, template, PULLER, sandbox)
    for name, file in {"doc": maker.package(document, recipients=(PULLER,)), "recall": maker.recall(document, recipients=(PULLER,))}.items():
        digest = hashlib.sha256(file.read_bytes())
        seal = sign_seal(digest.digest(), pki.seal(SENDER))
        desk.receive(delivery=name, envelope=name, package=file, sha256=digest.hexdigest(), seal=seal, facts={})
    desk.arrived("recall")
    desk.store.close()
    steps = 0
    while True:
        steps += 1
        folder = shutil.copytree(template, tmp_path / str(steps))
        counter = {"left": -1}

        def fault(step: str, counter: dict[str, int] = counter) -> None:
            counter["left"] -= 1
            if counter["left"] == 0:
                raise Crash(step)

        desk = desk_of(pki, folder, PULLER, sandbox, fault)
        counter["left"] = steps
        crashed = False
        try:
            recalls.settle(desk, answer_by_itself=True)
        except Exception as error:
            crashed = "Crash" in repr(error)
            assert crashed, repr(error)
        counter["left"] = -1
        with desk.store.read() as connection:
            said = [s.code for s in journal.statuses_of(connection, "recall")]
            sha256 = journal.inbound(connection, "doc").package_sha256  # type: ignore[union-attr]
        assert "15" not in said or not desk.store.blobs.exists(sha256)  # never said before it is true
        desk.store.close()
        again = desk_of(pki, folder, PULLER, sandbox)
        recalls.settle(again, answer_by_itself=True)
        with again.store.read() as connection:
            assert [s.code for s in journal.statuses_of(connection, "recall")] == ["01", "15"]
            stone = tombstones.tombstone(connection, "doc")
        assert stone is not None and stone.destroyed_at is not None and not again.store.blobs.exists(sha256)
        again.store.close()
        if not crashed:
            break
    assert steps > 8
