"""Agencies known by old codes and aliases, gateways that act for them, and the legal life under either code: the same on both databases.

Every document's evidence file is checked offline at the end: what an agency sealed under whichever code holds for an auditor.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import delete

from exchange.agency import Purpose
from exchange.directory_errors import DirectoryConflict, NotServed
from exchange.edxml.status import read_status, write_status
from exchange.envelope import Business, Kind, Organ, ReceiverChange
from exchange.errors import Conflict, DuplicateNumber, InvalidField, NotTheSender, StatusUnknownDocument
from exchange.store import agencies, connectors
from exchange.store.directory_tables import agency_aliases
from exchange.store.tables import agencies as table
from exchange.store.tables import agency_certificates
from signing.evidence import check
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.trust import Trust
from tests.directory_material import unit
from tests.house import PULLER, PUSHER, SENDER, House, Pki

OTHER = {SENDER: "H56.99", PULLER: "vxp.saas.98"}
SERVED, OLD, ALIAS = "H56.T02", "000.00.02.H56", "28.22.H56"  # its gateway is PULLER
FIRST = f"{SENDER},2026/11/20,125/QĐ-UBND"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def town(url: str, pki: Pki, sandbox: Sandbox, tmp_path: Path) -> Iterator[House]:
    """Sender and gateway have another code each, the served agency has three and no certificate."""
    here = House(pki, tmp_path / "town", url=url, sandbox=sandbox)
    here.register()
    desk = here.hub.directory
    desk.change(SENDER, by="test", legacy_code=OTHER[SENDER])
    desk.change(PULLER, by="test", aliases=(OTHER[PULLER],))
    desk.add(unit(SERVED, legacy_code=OLD, aliases=(ALIAS,), gateway=PULLER), {}, by="test")
    yield here
    here.close()


def said(house: House, code: str, *, sender: str, owner: str, document_id: str = FIRST, sealed_by: str = PULLER, why: str = "Lý do") -> tuple[bytes, bytes]:
    """A status of `sender` about a document of `owner`, each under the code given."""
    message = read_status(house.status(code, document_id=document_id, why=why)[0])
    data = write_status(replace(message, sender=Organ(code=sender), response_for=replace(message.response_for, organ=owner)))
    return data, sign_seal(hashlib.sha256(data).digest(), house.pki.seal(sealed_by))


def evidence(house: House, document_id: str, folder: Path, *, kind: int = 0) -> Counter[str]:
    """The file holds for an auditor; how often each kind of message that an agency sealed is in it, with its seal."""
    row = next(r for r in house.hub.find(None, document_id=document_id) if r["kind"] == kind)
    target = folder / f"{row['envelope']}.asice"
    house.hub.evidence(None, row["envelope"], target, content=True)
    report = check(target, trust=Trust.load(house.pki.folder / "trust"), vkeys=house.hub.office.vkeys(), at=now())
    assert report.ok, [(r.code, r.place, r.vi) for r in report.reasons]
    with ZipFile(target) as file:
        names = set(file.namelist())
    sealed = [found[1] for name in names if (found := re.fullmatch(r"evidence/\d+-(.+)\.edxml", name)) and f"{name}.p7s" in names]
    return Counter(sealed)


def deliveries(house: House, document_id: str, *, kind: int = 0) -> dict[str, tuple[str, str]]:
    row = next(r for r in house.hub.find(None, document_id=document_id) if r["kind"] == kind)
    return {d["recipient"]: (d["state"], d["status"]) for d in house.hub.timeline(None, row["envelope"])["deliveries"]}


def line(house: House, agency: str, document_id: str, *, kind: int = 0) -> str:
    found = [i for i in house.hub.inbox(agency, after=0, limit=100) if i["kind"] == "document" and i["document_id"] == document_id]
    return str(next(i["delivery"] for i in found if i["package_kind"] == kind))


@pytest.mark.parametrize("written", [SERVED, OLD, ALIAS])
def test_a_gateway_collects_whichever_code_is_written(town: House, tmp_path: Path, written: str) -> None:
    town.submit(town.package(FIRST, sender=OTHER[SENDER], recipients=(written,)))
    assert town.hub.inbox(PULLER, after=0, limit=10) == []  # it is not the gateway's own mail
    caller = town.hub.acting_for(PULLER, written)
    assert caller == SERVED
    for stranger in (PUSHER, OTHER[PULLER]):
        with pytest.raises(NotServed):
            town.hub.acting_for(stranger, written)
    delivery = line(town, SERVED, FIRST)
    town.hub.package_of(caller, delivery)
    for code in ("01", "03"):
        status = said(town, code, sender=written, owner=OTHER[SENDER])
        receipt = town.hub.acknowledge(caller, delivery, *status) if code == "01" else town.hub.report_status(caller, *status)
        assert town.hub.report_status(caller, *status) == receipt
    assert deliveries(town, FIRST) == {SERVED: ("acknowledged", "03")}
    assert evidence(town, FIRST, tmp_path) == {"status-01": 1, "status-03": 1}


def test_a_gateway_sends_under_an_alias_of_the_agency_it_serves(town: House, tmp_path: Path) -> None:
    own = f"{SERVED},2026/11/20,125/QĐ-UBND"
    package = town.package(own, sender=OLD, recipients=(OTHER[PULLER], SENDER))
    with pytest.raises(NotTheSender):
        town.submit(package, caller=PULLER, sealer=PULLER)  # only for whom it says it acts
    receipt = town.submit(package, caller=SERVED, sealer=PULLER)
    assert town.submit(package, caller=SERVED, sealer=PULLER) == receipt
    with pytest.raises(Conflict):
        town.submit(town.package(own, sender=ALIAS, recipients=(SENDER,)), caller=SERVED, sealer=PULLER)
    with pytest.raises(DuplicateNumber):  # another id, another code of the same agency: one number is one document
        town.submit(town.package("khac-mo-phong", sender=ALIAS, recipients=(SENDER,), date_of=own), caller=SERVED, sealer=PULLER)
    assert set(deliveries(town, own)) == {PULLER, SENDER}
    evidence(town, own, tmp_path)


def test_codes_in_the_directory_of_both_databases(town: House) -> None:
    with town.hub.store.read() as connection:
        assert [agencies.own_code(connection, c) for c in (SERVED, OLD, ALIAS, "H56.404")] == [SERVED] * 3 + ["H56.404"]
        assert agencies.served_by(connection, PULLER) == [SERVED] and connectors.with_served(connection, [PULLER]) == sorted([PULLER, SERVED])
        served = agencies.get(connection, ALIAS)
        assert served is not None and agencies.reached(connection, served, at=now())
        assert not agencies.reached(connection, replace(served, gateway=""), at=now())
    for facts in ({"aliases": (OLD,)}, {"legacy_code": ALIAS}, {"aliases": (OTHER[PULLER],)}):
        with pytest.raises(DirectoryConflict):
            town.hub.directory.add(unit("H56.T09", **facts), {}, by="test")
    with pytest.raises(DirectoryConflict):  # a gateway is named by its own code, so that nobody has to guess whose word counts
        town.hub.directory.change(SERVED, by="test", gateway=OTHER[PULLER])
    with pytest.raises(InvalidField):
        town.submit(town.package(FIRST, recipients=(SERVED, OLD)))


def test_the_legal_life_under_aliases_holds_in_evidence(town: House, tmp_path: Path) -> None:
    """Recall, take-back and change of recipients, each sealed by an agency that writes another of its codes; the answers too."""
    town.submit(town.package(FIRST, recipients=(OLD, PULLER, PUSHER)))
    for agency, sender in ((SERVED, ALIAS), (PULLER, OTHER[PULLER])):
        delivery = line(town, agency, FIRST)
        town.hub.package_of(agency, delivery)
        town.hub.acknowledge(agency, delivery, *said(town, "01", sender=sender, owner=OTHER[SENDER]))
    # Lấy lại from one, refused; then its copy is asked for by an update that takes it off the list.
    town.hub.report_status(SENDER, *said(town, "13", sender=OTHER[SENDER], owner=OTHER[PULLER], sealed_by=SENDER))
    town.hub.report_status(PULLER, *said(town, "16", sender=OTHER[PULLER], owner=OTHER[SENDER]))
    off = Business(kind=Kind.UPDATE, document_id=FIRST, reason="Bớt nơi nhận", content_changed=False, receivers=(ReceiverChange(OTHER[PULLER], False),))
    changed = f"{FIRST};bot"
    town.submit(town.package(changed, sender=OTHER[SENDER], recipients=(ALIAS,), business=off, files=False, date_of=FIRST))
    asked = line(town, PULLER, changed, kind=2)
    for code in ("01", "15"):
        town.hub.report_status(PULLER, *said(town, code, sender=OTHER[PULLER], owner=SENDER, document_id=changed))
    assert asked and deliveries(town, FIRST)[PULLER][0] == "recalled"
    # Thu hồi from all that are left, by the old code, agreed to under the alias.
    recall = town.package(FIRST, sender=OTHER[SENDER], recipients=(ALIAS, PUSHER), business=Business(kind=Kind.RECALL, reason="Ban hành nhầm"), files=False)
    receipt = town.submit(recall)
    assert town.submit(recall) == receipt
    town.hub.package_of(SERVED, line(town, SERVED, FIRST, kind=1))
    for code in ("01", "15"):
        # In words of its own: the same text within one second would be the acknowledgement of the document once more.
        town.hub.report_status(SERVED, *said(town, code, sender=OLD if code == "15" else ALIAS, owner=OTHER[SENDER], why="Đã nhận yêu cầu thu hồi"))
    assert {code: state for code, (state, _) in deliveries(town, FIRST).items()} == {SERVED: "recalled", PULLER: "recalled", PUSHER: "recalled"}
    life = {"status-01": 2, "status-13": 1, "status-16": 1, "package-update": 1, "status-15": 2, "package-recall": 1}
    assert evidence(town, FIRST, tmp_path) == life
    assert evidence(town, FIRST, tmp_path, kind=1) == {"status-01": 1, "status-15": 1} == evidence(town, changed, tmp_path, kind=2)
    # By the recipients' eyes: each has its own evidence file of what it is a party to.
    row = next(r for r in town.hub.find(None, document_id=FIRST) if r["kind"] == 0)
    for agency in (SERVED, PULLER):
        target = tmp_path / f"{agency}.asice"
        town.hub.evidence(agency, row["envelope"], target, content=False)
        assert check(target, trust=Trust.load(town.pki.folder / "trust"), vkeys=town.hub.office.vkeys(), at=now()).ok


def test_a_gateway_whose_certificate_bears_its_old_code(town: House, tmp_path: Path) -> None:
    """The gateway got a new code; its certificate, and so its seal for others, still names the old one."""
    new, store = "H56.98", town.hub.store
    with store.read() as connection:
        found, certificates = agencies.get(connection, PULLER), agencies.certificates_of(connection, PULLER, Purpose.SEAL)
    assert found is not None

    def renamed(connection: object) -> None:
        c = connection
        for known in (agency_certificates, agency_aliases):
            c.execute(delete(known).where(known.c.agency == PULLER))  # type: ignore[attr-defined]
        c.execute(delete(table).where(table.c.code == PULLER))  # type: ignore[attr-defined]
        agencies.put(c, replace(found, code=new, legacy_code=PULLER, aliases=()))  # type: ignore[arg-type]
        for certificate in certificates:
            agencies.add_certificate(c, replace(certificate, agency=new))  # type: ignore[arg-type]

    town.hub.directory.change(SERVED, by="test", gateway="")
    store.write(renamed)
    town.hub.directory.change(SERVED, by="test", gateway=new)
    town.submit(town.package(FIRST, sender=OTHER[SENDER], recipients=(ALIAS,)))
    assert town.hub.acting_for(new, OLD) == SERVED
    town.hub.acknowledge(SERVED, line(town, SERVED, FIRST), *said(town, "01", sender=OLD, owner=SENDER))
    town.submit(town.recall(FIRST, recipients=(OLD,)))
    for code in ("01", "15"):
        town.hub.report_status(SERVED, *said(town, code, sender=ALIAS, owner=OTHER[SENDER]))
    assert deliveries(town, FIRST)[SERVED][0] == "recalled"
    evidence(town, FIRST, tmp_path)


def test_a_status_that_overtakes_under_an_alias_is_entered_once(town: House, tmp_path: Path) -> None:
    early = said(town, "03", sender=ALIAS, owner=OTHER[SENDER])
    for _ in range(2):
        with pytest.raises(StatusUnknownDocument):
            town.hub.report_status(SERVED, *early)
    town.submit(town.package(FIRST, sender=OTHER[SENDER], recipients=(OLD,)))
    assert deliveries(town, FIRST) == {SERVED: ("acknowledged", "03")}
    town.hub.report_status(SERVED, *early)
    assert evidence(town, FIRST, tmp_path) == {"status-03": 1}


def test_64_submissions_at_once_are_one_document(town: House) -> None:
    """The same bytes: one receipt for all. Other bytes, or another id with the number, under either code: refused."""
    package = town.package(FIRST, sender=OTHER[SENDER], recipients=(OLD,))
    town.submit(town.package("truoc-mo-phong", recipients=(PULLER,)))  # the seal's file and the threads' connections are warm
    other = town.package(FIRST, sender=SENDER, recipients=(ALIAS, PULLER))
    number = town.package("khac-ma-mo-phong", sender=SENDER, recipients=(SERVED,), date_of=FIRST)
    seals = {p: sign_seal(hashlib.sha256(p.read_bytes()).digest(), town.pki.seal(SENDER)) for p in (package, other, number)}
    for path, seal in seals.items():
        path.with_suffix(".p7s").write_bytes(seal)
    outcomes: list[str] = []
    start = threading.Barrier(64)

    def send(path: Path) -> None:
        start.wait()
        try:
            receipt = town.submit(path)
            outcomes.append(f"{path.name} {hashlib.sha256(receipt).hexdigest()}")
        except (Conflict, DuplicateNumber) as error:
            outcomes.append(f"{path.name} {error.code}")

    wanted = [package] * 40 + [other] * 12 + [number] * 12
    threads = [threading.Thread(target=send, args=(path,)) for path in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 64
    receipts = {o for o in outcomes if len(o.split()[1]) == 64}
    assert len(receipts) == 1, Counter(outcomes)  # exactly one of the three won, and all its repeats have its receipt
    (winner,) = receipts
    loser = {package.name: "envelope.conflict", other.name: "envelope.conflict", number.name: "envelope.duplicate_number"}
    if winner.split()[0] == number.name:
        loser = dict.fromkeys(loser, "envelope.duplicate_number")
    assert all(o == winner or o.split()[1] == loser[o.split()[0]] for o in outcomes), Counter(outcomes)
    named = [r for d in (FIRST, "khac-ma-mo-phong") for r in town.hub.find(None, document_id=d)]
    assert len(named) == 1 and json.dumps(named[0])
