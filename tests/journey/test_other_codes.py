"""Agencies that write another of their codes (QCVN 102 beside QĐ 20/2020, aliases): the same agency on every profile, and nobody else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from exchange.agency import Purpose
from exchange.client import Refused
from exchange.config import load_hub
from exchange.edxml.status import read_status, write_status
from exchange.envelope import Business, Kind, Organ, ReceiverChange, ResponseFor
from exchange.errors import NotTheSender, StatusUnknownDocument
from exchange.server import open_hub
from exchange.store import agencies
from exchange.store.directory_tables import agency_aliases
from exchange.store.tables import agencies as table
from exchange.store.tables import agency_certificates
from signing.evidence import check
from signing.seal import sign_seal
from signing.trust import Trust
from tests.connectors import LgspClient, Sdk, give_secrets, said
from tests.directory_material import unit
from tests.house import PULLER, PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess

OTHER = {SENDER: "H56.99", PULLER: "vxp.saas.98"}  # another code of each
SERVED, SERVED_OLD, SERVED_ALIAS = "H56.T02", "000.00.02.H56", "28.22.H56"  # its gateway is PULLER
FIRST = f"{SENDER},2026/11/20,125/QĐ-UBND"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def known(house: House) -> House:
    """Both agencies have another code in the directory."""
    house.hub.directory.change(SENDER, by="test", legacy_code=OTHER[SENDER])
    house.hub.directory.change(PULLER, by="test", aliases=(OTHER[PULLER],))
    return house


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("codes"))
    give_secrets(process)
    here = open_hub(load_hub(process.config, {}))
    here.directory.change(SENDER, by="test", legacy_code=OTHER[SENDER])
    here.directory.change(PULLER, by="test", aliases=(OTHER[PULLER],))
    here.directory.add(unit(SERVED, legacy_code=SERVED_OLD, aliases=(SERVED_ALIAS,), gateway=PULLER), {}, by="test")
    here.close()
    process.start()
    yield process
    process.stop()


def status_of(house: House, code: str, *, sender: str, owner: str, sealed_by: str = PULLER, **about: str) -> tuple[bytes, bytes]:
    """A status from `sender` about a document of `owner`, each by the code given."""
    message = read_status(house.status(code, why="Lý do")[0])
    response = replace(message.response_for, organ=owner, **about)
    data = write_status(replace(message, sender=Organ(code=sender), response_for=response))
    return data, sign_seal(hashlib.sha256(data).digest(), house.pki.seal(sealed_by))


def holds(house: House, envelope: str, folder: Path, *, caller: str = SENDER) -> None:
    """An auditor finds nothing wrong with the document's evidence."""
    target = folder / f"{envelope}.asice"
    house.hub.evidence(caller, envelope, target, content=True)
    trust = Trust.load(house.pki.folder / "trust")
    report = check(target, trust=trust, vkeys=house.hub.office.vkeys(), at=now())
    assert report.ok, [(r.code, r.place) for r in report.reasons]


def test_a_package_by_the_other_code_is_the_senders(known: House, tmp_path: Path) -> None:
    package = known.package(FIRST, sender=OTHER[SENDER], recipients=(OTHER[PULLER],))
    known.submit(package)
    known.submit(package)  # a repeat gives the same receipt
    (row,) = known.hub.find(SENDER, document_id=FIRST)
    life = known.hub.timeline(SENDER, row["envelope"])
    assert (row["from"], life["deliveries"][0]["recipient"]) == (SENDER, PULLER)
    (line,) = known.hub.inbox(PULLER, after=0, limit=10)
    file = known.hub.package_of(PULLER, line["delivery"])
    assert file.path.read_bytes() == package.read_bytes()  # the bytes that were sealed, not rewritten
    known.hub.acknowledge(PULLER, line["delivery"], *status_of(known, "01", sender=OTHER[PULLER], owner=OTHER[SENDER]))
    known.hub.report_status(PULLER, *status_of(known, "03", sender=PULLER, owner=OTHER[SENDER]))
    assert known.hub.timeline(SENDER, row["envelope"])["deliveries"][0]["status"] == "03"
    holds(known, row["envelope"], tmp_path)


def test_evidence_holds_where_the_certificate_has_the_old_code(known: House, tmp_path: Path) -> None:
    """Certificates outlive codes: the entry says under which name the certificate has the agency."""
    new = "H56.99"
    for code, name in ((SENDER, new), (PULLER, "H56.98")):
        known.hub.store.write(lambda c, code=code, name=name: rename(c, code, name))  # type: ignore[misc]
    known.submit(known.package(FIRST, sender=new, recipients=("H56.98",)), caller=new)
    (row,) = known.hub.find(new, document_id=FIRST)
    (line,) = known.hub.inbox("H56.98", after=0, limit=10)
    known.hub.acknowledge("H56.98", line["delivery"], *status_of(known, "01", sender="H56.98", owner=new))
    holds(known, row["envelope"], tmp_path, caller=new)


def rename(connection: Connection, old: str, new: str) -> None:
    """The directory has the new code as the main one, the old one as legacy; the certificate stays."""
    found = agencies.get(connection, old)
    (certificate,) = agencies.certificates_of(connection, old, Purpose.SEAL)
    assert found is not None
    connection.execute(delete(agency_certificates).where(agency_certificates.c.agency == old))
    connection.execute(delete(agency_aliases).where(agency_aliases.c.agency == old))
    connection.execute(delete(table).where(table.c.code == old))
    agencies.put(connection, replace(found, code=new, legacy_code=old, aliases=()))
    agencies.add_certificate(connection, replace(certificate, agency=new))


def test_a_foreign_code_is_refused_as_before(known: House) -> None:
    with pytest.raises(NotTheSender):
        known.submit(known.package(FIRST, sender=PUSHER))
    with pytest.raises(NotTheSender):
        known.submit(known.package(FIRST, sender=OTHER[PULLER]))
    with pytest.raises(NotTheSender):
        known.submit(known.package(FIRST, sender="H56.404"))
    known.submit(known.package(FIRST, recipients=(PULLER,)))
    with pytest.raises(NotTheSender):
        known.hub.report_status(PULLER, *status_of(known, "03", sender=OTHER[SENDER], owner=SENDER))


def test_the_legal_life_goes_on_under_either_code(known: House, tmp_path: Path) -> None:
    known.submit(known.package(FIRST, recipients=(PULLER, PUSHER)))
    (row,) = known.hub.find(SENDER, document_id=FIRST)
    change = Business(kind=Kind.UPDATE, reason="Bớt nơi nhận", content_changed=False, receivers=(ReceiverChange(OTHER[PULLER], False),))
    known.submit(known.package(FIRST, sender=OTHER[SENDER], recipients=(PUSHER,), business=change, files=False))
    states = {d["recipient"]: d["state"] for d in known.hub.timeline(SENDER, row["envelope"])["deliveries"]}
    assert states[PULLER] == "recalled" and states[PUSHER] == "queued"
    back = status_of(known, "13", sender=OTHER[SENDER], owner=PUSHER, sealed_by=SENDER)
    known.hub.report_status(SENDER, *back)
    states = {d["recipient"]: d["state"] for d in known.hub.timeline(SENDER, row["envelope"])["deliveries"]}
    assert states[PUSHER] == "recalled"
    holds(known, row["envelope"], tmp_path)


def test_an_answer_names_the_owner_by_its_other_code(known: House) -> None:
    known.submit(known.package(FIRST, recipients=(PULLER,)))
    reply = ResponseFor(organ=OTHER[SENDER], code="125/QĐ-UBND", document_id=FIRST, promulgation_date="2026/11/20")
    own = "tra-loi-mo-phong"
    known.submit(known.package(own, sender=OTHER[PULLER], recipients=(SENDER,), responses=(reply,)), caller=PULLER, sealer=PULLER)
    (question,), (answer,) = known.hub.find(SENDER, document_id=FIRST), known.hub.find(SENDER, document_id=own)
    thread = known.hub.timeline(SENDER, question["envelope"])["thread"]
    assert answer["envelope"] in json.dumps(thread)


def test_ones_own_document_by_the_other_code_is_not_an_answer(known: House) -> None:
    known.submit(known.package(FIRST, recipients=(PULLER,)))
    about = ResponseFor(organ=SENDER, code="125/QĐ-UBND", document_id=FIRST, promulgation_date="2026/11/20")
    own = "tiep-theo-mo-phong"
    known.submit(known.package(own, sender=OTHER[SENDER], recipients=(PULLER,), responses=(about,)))
    (later,) = known.hub.find(SENDER, document_id=own)
    assert '"follows"' in json.dumps(known.hub.timeline(SENDER, later["envelope"])["thread"])


@pytest.mark.parametrize("written", ["2026/11/20", "20/11/2026", "2026-11-20"])
def test_a_status_names_its_document_by_number_and_date(known: House, tmp_path: Path, written: str) -> None:
    """edxml.md 2.3: DocumentId first, then agency, number and date of promulgation."""
    known.submit(known.package(FIRST, recipients=(PULLER,)))
    (row,) = known.hub.find(SENDER, document_id=FIRST)
    (line,) = known.hub.inbox(PULLER, after=0, limit=10)
    said_so = {"document_id": "", "promulgation_date": written}
    known.hub.acknowledge(PULLER, line["delivery"], *status_of(known, "01", sender=PULLER, owner=OTHER[SENDER], **said_so))
    known.hub.report_status(PULLER, *status_of(known, "03", sender=PULLER, owner=SENDER, **said_so))
    assert known.hub.timeline(SENDER, row["envelope"])["deliveries"][0]["status"] == "03"
    holds(known, row["envelope"], tmp_path)
    wrong = {**said_so, "promulgation_date": "2026/11/19"}
    with pytest.raises(StatusUnknownDocument):
        known.hub.report_status(PULLER, *status_of(known, "05", sender=PULLER, owner=SENDER, **wrong))


def test_a_status_without_id_that_overtakes_its_document_is_entered_with_it(known: House, tmp_path: Path) -> None:
    early = status_of(known, "03", sender=OTHER[PULLER], owner=OTHER[SENDER], document_id="")
    with pytest.raises(StatusUnknownDocument):
        known.hub.report_status(PULLER, *early)
    known.submit(known.package(FIRST, recipients=(PULLER,)))
    (row,) = known.hub.find(SENDER, document_id=FIRST)
    assert known.hub.timeline(SENDER, row["envelope"])["deliveries"][0]["status"] == "03"
    known.hub.report_status(PULLER, *early)
    holds(known, row["envelope"], tmp_path)


def test_by_number_the_document_that_is_not_recalled_is_meant(known: House) -> None:
    known.submit(known.package(FIRST, recipients=(PULLER,)))
    known.submit(known.recall(FIRST, recipients=(PULLER,)))
    again = "ban-hanh-lai-mo-phong"
    known.submit(known.package(again, recipients=(PULLER,), date_of=FIRST))
    known.hub.report_status(PULLER, *status_of(known, "03", sender=PULLER, owner=SENDER, document_id=""))
    (row,) = known.hub.find(SENDER, document_id=again)
    assert known.hub.timeline(SENDER, row["envelope"])["deliveries"][0]["status"] == "03"


def test_over_vxp_and_lgsp(hub: HubProcess, maker: House) -> None:
    names = {way: f"{SENDER},2026/11/20,{way}-ma/QĐ-UBND" for way in ("vxp", "lgsp")}
    packages = {way: maker.package(n, sender=OTHER[SENDER], recipients=(OTHER[PULLER],)).read_bytes() for way, n in names.items()}
    vxp, lgsp = Sdk.of(hub, SENDER), LgspClient.of(hub, SENDER)
    sent = vxp.send(packages["vxp"], OTHER[SENDER], [OTHER[PULLER]])
    assert said(sent) == "" and vxp.send(packages["vxp"], SENDER, [PULLER]) == sent
    assert lgsp.send(packages["lgsp"])["success"]
    lines = Sdk.of(hub, PULLER).call("getReceivedEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc"))["data"]
    assert {(x["from"], x["to"]) for x in lines} == {(SENDER, PULLER)}
    found = {base64.b64decode(Sdk.of(hub, PULLER).call("getEdoc", ("docId", x["docId"]))["data"]) for x in lines}
    assert found == set(packages.values())
    by_vxp, _ = status_of(maker, "01", sender=OTHER[PULLER], owner=OTHER[SENDER], document_id=names["vxp"])
    by_lgsp, _ = status_of(maker, "01", sender=OTHER[PULLER], owner=OTHER[SENDER], document_id=names["lgsp"])
    assert said(Sdk.of(hub, PULLER).send(by_vxp, OTHER[PULLER], [OTHER[SENDER]], "status")) == ""
    assert LgspClient.of(hub, PULLER).send(by_lgsp, "status")["success"]
    foreign = maker.package(names["vxp"], sender=OTHER[PULLER], recipients=(PUSHER,)).read_bytes()
    assert said(vxp.send(foreign, SENDER, [PUSHER])) == "access.not_the_sender"
    assert lgsp.send(foreign)["data"]["errorCode"] == "19"


def test_our_client_takes_the_receipts(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    name = f"{SENDER},2026/11/20,khach-ma/QĐ-UBND"

    async def go() -> None:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as recipient:
            package = maker.package(name, sender=OTHER[SENDER], recipients=(PULLER,))
            envelope = (await sender.submit(package, now=now())).finding.envelope
            items, _ = await recipient.inbox(limit=500)
            line = next(i for i in items if i["document_id"] == name)
            status, seal = status_of(maker, "01", sender=OTHER[PULLER], owner=OTHER[SENDER], document_id=name)
            await recipient.acknowledge(line["delivery"], status, now=now(), seal=seal)
            assert (await sender.timeline(envelope))["deliveries"][0]["status"] == "01"
            with pytest.raises(Refused):
                await recipient.submit(maker.package(name, sender=OTHER[SENDER], recipients=(PUSHER,)), now=now())

    asyncio.run(go())


def test_a_gateway_on_each_profile_under_each_code_of_whom_it_serves(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    """Old code, alias and own code in Vanthu-Agency, in `to` and in the package: the gateway's system gets it, reports for it, and nobody else does."""
    codes = {"native": SERVED_OLD, "vxp": SERVED_ALIAS, "lgsp": SERVED_OLD}
    names = {way: f"{SENDER},2026/11/20,dau-moi-{way}/QĐ-UBND" for way in codes}
    packages = {way: maker.package(names[way], sender=OTHER[SENDER], recipients=(code,)) for way, code in codes.items()}
    status = {way: status_of(maker, "01", sender=code, owner=OTHER[SENDER], document_id=names[way]) for way, code in codes.items()}
    assert said(Sdk.of(hub, SENDER).send(packages["vxp"].read_bytes(), OTHER[SENDER], [SERVED_OLD])) == ""
    assert LgspClient.of(hub, SENDER).send(packages["lgsp"].read_bytes())["success"]

    async def native() -> None:
        async with hub.client(SENDER) as sender:
            envelope = (await sender.submit(packages["native"], now=now())).finding.envelope
            async with hub.client(PULLER, acting_for=SERVED_ALIAS) as gateway:
                items, _ = await gateway.inbox(limit=500)
                assert {i["document_id"] for i in items} >= set(names.values())
                line = next(i for i in items if i["document_id"] == names["native"])
                await gateway.fetch(line["delivery"], tmp_path / "got")
                await gateway.acknowledge(line["delivery"], status["native"][0], now=now(), seal=status["native"][1])
            assert [(d["recipient"], d["status"]) for d in (await sender.timeline(envelope))["deliveries"]] == [(SERVED, "01")]
            async with hub.client(PUSHER, acting_for=SERVED_ALIAS) as stranger:
                with pytest.raises(Refused) as caught:
                    await stranger.inbox()
            assert caught.value.hub_code == "access.not_served"

    asyncio.run(native())
    vxp, lgsp = Sdk.of(hub, PULLER), LgspClient.of(hub, PULLER)
    lines = vxp.call("getReceivedEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc"))["data"]
    mine = {x["docId"] for x in lines if x["to"] == SERVED}
    found = {base64.b64decode(vxp.call("getEdoc", ("docId", docid))["data"]) for docid in mine}
    assert found == {packages[way].read_bytes() for way in ("vxp", "lgsp")}  # the native one is taken already
    assert said(vxp.send(status["vxp"][0], SERVED_ALIAS, [OTHER[SENDER]], "status")) == ""
    assert lgsp.send(status["lgsp"][0], "status")["success"]
    assert said(Sdk.of(hub, PUSHER).send(status["vxp"][0], SERVED_ALIAS, [OTHER[SENDER]], "status")) == "access.not_the_sender"

    async def both() -> set[str]:
        async with hub.client(SENDER) as sender:
            rows = [(await sender.find(names[way]))[0]["envelope"] for way in ("vxp", "lgsp")]
            return {(await sender.timeline(row))["deliveries"][0]["status"] for row in rows}

    assert asyncio.run(both()) == {"01"}
