"""amendments — thay đổi sau phát hành: a recall, update or replacement takes effect where it is accepted.

The rules are in `succession`; here they meet what the store knows, inside the transaction of
acceptance: the deliveries that change, the new ones, what is written about them for ever, and
the entries in the chains of the documents concerned. All of it, or nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from exchange.addressees import check_addressee
from exchange.agency import Agency, Mode
from exchange.change_errors import AlreadyRecalled, ChangeTargetUnknown
from exchange.custody import Entry, Event
from exchange.delivery import Delivery, State
from exchange.envelope import Header, Kind
from exchange.errors import DocumentFrozen, DuplicateNumber, UnknownAgency
from exchange.event_reasons import ReasonCode, why
from exchange.reports import change_entry, day_of, held
from exchange.store import agencies, changes, envelopes, queue
from exchange.store.changes import EffectRow, LinkRow
from exchange.store.envelopes import EnvelopeRow
from exchange.succession import BUSINESS, Carries, Change, Effect, Order, Relation, Step, plan_recall, plan_replacement, plan_update, relation_of

_EVENTS = {
    Effect.WITHDRAWN: Event.WITHDRAWN,
    Effect.ASKED: Event.RECALL_ASKED,
    Effect.UPDATED: Event.UPDATED,
    Effect.ADDED: Event.RECIPIENT_ADDED,
    Effect.SUPERSEDED: Event.SUPERSEDED,
}
_STAYS = frozenset({State.DELIVERED, State.ACKNOWLEDGED})


@dataclass(slots=True)
class Outcome:
    """What an accepted package brings about: deliveries of its own with their agencies, deliveries of
    earlier documents to new recipients, and entries for the log."""

    own: list[tuple[Agency, Delivery]] = field(default_factory=list)
    others: list[tuple[Agency, Delivery, EnvelopeRow]] = field(default_factory=list)
    effects: list[EffectRow] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


def deliver(row: EnvelopeRow, recipients: Sequence[Agency]) -> Outcome:
    """A new document: one delivery for each recipient."""
    return Outcome(own=[(agency, _delivery(row, agency.code, row)) for agency in recipients])


def take_effect(
    connection: Connection, order: Order, row: EnvelopeRow, recipients: Sequence[Agency], *, has_files: bool, hub_codes: Sequence[str]
) -> Outcome:
    """Carry out a recall, update or replacement that is being accepted as `row`.

    Args:
        hub_codes: the codes of this hub, as a hub of record.

    Raises:
        ChangeError: refused, nothing changed. AgencyError: a new recipient that mail may not go to.
    """
    order = _by_directory(connection, order)
    outcome = deliver(row, recipients) if order.change is Change.REPLACE else Outcome()
    for document_id, organs in order.targets:
        family = _family(connection, row, document_id, order)
        deliveries = changes.deliveries_of(connection, [e.id for e in family])
        known = [held(connection, delivery) for delivery in deliveries]
        if order.change is Change.RECALL:
            steps = plan_recall(known, organs)
        elif order.change is Change.UPDATE:
            steps = plan_update(known, order, has_files=has_files)
        else:
            steps = plan_replacement(known, organs, [agency.code for agency in recipients])
        for step in steps:
            if step.effect is Effect.ADDED:
                _check_new(connection, step.recipient, row, hub_codes)
            _step(connection, order, row, step, family, outcome)
    return outcome


def write(connection: Connection, outcome: Outcome) -> None:
    """Everything of an outcome but the package's own deliveries and the log entries, which acceptance writes."""
    for effect in outcome.effects:
        changes.put_effect(connection, effect)
        delivery = queue.get(connection, effect.delivery)
        if effect.effect != Effect.ADDED.value and delivery is not None and delivery.state not in _STAYS:
            # Not to be handed over any more; one that is being carried right now loses its lease.
            queue.set_state(connection, delivery.id, frozenset({delivery.state}), State.RECALLED, now=effect.at)
    for agency, delivery, _ in outcome.others:
        envelopes.insert_deliveries(connection, [delivery], delivery.next_at)
        if agency.mode is Mode.PULL:
            queue.inbox_put(connection, agency.code, "document", delivery.id, delivery.next_at)


def check_number(connection: Connection, header: Header, row: EnvelopeRow) -> None:
    """NĐ 30/2020 Annex VI-I-III.1.h: one number, notation and date of an agency is one document.

    Packages without one of the three are let pass: there is nothing to compare. A number is
    free again when its document was recalled, taken back or refused by everybody.

    Raises:
        DuplicateNumber: another document of the sender has them.
    """
    if row.kind != Kind.NEW or not (header.code_number and header.code_notation and row.promulgation_date):
        return
    for other in changes.sent_with_number(connection, row.sender, row.code, row.promulgation_date):
        if other.document_id != row.document_id and other.kind != Kind.RECALL and changes.any_left(connection, other.id):
            raise DuplicateNumber(f"{row.code} {row.promulgation_date}: {other.document_id}"[:300], place="MessageHeader/Code")


def link(connection: Connection, header: Header, row: EnvelopeRow, *, extract: bool) -> None:
    """Record what a document refers to.

    Raises:
        ChangeError: a correction in a wrong form, or of a document that is recalled.
    """
    for position, about in enumerate(header.responses_for):
        organ = agencies.own_code(connection, about.organ or row.sender)
        relation = relation_of(header, organ, sender=row.sender, extract=extract)
        known = LinkRow(row.id, position, relation.value, organ, about.document_id, about.code, day_of(about))
        original = changes.referred(connection, known)
        if relation is Relation.CORRECTS and original is not None and not changes.any_left(connection, original.id):
            raise AlreadyRecalled(original.document_id[:200], place=f"MessageHeader/ResponseFor[{position + 1}]")
        changes.put_link(connection, known)


def check_not_frozen(connection: Connection, delivery: Delivery) -> None:
    """Nothing of a document that was recalled, taken back or replaced is sent again (REC-03).

    Raises:
        DocumentFrozen: it was.
    """
    found = [e for e in changes.effects_on(connection, [delivery.id]) if e.effect not in (Effect.ADDED.value, Effect.UPDATED.value)]
    if found:
        raise DocumentFrozen(f"{found[-1].change}: {found[-1].reason}"[:300], place=delivery.id)


def _by_directory(connection: Connection, order: Order) -> Order:
    """The order with each agency under its own code, whichever of its codes the sender used."""

    def own(codes: Sequence[str]) -> tuple[str, ...]:
        return tuple(agency.code if (agency := agencies.get(connection, code)) is not None else code for code in codes)

    targets = tuple((document_id, own(codes)) for document_id, codes in order.targets)
    return replace(order, targets=targets, added=own(order.added), removed=own(order.removed))


def _family(connection: Connection, row: EnvelopeRow, document_id: str, order: Order) -> list[EnvelopeRow]:
    """The document that is meant, with what updated it; the document first."""
    found = [e for e in changes.sent_as(connection, row.sender, document_id) if e.kind != Kind.RECALL and e.id != row.id]
    if not found and order.number and order.date:
        same = changes.sent_with_number(connection, row.sender, order.number, order.date)
        found = [e for e in same if e.kind != Kind.RECALL and e.id != row.id]
        found = found if len({e.document_id for e in found}) == 1 else []
    if not found:
        raise ChangeTargetUnknown(document_id[:200], place=f"{BUSINESS}/DocumentId" if document_id != row.document_id else "MessageHeader/DocumentId")
    first = next((e for e in found if e.kind in (Kind.NEW, Kind.REPLACE)), found[0])
    if first.kind == Kind.UPDATE:
        root = next((envelopes.get(connection, e.target) for e in changes.effects_about(connection, first.id) if e.cause == first.id), None)
        first = root or first
    updates = [envelopes.get(connection, envelope) for envelope in changes.updates_of(connection, first.id)]
    return [first, *sorted((u for u in updates if u is not None and u.id != row.id), key=lambda u: (u.accepted_at, u.id))]


def _newest(connection: Connection, family: Sequence[EnvelopeRow]) -> EnvelopeRow:
    """The version that counts: the last update with new content, else the document itself."""
    for update in reversed(family[1:]):
        made = [e for e in changes.effects_about(connection, update.id) if e.cause == update.id]
        if any(e.effect == Effect.UPDATED.value or (e.effect == Effect.WITHDRAWN.value and e.carrier) for e in made):
            return update
    return family[0]


def _step(connection: Connection, order: Order, row: EnvelopeRow, step: Step, family: Sequence[EnvelopeRow], outcome: Outcome) -> None:
    root, carrier, about = family[0], "", next((e for e in family if e.id == step.envelope), family[0])
    if step.carries is not Carries.NOTHING:
        agency = agencies.get(connection, step.recipient)
        if agency is None:
            raise UnknownAgency(step.recipient[:60], place=BUSINESS)
        carrier = _carry(connection, row, step, agency, family, outcome)
    changed = step.delivery or carrier
    outcome.effects.append(EffectRow(row.id, changed, order.change.value, step.effect.value, root.id, step.recipient, carrier, order.reason, row.accepted_at))
    reason = why(ReasonCode.BY_SENDER, order.reason)
    if not any(e.envelope == about.id and e.recipient == step.recipient and e.event is _EVENTS[step.effect] for e in outcome.entries):
        outcome.entries.append(change_entry(about, _EVENTS[step.effect], step.recipient, cause=row, reason=reason))


def _check_new(connection: Connection, recipient: str, row: EnvelopeRow, hub_codes: Sequence[str]) -> None:
    agency = agencies.get(connection, recipient)
    if agency is not None:
        place = f"{BUSINESS}/BussinessDocumentInfo/ReceiverList"
        check_addressee(connection, agency, place=place, at=row.accepted_at, hub_codes=hub_codes)


def _carry(connection: Connection, row: EnvelopeRow, step: Step, agency: Agency, family: Sequence[EnvelopeRow], outcome: Outcome) -> str:
    """The delivery by which a recipient learns of a step; one for each recipient."""
    if step.carries is Carries.ORIGINAL:
        version = _newest(connection, family)
        delivery = _delivery(version, agency.code, row)
        outcome.others.append((agency, delivery, version))
        return delivery.id
    own = next((d for a, d in outcome.own if a.code == agency.code), None)
    if own is None:
        own = _delivery(row, agency.code, row)
        outcome.own.append((agency, own))
    return own.id


def _delivery(package: EnvelopeRow, recipient: str, accepted: EnvelopeRow) -> Delivery:
    at: datetime = accepted.accepted_at
    return Delivery(
        id=str(uuid.uuid4()),
        envelope=package.id,
        recipient=recipient,
        state=State.QUEUED,
        attempt=0,
        priority=accepted.priority,
        next_at=at,
        updated_at=at,
    )
