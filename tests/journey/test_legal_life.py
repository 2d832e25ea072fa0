"""The document's legal life at the hub: recall, take-back, update, replacement, threads, duplicates, overtaking statuses."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.agency import Agency
from exchange.change_errors import AlreadyRecalled, ChangeError, ChangeTargetUnknown, NotARecipient
from exchange.envelope import Business, Kind, ReceiverChange, Replacement, ResponseFor
from exchange.errors import DocumentFrozen, DuplicateNumber, ExchangeError, MissingField, NotFound, StatusUnknownDocument
from exchange.receipt import from_bytes
from exchange.store import changes
from signing.evidence import check
from signing.presentation import CopyForm
from signing.presentation.appearances import copy_mark
from signing.report import PdfVerdict, Role
from signing.sign_pdf import AGENCY_FIELD, sign_pdf
from signing.sign_pdf.appearance import field_box, read_page
from signing.trust import Trust
from tests.house import PULLER, PUSHER, SENDER, House, letter

FIRST = f"{SENDER},2026/11/20,125/QĐ-UBND"
SECOND = f"{SENDER},2026/11/21,126/QĐ-UBND"
THIRD = "H56.96"  # a third recipient that pulls


@pytest.fixture
def hub(house: House) -> Iterator[House]:
    house.hub.add_agency(Agency(THIRD, "Cơ quan nhận ba (mô phỏng)"), seal_pem=None, tls_pem=None, by="test")
    yield house


def sent(house: House, *arguments: Any, **values: Any) -> str:
    return from_bytes(house.submit(house.package(*arguments, **values))).envelope


def asked(house: House, package: Path) -> str:
    return from_bytes(house.submit(package)).envelope


def life(house: House, envelope: str, caller: str | None = None) -> dict[str, Any]:
    return house.hub.timeline(caller, envelope)


def states(house: House, envelope: str) -> dict[str, tuple[str, str]]:
    return {d["recipient"]: (d["state"], d["status"]) for d in life(house, envelope)["deliveries"]}


def events(house: House, envelope: str) -> list[tuple[str, str]]:
    return [(e["event"].replace("/", ":").rsplit(":", 1)[-1], e["recipient"]) for e in life(house, envelope)["events"]]


def changed(house: House, envelope: str) -> list[tuple[str, str, str, str]]:
    return [(c["recipient"], c["change"], c["effect"], c["answer"]) for c in life(house, envelope)["changes"]]


def lines(house: House, agency: str) -> list[dict[str, Any]]:
    return [i for i in house.hub.inbox(agency, after=0, limit=100) if i["kind"] == "document"]


def collect(house: House, agency: str, envelope: str, code: str = "01", document_id: str = FIRST) -> str:
    delivery: str = next(d["delivery"] for d in life(house, envelope)["deliveries"] if d["recipient"] == agency)
    house.hub.package_of(agency, delivery)
    house.hub.acknowledge(agency, delivery, *house.status("01", agency=agency, document_id=document_id))
    if code != "01":
        house.hub.report_status(agency, *house.status(code, agency=agency, document_id=document_id))
    return delivery


def refused(house: House, package: Path, kind: type[ExchangeError]) -> ExchangeError:
    with pytest.raises(kind) as caught:
        house.submit(package)
    assert house.hub.refusals(limit=1)[0]["code"] == caught.value.code
    return caught.value


def holds(house: House, envelope: str, folder: Path, caller: str = SENDER) -> None:
    target = folder / f"{envelope}-{caller}.asice"
    house.hub.evidence(caller, envelope, target)
    trust = Trust.load(house.pki.folder / "trust")
    report = check(target, trust=trust, vkeys=[house.hub.office.log_key.vkey()], at=datetime.now(UTC))
    assert report.ok, report.reasons


# -- recall ------------------------------------------------------------------


def test_what_nobody_collected_is_never_handed_over(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub)
    delivery = lines(hub, PULLER)[0]["delivery"]
    recall = asked(hub, hub.recall(FIRST))
    assert states(hub, envelope) == {PULLER: ("recalled", ""), PUSHER: ("recalled", "")}
    assert life(hub, recall)["deliveries"] == [] and lines(hub, PULLER) == []
    with pytest.raises(NotFound):
        hub.hub.package_of(PULLER, delivery)
    assert hub.hub.claim(10) == []
    assert changed(hub, envelope) == [(PULLER, "recall", "withdrawn", ""), (PUSHER, "recall", "withdrawn", "")]
    assert ("Withdrawn", PULLER) in events(hub, envelope)
    holds(hub, envelope, tmp_path)
    assert "documents/package.edxml" in zipfile.ZipFile(tmp_path / f"{envelope}-{SENDER}.asice").namelist()
    holds(hub, envelope, tmp_path, PULLER)
    names = zipfile.ZipFile(tmp_path / f"{envelope}-{PULLER}.asice").namelist()
    assert not [n for n in names if n.startswith("documents/files/") or n.endswith("package.edxml")]  # not by the evidence file either
    holds(hub, recall, tmp_path)


def test_who_has_it_is_asked_and_answers_with_its_seal(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    first = collect(hub, PULLER, envelope, "03")
    recall = asked(hub, hub.recall(FIRST, recipients=(PULLER, THIRD)))
    assert states(hub, envelope) == {PULLER: ("acknowledged", "03"), THIRD: ("recalled", "")}
    assert states(hub, recall) == {PULLER: ("queued", "")}
    line = lines(hub, PULLER)[-1]
    assert (line["envelope"], line["document_id"], line["package_kind"]) == (recall, FIRST, 1)
    with pytest.raises(NotFound):
        hub.hub.package_of(PULLER, first)
    with pytest.raises(DocumentFrozen):
        hub.hub.resend(first, by="t", reason="lại")
    collect(hub, PULLER, recall)
    assert states(hub, envelope)[PULLER] == ("acknowledged", "03")  # 01 is about the recall, and no answer
    hub.hub.report_status(PULLER, *hub.status("15", why="Đã hủy"))
    assert states(hub, recall)[PULLER] == ("acknowledged", "15")
    assert states(hub, envelope)[PULLER] == ("recalled", "03")
    assert changed(hub, envelope) == [(PULLER, "recall", "asked", "15"), (THIRD, "recall", "withdrawn", "")]
    assert ("RecallRequested", PULLER) in events(hub, envelope) and ("CopyDestroyed", PULLER) in events(hub, envelope)
    assert [i["code"] for i in hub.hub.inbox(SENDER, after=0, limit=50)] == ["01", "03", "01", "15"]
    told = hub.hub.trace(FIRST)
    assert {t["kind"] for t in told} == {0, 1} and all(t["changes"] for t in told)
    for each in (envelope, recall):
        holds(hub, each, tmp_path)


@pytest.mark.parametrize(("code", "state"), [("03", "recalled"), ("02", "acknowledged"), ("16", "acknowledged")])
def test_both_pairs_of_answers_are_taken(hub: House, code: str, state: str) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope)
    recall = asked(hub, hub.recall(FIRST, recipients=(PULLER,)))
    hub.hub.report_status(PULLER, *hub.status(code, at=datetime.now(UTC) + timedelta(seconds=1)))
    assert states(hub, envelope)[PULLER] == (state, "01")
    assert states(hub, recall)[PULLER][1] == code
    assert changed(hub, envelope)[0][3] == code


def test_a_refused_recall_may_be_asked_again(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope)
    asked(hub, hub.recall(FIRST, recipients=(PULLER,)))
    again = Business(kind=Kind.RECALL, document_id=FIRST, reason="Lần hai")
    second = hub.package(f"{SENDER},2026/11/25,TH2", recipients=(PULLER,), business=again, files=False)
    refused(hub, second, AlreadyRecalled)  # not answered yet
    hub.hub.report_status(PULLER, *hub.status("16", why="Đang dùng"))
    asked(hub, second)
    hub.hub.report_status(PULLER, *hub.status("15", document_id=f"{SENDER},2026/11/25,TH2"))
    assert changed(hub, envelope) == [(PULLER, "recall", "asked", "16"), (PULLER, "recall", "asked", "15")]
    assert states(hub, envelope)[PULLER][0] == "recalled"


def test_an_answer_under_the_documents_own_id_counts(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope)
    business = Business(kind=Kind.RECALL, document_id=FIRST, reason="Nhầm")
    asked(hub, hub.package(f"{SENDER},2026/11/25,TH1", recipients=(PULLER,), business=business, files=False))
    hub.hub.report_status(PULLER, *hub.status("15"))
    assert states(hub, envelope)[PULLER][0] == "recalled"


def test_a_handling_status_that_was_under_way_is_about_the_document(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope)
    before = datetime.now(UTC) - timedelta(seconds=30)
    recall = asked(hub, hub.recall(FIRST, recipients=(PULLER,)))
    hub.hub.report_status(PULLER, *hub.status("03", at=before))
    assert states(hub, envelope)[PULLER] == ("acknowledged", "03") and states(hub, recall)[PULLER] == ("queued", "")


def test_a_push_that_may_have_arrived_is_recalled_there(hub: House) -> None:
    envelope = sent(hub, recipients=(PUSHER,))
    carriage = hub.hub.claim(1)[0]
    recall = asked(hub, hub.recall(FIRST, recipients=(PUSHER,)))
    assert hub.hub.settle(carriage, ok=True, temporary=False, detail="") is False  # the lease is lost
    assert states(hub, envelope)[PUSHER][0] == "recalled" and states(hub, recall)[PUSHER][0] == "queued"
    assert hub.hub.claim(5)[0].envelope == recall


def test_recalls_that_are_refused(hub: House) -> None:
    refused(hub, hub.recall(FIRST), ChangeTargetUnknown)
    sent(hub)
    refused(hub, hub.recall(FIRST, reason=" "), MissingField)
    refused(hub, hub.recall(FIRST, recipients=(THIRD,)), NotARecipient)
    foreign = hub.package(FIRST, sender=PULLER, recipients=(PUSHER,), business=Business(kind=Kind.RECALL, reason="x"), files=False)
    with pytest.raises(ChangeTargetUnknown):
        hub.submit(foreign, caller=PULLER, sealer=PULLER)
    recall = hub.recall(FIRST)
    receipt = hub.submit(recall)
    assert hub.submit(recall) == receipt


def test_a_recall_without_id_is_found_by_number_and_date(hub: House) -> None:
    envelope = sent(hub)
    business = Business(kind=Kind.RECALL, reason="Nhầm")
    asked(hub, hub.package("thu-hoi-1", business=business, files=False, date_of=FIRST))
    assert {s for s, _ in states(hub, envelope).values()} == {"recalled"}


# -- take-back ---------------------------------------------------------------


def take_back(house: House, recipient: str, why: str = "Sai thể thức") -> None:
    house.hub.report_status(SENDER, *house.status("13", agency=SENDER, about=recipient, why=why))


def test_take_back_agreed_and_refused(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope)
    take_back(hub, PULLER)
    take_back(hub, THIRD)  # nobody has collected there: at once
    assert states(hub, envelope) == {PULLER: ("acknowledged", "13"), THIRD: ("recalled", "13")}
    assert [i["code"] for i in hub.hub.inbox(PULLER, after=0, limit=9) if i["kind"] == "status"] == ["13"]
    assert [i for i in hub.hub.inbox(THIRD, after=0, limit=9)] == []
    hub.hub.report_status(PULLER, *hub.status("16", why="Đã trình lãnh đạo"))
    assert states(hub, envelope)[PULLER] == ("acknowledged", "16")
    take_back(hub, PULLER, "Xin lấy lại lần nữa")
    hub.hub.report_status(PULLER, *hub.status("15", why="Đồng ý"))
    assert states(hub, envelope)[PULLER] == ("recalled", "15")
    assert [c for c in changed(hub, envelope) if c[0] == PULLER] == [(PULLER, "take_back", "asked", "16"), (PULLER, "take_back", "asked", "15")]
    holds(hub, envelope, tmp_path)


# -- update ------------------------------------------------------------------


def update(house: House, name: str, business: Business, recipients: tuple[str, ...], *, files: bool = True) -> Path:
    return house.package(f"{SENDER},2026/11/26,{name}", recipients=recipients, business=business, files=files, subject=f"Cập nhật {name}")


def test_update_with_receiver_deltas(hub: House, tmp_path: Path) -> None:
    hub.hub.add_agency(Agency("H56.95", "Cơ quan nhận bốn (mô phỏng)"), seal_pem=None, tls_pem=None, by="test")
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope)
    moved = (ReceiverChange("H56.95", True), ReceiverChange(PULLER, False))
    business = Business(kind=Kind.UPDATE, document_id=FIRST, reason="Bổ sung nơi nhận", receivers_changed=True, content_changed=False, receivers=moved)
    change = asked(hub, update(hub, "CN1", business, (THIRD, "H56.95"), files=False))
    assert states(hub, envelope) == {PULLER: ("acknowledged", "01"), THIRD: ("queued", ""), "H56.95": ("queued", "")}
    assert states(hub, change) == {PULLER: ("queued", "")}  # only to be told to destroy it
    assert lines(hub, "H56.95")[0]["sha256"] == lines(hub, THIRD)[0]["sha256"]  # the same bytes as everybody got
    hub.hub.report_status(PULLER, *hub.status("15", document_id=f"{SENDER},2026/11/26,CN1"))
    assert states(hub, envelope)[PULLER][0] == "recalled"
    assert sorted(changed(hub, envelope)) == [(PULLER, "update", "asked", "15"), ("H56.95", "update", "added", "")]
    holds(hub, envelope, tmp_path)
    hub.submit(hub.recall(FIRST, recipients=(THIRD, "H56.95")))  # the added recipient is one like any other
    assert {s for s, _ in states(hub, envelope).values()} == {"recalled"}


def test_new_content_goes_to_all_who_stay(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope, "03")
    business = Business(kind=Kind.UPDATE, document_id=FIRST, reason="Sửa phụ lục", content_changed=True)
    change = asked(hub, update(hub, "CN2", business, (PULLER, THIRD)))
    assert states(hub, envelope) == {PULLER: ("acknowledged", "03"), THIRD: ("recalled", "")}  # nobody is given the old text any more
    assert set(states(hub, change)) == {PULLER, THIRD}
    own = f"{SENDER},2026/11/26,CN2"
    collect(hub, PULLER, change, document_id=own)
    hub.hub.report_status(PULLER, *hub.status("15", document_id=own))
    hub.hub.report_status(PULLER, *hub.status("06", document_id=own))
    assert states(hub, change)[PULLER] == ("acknowledged", "06") and states(hub, envelope)[PULLER] == ("acknowledged", "03")
    assert sorted(changed(hub, envelope)) == [(PULLER, "update", "updated", "15"), (THIRD, "update", "withdrawn", "")]
    recall = asked(hub, hub.recall(FIRST, recipients=(PULLER, THIRD)))  # of the document in all its versions
    assert {s for s, _ in states(hub, change).values()} == {"acknowledged", "recalled"}
    assert set(states(hub, recall)) == {PULLER}
    hub.hub.report_status(PULLER, *hub.status("15"))
    assert {s for e in (envelope, change) for s, _ in states(hub, e).values()} == {"recalled"}
    holds(hub, change, tmp_path)


def test_updates_that_are_refused(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    base = {"kind": Kind.UPDATE, "document_id": FIRST, "reason": "x"}
    for name, more, recipients, files, error in (
        ("U1", {"content_changed": False}, (PULLER,), True, ChangeError),
        ("U2", {"content_changed": True}, (PULLER,), False, MissingField),
        ("U3", {"content_changed": True}, (PULLER, THIRD), True, NotARecipient),
        ("U4", {"receivers": (ReceiverChange(PULLER, True),)}, (PULLER,), True, ChangeError),
        ("U5", {"receivers": (ReceiverChange(THIRD, False),)}, (PULLER,), True, NotARecipient),
        ("U6", {"receivers": (ReceiverChange(THIRD, True), ReceiverChange(THIRD, False))}, (PULLER,), True, ChangeError),
    ):
        refused(hub, update(hub, name, Business(**base, **more), recipients, files=files), error)  # type: ignore[arg-type]
    hub.submit(hub.recall(FIRST, recipients=(PULLER,)))
    refused(hub, update(hub, "U7", Business(**base, content_changed=True), (PULLER,)), AlreadyRecalled)  # type: ignore[arg-type]
    # Recalled from all is frozen (REC-03): it goes to nobody else either.
    more = Business(**base, content_changed=False, receivers=(ReceiverChange(THIRD, True),))  # type: ignore[arg-type]
    refused(hub, update(hub, "U8", more, (THIRD,), files=False), AlreadyRecalled)
    assert THIRD not in states(hub, envelope) and lines(hub, THIRD) == []


def test_who_was_taken_off_may_be_followed_by_others(hub: House) -> None:
    """Not recalled, only sent to the wrong agency: the document goes on to the right one."""
    envelope = sent(hub, recipients=(PULLER,))
    hub.hub.report_status(SENDER, *hub.status("13", agency=SENDER, about=PULLER, why="Nhầm nơi nhận"))
    assert states(hub, envelope)[PULLER][0] == "recalled"
    moved = Business(kind=Kind.UPDATE, document_id=FIRST, reason="Đúng nơi nhận", content_changed=False, receivers=(ReceiverChange(THIRD, True),))
    hub.submit(update(hub, "U9", moved, (THIRD,), files=False))
    assert states(hub, envelope)[THIRD][0] == "queued"


# -- replacement -------------------------------------------------------------


def test_replacement_of_one_of_two_recipients(hub: House, tmp_path: Path) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    collect(hub, PULLER, envelope, "03")
    business = Business(kind=Kind.REPLACE, reason="Sai căn cứ", replacements=(Replacement(FIRST, (PULLER,)),))
    new = asked(hub, hub.package(SECOND, recipients=(PULLER,), business=business))
    assert states(hub, envelope) == {PULLER: ("acknowledged", "03"), THIRD: ("queued", "")}
    assert states(hub, new) == {PULLER: ("queued", "")}
    assert changed(hub, envelope) == [(PULLER, "replace", "superseded", "")]
    assert life(hub, envelope)["changes"][0]["by"] == SECOND
    collect(hub, PULLER, new, "06", document_id=SECOND)
    assert states(hub, new) == {PULLER: ("acknowledged", "06")}  # its own cycle
    for each in (envelope, new):
        holds(hub, each, tmp_path)


def test_a_replaced_document_that_nobody_has_is_not_handed_over(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER, THIRD))
    business = Business(kind=Kind.REPLACE, reason="x", replacements=(Replacement(FIRST, ()),))
    asked(hub, hub.package(SECOND, recipients=(PULLER, THIRD), business=business))
    assert {s for s, _ in states(hub, envelope).values()} == {"recalled"}
    assert [i["document_id"] for i in lines(hub, PULLER)] == [SECOND]


def test_replacements_that_are_refused(hub: House) -> None:
    sent(hub, recipients=(PULLER,))
    for replacements, recipients, error in (
        ((), (PULLER,), MissingField),
        ((Replacement("unknown", ()),), (PULLER,), ChangeTargetUnknown),
        ((Replacement(FIRST, (THIRD,)),), (PULLER, THIRD), NotARecipient),
        ((Replacement(FIRST, (PULLER,)),), (THIRD,), NotARecipient),
        ((Replacement(SECOND, ()),), (PULLER,), ChangeError),
    ):
        refused(hub, hub.package(SECOND, recipients=recipients, business=Business(kind=Kind.REPLACE, reason="x", replacements=replacements)), error)


# -- statuses out of order ---------------------------------------------------


def test_statuses_that_overtake_are_entered_with_their_document(hub: House, tmp_path: Path) -> None:
    start = datetime.now(UTC)
    early = {code: hub.status(code, at=start + timedelta(seconds=int(code))) for code in ("03", "01", "05")}
    for code in ("05", "03", "01"):
        with pytest.raises(StatusUnknownDocument) as caught:
            hub.hub.report_status(PULLER, *early[code])
        assert caught.value.retry
        with pytest.raises(StatusUnknownDocument):
            hub.hub.report_status(PULLER, *early[code])  # parked once
    foreign, seal = hub.status("03", agency=PUSHER)
    with pytest.raises(StatusUnknownDocument):
        hub.hub.report_status(PUSHER, foreign, seal)
    envelope = sent(hub, recipients=(PULLER,))
    assert states(hub, envelope) == {PULLER: ("acknowledged", "05")}
    assert [i["code"] for i in hub.hub.inbox(SENDER, after=0, limit=9)] == ["01", "03", "05"]
    receipt = hub.hub.report_status(PULLER, *early["03"])  # now it has one
    assert from_bytes(receipt).envelope == envelope
    with hub.hub.store.read() as connection:
        assert [p.agency for p in changes.parked(connection, FIRST)] == [PUSHER]  # no recipient: it goes on waiting
    holds(hub, envelope, tmp_path)


def test_a_status_waits_for_a_recipient_that_is_added_later(hub: House) -> None:
    envelope = sent(hub, recipients=(THIRD,))
    with pytest.raises(StatusUnknownDocument):
        hub.hub.report_status(PULLER, *hub.status("01"))
    business = Business(kind=Kind.UPDATE, document_id=FIRST, receivers=(ReceiverChange(PULLER, True),), content_changed=False)
    asked(hub, update(hub, "CN3", business, (THIRD, PULLER), files=False))
    assert states(hub, envelope)[PULLER] == ("acknowledged", "01")


def test_repeated_and_late_statuses_change_nothing(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope, "05")
    late = hub.status("03", why="muộn")
    first = hub.hub.report_status(PULLER, *late)
    assert hub.hub.report_status(PULLER, *late) == first
    assert states(hub, envelope)[PULLER] == ("acknowledged", "05")
    assert [e for e, _ in events(hub, envelope)].count("ConsignmentAcceptance") == 1


# -- duplicates --------------------------------------------------------------


def test_a_repeated_acknowledgement_is_not_taken_for_that_of_the_recall(hub: House) -> None:
    """Over VXP and LGSP a status names only its document, and a recall may bear the same id."""
    envelope = sent(hub, recipients=(PULLER,))
    hub.hub.package_of(PULLER, lines(hub, PULLER)[0]["delivery"])
    first = hub.status("01")
    receipt = hub.hub.report_status(PULLER, *first)
    recall = asked(hub, hub.recall(FIRST, recipients=(PULLER,)))
    assert hub.hub.report_status(PULLER, *first) == receipt
    assert states(hub, recall) == {PULLER: ("queued", "")} and states(hub, envelope)[PULLER][1] == "01"


def test_one_number_and_date_is_one_document(hub: House) -> None:
    sent(hub)
    other = hub.package(SECOND, date_of=FIRST)
    error = refused(hub, other, DuplicateNumber)
    assert (error.code, error.place, error.retry) == ("envelope.duplicate_number", "MessageHeader/Code", False) and FIRST in error.detail
    sent(hub, SECOND)  # another date: another year's or day's number
    hub.submit(hub.recall(FIRST))
    hub.submit(hub.package(f"{SENDER},lần 2", date_of=FIRST))  # the first one is gone


def test_the_number_is_free_again_when_everybody_refused(hub: House) -> None:
    envelope = sent(hub, recipients=(PULLER,))
    collect(hub, PULLER, envelope, "02")
    sent(hub, "gửi lại", recipients=(PULLER,), date_of=FIRST)


# -- threads, corrections ----------------------------------------------------


def test_question_and_answer_are_shown_together(hub: House) -> None:
    question = sent(hub, recipients=(PULLER, THIRD))
    answer = hub.package(
        "tra-loi", sender=PULLER, recipients=(SENDER,), responses=(ResponseFor(SENDER, "125/QĐ-UBND", FIRST, "2026/11/20"),), subject="Trả lời"
    )
    hub.submit(answer, caller=PULLER, sealer=PULLER)
    line = life(hub, question, SENDER)["thread"][0]
    assert (line["relation"], line["inward"], line["from"], line["document_id"]) == ("answers", True, PULLER, "tra-loi")
    back = life(hub, line["envelope"], PULLER)["thread"][0]
    assert (back["relation"], back["inward"], back["envelope"]) == ("answers", False, question)
    assert life(hub, question, THIRD)["thread"] == []  # the answer is none of its business


def test_a_document_may_answer_two(hub: House, tmp_path: Path) -> None:
    sent(hub)
    sent(hub, SECOND, date_of=SECOND)
    about = tuple(ResponseFor(organ=SENDER, code="125/QĐ-UBND", document_id=name) for name in (FIRST, SECOND))
    holds(hub, sent(hub, "hai-van-ban-mo-phong", responses=about), tmp_path)


def test_a_correction_is_a_letter_about_ones_own_document(hub: House) -> None:
    original = sent(hub, recipients=(PULLER, THIRD))
    about = (ResponseFor("", "125/QĐ-UBND", "", "2026/11/20"),)
    wrong = hub.package("dinh-chinh-1", recipients=(PULLER,), responses=about, subject="V/v đính chính Quyết định 125")
    assert refused(hub, wrong, ChangeError).place == "MessageHeader/DocumentType/TypeName"
    letter = hub.package("dinh-chinh-2", recipients=(PULLER,), responses=about, subject="V/v đính chính Quyết định 125", type_name="Công văn")
    hub.submit(letter)
    line = life(hub, original)["thread"][0]
    assert (line["relation"], line["document_id"], line["missed"]) == ("corrects", "dinh-chinh-2", [THIRD])
    hub.submit(hub.recall(FIRST, recipients=(PULLER, THIRD)))
    third = hub.package("dinh-chinh-3", recipients=(PULLER,), responses=about, subject="V/v đính chính", type_name="Công văn")
    refused(hub, third, AlreadyRecalled)


def extract_of(house: House, folder: Path) -> Path:
    """A page that the agency certified as an extract: its mark says TRÍCH SAO, and no person signed."""
    page, target = letter(folder / "part.pdf", "Dieu 1"), folder / "trich-sao.pdf"
    look = copy_mark(CopyForm.TRICH_SAO, "Cơ quan gửi (mô phỏng)", "12/TrS-UBND", datetime.now(UTC), page=read_page(page, 1))
    boxes = {AGENCY_FIELD: field_box(look, read_page(page, 1))}
    trust = Trust.load(house.pki.folder / "trust")
    key = house.pki.seal(SENDER)
    sign_pdf(page, target, key, now=datetime.now(UTC), role=Role.AGENCY, field=AGENCY_FIELD, kind="copy", trust=trust, boxes=boxes, appearance=look)
    return target


def test_an_extract_is_a_copy_and_says_of_what(hub: House, tmp_path: Path) -> None:
    original = sent(hub, recipients=(PULLER,))
    page = extract_of(hub, tmp_path)
    bare = hub.package("trich-sao-0", recipients=(THIRD,), document=page)
    assert refused(hub, bare, MissingField).place == "MessageHeader/ResponseFor"
    about = (ResponseFor(SENDER, "125/QĐ-UBND", FIRST, "2026/11/20"),)
    envelope = sent(hub, "trich-sao-1", recipients=(THIRD,), document=page, responses=about)
    told = life(hub, envelope)
    assert told["mark"] == ""  # in full effect without a person's signature (SIG-07)
    assert [(t["relation"], t["document_id"]) for t in told["thread"]] == [("extracts", FIRST)]
    assert [(t["relation"], t["inward"], t["document_id"]) for t in life(hub, original)["thread"]] == [("extracts", True, "trich-sao-1")]
    holds(hub, envelope, tmp_path)
    trust = Trust.load(hub.pki.folder / "trust")

    def judge(path: Path, kind: str) -> PdfVerdict:
        return hub.hub.office.sandbox.verify(path, trust, at=datetime.now(UTC), policy="nd30", kind=kind)

    target = tmp_path / f"{envelope}-{SENDER}.asice"
    report = check(target, trust=trust, vkeys=[hub.hub.office.log_key.vkey()], at=datetime.now(UTC), verify=judge)
    assert [word for _, _, word in report.files] == ["valid"] * len(report.files)  # as the hub judged it: a copy bears one signature


def test_a_recall_by_a_shared_secret_takes_the_same_way(hub: House) -> None:
    connector = hub.hub.connector
    secret = b"mot-bi-mat-du-dai-32"
    for code in (SENDER, PULLER):
        connector.add_secret("lgsp", f"sys.{code}", code, secret, by="test", overlap=timedelta(0))
    sender, recipient = (connector.authenticate_lgsp(f"sys.{code}", secret.decode()) for code in (SENDER, PULLER))

    def send(package: Path) -> str:
        incoming = hub.hub.store.blobs.temporary()
        incoming.write_bytes(package.read_bytes())
        return connector.send(sender, incoming, hashlib.sha256(package.read_bytes()).hexdigest())

    with pytest.raises(StatusUnknownDocument):
        connector.send_status(recipient, hub.status("01")[0])  # overtakes
    envelope = send(hub.package(recipients=(PULLER,)))
    assert states(hub, envelope)[PULLER] == ("acknowledged", "01")
    assert [e["object_type"] for e in life(hub, envelope)["events"]][-1] == "edxml-status+lgsp-key"  # how it was known is not lost
    recall = send(hub.recall(FIRST, recipients=(PULLER,)))
    (line,) = [w for w in connector.received(recipient, "edoc") if states(hub, recall)]
    connector.fetch(recipient, line.ref)
    connector.tell(recipient, line.ref, "done")
    connector.send_status(recipient, hub.status("15", why="Đã hủy")[0])
    assert states(hub, envelope)[PULLER] == ("recalled", "01") and changed(hub, envelope) == [(PULLER, "recall", "asked", "15")]
