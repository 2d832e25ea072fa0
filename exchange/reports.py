"""reports — báo trạng thái: which delivery a status message is about, and what follows from it.

One function enters a status, whether it comes now or was parked because it overtook its
document; everything it changes is in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from exchange.custody import ABOUT, Entry, Event, as_written
from exchange.delivery import Delivery, State, may_move
from exchange.edxml.status import read_status
from exchange.edxml.values import parse_date
from exchange.envelope import Kind, ResponseFor, StatusMessage
from exchange.event_reasons import ReasonCode, why
from exchange.lifecycle import AGREES, BY_SENDER, DECLINES, NEEDS_REASON, Asks, Status, advance, parse_status
from exchange.office import Office
from exchange.sealers import other_name
from exchange.store import agencies, changes, custody_log, envelopes, queue
from exchange.store.changes import EffectRow, ParkedRow
from exchange.store.envelopes import EnvelopeRow, StatusRow
from exchange.succession import Answerable, Change, Effect, Held, asks_of, meant, plan_take_back
from exchange.vouching import Kept, kept_again, record

EVENTS = {
    Status.ARRIVED: Event.HANDED_OVER,
    Status.REFUSED: Event.RECIPIENT_REFUSED,
    Status.REGISTERED: Event.REGISTERED,
    Status.ASSIGNED: Event.ASSIGNED,
    Status.IN_PROCESS: Event.IN_PROCESS,
    Status.FINISHED: Event.FINISHED,
    Status.TAKE_BACK: Event.RECALL_REQUESTED,
    Status.TAKE_BACK_AGREED: Event.RECALL_AGREED,
    Status.TAKE_BACK_REFUSED: Event.RECALL_REFUSED,
}
_WAITS_FOR_ANSWER = frozenset({Effect.ASKED.value, Effect.UPDATED.value})
_TAKES = frozenset({Effect.ASKED.value, Effect.WITHDRAWN.value})
_IN_HAND = frozenset({State.CLAIMED, State.DELIVERED, State.ACKNOWLEDGED})


def handed_over(connection: Connection, delivery: Delivery) -> bool:
    """Has the recipient the document, or may it have it? A push that was tried may have arrived even if no answer came."""
    said = delivery.status not in ("", Status.TAKE_BACK.value)
    return delivery.state in _IN_HAND or delivery.attempt > 0 or said or changes.handed_out(connection, delivery.id)


def held(connection: Connection, delivery: Delivery) -> Held:
    """What is known of one delivery, for the rules of succession."""
    taken = [row for row in changes.effects_on(connection, [delivery.id]) if row.effect in _TAKES and row.answer not in DECLINES]
    over = any(row.effect == Effect.ASKED.value for row in taken)
    recalled = any(row.change == Change.RECALL.value for row in taken)
    return Held(delivery.id, delivery.envelope, delivery.recipient, delivery.state, handed_over(connection, delivery), over, recalled)


def asked_of(connection: Connection, delivery: str) -> Asks:
    """What the package of a delivery asks of its recipient."""
    carried = changes.effects_carried(connection, delivery)
    return asks_of(Change(carried[0].change), [Effect(row.effect) for row in carried]) if carried else Asks.NOTHING


def find(connection: Connection, caller: str, message: StatusMessage) -> tuple[Delivery, EnvelopeRow] | None:
    """The document and the delivery that a status of `caller` is about; None when it is not here (yet)."""
    status = parse_status(message.code)
    owner, recipient = _parties(connection, caller, message)
    pairs = {}
    candidates = []
    for row in _documents(connection, owner, message.response_for):
        delivery = queue.for_recipient(connection, row.id, recipient)
        if delivery is not None:
            pairs[delivery.id] = delivery, row
            asks = asked_of(connection, delivery.id)
            waits = any(True for _ in _unanswered(connection, delivery.id, status))
            candidates.append(Answerable(delivery.id, row.accepted_at, delivery.status, asks, waits))
    found = meant(candidates, status, message.timestamp)
    return pairs[found.delivery] if found is not None else None


def taken_before(connection: Connection, caller: str, message: StatusMessage, sha256: str, envelope: str = "") -> tuple[StatusRow, EnvelopeRow] | None:
    """The very same message of `caller` that was entered already, whatever became of its document since.

    Args:
        envelope: only about this one; "" for whichever the message names.
    """
    owner, _ = _parties(connection, caller, message)
    for row in _documents(connection, owner, message.response_for):
        known = envelopes.status_by_digest(connection, row.id, caller, sha256) if envelope in ("", row.id) else None
        if known is not None:
            return known, row
    return None


def _documents(connection: Connection, owner: str, about: ResponseFor) -> list[EnvelopeRow]:
    return changes.sent_as(connection, owner, about.document_id) if about.document_id else _numbered(connection, owner, about)


def _parties(connection: Connection, caller: str, message: StatusMessage) -> tuple[str, str]:
    """(owner of the document, its recipient), each by its own code, whichever of its codes the message bears."""
    other = agencies.own_code(connection, message.response_for.organ)
    return (caller, other) if parse_status(message.code) in BY_SENDER else (other, caller)


def _numbered(connection: Connection, owner: str, about: ResponseFor) -> list[EnvelopeRow]:
    """The one document of `owner` with this number, notation and date, with its changes; none when it could be two (edxml.md 2.3)."""
    day = day_of(about)
    rows = changes.sent_with_number(connection, owner, about.code, day) if about.code and day else []
    first = {row.document_id: row for row in rows if row.kind in (Kind.NEW, Kind.REPLACE)}
    if len(first) > 1:  # the number was free again: what was recalled or refused by all is not meant
        first = {name: row for name, row in first.items() if changes.any_left(connection, row.id)}
    return [row for row in rows if row.kind not in (Kind.NEW, Kind.REPLACE) or row.document_id in first] if len(first) == 1 else []


def day_of(about: ResponseFor) -> str:
    """The date of promulgation of what is referred to, ISO 8601; "" when there is none that can be read."""
    day = parse_date(about.promulgation_date)
    return day.isoformat() if day is not None else ""


def waits_for(connection: Connection, caller: str, message: StatusMessage) -> str:
    """Under what a status that overtook its document is kept: the document's id, else its nominal id (edxml.md 1.6)."""
    about = message.response_for
    return about.document_id or nominal(_parties(connection, caller, message)[0], day_of(about), about.code)


def nominal(owner: str, day: str, number: str) -> str:
    """The nominal id of a document; `day` is ISO 8601."""
    return f"{owner},{day.replace('-', '/')},{number}"


def said_of(message: StatusMessage, caller: str) -> tuple[tuple[str, str | int], ...]:
    """What the log says of a status that names a party or its document in another way than the log does."""
    about = message.response_for
    named = () if about.document_id else ((ABOUT, f"{about.code[:100]},{about.promulgation_date[:30]}"),)
    return (*as_written(message.sender.code, caller), *named)


def enter(
    office: Office, connection: Connection, new: StatusRow, message: StatusMessage, row: EnvelopeRow, delivery: Delivery, kept: Kept | None
) -> tuple[StatusRow, int]:
    """Enter a checked status: (the stored one, its place in the log). A repeat gives the first."""
    known = envelopes.status_by_digest(connection, row.id, new.agency, new.sha256)
    if known is not None:
        return known, index_of(connection, row.id, new.sha256)
    status = Status(new.code)
    new = replace(new, envelope=row.id, delivery=delivery.id, to_agency=delivery.recipient if status in BY_SENDER else row.sender)
    envelopes.insert_status(connection, new)
    now = new.received_at
    current = queue.get(connection, delivery.id) or delivery
    after = advance(current.status, status, asked_of(connection, delivery.id))
    queue.set_status(connection, delivery.id, after, now=now)
    if status not in BY_SENDER and may_move(current.state, State.ACKNOWLEDGED):
        queue.set_state(connection, delivery.id, frozenset({current.state}), State.ACKNOWLEDGED, now=now)
    data = (*said_of(message, new.agency), *other_name(office, connection, new.agency, new.seal_sha256, kept))
    entries = [record(connection, kept, _entry(row, new, data), kind="edxml-status+")]
    withdrawn = False
    if status is Status.TAKE_BACK:
        more = _take_back(connection, new, row, current, entries[0])
        withdrawn = bool(more)
        entries += more
    elif status in AGREES | DECLINES:
        entries += _answered(connection, new, delivery.id, entries[0])
    if not withdrawn:
        queue.inbox_put(connection, new.to_agency, "status", new.id, now)
    return new, office.append(connection, entries)[0]


def apply_parked(office: Office, connection: Connection, arrived: EnvelopeRow) -> None:
    """Enter the statuses that overtook a document which is here now, in the order in which they were written."""
    names = dict.fromkeys((arrived.document_id, nominal(arrived.sender, arrived.promulgation_date, arrived.code)))
    parked = [row for name in names for row in changes.parked(connection, name)]
    waiting = [(row, read_status(office.store.blobs.path(row.sha256).read_bytes())) for row in parked]
    for row, message in sorted(waiting, key=lambda pair: (pair[1].timestamp or pair[0].at, pair[0].at)):
        found = find(connection, row.agency, message)
        if found is None or found[1].sender != arrived.sender:
            continue  # about another agency's document of that id, or for a recipient that it does not have
        changes.unpark(connection, row)
        delivery, document = found
        enter(office, connection, _row(office, row, message), message, document, delivery, kept_again(connection, row.id))


def why_of(status: Status, description: str) -> str:
    """What the leaf of a status says as its reason."""
    if status not in NEEDS_REASON:
        return ""
    return why(ReasonCode.BY_SENDER if status in BY_SENDER else ReasonCode.BY_RECIPIENT, description)


def change_entry(row: EnvelopeRow, event: Event, recipient: str, *, cause: EnvelopeRow | StatusRow, reason: str) -> Entry:
    """What a change does to a document, in that document's own chain. Written by the hub; it names what the agency sealed."""
    is_status = isinstance(cause, StatusRow)
    return Entry(
        event=event,
        at=cause.received_at if isinstance(cause, StatusRow) else cause.accepted_at,
        by="hub",
        envelope=row.id,
        document_id=row.document_id,
        document_sha256=row.package_sha256,
        sender=row.sender,
        recipient=recipient,
        object_sha256=cause.sha256 if isinstance(cause, StatusRow) else cause.package_sha256,
        object_type="edxml-status" if is_status else f"edxml-{Kind(cause.kind).name.lower()}" if isinstance(cause, EnvelopeRow) else "",
        why=reason,
    )


def _as_sealed(entry: Entry, own: Entry) -> Entry:
    """The hub's entry with what the agency's own one says of the seal, so that an auditor knows whose to expect."""
    return replace(entry, object_type=own.object_type, seal_sha256=own.seal_sha256, data=own.data)


def _take_back(connection: Connection, new: StatusRow, row: EnvelopeRow, delivery: Delivery, own: Entry) -> list[Entry]:
    entries = []
    for step in plan_take_back(held(connection, delivery)):
        effect = EffectRow(new.id, delivery.id, Change.TAKE_BACK.value, step.effect.value, row.id, delivery.recipient, "", new.description, new.received_at)
        changes.put_effect(connection, effect)
        if step.effect is Effect.WITHDRAWN:
            queue.set_state(connection, delivery.id, frozenset({delivery.state}), State.RECALLED, now=new.received_at)
            entry = change_entry(row, Event.WITHDRAWN, delivery.recipient, cause=new, reason=why(ReasonCode.BY_SENDER, new.description))
            entries.append(_as_sealed(entry, own))
    return entries


def _unanswered(connection: Connection, delivery: str, status: Status) -> list[EffectRow]:
    """What a status of the recipient about this delivery would answer. 03 and 02 answer only what the delivery itself carries."""
    rows = changes.effects_carried(connection, delivery)
    if status in (Status.TAKE_BACK_AGREED, Status.TAKE_BACK_REFUSED):
        rows += [row for row in changes.effects_on(connection, [delivery]) if row.carrier != delivery]
    else:
        rows = [row for row in rows if row.effect == Effect.ASKED.value]
    rows = [row for row in rows if row.effect in _WAITS_FOR_ANSWER]
    # Who declined may think better of it, unless it was asked anew: then that is what is answered.
    return [row for row in rows if not row.answer] or [row for row in rows if row.answer in DECLINES and status in AGREES]


def _answered(connection: Connection, new: StatusRow, delivery: str, own: Entry) -> list[Entry]:
    status, entries = Status(new.code), []
    for row in _unanswered(connection, delivery, status):
        changes.answer(connection, row, code=new.code, status=new.id, at=new.received_at)
        about = queue.get(connection, row.delivery)
        target = envelopes.get(connection, about.envelope) if about is not None else None
        if about is None or target is None:
            continue
        agreed = status in AGREES
        if agreed and row.effect == Effect.ASKED.value and may_move(about.state, State.RECALLED):
            queue.set_state(connection, about.id, frozenset({about.state}), State.RECALLED, now=new.received_at)
        if row.change == Change.TAKE_BACK.value:
            continue  # the answer itself stands in the same chain
        if row.effect == Effect.ASKED.value:
            event = Event.COPY_DESTROYED if agreed else Event.RECALL_DECLINED
        else:
            event = Event.UPDATE_AGREED if agreed else Event.UPDATE_DECLINED
        reason = why(ReasonCode.BY_RECIPIENT, new.description) if not agreed else ""
        entries.append(_as_sealed(change_entry(target, event, row.recipient, cause=new, reason=reason), own))
    return entries


def _row(office: Office, parked: ParkedRow, message: StatusMessage) -> StatusRow:
    now = office.clock()
    return StatusRow(
        id=parked.id,
        envelope="",
        delivery="",
        agency=parked.agency,
        to_agency="",
        code=parse_status(message.code).value,
        description=message.description,
        at=message.timestamp or parked.at,
        received_at=now,
        sha256=parked.sha256,
        seal_sha256=parked.seal_sha256,
    )


def _entry(row: EnvelopeRow, status: StatusRow, data: tuple[tuple[str, str | int], ...]) -> Entry:
    return Entry(
        event=EVENTS[Status(status.code)],
        at=status.received_at,
        by=status.agency,
        envelope=row.id,
        document_id=row.document_id,
        document_sha256=row.package_sha256,
        sender=row.sender,
        recipient=status.to_agency if Status(status.code) in BY_SENDER else status.agency,
        object_sha256=status.sha256,
        object_type="edxml-status+seal",
        seal_sha256=status.seal_sha256,
        status=status.code,
        why=why_of(Status(status.code), status.description),
        data=data,
    )


def index_of(connection: Connection, envelope: str, object_sha256: str) -> int:
    """The place in the log of the entry in an envelope's chain that names an object."""
    needle = object_sha256.encode()
    return next(index for index, leaf in custody_log.leaves_of(connection, envelope) if needle in leaf)
