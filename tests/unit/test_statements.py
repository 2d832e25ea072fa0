"""Daily statements: complete, sealed, gapless; and what a node's journal makes of them."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange import fsck, statements
from exchange.agency import Agency, Mode
from exchange.cli_custody_follow import hub_log
from exchange.custody import Entry, Event
from exchange.errors import NotFound
from exchange.node.desk import Desk
from exchange.node.reconcile import Reconciliation, Shelf, reconcile
from exchange.origin import Method, Origin
from exchange.store import journal
from exchange.store import statements as kept
from exchange.store.engine import Store
from signing.checkpoint import parse_note
from signing.errors import EvidenceInvalid, SealInvalid, SigningError, StatementInvalid
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.statement_check import StatementFinding, check_statement, said, statement_bytes, statement_file
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki

DOCUMENT = f"{SENDER},2026/11/20,125/QĐ-UBND"


# The next noon in Vietnam, so that no test begins on one day and ends on another.
NOON = statements.end_of(statements.day_of(datetime.now(UTC))) + timedelta(hours=12) - datetime.now(UTC)


def now() -> datetime:
    return datetime.now(UTC) + NOON


@pytest.fixture(scope="module")
def box() -> Any:
    sandbox = Sandbox(workers=1)
    yield sandbox
    sandbox.close()


@pytest.fixture
def town(pki: Pki, box: Sandbox, tmp_path: Path) -> Any:
    """A hub with its agencies registered."""
    house = House(pki, tmp_path / "hub", sandbox=box, ahead=NOON)
    house.register()
    yield house
    house.close()


def desk_of(town: House, code: str) -> Desk:
    folder = town.folder.parent / code
    store = Store.open(f"sqlite:///{folder / 'node.sqlite'}", blobs=folder / "blobs", migrate=True, schema="node")
    trust = Trust.load(town.pki.folder / "trust")
    assert town.sandbox is not None
    return Desk(code, "Cơ quan (mô phỏng)", store, town.pki.seal(code), lambda: trust, town.sandbox, now)


@pytest.fixture
def desks(town: House) -> Any:
    found = {code: desk_of(town, code) for code in (SENDER, PULLER)}
    yield found
    for desk in found.values():
        desk.store.close()


def a_day(town: House, desks: dict[str, Desk], document_id: str = DOCUMENT) -> None:
    """A document from one node to the other, acknowledged and registered; both journals say so."""
    hub, sender, recipient = town.hub, desks[SENDER], desks[PULLER]
    row = sender.send(town.package(document_id, recipients=(PULLER,)))
    blobs = sender.store.blobs
    incoming = hub.store.blobs.temporary()
    shutil.copyfile(blobs.path(row.package_sha256), incoming)
    receipt, _ = hub.submit(SENDER, incoming, row.package_sha256, blobs.path(row.seal_sha256).read_bytes())
    envelope = str(json.loads(receipt)["envelope"])
    sender.store.write(lambda c: journal.settle_outbound(c, row, state="sent", receipt=receipt, envelope=envelope))
    line = next(i for i in hub.inbox(PULLER, after=0, limit=100) if i["envelope"] == envelope)
    package = hub.package_of(PULLER, line["delivery"])
    recipient.receive(delivery=line["delivery"], envelope=envelope, package=package.path, sha256=package.sha256, seal=package.seal, facts=line)
    for code in ("01", "03"):
        report(town, recipient, line["delivery"], code)
    for item in hub.inbox(SENDER, after=0, limit=100):
        if item["kind"] == "status" and item["envelope"] == envelope:
            message = hub.status_of(SENDER, item["status_id"])
            sender.take_status(status_id=item["status_id"], envelope=envelope, data=message.data, seal=message.seal)


def report(town: House, desk: Desk, delivery: str, code: str) -> None:
    status = desk.report(delivery, code, f"Trạng thái {code}")
    assert status is not None
    data, seal = (desk.store.blobs.path(d).read_bytes() for d in (status.sha256, status.seal_sha256))
    receipt = town.hub.acknowledge(PULLER, delivery, data, seal) if code == "01" else town.hub.report_status(PULLER, data, seal)
    desk.store.write(lambda c: journal.settle_status(c, status.id, state="sent", receipt=receipt))


def today() -> Any:
    return statements.day_of(now())


def checked(town: House, code: str, file: bytes | None = None, *, day: Any = None) -> StatementFinding:
    data = file if file is not None else statements.statement_of(town.hub.office, code, (day or today()).isoformat())
    return check_statement(data, trust=Trust.load(town.pki.folder / "trust"), vkeys=town.hub.office.vkeys(), at=now())


def compare(town: House, desk: Desk, found: StatementFinding | None = None, before: StatementFinding | None = None) -> Reconciliation:
    with desk.store.read() as connection:
        return reconcile(connection, found or checked(town, desk.agency), before=before, fetch=hub_log(town.hub))


def kinds(result: Reconciliation) -> list[str]:
    return sorted(d.kind for d in result.differences)


def test_a_day_agrees_on_both_sides(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    assert statements.close_days(town.hub.office, through=today()) == 3
    for desk in desks.values():
        result = compare(town, desk)
        assert result.ok, result.differences
        assert result.matched >= 3 and result.proven == result.count > 3
    assert statements.close_days(town.hub.office, through=today()) == 0


def test_statements_follow_each_other_without_a_gap(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    office = town.hub.office
    statements.close_days(office, through=today())
    town.ahead = NOON + timedelta(days=1)
    a_day(town, desks, f"{SENDER},2026/11/20,126/QĐ-UBND")
    # Two days later the hub is up again: it catches up with every day it missed.
    town.ahead = NOON + timedelta(days=3)
    assert statements.close_days(office) == 2 * 3
    days = [checked(town, PULLER, day=today() + timedelta(days=n)) for n in range(3)]
    for before, after in zip(days, days[1:], strict=False):
        assert (after.statement.previous, after.statement.first) == (before.sha256, before.statement.last)
    assert [len(d.statement.entries) > 1 for d in days] == [True, True, False]
    # Its own digest is an entry of the next day, where the agency sees it.
    logged = [said(leaf) for leaf in days[1].leaves.values() if said(leaf)["ev"] == Event.LOG_STATEMENT.uri]
    assert [entry["obj"]["sha256"] for entry in logged] == [days[0].sha256]
    result = compare(town, desks[PULLER], days[1], days[0])
    assert kinds(result) == [] and compare(town, desks[PULLER], days[2], days[0]).differences[0].kind == "chain"


def test_a_day_is_closed_by_itself_and_once(town: House) -> None:
    town.hub.tick()
    assert statements.listed(town.hub.office, SENDER) == []
    town.ahead = NOON + timedelta(days=1)
    town.hub.tick()
    assert [row["day"] for row in statements.listed(town.hub.office, SENDER)] == [today().isoformat()]
    town.reopen().tick()
    assert len(statements.listed(town.hub.office)) == 3


def test_the_grace_after_midnight(town: House) -> None:
    office = town.hub.office
    midnight = statements.end_of(today())
    town.ahead = midnight - datetime.now(UTC) + timedelta(minutes=4)
    assert statements.close_days(office) == 0
    town.ahead += timedelta(minutes=2)
    assert statements.close_days(office) == 3


def test_an_agency_entered_later_begins_with_its_day(town: House) -> None:
    office = town.hub.office
    statements.close_days(office, through=today())
    town.ahead = NOON + timedelta(days=1)
    town.hub.add_agency(Agency(code="H56.55", name="Xã mới (mô phỏng)", mode=Mode.PULL), seal_pem=None, tls_pem=None, by="test")
    statements.close_days(office, through=today() + timedelta(days=1))
    rows = statements.listed(office, "H56.55")
    assert [(r["count"], r["first"] > 0) for r in rows] == [(1, True)]


def test_the_hub_omits_a_report(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    sender = desks[SENDER]
    # The sender's node was given a report; the log knows nothing of it.
    row = journal.IncomingStatus("s-1", "e-1", PULLER, DOCUMENT, "03", "", hashlib.sha256(b"x").hexdigest(), "0" * 64, now() - timedelta(hours=2))
    sender.store.write(lambda c: journal.put_incoming_status(c, row))
    statements.close_days(town.hub.office, through=today())
    result = compare(town, sender)
    assert kinds(result) == ["missing"] and "report" in result.differences[0].detail


def test_the_hub_omits_an_accepted_document(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    statements.close_days(town.hub.office, through=today())
    found = checked(town, SENDER)
    accepted = next(n for n, leaf in found.leaves.items() if said(leaf)["ev"] == Event.ACCEPTED.uri)
    entries = tuple(e for e in found.statement.entries if e[0] != accepted)
    leaves = {n: leaf for n, leaf in found.leaves.items() if n != accepted}
    result = compare(town, desks[SENDER], replace(found, statement=replace(found.statement, entries=entries), leaves=leaves))
    assert kinds(result) == ["missing"] and result.differences[0].number == accepted


def test_an_entry_of_ours_was_replaced(town: House, desks: dict[str, Desk]) -> None:
    """The receipt holds the entry that was; the statement has another at its place."""
    a_day(town, desks)
    statements.close_days(town.hub.office, through=today())
    found = checked(town, SENDER)
    number = next(n for n, leaf in found.leaves.items() if said(leaf)["ev"] == Event.ACCEPTED.uri)
    entries = tuple((n, b"\7" * 32 if n == number else digest) for n, digest in found.statement.entries)
    with desks[SENDER].store.read() as connection:
        result = reconcile(connection, replace(found, statement=replace(found.statement, entries=entries)))
    assert [(d.kind, d.number) for d in result.differences] == [("altered", number)] and "receipt" in result.differences[0].detail


def test_a_document_came_that_the_log_does_not_know(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    statements.close_days(town.hub.office, through=today())
    found = checked(town, PULLER)
    kept_leaves = {n: leaf for n, leaf in found.leaves.items() if not said(leaf).get("msg")}
    entries = tuple(e for e in found.statement.entries if e[0] in kept_leaves)
    with desks[PULLER].store.read() as connection:
        result = reconcile(connection, replace(found, leaves=kept_leaves, statement=replace(found.statement, entries=entries)))
    assert kinds(result) == ["missing"] * 3 and sum("received this document" in d.detail for d in result.differences) == 1


def test_the_hub_invents_events(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    office = town.hub.office
    invented = [
        # An acknowledgement that the recipient never sealed, for a document that it never got.
        Entry(
            event=Event.HANDED_OVER,
            at=now(),
            by=PULLER,
            envelope="e-1",
            document_id="D",
            document_sha256="1" * 64,
            sender=SENDER,
            recipient=PULLER,
            object_sha256="2" * 64,
            status="01",
        ),
        Entry(event=Event.CONSIGNED, at=now(), by="hub", envelope="e-2", document_id="D2", document_sha256="3" * 64, sender=SENDER, recipient=PULLER),
        Entry(event=Event.ACCEPTED, at=now(), by="hub", envelope="e-3", document_id="D3", document_sha256="4" * 64, sender=SENDER),
    ]
    office.store.write(lambda c: office.append(c, invented))
    statements.close_days(office, through=today())
    assert kinds(compare(town, desks[PULLER])) == ["extra", "extra"]
    theirs = compare(town, desks[SENDER])
    assert kinds(theirs) == ["extra", "extra"] and {d.envelope for d in theirs.differences} == {"e-1", "e-3"}
    assert all(d.reason.vi.startswith("Sổ lưu giữ có") and d.reason.en for d in theirs.differences)


def test_what_another_system_sent_is_named_and_no_alarm(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    office = town.hub.office
    origin = Origin(Method.LGSP_KEY, "sys.H56", "k1", "sendEdoc").why("a" * 64)
    document = {"envelope": "e-4", "document_id": "D4", "document_sha256": "5" * 64, "sender": SENDER}
    told = {**document, "recipient": PULLER, "by": PULLER, "object_sha256": "6" * 64}
    entries = [
        Entry(event=Event.ACCEPTED, at=now(), by="hub", why=origin, object_sha256="8" * 64, object_type="package+lgsp-key", **document),
        Entry(event=Event.HANDED_OVER, at=now(), status="01", object_type="edxml-status+vxp-hmac", seal_sha256="7" * 64, **told),
    ]
    office.store.write(lambda c: office.append(c, entries))
    statements.close_days(office, through=today())
    result = compare(town, desks[SENDER])
    assert [(d.envelope, d.detail) for d in result.elsewhere] == [("e-4", "lgsp-key system=sys.H56 key=k1")]
    assert kinds(result) == ["extra"] and result.differences[0].event.endswith("ContentHandover")  # told the other way; no such message came either
    result = compare(town, desks[PULLER])
    assert result.ok and [d.detail for d in result.elsewhere] == ["vxp-hmac"]
    shown = result.to_json()
    assert shown["differences"] == [] and "cách khác" in shown["elsewhere"][0]["vi"] and "another way" in shown["elsewhere"][0]["en"]


ANSWERS = [Event.COPY_DESTROYED, Event.RECALL_DECLINED, Event.UPDATE_AGREED, Event.UPDATE_DECLINED]


@pytest.mark.parametrize("event", [*ANSWERS, Event.RECALL_ASKED, Event.WITHDRAWN])
def test_the_hub_invents_a_recall_or_its_answer(town: House, desks: dict[str, Desk], event: Event) -> None:
    """Such entries are the hub's own, but name what an agency sealed: that agency looks for it in its journal, and so does who was told."""
    a_day(town, desks)
    (envelope,) = journal_envelopes(desks[PULLER])
    entry = Entry(
        event=event,
        at=now(),
        by="hub",
        envelope=envelope,
        document_id=DOCUMENT,
        document_sha256="3" * 64,
        sender=SENDER,
        recipient=PULLER,
        object_sha256="2" * 64,
        object_type="edxml-status+seal",
    )
    office = town.hub.office
    office.store.write(lambda c: office.append(c, [entry]))
    statements.close_days(office, through=today())
    answered = event in ANSWERS
    assert kinds(compare(town, desks[SENDER])) == ["extra"]
    assert kinds(compare(town, desks[PULLER])) == (["extra"] if answered else [])


def test_the_hub_says_other_bytes_were_sent(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    office = town.hub.office
    (envelope,) = journal_envelopes(desks[PULLER])
    other = Entry(event=Event.CONSIGNED, at=now(), by="hub", envelope=envelope, document_id=DOCUMENT, document_sha256="5" * 64, sender=SENDER, recipient=PULLER)
    again = replace(other, event=Event.ACCEPTED, recipient="")
    office.store.write(lambda c: office.append(c, [other, again]))
    statements.close_days(office, through=today())
    assert kinds(compare(town, desks[PULLER])) == ["altered"] and kinds(compare(town, desks[SENDER])) == ["altered"]


def journal_envelopes(desk: Desk) -> list[str]:
    with desk.store.read() as connection:
        return [row.envelope for row in journal.all_inbound(connection, 10)]


def test_a_statement_of_entries_that_are_not_in_the_public_log(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    statements.close_days(town.hub.office, through=today())
    found = checked(town, PULLER)
    number, _ = found.statement.entries[0]
    entries = ((number, b"\1" * 32), *found.statement.entries[1:])
    result = compare(town, desks[PULLER], replace(found, statement=replace(found.statement, entries=entries)))
    assert "unproven" in kinds(result)


def _reseal(town: House, found: StatementFinding, **changes: Any) -> bytes:
    statement = replace(found.statement, **changes)
    data = statement_bytes(statement)
    leaves = [found.leaves[n] for n, _ in statement.entries if n in found.leaves]
    return statement_file(data, sign_seal(hashlib.sha256(data).digest(), town.hub.office.seal_key), leaves)


def test_what_makes_a_statement_invalid(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    statements.close_days(town.hub.office, through=today())
    good = checked(town, PULLER)
    assert checked(town, PULLER, _reseal(town, good)).sha256 == good.sha256
    first, *rest = good.statement.entries
    bad: list[bytes] = [
        b"",
        b"[]",
        b"{}",
        _reseal(town, good, head=good.statement.head.replace("—", "-")),
        _reseal(town, good, last=10**9),
        _reseal(town, good, first=first[0] + 1),
        _reseal(town, good, entries=(*rest, first)),
        _reseal(town, good, entries=((first[0], b"\0" * 32), *rest)),
        _reseal(town, good, agency="H56.00"),
        _reseal(town, good, epochs=(("elsewhere.example.vn/custody/2026", 0),)),
        _reseal(town, good, epochs=()),
    ]
    for data in bad:
        with pytest.raises(StatementInvalid):
            checked(town, PULLER, data)
    value = json.loads(statements.statement_of(town.hub.office, PULLER, today().isoformat()))
    for key, change in (("leaves", value["leaves"][1:]), ("statement", base64.b64encode(b"{}").decode())):
        with pytest.raises(SigningError):
            checked(town, PULLER, json.dumps({**value, key: change}).encode())
    data = base64.b64decode(value["statement"])
    for old, new in ((b'"count":', b'"count":1'), (b'"root":"', b'"root":"0'), (b'{"agency"', b'{ "agency"')):
        forged = data.replace(old, new, 1)
        file = statement_file(forged, sign_seal(hashlib.sha256(forged).digest(), town.hub.office.seal_key), list(good.leaves.values()))
        with pytest.raises(StatementInvalid):
            checked(town, PULLER, file)
    value["seal"] = base64.b64encode(sign_seal(hashlib.sha256(data + b" ").digest(), town.hub.office.seal_key)).decode()
    with pytest.raises(SealInvalid):
        checked(town, PULLER, json.dumps(value).encode())
    assert issubclass(StatementInvalid, SigningError) and not issubclass(StatementInvalid, EvidenceInvalid)


def test_no_statement_of_that_day(town: House) -> None:
    with pytest.raises(NotFound):
        statements.statement_of(town.hub.office, SENDER, "2026-01-01")


def test_the_shelf_keeps_what_was_found(town: House, desks: dict[str, Desk], tmp_path: Path) -> None:
    a_day(town, desks)
    statements.close_days(town.hub.office, through=today())
    result, file = compare(town, desks[PULLER]), statements.statement_of(town.hub.office, PULLER, today().isoformat())
    shelf = Shelf(tmp_path / "shelf")
    assert shelf.days() == set() and shelf.before("2999-01-01") is None
    shelf.keep(file, result)
    assert shelf.days() == {result.day} and shelf.before("2999-01-01") == file and shelf.before(result.day) is None
    assert [r["ok"] for r in shelf.results()] == [True]


def test_fsck_and_gaps_of_a_sound_hub(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    office = town.hub.office
    statements.close_days(office, through=today())
    parse_note(office.head())
    results = {c.step: c for c in fsck.check_all(office, lambda *_: None)}
    assert [c.problems for c in results.values()] == [()] * len(fsck.STEPS), results
    assert results["receipts"].count == 3 and results["statements"].count == 3 and results["blobs"].count == 6
    assert fsck.gaps(office, late_after=timedelta(hours=24)) == []


def test_fsck_finds_what_is_wrong_beside_the_log(town: House, desks: dict[str, Desk]) -> None:
    a_day(town, desks)
    office = town.hub.office
    statements.close_days(office, through=today())
    with office.store.read() as connection:
        made, data = next(iter(kept.every(connection)))
    broken = data.replace(b'"previous":""', b'"previous":"00"')
    row = replace(made, agency="H56.00", day="2026-01-01")
    office.store.write(lambda c: kept.save(c, row, broken, b""))
    blob = office.store.blobs.path(_package_of(desks[SENDER]))
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b" ")
    office.high_water.path.unlink()
    results = {c.step: c.problems for c in fsck.check_all(office, lambda *_: None)}
    assert results["log"] == results["chains"] == ()
    assert len(results["statements"]) == 1 and "bytes changed" in results["statements"][0]
    assert len(results["blobs"]) == 1 and "was changed" in results["blobs"][0]
    assert "gone" in results["high_water"][0]


def _package_of(desk: Desk) -> str:
    with desk.store.read() as connection:
        return journal.all_outbound(connection, 1)[0].package_sha256


def test_gaps_are_found(town: House, desks: dict[str, Desk]) -> None:
    town.submit(town.package(recipients=(PULLER,)))
    office = town.hub.office
    assert fsck.gaps(office, late_after=timedelta(hours=24)) == []
    town.ahead = NOON + timedelta(hours=25)
    late = fsck.gaps(office, late_after=timedelta(hours=24))
    assert [g.kind for g in late] == ["late"] and late[0].agency == PULLER and late[0].reason.vi
