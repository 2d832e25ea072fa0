"""delivery — lượt chuyển: one document on its way to one recipient.

Transport states and their lawful moves, and when to try again. Business
statuses (01…16) live in `lifecycle`; the two never share a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Transport states; the comment of each is its lawful moves."""

    QUEUED = "queued"  # -> claimed, held, recalled, expired, delivered (pulled), failed (the puller says so)
    CLAIMED = "claimed"  # -> delivered, queued (temporary), failed, acknowledged, recalled
    DELIVERED = "delivered"  # -> acknowledged, recalled
    ACKNOWLEDGED = "acknowledged"  # -> recalled
    FAILED = "failed"  # -> queued (resend), delivered (pulled after all), recalled
    EXPIRED = "expired"  # -> queued (resend), delivered (pulled after all), recalled
    HELD = "held"  # -> queued (release), recalled
    RECALLED = "recalled"  # the end: never handed over any more


_MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.CLAIMED, State.DELIVERED, State.ACKNOWLEDGED, State.HELD, State.RECALLED, State.EXPIRED, State.FAILED}),
    State.CLAIMED: frozenset({State.DELIVERED, State.ACKNOWLEDGED, State.QUEUED, State.FAILED, State.EXPIRED, State.RECALLED}),
    State.DELIVERED: frozenset({State.ACKNOWLEDGED, State.QUEUED, State.RECALLED}),
    State.ACKNOWLEDGED: frozenset({State.RECALLED}),
    State.FAILED: frozenset({State.QUEUED, State.ACKNOWLEDGED, State.DELIVERED, State.RECALLED}),
    State.EXPIRED: frozenset({State.QUEUED, State.ACKNOWLEDGED, State.DELIVERED, State.RECALLED}),
    State.HELD: frozenset({State.QUEUED, State.RECALLED}),
    State.RECALLED: frozenset(),
}


def may_move(before: State, after: State) -> bool:
    """Is `before` → `after` a lawful transport move?"""
    return after in _MOVES[before]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the queue. `attempt` is the fencing token of the current lease."""

    id: str
    envelope: str
    recipient: str
    state: State
    attempt: int
    priority: int
    next_at: datetime
    lease_until: datetime | None = None
    status: str = ""
    last_error: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Back-off of the relay: 5 s doubling to 10 min, given up after `give_up` (EN 319 522: 24 h)."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=10)
    give_up: timedelta = timedelta(hours=24)

    def wait(self, attempt: int) -> timedelta:
        """How long to wait after failed attempt number `attempt` (from 1)."""
        return min(self.first * float(2 ** min(attempt - 1, 20)), self.longest)
