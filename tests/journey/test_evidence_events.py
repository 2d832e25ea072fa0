"""Evidence of events: each by its URI, sealed, valid by the schema, given out byte-identical; and silence that becomes evidence."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from exchange.clocks import Limits
from exchange.custody import ETSI, LOCAL, Event, event_of
from exchange.delivery import Retry
from exchange.errors import NotFound, SignatureRefused
from exchange.event_reasons import ReasonCode, split_why
from exchange.receipt import from_bytes
from exchange.store import custody_log
from signing.receipt_check import check_receipt
from signing.sandbox import Sandbox
from signing.trust import Trust
from tests.house import PULLER, PUSHER, SENDER, House, Pki

HOUR = timedelta(hours=1)


@pytest.fixture
def house(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> Iterator[House]:
    here = House(pki, tmp_path / "hub", sandbox=sandbox)
    here.register()
    yield here
    here.close()


def sent(house: House, *recipients: str) -> str:
    return from_bytes(house.submit(house.package(recipients=recipients))).envelope


def life(house: House, envelope: str) -> list[tuple[str, str, str]]:
    """(event, recipient, reason code) of every event."""
    found = []
    for e in house.hub.timeline(None, envelope)["events"]:
        reason = split_why(e["why"])
        event = event_of(e["event"])
        assert event is not None
        found.append((event.value, e["recipient"], reason[0].value if reason else ""))
    return found


def after(house: House, hours: float) -> None:
    """Let the clock of the hub go on to `hours` after the house was opened, and tick."""
    house.ahead = timedelta(hours=hours, minutes=1)
    house.hub.tick()


def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring((files("schemas") / "evidence.xsd").read_bytes()))


# -- evidence of every event ---------------------------------------------------


def test_every_event_has_evidence_that_holds(house: House) -> None:
    envelope = sent(house, PULLER, PUSHER)
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    house.hub.acknowledge(PULLER, delivery, *house.status("01"))
    for code in ("03", "04", "05", "06"):
        house.hub.report_status(PULLER, *house.status(code))
    after(house, 40)
    events = house.hub.timeline(SENDER, envelope)["events"]
    assert len(events) == 9
    trust = Trust.load(house.pki.folder / "trust")
    for event in events:
        data = house.hub.receipt(SENDER, envelope, event["index"])
        assert data == house.hub.receipt(None, envelope, event["index"])
        finding = check_receipt(data, trust=trust, vkeys=house.hub.office.vkeys(), at=house.hub.office.clock())
        assert (finding.event, finding.recipient, finding.envelope) == (event["event"], event["recipient"], envelope)
        root = etree.fromstring(base64.b64decode(json.loads(data)["evidence"]))
        schema().assertValid(root)
        codes = [str(n.text) for n in root.iter() if str(n.tag).endswith("}Code")]
        assert codes == ([r[0].value] if (r := split_why(event["why"])) else [])
    assert house.hub.receipt(SENDER, envelope) == house.hub.receipt(SENDER, envelope, events[0]["index"])
    with pytest.raises(NotFound):
        house.hub.receipt(SENDER, envelope, 10_000)
    with pytest.raises(NotFound):
        house.hub.receipt("000.00.01.H56", envelope, events[0]["index"])


def test_statuses_have_their_events(house: House) -> None:
    envelope = sent(house, PULLER)
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    house.hub.acknowledge(PULLER, delivery, *house.status("01"))
    house.hub.report_status(PULLER, *house.status("02", why="Sai nơi nhận"))
    assert life(house, envelope)[2:] == [("ContentHandover", PULLER, ""), ("ConsignmentRejection", PULLER, "RejectedByRecipient")]
    assert house.hub.timeline(None, envelope)["events"][-1]["why"] == "RejectedByRecipient: Sai nơi nhận"
    uris = {Event.HANDED_OVER.uri: ETSI, Event.ASSIGNED.uri: LOCAL, Event.RECALL_REQUESTED.uri: LOCAL, Event.LOG_TICK.uri: LOCAL}
    assert all(uri.startswith(space) for uri, space in uris.items())
    assert Event.HANDED_OVER.uri == "http://uri.etsi.org/19522/Event/ContentHandover"


def entries_of(house: House, event: Event) -> list[dict[str, Any]]:
    """The leaves of an event, oldest first."""
    with house.hub.store.read() as connection:
        leaves = [e.leaf for e in custody_log.entries(connection, 0, custody_log.size(connection))]
    return [leaf for leaf in map(json.loads, leaves) if leaf["ev"] == event.uri]


def test_a_refused_package_is_an_event_with_its_reason(house: House) -> None:
    package = house.package(document=tampered(house), recipients=(PULLER,))
    with pytest.raises(SignatureRefused):
        house.submit(package)
    (leaf,) = entries_of(house, Event.REFUSED_SUBMISSION)
    assert Event.REFUSED_SUBMISSION.uri == ETSI + "SubmissionRejection"
    assert (leaf["doc"]["sha256"], leaf["from"]) == (hashlib.sha256(package.read_bytes()).hexdigest(), SENDER)
    reason = split_why(leaf["why"])
    assert reason is not None and reason[0] is ReasonCode.SIGNATURE


def tampered(house: House) -> Path:
    """The signed document with one byte of its page changed."""
    changed = bytearray(house.pki.document.read_bytes())
    place = changed.index(b"Cong van")
    changed[place] ^= 1
    target = house.folder / "tampered.pdf"
    target.write_bytes(changed)
    return target


def test_work_begun_and_finished_and_a_take_back_refused(house: House) -> None:
    envelope = sent(house, PULLER)
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    house.hub.acknowledge(PULLER, delivery, *house.status("01"))
    for code in ("03", "04", "05"):
        house.hub.report_status(PULLER, *house.status(code))
    house.hub.report_status(SENDER, *house.status("13", agency=SENDER, about=PULLER, why="Gửi nhầm"))
    house.hub.report_status(PULLER, *house.status("16", why="Đã xử lý xong"))
    house.hub.report_status(PULLER, *house.status("06"))
    assert life(house, envelope)[3:] == [
        ("ConsignmentAcceptance", PULLER, ""),
        ("Assigned", PULLER, ""),
        ("InProcess", PULLER, ""),
        ("TakeBackRequested", PULLER, "SenderDecision"),
        ("TakeBackRefused", PULLER, "RejectedByRecipient"),
        ("Finished", PULLER, ""),
    ]


def test_every_standard_event_is_in_the_schema_by_its_uri() -> None:
    text = (files("schemas") / "evidence.xsd").read_text()
    for event in Event:
        assert event_of(event.uri) is event
        if not event.local:
            assert f'<xs:enumeration value="{event.uri}"/>' in text
    for reason in ReasonCode:
        assert f'<xs:enumeration value="{reason.value}"/>' in text
    assert event_of(ETSI + "Nothing") is None and event_of(ETSI + Event.ASSIGNED.value) is None


# -- silence ---------------------------------------------------------------------


def test_a_push_that_nobody_answers(house: House) -> None:
    envelope = sent(house, PUSHER)
    expected = [("SubmissionAcceptance", "", "")]
    for hours, event in ((9.5, None), (10.5, "RelayDueSoon"), (12, "RelayFailure"), (22.5, "ConsignmentDueSoon"), (24, "ContentConsignmentFailure")):
        after(house, hours)
        if event is not None:
            expected.append((event, PUSHER, "DueSoon" if event.endswith("Soon") else "NoAnswerInTime"))
        assert life(house, envelope) == expected
    assert house.hub.timeline(None, envelope)["deliveries"][0]["state"] == "expired"
    for hours in (36, 48, 400):
        after(house, hours)
        assert life(house, envelope) == expected, "a failure notice causes no failure notice"


def test_a_document_that_nobody_collects(house: House) -> None:
    envelope = sent(house, PULLER)
    for hours in (12, 24, 33.5):
        after(house, hours)
    assert [e for e, _, _ in life(house, envelope)] == ["SubmissionAcceptance", "ContentConsignment"]
    after(house, 34.5)
    after(house, 36)
    assert life(house, envelope)[2:] == [("HandoverDueSoon", PULLER, "DueSoon"), ("ContentHandoverFailure", PULLER, "RetentionPeriodExpired")]
    assert house.hub.timeline(None, envelope)["deliveries"][0]["state"] == "expired"


def test_delivered_but_never_acknowledged(house: House) -> None:
    envelope = sent(house, PUSHER)
    carriage = house.hub.claim(5)[0]
    assert house.hub.settle(carriage, ok=True, temporary=False, detail="")
    after(house, 36)
    assert life(house, envelope)[1:] == [("ContentConsignment", PUSHER, ""), ("ContentHandoverFailure", PUSHER, "RetentionPeriodExpired")]
    assert house.hub.timeline(None, envelope)["deliveries"][0]["state"] == "delivered", "a late acknowledgement is still taken"


def test_acknowledged_in_time_is_never_late(house: House) -> None:
    envelope = sent(house, PULLER)
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    house.hub.acknowledge(PULLER, delivery, *house.status("01"))
    for hours in (12, 24, 36, 400):
        after(house, hours)
    assert len(life(house, envelope)) == 3


def test_a_late_start_warns_of_nothing_and_fails_once(house: House) -> None:
    envelope = sent(house, PUSHER)
    house.ahead = 100 * HOUR
    for _ in range(3):
        house.reopen()
        after(house, 100)
    assert [e for e, _, _ in life(house, envelope)] == ["SubmissionAcceptance", "RelayFailure", "ContentConsignmentFailure"]


def test_restarts_and_two_hubs_write_nothing_twice(house: House, pki: Pki, sandbox: Sandbox) -> None:
    envelope = sent(house, PUSHER, PULLER)
    second = House(pki, house.folder, sandbox=sandbox)
    for hours in (10.5, 12, 22.5, 24, 34.5, 36):
        after(house, hours)
        after(second, hours)
        house.reopen()
        after(house, hours)
    second.close()
    events = life(house, envelope)
    assert len(events) == len(set(events)) == 8


def test_the_worker_that_gives_up_and_the_clock_tell_it_once(house: House) -> None:
    """The clock writes the time-out while an operator holds the delivery; the attempt after that only ends it."""
    envelope = sent(house, PUSHER)
    delivery = house.hub.timeline(None, envelope)["deliveries"][0]["delivery"]
    house.hub.hold(delivery, by="t", reason="")
    after(house, 25)
    assert life(house, envelope)[-1][0] == "ContentConsignmentFailure"
    house.hub.release(delivery, by="t", reason="")
    house.hub.retry = Retry(give_up=HOUR)
    carriage = house.hub.claim(1)[0]
    assert house.hub.settle(carriage, ok=False, temporary=True, detail="no answer")
    assert [e for e, _, _ in life(house, envelope)].count("ContentConsignmentFailure") == 1


def test_sent_again_runs_anew(house: House) -> None:
    envelope = sent(house, PULLER)
    after(house, 36)
    house.hub.resend(house.hub.timeline(None, envelope)["deliveries"][0]["delivery"], by="t", reason="")
    after(house, 70)
    assert house.hub.timeline(None, envelope)["deliveries"][0]["state"] == "queued"
    after(house, 73)
    assert [e for e, _, _ in life(house, envelope)].count("ContentHandoverFailure") == 2


def test_limits_are_configured(house: House) -> None:
    house.hub.limits = replace(Limits(), relay=HOUR, consignment=2 * HOUR, warning=timedelta(0), decision=3 * HOUR)
    envelope = sent(house, PUSHER)
    other = from_bytes(house.submit(house.package(f"{SENDER},2026/11/20,2/QĐ-UBND", recipients=(PULLER,)))).envelope
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    house.hub.acknowledge(PULLER, delivery, *house.status("01", document_id=f"{SENDER},2026/11/20,2/QĐ-UBND"))
    for hours in (1, 2, 3):
        after(house, hours)
    assert [e for e, _, _ in life(house, envelope)] == ["SubmissionAcceptance", "RelayFailure", "ContentConsignmentFailure"]
    assert life(house, other)[-1] == ("AcceptanceRejectionExpiry", PULLER, "NoDecisionInTime")


@pytest.mark.parametrize("point", ["before INSERT INTO evidence_clock", "after INSERT INTO evidence_clock", "commit.before", "commit.after"])
def test_a_crash_at_any_step_writes_it_once(pki: Pki, sandbox: Sandbox, tmp_path: Path, point: str) -> None:
    armed: list[str] = []

    def fault(step: str) -> None:
        if armed and step == armed[0]:
            armed.clear()
            raise RuntimeError("crash")

    house = House(pki, tmp_path / "hub", sandbox=sandbox, fault=fault)
    house.register()
    envelope = sent(house, PUSHER)
    house.ahead = timedelta(hours=13)
    armed.append(point)
    with pytest.raises(RuntimeError):
        house.hub.tick()
    assert not armed
    house.reopen()
    after(house, 13)
    after(house, 13.5)
    assert [e for e, _, _ in life(house, envelope)] == ["SubmissionAcceptance", "RelayFailure"]
    house.close()
