"""queue — hàng đợi: deliveries on their way, and the mailbox lines agencies collect.

A claim raises the attempt number, which fences the lease: only the worker that
still holds that number may settle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, insert, literal, or_, select, update

from exchange.delivery import Delivery, State
from exchange.store.tables import agencies, envelopes
from exchange.store.tables import deliveries as d
from exchange.store.tables import mailbox as m

_COLUMNS = (
    d.c.id,
    d.c.envelope,
    d.c.recipient,
    d.c.state,
    d.c.attempt,
    d.c.priority,
    d.c.next_at,
    d.c.lease_until,
    d.c.status,
    d.c.last_error,
    d.c.updated_at,
)


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One mailbox line. `ref` is a delivery's or a status message's id."""

    cursor: int
    kind: str
    ref: str
    at: datetime


def _delivery(row: Any) -> Delivery:
    values = dict(row._mapping)
    return Delivery(**{**values, "state": State(values["state"])})


def claim(
    connection: Connection, *, now: datetime, lease: timedelta, limit: int, worker: str, room: Mapping[str, int] | None = None, most: int = 0
) -> list[Delivery]:
    """Claim due push deliveries: urgent first, then one per recipient in turn.

    Args:
        room: how many more a recipient may have; one that is not named may have `most` (0: any number).
    """
    due = or_(
        and_(d.c.state == State.QUEUED.value, d.c.next_at <= now),
        and_(d.c.state == State.CLAIMED.value, d.c.lease_until <= now),
    )
    turn = func.row_number().over(partition_by=(d.c.recipient, d.c.priority), order_by=(d.c.next_at, d.c.id))
    place = func.row_number().over(partition_by=d.c.recipient, order_by=(d.c.priority.desc(), d.c.next_at, d.c.id))
    allowed = case(dict(room), value=d.c.recipient, else_=most or limit) if room else literal(most or limit)
    ranked = (
        select(d.c.id, d.c.priority, d.c.next_at, turn.label("turn"), place.label("place"), allowed.label("allowed"))
        .join(agencies, agencies.c.code == d.c.recipient)
        .where(due, agencies.c.mode == "push")
        .subquery()
    )
    first = (ranked.c.priority.desc(), ranked.c.turn, ranked.c.next_at, ranked.c.id)
    chosen = connection.execute(select(ranked.c.id).where(ranked.c.place <= ranked.c.allowed).order_by(*first).limit(limit)).scalars()
    claimed = []
    for id in chosen:
        row = connection.execute(
            update(d)
            .where(d.c.id == id, due)
            .values(state=State.CLAIMED.value, attempt=d.c.attempt + 1, lease_until=now + lease, worker=worker, updated_at=now)
            .returning(*_COLUMNS)
        ).first()
        if row is not None:
            claimed.append(_delivery(row))
    return claimed


def extend(connection: Connection, id: str, attempt: int, *, until: datetime) -> bool:
    """Make the lease of an attempt longer; False when it is not that attempt's any more."""
    ours = (d.c.id == id, d.c.attempt == attempt, d.c.state == State.CLAIMED.value)
    return connection.execute(update(d).where(*ours).values(lease_until=until)).rowcount == 1


def settle(connection: Connection, id: str, attempt: int, state: State, *, now: datetime, error: str, next_at: datetime) -> bool:
    """Record the outcome of attempt number `attempt`; False when the lease is not that attempt's any more."""
    result = connection.execute(
        update(d)
        .where(d.c.id == id, d.c.attempt == attempt, d.c.state == State.CLAIMED.value)
        .values(state=state.value, last_error=error, next_at=next_at, lease_until=None, worker="", updated_at=now)
    )
    return result.rowcount == 1


def set_state(connection: Connection, id: str, before: frozenset[State], to: State, *, now: datetime) -> bool:
    """Move a delivery if it is in one of `before`."""
    values = {"state": to.value, "updated_at": now, "next_at": now, "lease_until": None}
    where = (d.c.id == id, d.c.state.in_([s.value for s in before]))
    return connection.execute(update(d).where(*where).values(values)).rowcount == 1


def set_status(connection: Connection, id: str, status: str, *, now: datetime) -> None:
    """Record the business status (01…16)."""
    connection.execute(update(d).where(d.c.id == id).values(status=status, updated_at=now))


def get(connection: Connection, id: str) -> Delivery | None:
    """By id."""
    row = connection.execute(select(*_COLUMNS).where(d.c.id == id)).first()
    return _delivery(row) if row is not None else None


def for_recipient(connection: Connection, envelope: str, recipient: str) -> Delivery | None:
    """The delivery of an envelope to one recipient."""
    row = connection.execute(select(*_COLUMNS).where(d.c.envelope == envelope, d.c.recipient == recipient)).first()
    return _delivery(row) if row is not None else None


def of_envelope(connection: Connection, envelope: str) -> list[Delivery]:
    """Deliveries of an envelope by recipient."""
    rows = connection.execute(select(*_COLUMNS).where(d.c.envelope == envelope).order_by(d.c.recipient))
    return [_delivery(row) for row in rows]


def overview(connection: Connection, *, state: str = "", agency: str = "", limit: int = 200) -> list[Mapping[str, Any]]:
    """Deliveries with their document's facts, newest first, for the operator's table."""
    statement = (
        select(
            d.c.id.label("delivery"),
            d.c.envelope,
            envelopes.c.sender.label("from"),
            d.c.recipient,
            envelopes.c.document_id,
            envelopes.c.subject,
            d.c.priority,
            d.c.state,
            d.c.status,
            d.c.attempt,
            d.c.last_error,
            d.c.next_at,
            d.c.updated_at,
        )
        .join(envelopes, envelopes.c.id == d.c.envelope)
        .order_by(d.c.created_at.desc(), d.c.id)
        .limit(limit)
    )
    if state:
        statement = statement.where(d.c.state == state)
    if agency:
        statement = statement.where(or_(d.c.recipient == agency, envelopes.c.sender == agency))
    rows: list[Mapping[str, Any]] = []
    for row in connection.execute(statement).mappings():
        rows.append({**row, "next_at": row["next_at"].isoformat(), "updated_at": row["updated_at"].isoformat()})
    return rows


def inbox_put(connection: Connection, agency: str, kind: str, ref: str, at: datetime) -> int:
    """Add a line to an agency's mailbox; its cursor."""
    result = connection.execute(insert(m).values(agency=agency, kind=kind, ref=ref, at=at).returning(m.c.cursor))
    cursor: int = result.scalar_one()
    return cursor


def inbox_after(connection: Connection, agency: str, after: int, limit: int) -> list[InboxItem]:
    """Lines of an agency's mailbox above the cursor, oldest first."""
    statement = select(m.c.cursor, m.c.kind, m.c.ref, m.c.at).where(m.c.agency == agency, m.c.cursor > after)
    return [InboxItem(*row) for row in connection.execute(statement.order_by(m.c.cursor).limit(limit))]
