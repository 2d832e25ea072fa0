"""The directory at work: closed agencies name who took over, gateways act for others, certificates roll over."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange.agency import AgencyStatus, Certificate, Purpose, day_of
from exchange.client import Client, Refused
from exchange.config import load_hub
from exchange.courier import client_tls
from exchange.directory import certificate_of
from exchange.directory_errors import AgencyNotYet, DirectoryConflict, DirectoryRow, NotServed
from exchange.errors import ClosedAgency, ConfigError, LockedAgency, NotAuthenticated, NotFound, SealRefused, SucceededAgency, UnknownAgency
from exchange.hub import Hub
from exchange.server import open_hub
from exchange.store import agencies
from exchange.store import directory as from_store
from signing.evidence import check
from signing.seal import sign_seal
from signing.trust import Trust
from tests.directory_material import sealing_key, unit
from tests.evidence_material import stamper
from tests.house import PULLER, PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess

DAY = timedelta(days=1)
SMALL, SERVED = "H56.T01", "H56.T02"  # units whose gateways are SENDER and PULLER


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("hub"))
    here = open_hub(load_hub(process.config, {}))
    fill(here)
    here.close()
    process.start()
    yield process
    process.stop()


def fill(hub: Hub) -> None:
    desk = hub.directory
    for agency in (unit(SMALL, gateway=SENDER), unit(SERVED, gateway=PULLER), unit("H56.T03"), unit("H56.T04"), unit("H56.T05")):
        desk.add(agency, {}, by="test")
    desk.succeed("H56.T03", "H56.T04", by="test")
    desk.succeed("H56.T04", PULLER, by="test")
    desk.change("H56.T05", by="test", aliases=("000.00.05.H56", "H56.X05"))


def acting(hub: HubProcess, code: str, agency: str, *, tls: str = "") -> Client:
    trust = hub.pki.folder / "trust"
    folder = hub.pki.folder / "tls"
    return Client(
        hub.url,
        tls_certificate=folder / f"{tls or code}.pem",
        tls_ca=folder / "ca.pem",
        key=hub.pki.seal(code),
        trust=Trust.load(trust),
        vkeys=(trust / "log.vkey").read_text().split(),
        acting_for=agency,
    )


async def post(hub: HubProcess, package: Path, seal: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    tls = client_tls(hub.pki.folder / "tls" / f"{SENDER}.pem", hub.pki.folder / "tls" / "ca.pem")
    async with aiohttp.ClientSession() as session:
        sent = {"Vanthu-Seal": base64.b64encode(seal).decode(), **headers}
        async with session.post(hub.url + "/v1/packages", data=package.read_bytes(), headers=sent, ssl=tls) as answer:
            return answer.status, await answer.json(content_type=None)


def seal_of(package: Path, key: Any) -> bytes:
    return sign_seal(hashlib.sha256(package.read_bytes()).digest(), key)


def test_a_closed_agency_is_answered_with_the_one_that_is_open(hub: HubProcess, maker: House) -> None:
    package = maker.package(f"{SENDER},2026/11/20,dir-1/QĐ", recipients=("H56.T03",))
    status, problem = asyncio.run(post(hub, package, seal_of(package, hub.pki.seal(SENDER))))
    assert (status, problem["code"], problem["successor"], problem["retry"]) == (422, "agency.succeeded", PULLER, False)
    assert problem["detail"] == f"H56.T03 → H56.T04 → {PULLER}" and problem["place"] == "MessageHeader/To[1]/OrganId"

    async def told() -> dict[str, Any]:
        async with hub.client(SENDER) as client:
            return next(a for a in await client.agencies("H56.T03"))

    line = asyncio.run(told())
    assert (line["status"], line["successor"], line["succeeded_by"]) == ("closed", "H56.T04", PULLER)


@pytest.mark.parametrize("code", ["H56.T05", "000.00.05.H56", "H56.X05"])
def test_each_code_of_an_agency_reaches_it(hub: HubProcess, maker: House, code: str) -> None:
    package = maker.package(f"{SENDER},2026/11/20,alias-{code}/QĐ", recipients=(code,))
    status, receipt = asyncio.run(post(hub, package, seal_of(package, hub.pki.seal(SENDER))))
    assert status == 201, receipt

    async def recipients() -> list[str]:
        async with hub.client(SENDER) as client:
            return [d["recipient"] for d in (await client.timeline(receipt["envelope"]))["deliveries"]]

    assert asyncio.run(recipients()) == ["H56.T05"]


def test_a_gateway_sends_for_the_agency_it_serves_and_for_no_other(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    document_id = f"{SMALL},2026/11/20,dir-2/QĐ"
    package = maker.package(document_id, sender=SMALL, recipients=(PULLER,))
    seal = seal_of(package, hub.pki.seal(SENDER))
    assert asyncio.run(post(hub, package, seal))[1]["code"] == "access.not_the_sender"
    for other in (SERVED, PULLER, "H56.404"):
        assert asyncio.run(post(hub, package, seal, **{"Vanthu-Agency": other}))[1]["code"] == "access.not_served"
    foreign = seal_of(package, hub.pki.seal(PUSHER))
    assert asyncio.run(post(hub, package, foreign, **{"Vanthu-Agency": SMALL}))[1]["code"] == "seal.refused"

    async def go() -> None:
        async with acting(hub, SENDER, SMALL) as gateway, hub.client(SENDER) as itself:
            proven = await gateway.submit(package, now=now())
            assert proven.finding.document_id == document_id
            receipt = json.loads(proven.data)
            evidence, leaf = base64.b64decode(receipt["evidence"]).decode(), json.loads(base64.b64decode(receipt["leaf"]))
            # Who sealed in whose place is said in the log and in the sealed receipt.
            assert "Origin.gateway-seal" in evidence and leaf["obj"]["type"] == "gateway-seal"
            assert (leaf["from"], leaf["data"]["gateway"]) == (SMALL, SENDER)
            assert any("gateway-seal" in e["why"] for e in (await gateway.timeline(proven.finding.envelope))["events"])
            with pytest.raises(Refused):
                await itself.timeline(proven.finding.envelope)  # it is the served agency's document
            target = tmp_path / "evidence.asice"
            await gateway.evidence(proven.finding.envelope, target)
            trust = hub.pki.folder / "trust"
            report = check(target, trust=Trust.load(trust), vkeys=(trust / "log.vkey").read_text().split(), at=now())
            assert report.ok, report.reasons

    asyncio.run(go())


def test_a_gateway_collects_acknowledges_and_reports(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    document_id = f"{SENDER},2026/11/20,dir-3/QĐ"

    async def go() -> None:
        async with hub.client(SENDER) as sender, acting(hub, PULLER, SERVED) as gateway, hub.client(PULLER) as itself:
            sent = await sender.submit(maker.package(document_id, recipients=(SERVED,)), now=now())
            assert all(i["document_id"] != document_id for i in (await itself.inbox())[0])
            line = next(i for i in (await gateway.inbox())[0] if i["document_id"] == document_id)
            await gateway.fetch(line["delivery"], tmp_path / "got.edxml")
            data = maker.status("01", agency=PULLER, document_id=document_id)[0].replace(PULLER.encode(), SERVED.encode())
            await gateway.acknowledge(line["delivery"], data, now=now())
            data = maker.status("03", agency=PULLER, document_id=document_id)[0].replace(PULLER.encode(), SERVED.encode())
            await gateway.send_status(data, now=now())
            events = (await sender.timeline(sent.finding.envelope))["events"]
            assert [e["object_type"] for e in events if e["by"] == SERVED] == ["edxml-status+gateway-seal"] * 2
            await sender.evidence(sent.finding.envelope, tmp_path / "evidence.asice")
            trust = hub.pki.folder / "trust"
            report = check(tmp_path / "evidence.asice", trust=Trust.load(trust), vkeys=(trust / "log.vkey").read_text().split(), at=now())
            assert report.ok, report.reasons
        with pytest.raises(Refused) as caught:
            async with acting(hub, PULLER, SMALL) as gateway:
                await gateway.inbox()
        assert (caught.value.hub_code, caught.value.hub_status) == ("access.not_served", 403)

    asyncio.run(go())


def test_certificates_roll_over_while_the_hub_runs(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    """Old and new hold together; the ended one and the expired one are refused."""
    moment = now()
    old, tls = hub.pki.seal(SENDER), hub.pki.folder / "tls"
    new = sealing_key(hub.pki, SENDER, tmp_path / "new.pem", begins=moment - DAY, ends=moment + 100 * DAY)
    expired = sealing_key(hub.pki, SENDER, tmp_path / "expired.pem", begins=moment - 9 * DAY, ends=moment - DAY)
    here = open_hub(load_hub(hub.config, {}))
    try:
        desk = here.directory
        fingerprint = desk.add_certificate(SENDER, Purpose.SEAL, (tmp_path / "new.pem").read_bytes(), overlap=30 * DAY, by="test")
        desk.add_certificate(SENDER, Purpose.TLS, (tls / "hub.pem").read_bytes(), overlap=30 * DAY, by="test")
        here.store.write(lambda c: agencies.add_certificate(c, certificate_of(SENDER, Purpose.SEAL, (tmp_path / "expired.pem").read_bytes())))

        def send(number: str, key: Any) -> str:
            package = maker.package(f"{SENDER},2026/11/20,roll-{number}/QĐ", recipients=(PULLER,))
            status, answer = asyncio.run(post(hub, package, seal_of(package, key)))
            return "" if status == 201 else str(answer["code"])

        assert [send("1", old), send("2", new), send("3", expired)] == ["", "", "seal.refused"]

        async def connects(name: str) -> bool:
            async with acting(hub, SENDER, "", tls=name) as client:
                await client.inbox()
                return True

        assert asyncio.run(connects(SENDER)) and asyncio.run(connects("hub"))
        desk.end_certificate(SENDER, fingerprint, by="test")
        own = certificate_of(SENDER, Purpose.TLS, (tls / "hub.pem").read_bytes()).sha256
        desk.end_certificate(SENDER, own, by="test")
        assert [send("4", new), send("5", old)] == ["seal.refused", ""]
        with pytest.raises(Refused) as caught:
            asyncio.run(connects("hub"))
        assert caught.value.hub_code == "access.not_authenticated"
        with pytest.raises(NotFound):
            desk.end_certificate(SENDER, fingerprint, by="test")
    finally:
        here.close()


@pytest.fixture
def town(pki: Pki, sandbox: Any, tmp_path: Path) -> Iterator[House]:
    here = House(pki, tmp_path / "town", sandbox=sandbox)
    here.register()
    yield here
    here.close()


def test_the_overlap_ends_by_itself(town: House, tmp_path: Path) -> None:
    desk, moment = town.hub.directory, now()
    sealing_key(town.pki, SENDER, tmp_path / "new.pem", begins=moment - DAY, ends=moment + 100 * DAY)
    desk.add_certificate(SENDER, Purpose.SEAL, (tmp_path / "new.pem").read_bytes(), overlap=DAY, by="test")
    assert [c["holds"] for c in desk.show(SENDER)["certificates"] if c["purpose"] == "seal"] == [True, True]
    town.submit(town.package(f"{SENDER},2026/11/20,o-1/QĐ"))
    town.ahead = 2 * DAY
    with pytest.raises(SealRefused) as caught:
        town.submit(town.package(f"{SENDER},2026/11/20,o-2/QĐ"))
    assert "ended at" in caught.value.detail
    assert sorted(c["holds"] for c in desk.show(SENDER)["certificates"] if c["purpose"] == "seal") == [False, True]


def test_an_ended_key_opens_nothing_with_an_old_time_stamp(town: House, tmp_path: Path) -> None:
    """The hub's clock decides at its door; what was accepted before gives its receipt again."""
    desk, moment = town.hub.directory, now()
    accepted = town.package(f"{SENDER},2026/11/20,e-1/QĐ", recipients=(PULLER,))
    receipt = town.submit(accepted)
    (line,) = town.hub.inbox(PULLER, after=0, limit=10)
    status, seal = town.status("01", document_id=f"{SENDER},2026/11/20,e-1/QĐ")
    said = town.hub.acknowledge(PULLER, line["delivery"], status, seal)
    further, its_seal = town.status("03", document_id=f"{SENDER},2026/11/20,e-1/QĐ")
    kept = town.package(f"{SENDER},2026/11/20,e-2/QĐ", recipients=(PULLER,))
    digest = hashlib.sha256(kept.read_bytes()).digest()
    kept.with_suffix(".p7s").write_bytes(sign_seal(digest, town.pki.seal(SENDER), timestamp=stamper(town.pki)))
    for code in (SENDER, PULLER):
        key = tmp_path / f"new-{code}.pem"
        sealing_key(town.pki, code, key, begins=moment - DAY, ends=moment + 100 * DAY)
        desk.add_certificate(code, Purpose.SEAL, key.read_bytes(), overlap=timedelta(0), by="test")
    town.ahead = timedelta(hours=1)
    with pytest.raises(SealRefused) as caught:
        town.submit(kept)
    assert "ended at" in caught.value.detail
    with pytest.raises(SealRefused):
        town.hub.report_status(PULLER, further, its_seal)
    assert town.submit(accepted) == receipt
    assert town.hub.acknowledge(PULLER, line["delivery"], status, seal) == said
    assert town.hub.report_status(PULLER, status, seal) == said


def test_certificates_that_are_not_taken(town: House, tmp_path: Path) -> None:
    desk, moment = town.hub.directory, now()
    sealing_key(town.pki, SENDER, tmp_path / "expired.pem", begins=moment - 9 * DAY, ends=moment - DAY)
    for pem in ((tmp_path / "expired.pem").read_bytes(), b"x", (town.pki.folder / "agencies" / PULLER / "seal.pem").read_bytes()):
        with pytest.raises(ConfigError):
            desk.add_certificate(SENDER, Purpose.SEAL, pem, overlap=DAY, by="test")
    with pytest.raises(UnknownAgency):
        desk.add_certificate("H56.404", Purpose.SEAL, b"", overlap=DAY, by="test")
    old = certificate_of(PULLER, Purpose.TLS, (town.pki.folder / "tls" / f"{PULLER}.pem").read_bytes())
    town.ahead = old.not_after - moment + DAY
    with pytest.raises(NotAuthenticated):
        desk.authenticate(_der(old))


def _der(certificate: Certificate) -> bytes:
    return base64.b64decode("".join(certificate.pem.splitlines()[1:-1]))


def test_validity_and_locks_at_the_door(town: House) -> None:
    desk, today = town.hub.directory, day_of(now())
    number = iter(range(100))

    def send(*, sender: str = SENDER) -> None:
        town.submit(town.package(f"{sender},2026/11/20,v-{next(number)}/QĐ", recipients=(PULLER,)))

    for facts, error in (
        ({"valid_from": today + DAY}, AgencyNotYet),
        ({"valid_from": None, "valid_until": today - DAY}, ClosedAgency),
        ({"successor": PUSHER}, SucceededAgency),
        ({"successor": "", "valid_until": today}, None),
        ({"status": AgencyStatus.LOCKED}, LockedAgency),
        ({"status": AgencyStatus.OPEN, "valid_until": None}, None),
    ):
        desk.change(PULLER, by="test", **facts)
        if error is None:
            send()
        else:
            with pytest.raises(error) as caught:
                send()
            assert caught.value.place == "MessageHeader/To[1]/OrganId"
    desk.change(SENDER, by="test", valid_until=today - DAY)
    with pytest.raises(ClosedAgency) as caught:
        send()
    assert caught.value.place == "MessageHeader/From/OrganId"


def test_changes_by_hand_that_are_refused_change_nothing(town: House) -> None:
    desk = town.hub.directory
    desk.add(unit("H56.T01", parent=SENDER), {}, by="test")
    before, entries = desk.find(), town.hub.entries()
    for code, facts, error in (
        (SENDER, {"parent": "H56.T01"}, DirectoryConflict),
        (SENDER, {"parent": SENDER}, DirectoryRow),
        (SENDER, {"parent": "H56.404"}, DirectoryConflict),
        (SENDER, {"aliases": (PULLER,)}, DirectoryConflict),
        (SENDER, {"legacy_code": PULLER}, DirectoryConflict),
        (SENDER, {"successor": PULLER}, DirectoryRow),
        (SENDER, {"name": "=1"}, DirectoryRow),
        ("H56.404", {"name": "x"}, UnknownAgency),
    ):
        with pytest.raises(error):
            desk.change(code, by="test", **facts)
    desk.succeed(PULLER, PUSHER, by="test")
    entries += 1
    with pytest.raises(DirectoryConflict):
        desk.succeed(PUSHER, PULLER, by="test")
    with pytest.raises(DirectoryConflict):
        desk.change("H56.T01", by="test", gateway="H56.404")
    desk.change("H56.T01", by="test", gateway=SENDER)
    with pytest.raises(DirectoryConflict):
        desk.change(SENDER, by="test", gateway=PUSHER)
    assert town.hub.entries() == entries + 1
    changed = {row["code"]: row for row in desk.find()}
    assert changed[SENDER] == next(row for row in before if row["code"] == SENDER)


def test_a_gateway_that_has_ceased_acts_for_nobody(town: House) -> None:
    desk = town.hub.directory
    desk.add(unit("H56.T01", gateway=PULLER), {}, by="test")
    assert desk.acting_for(PULLER, "H56.T01") == "H56.T01" and desk.served(PULLER) == ["H56.T01"]
    desk.change(PULLER, by="test", valid_until=date(2020, 1, 1))
    with pytest.raises(NotServed):
        desk.acting_for(PULLER, "H56.T01")


def test_a_gateway_of_the_directory_is_one_on_the_connector_profiles_too(town: House) -> None:
    desk, connector = town.hub.directory, town.hub.connector
    desk.add(unit("H56.T01", gateway=PULLER), {}, by="test")
    desk.add(unit("H56.T02", parent="H56.T01", gateway=PULLER), {}, by="test")
    connector.add_secret("lgsp", "sys", PULLER, b"bi-mat-mo-phong-1", by="test", overlap=timedelta(0))
    caller = connector.authenticate_lgsp("sys", "bi-mat-mo-phong-1")
    assert set(caller.agencies) == {PULLER, "H56.T01", "H56.T02"} and caller.own == (PULLER,)
    town.submit(town.package(recipients=("H56.T01",)))
    (line,) = connector.received(caller, "edoc")
    assert line.recipient == "H56.T01"
    # To act for an agency is not to change the directory for it.
    for act in (
        lambda: connector.unregister(caller, "H56.T02"),
        lambda: connector.register(caller, code="H56.T09", name="Đơn vị mới (mô phỏng)", parent="H56.T01"),
    ):
        with pytest.raises(Exception, match="not an agency of this system"):
            act()
    assert replace(caller, own=()).agencies == caller.agencies


def test_addresses_of_a_national_directory_get_no_daily_statements(town: House) -> None:
    with town.hub.store.read() as connection:
        before = agencies.taking_part(connection)
    from_file = unit("H56.T77")
    town.hub.store.write(lambda c: _add(c, from_file))
    with town.hub.store.read() as connection:
        assert agencies.taking_part(connection) == before
    town.hub.directory.change("H56.T77", by="test", gateway=PULLER)
    with town.hub.store.read() as connection:
        assert agencies.taking_part(connection) == sorted([*before, "H56.T77"])


def _add(connection: Any, agency: Any) -> None:
    from_store.add(connection, [agency], source="danh-ba.mo-phong.vn", now=now())
