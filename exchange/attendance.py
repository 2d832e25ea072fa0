"""attendance — điểm danh chứng kiến: what of the witnesses' conduct becomes entries of the log (`LogWitness`).

Who was asked, who fell silent or refused, and when too few were there: later nobody can say
that a head lacks cosignatures because nobody was asked. Only changes are written, and of one
witness at most one a minute, so that a bad line does not fill the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from exchange.custody import Entry, Event, control
from exchange.event_reasons import ReasonCode, why
from exchange.office import Office
from exchange.store import custody_log
from exchange.store.heads import WitnessState
from signing.witness_policy import WitnessPolicy

SILENT_AFTER = 5  # failures in a row: with the pauses between them some 15 s
LATE = timedelta(seconds=1)  # the time in which heads follow each other
LATE_AFTER = 3
QUORUM_AFTER = timedelta(seconds=30)
PAUSE = timedelta(minutes=1)
QUORUM = "quorum"  # stands in the place of a witness's name
_REFUSALS = ("HTTP 400", "HTTP 403", "HTTP 404", "HTTP 422")


class Change(StrEnum):
    """What happened, as it stands in the entry's data."""

    ADDED = "added"
    REMOVED = "removed"
    SILENT = "silent"
    REFUSED = "refused"
    LATE = "late"
    BACK = "back"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class _Last:
    change: str
    key: str
    at: datetime


@dataclass(slots=True)
class Attendance:
    """The book of one hub process. What it compares with is the log itself, so several processes write each change once."""

    office: Office
    policy: WitnessPolicy | None
    _last: dict[str, _Last] = field(default_factory=dict)
    _read_to: int = -1
    _late: dict[str, int] = field(default_factory=dict)
    _lacking: datetime | None = None
    _enrolled: bool = False

    def enrol(self) -> bool:
        """Once in a process: write down who was added to the policy or taken out of it since the last time. False when it was done."""
        if self._enrolled:
            return False
        # Durable: the entries; a crash before costs nothing, the next process writes them.
        self.office.store.write(self._enrol)
        self._enrolled = True
        return True

    def enter(self, connection: Connection, states: Iterable[WitnessState], *, satisfied: bool, missing: Iterable[str]) -> None:
        """Write what changed, in the transaction that stores a published head and `states`."""
        states = list(states)
        self._count_late(states)
        now = self.office.clock()
        self._lacking = None if satisfied else self._lacking or now
        if self.policy is None:
            return
        self._catch_up(connection)
        entries = [entry for state in states if (entry := self._changed(state, now)) is not None]
        if (entry := self._quorum(now, ", ".join(missing))) is not None:
            entries.append(entry)
        if entries:
            self.office.append(connection, entries)

    def _enrol(self, connection: Connection) -> None:
        now = self.office.clock()
        self._catch_up(connection)
        present = {w.name: _digest(w.key.vkey) for w in self.policy.witnesses} if self.policy is not None else {}
        known = {name: last for name, last in self._last.items() if name != QUORUM and last.change not in (Change.REMOVED, Change.CONTRADICTED)}
        gone = [(name, last.key) for name, last in known.items() if present.get(name) != last.key]
        come = [(name, key) for name, key in present.items() if name not in known or known[name].key != key]
        entries = [_entry(Change.REMOVED, name, now, key=key) for name, key in gone]
        entries += [_entry(Change.ADDED, name, now, key=key) for name, key in come]
        if entries:
            self.office.append(connection, entries)

    def _catch_up(self, connection: Connection) -> None:
        """Read the entries written since the last time, by whichever process; all of them the first time."""
        for row in custody_log.control_entries(connection, Event.LOG_WITNESS, newest=0 if self._read_to < 0 else 64):
            if row.seq > self._read_to:
                value = json.loads(row.leaf)
                data = value.get("data", {})
                if data.get("change") != Change.CONTRADICTED:
                    key = value.get("obj", {}).get("sha256", "")
                    self._last[str(data.get("name"))] = _Last(str(data.get("change")), key, row.at)
                self._read_to = row.seq

    def _changed(self, state: WitnessState, now: datetime) -> Entry | None:
        last = self._last.get(state.name)
        if last is None or last.change == Change.REMOVED or now - last.at < PAUSE and last.change != Change.ADDED:
            return None
        change, text = _conduct(state, self._late.get(state.name, 0))
        bad = last.change in (Change.SILENT, Change.REFUSED, Change.LATE)
        if change is None or change == last.change or (change is Change.BACK and not bad):
            return None
        return _entry(change, state.name, now, key=last.key, size=state.size, text=text)

    def _quorum(self, now: datetime, missing: str) -> Entry | None:
        last = self._last.get(QUORUM)
        lost = last is not None and last.change == Change.SILENT
        if last is not None and now - last.at < PAUSE:
            return None
        if self._lacking is not None and not lost and now - self._lacking >= QUORUM_AFTER:
            return _entry(Change.SILENT, QUORUM, now, text=why(ReasonCode.NO_ANSWER, missing[:200]))
        if self._lacking is None and lost:
            return _entry(Change.BACK, QUORUM, now)
        return None

    def _count_late(self, states: Iterable[WitnessState]) -> None:
        for state in states:
            slow = state.cosigned_at is not None and state.asked_at is not None and state.cosigned_at - state.asked_at > LATE
            self._late[state.name] = self._late.get(state.name, 0) + 1 if slow and not state.failures else 0


def _conduct(state: WitnessState, late: int) -> tuple[Change | None, str]:
    if state.failures and state.last_error.startswith(_REFUSALS):
        return Change.REFUSED, why(ReasonCode.NEXT_SYSTEM, state.last_error[:200])
    if state.failures >= SILENT_AFTER:
        return Change.SILENT, why(ReasonCode.NO_ANSWER, state.last_error[:200])
    if state.failures:
        return None, ""
    if late:
        return (Change.LATE, why(ReasonCode.NO_ANSWER, f"{late} heads in a row")) if late >= LATE_AFTER else (None, "")
    return Change.BACK, ""


def _entry(change: Change, name: str, now: datetime, *, key: str = "", size: int = 0, text: str = "") -> Entry:
    data: tuple[tuple[str, str | int], ...] = (("change", change.value), ("name", name[:200]))
    if size:
        data += (("size", size),)
    return control(Event.LOG_WITNESS, now, data=data, object_sha256=key, object_type="vkey" if key else "", why=text)


def _digest(vkey: str) -> str:
    return hashlib.sha256(vkey.encode()).hexdigest()
