"""clocks — thời hạn chứng cứ: silence becomes evidence, once, whatever restarts in between.

EN 319 522 and PEC practice: no answer from the next system after 12 h, not delivered after
24 h, not collected after 36 h, each with a warning before. The clock is handed in. Only
deliveries of documents have time-outs; a notice has none, so failure notices never cause
failure notices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from exchange.custody import Entry, Event
from exchange.delivery import State
from exchange.event_reasons import ReasonCode, why
from exchange.office import Office
from exchange.store import deadlines, envelopes, queue
from exchange.store.deadlines import Due

_ON_THE_WAY = (State.QUEUED, State.CLAIMED, State.HELD)


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs from the acceptance, or from the last resending. A zero `warning` warns of nothing,
    a zero `decision` means that none was agreed."""

    relay: timedelta = timedelta(hours=12)
    consignment: timedelta = timedelta(hours=24)
    retrieval: timedelta = timedelta(hours=36)
    decision: timedelta = timedelta(0)
    warning: timedelta = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One time-out: what is written about which deliveries, and the state that a queued one moves to."""

    event: Event
    warned: Event | None
    after: timedelta
    reason: ReasonCode
    states: tuple[State, ...]
    mode: str = ""
    status: str | None = None
    ends: State | None = None


def _rules(limits: Limits) -> list[_Rule]:
    # A claimed delivery is being carried right now; what comes of it is settled by who carries it.
    rules = [
        _Rule(Event.RELAY_FAILED, Event.RELAY_DUE, limits.relay, ReasonCode.NO_ANSWER, _ON_THE_WAY, "push"),
        _Rule(
            Event.CONSIGNMENT_FAILED,
            Event.CONSIGNMENT_DUE,
            limits.consignment,
            ReasonCode.NO_ANSWER,
            (State.QUEUED, State.HELD),
            "push",
            ends=State.EXPIRED,
        ),
        _Rule(
            Event.HANDOVER_FAILED,
            Event.HANDOVER_DUE,
            limits.retrieval,
            ReasonCode.RETENTION,
            (State.QUEUED, State.HELD, State.DELIVERED),
            "pull",
            ends=State.EXPIRED,
        ),
        _Rule(Event.HANDOVER_FAILED, Event.HANDOVER_DUE, limits.retrieval, ReasonCode.RETENTION, (State.DELIVERED,), "push"),
    ]
    if limits.decision:
        rules.append(_Rule(Event.ACCEPTANCE_EXPIRED, None, limits.decision, ReasonCode.NO_DECISION, (State.ACKNOWLEDGED,), status="01"))
    return rules


def run(office: Office, limits: Limits) -> int:
    """Write the evidence of every time-out that has come, and every warning; how many events."""
    now = office.clock()
    return office.store.write(lambda c: sum(_apply(office, c, rule, limits.warning, now) for rule in _rules(limits)))


def _apply(office: Office, connection: Connection, rule: _Rule, warning: timedelta, now: datetime) -> int:
    found = deadlines.due(connection, rule.event.value, now - rule.after, states=rule.states, mode=rule.mode, status=rule.status)
    entries = []
    for item in found:
        # Durable together: the mark, the state and the custody entry, or none of them.
        deadlines.mark(connection, item.delivery, rule.event.value, now)
        if rule.ends is not None and item.state is State.QUEUED:
            queue.set_state(connection, item.delivery, frozenset({State.QUEUED}), rule.ends, now=now)
        entries.append(_entry(connection, item, rule.event, now, why(rule.reason, _hours(rule.after))))
    ahead = min(warning, rule.after / 2)
    if ahead and rule.warned is not None:
        for item in deadlines.due(connection, rule.warned.value, now - rule.after + ahead, states=rule.states, mode=rule.mode, status=rule.status):
            if now - item.since >= rule.after:
                continue  # too late for a warning
            deadlines.mark(connection, item.delivery, rule.warned.value, now)
            until = (item.since + rule.after).isoformat(timespec="seconds")
            entries.append(_entry(connection, item, rule.warned, now, why(ReasonCode.DUE_SOON, until)))
    office.append(connection, entries)
    return len(entries)


def _hours(limit: timedelta) -> str:
    return f"{limit / timedelta(hours=1):g} h"


def _entry(connection: Connection, item: Due, event: Event, now: datetime, reason: str) -> Entry:
    row = envelopes.get(connection, item.envelope)
    if row is None:
        raise LookupError(item.envelope)
    return Entry(
        event=event,
        at=now,
        by="hub",
        envelope=row.id,
        document_id=row.document_id,
        document_sha256=row.package_sha256,
        sender=row.sender,
        recipient=item.recipient,
        why=reason,
    )
