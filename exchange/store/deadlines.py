"""deadlines — thời hạn: which deliveries are past an evidence time-out, and which time-outs were written already.

One row for each time-out of a delivery, in the transaction that writes its evidence: a
restart, or another hub process, finds the row and writes nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, func, insert, select

from exchange.delivery import State
from exchange.store.tables import agencies
from exchange.store.tables import deliveries as d
from exchange.store.tables import evidence_clock as k

START = "start"  # the time-outs run from here instead of from the acceptance


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is past a time-out. `since` is when the time-out began to run."""

    delivery: str
    envelope: str
    recipient: str
    state: State
    since: datetime


def due(
    connection: Connection, kind: str, before: datetime, *, states: Sequence[State], mode: str = "", status: str | None = None, limit: int = 500
) -> list[Due]:
    """Deliveries whose time began before `before` and for which `kind` is not written, oldest first.

    Args:
        mode: ``pull`` or ``push``, "" for both.
        status: the business status they must have, None for any.
    """
    restart = k.alias("restart")
    since = func.coalesce(restart.c.at, d.c.created_at, type_=d.c.created_at.type)
    statement = (
        select(d.c.id, d.c.envelope, d.c.recipient, d.c.state, since.label("since"))
        .join(agencies, agencies.c.code == d.c.recipient)
        .outerjoin(restart, and_(restart.c.delivery == d.c.id, restart.c.kind == START))
        .where(d.c.state.in_([s.value for s in states]), d.c.created_at <= before, since <= before)
        .where(~exists().where(k.c.delivery == d.c.id, k.c.kind == kind))
        .order_by(d.c.created_at, d.c.id)
        .limit(limit)
    )
    if mode:
        statement = statement.where(agencies.c.mode == mode)
    if status is not None:
        statement = statement.where(d.c.status == status)
    return [Due(row.id, row.envelope, row.recipient, State(row.state), row.since) for row in connection.execute(statement)]


def mark(connection: Connection, delivery: str, kind: str, now: datetime) -> bool:
    """Note that `kind` is written; False when it was before."""
    if connection.execute(select(k.c.kind).where(k.c.delivery == delivery, k.c.kind == kind)).first() is not None:
        return False
    connection.execute(insert(k).values(delivery=delivery, kind=kind, at=now))
    return True


def restart(connection: Connection, delivery: str, now: datetime) -> None:
    """Let all time-outs of a delivery run anew from `now` (it was sent again)."""
    connection.execute(delete(k).where(k.c.delivery == delivery))
    connection.execute(insert(k).values(delivery=delivery, kind=START, at=now))
