"""succession — kế tiếp: what a recall, take-back, update or replacement does to each delivery of a document.

Pure rules (QĐ 28/2018 Art 8.2, 9.2; NĐ 30/2020 Art 18; edxml.md 1.4): from the request and
what is known of the deliveries follow the steps, one for each delivery that changes. Nothing
that a recipient may already have is taken away silently: that recipient is asked. What certainly
nobody has yet is withdrawn at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from exchange.change_errors import AlreadyRecalled, ChangeError, NotARecipient
from exchange.delivery import State
from exchange.envelope import Header, Kind
from exchange.errors import MissingField
from exchange.lifecycle import AGREES, DECLINES, Asks, Status

BUSINESS = "TraceHeaderList/Bussiness"


class Change(StrEnum):
    """Why a delivery changes."""

    RECALL = "recall"  # thu hồi: BussinessDocType 1
    TAKE_BACK = "take_back"  # lấy lại: status 13
    UPDATE = "update"  # cập nhật: BussinessDocType 2
    REPLACE = "replace"  # thay thế: BussinessDocType 3


class Effect(StrEnum):
    """What happens to one delivery."""

    WITHDRAWN = "withdrawn"  # certainly not handed over yet: it never will be
    ASKED = "asked"  # the recipient has it, or may: asked to destroy its copy
    UPDATED = "updated"  # the recipient has it: new content goes there
    ADDED = "added"  # a new recipient
    SUPERSEDED = "superseded"  # the recipient has it: another document stands in its place


class Carries(StrEnum):
    """What goes to the recipient because of a step."""

    NOTHING = ""
    CHANGE = "change"  # the package that asks for the change
    ORIGINAL = "original"  # the document as it is


@dataclass(frozen=True, slots=True)
class Held:
    """One delivery of the document. `handed_over`: the recipient has it, or may have it.
    `over`: a recall of it is open or agreed, so nothing can be asked about it again.
    `recalled`: by a recall of the document (BussinessDocType 1), not by a take-back or a change of recipients."""

    delivery: str
    envelope: str
    recipient: str
    state: State
    handed_over: bool
    over: bool = False
    recalled: bool = False

    @property
    def live(self) -> bool:
        """Does the recipient still count as one?"""
        return not self.over and self.state is not State.RECALLED


@dataclass(frozen=True, slots=True)
class Step:
    """One delivery that changes; `delivery` and `envelope` are "" for a new recipient."""

    recipient: str
    effect: Effect
    delivery: str = ""
    envelope: str = ""
    carries: Carries = Carries.NOTHING


@dataclass(frozen=True, slots=True)
class Order:
    """What the sender asks for, read from a package. `targets` are the documents concerned
    with the recipients for whom (none: all of them)."""

    change: Change
    reason: str
    targets: tuple[tuple[str, tuple[str, ...]], ...]
    number: str = ""
    date: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    content: bool = False


def order_of(header: Header, *, number: str, has_files: bool) -> Order | None:
    """The change that a package asks for; None for a new document.

    Args:
        number: number and notation in one string.

    Raises:
        MissingField: a recall without a reason, a replacement without what it replaces, new content without a file.
        ChangeError: an update that changes nothing, or says two things of one recipient.
    """
    business, own = header.business, header.document_id
    reason = business.reason.strip()
    to = tuple(organ.code for organ in header.recipients)
    if business.kind is Kind.NEW:
        return None
    if business.kind is Kind.RECALL:
        if not reason:
            raise MissingField("BussinessDocReason", place=f"{BUSINESS}/BussinessDocReason")
        date = header.promulgation_date.isoformat() if header.promulgation_date else ""
        return Order(Change.RECALL, reason, ((business.document_id or own, to),), number, date)
    if business.kind is Kind.REPLACE:
        entries = tuple((r.document_id, r.organs) for r in business.replacements if r.document_id)
        if not entries and business.document_id and business.document_id != own:
            entries = ((business.document_id, ()),)
        if not entries:
            raise MissingField("ReplacementInfo", place=f"{BUSINESS}/ReplacementInfoList")
        if any(document == own for document, _ in entries):
            raise ChangeError(own[:200], place=f"{BUSINESS}/ReplacementInfoList")
        return Order(Change.REPLACE, reason, entries)
    added = tuple(r.organ for r in business.receivers if r.added)
    removed = tuple(r.organ for r in business.receivers if not r.added)
    content = business.content_changed if business.content_changed is not None else not business.receivers
    if len({*added, *removed}) != len(added) + len(removed):
        raise ChangeError("an agency is named twice", place=f"{BUSINESS}/BussinessDocumentInfo/ReceiverList")
    if not content and not added and not removed:
        raise ChangeError("neither content nor receivers change", place=f"{BUSINESS}/BussinessDocumentInfo")
    if content and not has_files:
        raise MissingField("Attachment", place="AttachmentEncoded")
    return Order(Change.UPDATE, reason, ((business.document_id or own, to),), added=added, removed=removed, content=content)


def plan_recall(held: Sequence[Held], named: Sequence[str]) -> list[Step]:
    """Steps of a recall for the recipients in `named`.

    Raises:
        NotARecipient: one of them never was. AlreadyRecalled: nothing is left to recall.
    """
    known = {h.recipient for h in held}
    for number, code in enumerate(named, 1):
        if code not in known:
            raise NotARecipient(code[:60], place=f"MessageHeader/To[{number}]/OrganId")
    steps = [step for h in held if h.recipient in named and h.live for step in _take_away(h)]
    if not steps:
        raise AlreadyRecalled(place="MessageHeader/DocumentId")
    return steps


def plan_update(held: Sequence[Held], order: Order, *, has_files: bool) -> list[Step]:
    """Steps of an update: removed recipients as by a recall, added ones get the document,
    new content goes to all who stay.

    Raises:
        AlreadyRecalled: no recipient is left, or the document was recalled from all.
        NotARecipient: removed or addressed, but not a recipient.
        ChangeError: added, but a recipient already; or nothing is there to give to it.
    """
    live = {h.recipient for h in held if h.live}
    place = f"{BUSINESS}/BussinessDocumentInfo/ReceiverList"
    # Who was taken off may be followed by others; a document recalled from all its recipients goes to nobody (REC-03).
    if not live and (not order.added or any(h.recalled for h in held)):
        raise AlreadyRecalled(place="MessageHeader/DocumentId")
    for code in order.removed:
        if code not in live:
            raise NotARecipient(code[:60], place=place)
    for number, code in enumerate(order.targets[0][1], 1):
        if code not in live and code not in order.added:
            raise NotARecipient(code[:60], place=f"MessageHeader/To[{number}]/OrganId")
    steps = [step for h in held if h.recipient in order.removed and h.live for step in _take_away(h)]
    before = {h.recipient for h in held}
    for code in order.added:
        if code in live:
            raise ChangeError(f"{code[:60]} is a recipient already", place=place)
        if code in before and not has_files:
            raise ChangeError(f"{code[:60]} was a recipient before: send the document with the update", place=place)
        carries = Carries.CHANGE if order.content or code in before else Carries.ORIGINAL
        steps.append(Step(code, Effect.ADDED, carries=carries))
    if order.content:
        steps += [_renew(h, Effect.UPDATED) for h in held if h.live and h.recipient not in order.removed]
    return steps


def plan_replacement(held: Sequence[Held], organs: Sequence[str], to: Sequence[str]) -> list[Step]:
    """Steps for one replaced document: for each of `organs` (none: all recipients) the new one, addressed `to` them, stands in its place.

    Raises:
        NotARecipient: never a recipient of the old one, or not of the new one.
    """
    known, place = {h.recipient for h in held}, f"{BUSINESS}/ReplacementInfoList/ReplacementInfo/OrganIdList"
    wanted = list(organs) or sorted({h.recipient for h in held if h.live})
    for code in wanted:
        if code not in known or code not in to:
            raise NotARecipient(code[:60], place=place)
    return [_renew(h, Effect.SUPERSEDED) for h in held if h.live and h.recipient in wanted]


def plan_take_back(held: Held) -> list[Step]:
    """Steps of a take-back of one delivery (status 13); none when it is over already."""
    if not held.live:
        return []
    return [Step(held.recipient, Effect.ASKED if held.handed_over else Effect.WITHDRAWN, held.delivery, held.envelope)]


def _take_away(held: Held) -> list[Step]:
    if held.handed_over:
        return [Step(held.recipient, Effect.ASKED, held.delivery, held.envelope, Carries.CHANGE)]
    return [Step(held.recipient, Effect.WITHDRAWN, held.delivery, held.envelope)]


def _renew(held: Held, effect: Effect) -> Step:
    # What nobody has seen gives way to the new one; who has the old one is shown that it is old.
    shown = effect if held.handed_over else Effect.WITHDRAWN
    return Step(held.recipient, shown, held.delivery, held.envelope, Carries.CHANGE)


def asks_of(change: Change, effects: Sequence[Effect]) -> Asks:
    """What the package of a change asks of a recipient, by its effects there."""
    if Effect.ASKED in effects and change is not Change.REPLACE:
        return Asks.RECALL
    return Asks.UPDATE if Effect.UPDATED in effects else Asks.NOTHING


@dataclass(frozen=True, slots=True)
class Answerable:
    """One delivery to the agency of a document under the id that a status names.
    `asks`: what its package asks; `open`: it asks, or is asked about, and there is no answer yet."""

    delivery: str
    accepted_at: datetime
    status: str
    asks: Asks = Asks.NOTHING
    open: bool = False


def meant(candidates: Sequence[Answerable], status: Status, at: datetime | None) -> Answerable | None:
    """Which delivery a status is about, when a recall travels under the id of its document.

    A take-back, and what is reported of handling, is about the document; 15 and 16 answer what
    was asked; so do 03 and 02 when they were written after the asking. 01 is about the oldest
    that was not acknowledged.
    """
    newest = sorted(candidates, key=lambda c: c.accepted_at, reverse=True)
    documents = [c for c in newest if c.asks is not Asks.RECALL]
    asking = [c for c in newest if c.open]
    if not newest:
        return None
    if status in (Status.TAKE_BACK_AGREED, Status.TAKE_BACK_REFUSED):
        return next((c for c in newest if c.open or c.status == Status.TAKE_BACK.value), newest[0])
    if status in AGREES | DECLINES:
        later = [c for c in asking if c.asks is Asks.RECALL and (at is None or c.accepted_at.replace(microsecond=0) <= at)]
        return next(iter(later), documents[0] if documents else newest[0])
    if status is Status.ARRIVED:
        return next((c for c in reversed(newest) if not c.status), newest[0])
    return documents[0] if documents else newest[0]


class Relation(StrEnum):
    """How a document stands to the one that its ResponseFor names."""

    ANSWERS = "answers"  # trả lời: another agency's document
    CORRECTS = "corrects"  # đính chính: a letter about an error in the sender's own document (REC-04)
    EXTRACTS = "extracts"  # trích sao: a part of it, certified (CPY-01)
    FOLLOWS = "follows"  # any other document of the sender's own


RELATION_TEXTS: dict[Relation, tuple[str, str]] = {
    Relation.ANSWERS: ("trả lời", "answers"),
    Relation.CORRECTS: ("đính chính", "corrects"),
    Relation.EXTRACTS: ("trích sao từ", "is an extract of"),
    Relation.FOLLOWS: ("tiếp theo", "follows"),
}
CHANGE_TEXTS: dict[Change, tuple[str, str]] = {
    Change.RECALL: ("thu hồi", "recall"),
    Change.TAKE_BACK: ("lấy lại", "take-back"),
    Change.UPDATE: ("cập nhật", "update"),
    Change.REPLACE: ("thay thế", "replacement"),
}
EFFECT_TEXTS: dict[Effect, tuple[str, str]] = {
    Effect.WITHDRAWN: ("rút lại, chưa giao", "withdrawn before it was handed over"),
    Effect.ASKED: ("đã yêu cầu bên nhận hủy bản nhận", "the recipient is asked to destroy its copy"),
    Effect.UPDATED: ("đã chuyển nội dung mới", "new content sent"),
    Effect.ADDED: ("thêm nơi nhận", "recipient added"),
    Effect.SUPERSEDED: ("bị thay thế bởi văn bản khác", "replaced by another document"),
}


def relation_of(header: Header, organ: str, *, sender: str, extract: bool) -> Relation:
    """How a document of `sender` stands to one of `organ` that it refers to; both by their own codes.

    Raises:
        ChangeError: a correction that is not an official letter of the issuing agency (NĐ 30/2020 Art 18.3).
    """
    if extract:
        return Relation.EXTRACTS
    if organ and organ != sender:
        return Relation.ANSWERS
    if "đính chính" not in header.subject.casefold():
        return Relation.FOLLOWS
    if header.type_name and header.type_name.casefold() != "công văn":
        raise ChangeError(f"{header.type_name[:60]}: đính chính bằng công văn", place="MessageHeader/DocumentType/TypeName")
    return Relation.CORRECTS
