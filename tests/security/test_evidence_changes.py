"""Evidence of a document with a legal life: who recalled, agreed and declined is proven by their own seals, and a hub cannot invent it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.agency import Agency
from exchange.custody import Entry, Event
from exchange.envelope import Business, Kind, ReceiverChange, Replacement, ResponseFor
from exchange.event_reasons import ReasonCode, why
from signing.evidence import EvidenceReport, Standing, check
from signing.trust import Trust
from signing.wording import event_name
from tests.house import PULLER, SENDER, House
from tests.journey.test_legal_life import FIRST, SECOND, THIRD, asked, collect, life, sent, take_back, update

Told = list[tuple[str, str, Standing]]


@pytest.fixture
def hub(house: House) -> Iterator[House]:
    house.hub.add_agency(Agency(THIRD, "Cơ quan nhận ba (mô phỏng)"), seal_pem=None, tls_pem=None, by="test")
    yield house


def evidence(house: House, envelope: str, folder: Path, *, caller: str = SENDER, content: bool = True) -> EvidenceReport:
    target = folder / f"{envelope}-{caller}-{content}.asice"
    house.hub.evidence(caller, envelope, target, content=content)
    return check(target, trust=Trust.load(house.pki.folder / "trust"), vkeys=house.hub.office.vkeys(), at=datetime.now(UTC))


def told(report: EvidenceReport) -> Told:
    """What the file tells of changes, each with its standing."""
    assert report.ok, report.reasons
    return [(a.event.rpartition(":")[2], a.recipient, a.standing) for a in report.acts if a.event.startswith("urn:")]


def said(report: EvidenceReport, standing: Standing) -> str:
    return "\n".join(s.en for s in report.statements if s.standing is standing)


def test_recalled_before_and_after_collection(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope, "03")
    recall = asked(hub, hub.recall(FIRST, recipients=(PULLER, THIRD)))
    collect(hub, PULLER, recall)
    hub.hub.report_status(PULLER, *hub.status("15", why="Đã hủy"))
    report = evidence(hub, envelope, tmp_path)
    done, asked_for, withdrawn = ("CopyDestroyed", PULLER), ("RecallRequested", PULLER), ("Withdrawn", THIRD)
    assert sorted(told(report)) == [(*each, Standing.PROVEN) for each in (done, asked_for, withdrawn)]
    signers = {a.event.rpartition(":")[2]: a.signer for a in report.acts}
    own = {a.by: a.signer for a in report.acts if a.by == PULLER}
    assert signers["CopyDestroyed"] == own[PULLER] != signers["RecallRequested"] == signers["Withdrawn"]
    missing = said(report, Standing.MISSING)
    assert THIRD not in missing and "own evidence file" not in missing  # it was never handed over: nothing to acknowledge
    # Without content the sender's recall is named by its digest only; the recipient's sealed answer stays.
    bare = evidence(hub, envelope, tmp_path, content=False)
    assert sorted(told(bare)) == [(*done, Standing.PROVEN), (*asked_for, Standing.CLAIMED), (*withdrawn, Standing.CLAIMED)]
    assert "own evidence file" in said(bare, Standing.MISSING)
    # Nor does a recipient of whom it was recalled get anything of the content by this way.
    assert ("CopyDestroyed", PULLER, Standing.PROVEN) in told(evidence(hub, envelope, tmp_path, caller=PULLER))


def test_a_recall_under_an_id_of_its_own_is_tied_by_the_package(hub: House, tmp_path: Path) -> None:
    envelope, own = sent(hub, recipients=(PULLER,)), f"{SENDER},2026/11/27,TH1"
    collect(hub, PULLER, envelope)
    asked(hub, hub.package(own, recipients=(PULLER,), business=Business(kind=Kind.RECALL, document_id=FIRST, reason="Nhầm"), files=False))
    hub.hub.report_status(PULLER, *hub.status("16", document_id=own, why="Đã vào sổ"))
    assert told(evidence(hub, envelope, tmp_path)) == [("RecallRequested", PULLER, Standing.PROVEN), ("RecallDeclined", PULLER, Standing.PROVEN)]
    bare = evidence(hub, envelope, tmp_path, content=False)
    assert told(bare)[-1] == ("RecallDeclined", PULLER, Standing.CLAIMED)  # which recall it answers, nobody can see
    assert "answers for this very document is the hub's word" in said(bare, Standing.CLAIMED)


def test_taken_back(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope)
    take_back(hub, PULLER)
    take_back(hub, THIRD)
    hub.hub.report_status(PULLER, *hub.status("15"))
    found = told(evidence(hub, envelope, tmp_path))
    assert {s for _, _, s in found} == {Standing.PROVEN}
    assert sorted(n for n, _, _ in found) == ["TakeBackAgreed", "TakeBackRequested", "TakeBackRequested", "Withdrawn"]


def test_updated_with_new_and_removed_recipients(hub: House, tmp_path: Path) -> None:
    hub.hub.add_agency(Agency("H56.95", "Cơ quan nhận bốn (mô phỏng)"), seal_pem=None, tls_pem=None, by="test")
    envelope, own = sent(hub, recipients=(PULLER, THIRD)), f"{SENDER},2026/11/26,CN1"
    collect(hub, PULLER, envelope)
    moved = (ReceiverChange("H56.95", True), ReceiverChange(PULLER, False))
    business = Business(kind=Kind.UPDATE, document_id=FIRST, reason="Đổi nơi nhận", receivers_changed=True, content_changed=False, receivers=moved)
    asked(hub, update(hub, "CN1", business, (THIRD, "H56.95"), files=False))
    hub.hub.report_status(PULLER, *hub.status("15", document_id=own))
    wanted = [("CopyDestroyed", PULLER), ("RecallRequested", PULLER), ("RecipientAdded", "H56.95")]
    assert sorted(told(evidence(hub, envelope, tmp_path))) == [(n, r, Standing.PROVEN) for n, r in wanted]
    # A recipient that has nothing to do with the update is not given its package.
    assert sorted(told(evidence(hub, envelope, tmp_path, caller=THIRD))) == [(n, r, Standing.CLAIMED) for n, r in wanted]


@pytest.mark.parametrize(("code", "event"), [("15", "UpdateAgreed"), ("16", "UpdateDeclined")])
def test_updated_with_new_text(hub: House, tmp_path: Path, code: str, event: str) -> None:
    envelope, own = sent(hub, recipients=(PULLER,)), f"{SENDER},2026/11/26,CN2"
    collect(hub, PULLER, envelope)
    change = asked(hub, update(hub, "CN2", Business(kind=Kind.UPDATE, document_id=FIRST, reason="Sửa", content_changed=True), (PULLER,)))
    collect(hub, PULLER, change, document_id=own)
    hub.hub.report_status(PULLER, *hub.status(code, document_id=own, why="Lý do"))
    assert told(evidence(hub, envelope, tmp_path)) == [("UpdateRequested", PULLER, Standing.PROVEN), (event, PULLER, Standing.PROVEN)]
    assert evidence(hub, change, tmp_path).ok


def test_replaced(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope)
    business = Business(kind=Kind.REPLACE, replacements=(Replacement(FIRST, (PULLER,)),))
    new = asked(hub, hub.package(SECOND, recipients=(PULLER,), business=business))
    assert told(evidence(hub, envelope, tmp_path)) == [("Superseded", PULLER, Standing.PROVEN)]
    assert told(evidence(hub, new, tmp_path)) == []
    assert f"This document is replaced by the document {SECOND}, at {PULLER}" in said(evidence(hub, envelope, tmp_path), Standing.PROVEN)
    assert f"this document replaces the document {FIRST}" in said(evidence(hub, new, tmp_path), Standing.PROVEN)
    assert "replaces the document" not in said(evidence(hub, new, tmp_path, content=False), Standing.PROVEN)  # nothing sealed to read it from


def test_a_correction_names_the_document_that_it_is_about(hub: House, tmp_path: Path) -> None:
    sent(hub, recipients=(PULLER,))
    about = ResponseFor(SENDER, "125/QĐ-UBND", FIRST, "2026/11/20")
    correction = asked(hub, hub.package(SECOND, recipients=(PULLER,), responses=(about,), date_of=SECOND))
    report = evidence(hub, correction, tmp_path)
    assert report.ok, report.reasons
    assert f"is about the document 125/QĐ-UBND ({FIRST})" in said(report, Standing.PROVEN)
    assert any(f"là về văn bản 125/QĐ-UBND ({FIRST})" in s.vi for s in report.statements)


WHY = why(ReasonCode.BY_RECIPIENT, "x")
INVENTED = [(Event.COPY_DESTROYED, ""), (Event.UPDATE_AGREED, ""), (Event.RECALL_DECLINED, WHY), (Event.UPDATE_DECLINED, WHY)]


@pytest.mark.parametrize(("event", "reason"), INVENTED, ids=[e.value for e, _ in INVENTED])
@pytest.mark.parametrize("source", ["nothing", "a digest", "another status", "another agency's"])
def test_an_answer_that_nobody_gave(hub: House, tmp_path: Path, event: Event, reason: str, source: str) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope, "06")
    finished = next(e["object_sha256"] for e in life(hub, envelope)["events"] if e["status"] == "06")
    digest = {"nothing": "", "a digest": "5" * 64, "another status": finished, "another agency's": finished}[source]
    first = life(hub, envelope)
    entry = Entry(
        event=event,
        at=datetime.now(UTC),
        by="hub",
        envelope=envelope,
        document_id=first["document_id"],
        document_sha256=first["sha256"],
        sender=SENDER,
        recipient=THIRD if source == "another agency's" else PULLER,
        object_sha256=digest,
        object_type="edxml-status+seal" if digest else "",
        why=reason,
    )
    office = hub.hub.office
    office.store.write(lambda c: office.append(c, [entry]))
    report = evidence(hub, envelope, tmp_path)
    wanted = "evidence.other_status" if digest == finished else "evidence.no_answer"
    assert not report.ok and {r.code for r in report.reasons} == {wanted}, report.reasons
    act = next(a for a in report.acts if a.event == event.uri)
    assert act.standing is Standing.CLAIMED and not act.signer


def test_every_local_event_has_words_in_both_languages() -> None:
    for event in Event:
        vi, en = event_name(event.uri)
        assert vi != en and vi != event.value, event
