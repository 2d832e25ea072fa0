"""dispatch — điều phối: claim what is due, carry it, settle what came of it.

Urgent first, fair between destinations (the queue's order). The attempt number
is the fencing token: a worker that lost its lease settles nothing and writes
no custody entry. Failure notices never cause failure notices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from exchange.amendments import check_not_frozen
from exchange.custody import Entry, Event
from exchange.delivery import Delivery, Retry, State, may_move
from exchange.errors import DeliveryState, NotFound
from exchange.event_reasons import ReasonCode, why
from exchange.office import Office
from exchange.store import agencies, deadlines, envelopes, queue
from exchange.store.envelopes import EnvelopeRow

LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Carriage:
    """One claimed delivery, ready for a courier. `attempt` fences the lease."""

    delivery: str
    envelope: str
    document_id: str
    sender: str
    recipient: str
    endpoint: str
    path: Path
    sha256: str
    size: int
    seal: bytes
    attempt: int
    facts: str


def claim(office: Office, limit: int, *, worker: str, room: Mapping[str, int] | None = None, most: int = 0) -> list[Carriage]:
    """Claim up to `limit` due push deliveries for `LEASE`; of one recipient no more than it has room for."""
    now = office.clock()
    claimed = office.store.write(lambda c: queue.claim(c, now=now, lease=LEASE, limit=limit, worker=worker, room=room, most=most))
    carriages = []
    with office.store.read() as connection:
        for delivery in claimed:
            row = _envelope(connection, delivery.envelope)
            agency = agencies.get(connection, delivery.recipient)
            carriages.append(
                Carriage(
                    delivery=delivery.id,
                    envelope=row.id,
                    document_id=row.document_id,
                    sender=row.sender,
                    recipient=delivery.recipient,
                    endpoint=agency.endpoint if agency else "",
                    path=office.store.blobs.path(row.package_sha256),
                    sha256=row.package_sha256,
                    size=row.size,
                    seal=office.store.blobs.path(row.seal_sha256).read_bytes(),
                    attempt=delivery.attempt,
                    facts=json.dumps(
                        {"from": row.sender, "document_id": row.document_id, "subject": row.subject, "code": row.code, "mark": row.mark},
                        ensure_ascii=False,
                    ),
                )
            )
    return carriages


def extend(office: Office, carriage: Carriage) -> bool:
    """Make the lease of a carriage under way longer; False when it is no longer ours."""
    until = office.clock() + LEASE
    return office.store.write(lambda c: queue.extend(c, carriage.delivery, carriage.attempt, until=until))


def settle(office: Office, carriage: Carriage, *, ok: bool, temporary: bool, detail: str, retry: Retry) -> bool:
    """Record what came of one attempt. False when the lease was no longer ours."""
    now = office.clock()

    def job(connection: Connection) -> bool:
        row = _envelope(connection, carriage.envelope)
        late = now - row.accepted_at >= retry.give_up
        if ok:
            state, next_at = State.DELIVERED, now
        elif temporary and not late:
            state, next_at = State.QUEUED, now + retry.wait(carriage.attempt)
        else:
            state, next_at = (State.EXPIRED if temporary else State.FAILED), now
        ours = queue.settle(connection, carriage.delivery, carriage.attempt, state, now=now, error="" if ok else detail[:500], next_at=next_at)
        if not ours:
            return False
        # A time-out that was written already is not written again.
        told = state is State.EXPIRED and not deadlines.mark(connection, carriage.delivery, Event.CONSIGNMENT_FAILED.value, now)
        if state is not State.QUEUED and not told:
            event = Event.CONSIGNED if ok else Event.CONSIGNMENT_FAILED
            office.append(connection, [_entry(row, event, carriage.recipient, now, why="" if ok else _failure(temporary, detail))])
        return True

    # Durable after this: outcome and custody entry together. A crash before it
    # costs one repeated carriage, which the receiver drops by id and digest.
    return office.store.write(job)


def hold(office: Office, delivery_id: str, *, by: str, reason: str) -> None:
    """Keep a queued delivery back until `release`.

    Raises:
        NotFound, DeliveryState: no such delivery, or not queued.
    """
    _operate(office, delivery_id, State.HELD, by=by, why=f"hold: {reason}")


def release(office: Office, delivery_id: str, *, by: str, reason: str) -> None:
    """Let a held delivery go on.

    Raises:
        NotFound, DeliveryState: no such delivery, not held, or the document was recalled.
    """
    _operate(office, delivery_id, State.QUEUED, by=by, why=f"release: {reason}", only=frozenset({State.HELD}))


def resend(office: Office, delivery_id: str, *, by: str, reason: str) -> None:
    """Queue a failed, expired or unacknowledged delivery again.

    Raises:
        NotFound, DeliveryState: no such delivery, already acknowledged, or the document was recalled.
    """
    again = frozenset({State.FAILED, State.EXPIRED, State.DELIVERED})
    _operate(office, delivery_id, State.QUEUED, by=by, why=f"resend: {reason}", only=again)


def _operate(office: Office, delivery_id: str, to: State, *, by: str, why: str, only: frozenset[State] | None = None) -> None:
    now = office.clock()

    def job(connection: Connection) -> None:
        delivery = queue.get(connection, delivery_id)
        if delivery is None:
            raise NotFound(delivery_id, place="delivery")
        if to is State.QUEUED:
            check_not_frozen(connection, delivery)
        if not may_move(delivery.state, to) or (only is not None and delivery.state not in only):
            raise DeliveryState(f"{delivery.state.value} → {to.value}", place=delivery_id)
        row = _envelope(connection, delivery.envelope)
        queue.set_state(connection, delivery_id, frozenset({delivery.state}), to, now=now)
        if to is State.QUEUED:
            _offer_again(connection, delivery, now)
            if delivery.state is not State.HELD:  # time runs on while an operator holds it
                deadlines.restart(connection, delivery_id, now)
        office.append(connection, [_entry(row, Event.OPERATOR, delivery.recipient, now, why=why, by=f"operator:{by}")])

    office.store.write(job)


def _failure(temporary: bool, detail: str) -> str:
    return why(ReasonCode.NO_ANSWER if temporary else ReasonCode.NEXT_SYSTEM, detail)


def _offer_again(connection: Connection, delivery: Delivery, now: datetime) -> None:
    # A collector's cursor is already past the old line of the mailbox.
    agency = agencies.get(connection, delivery.recipient)
    if agency is not None and agency.mode.value == "pull":
        queue.inbox_put(connection, delivery.recipient, "document", delivery.id, now)


def _entry(row: EnvelopeRow, event: Event, recipient: str, now: datetime, *, why: str = "", by: str = "hub") -> Entry:
    return Entry(
        event=event,
        at=now,
        by=by,
        envelope=row.id,
        document_id=row.document_id,
        document_sha256=row.package_sha256,
        sender=row.sender,
        recipient=recipient,
        why=why,
    )


def _envelope(connection: Connection, envelope: str) -> EnvelopeRow:
    row = envelopes.get(connection, envelope)
    if row is None:
        raise NotFound(envelope, place="envelope")
    return row
