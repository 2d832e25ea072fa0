"""statements — bảng kê ngày: at day's end, a sealed list for each agency of all that the log says about it.

Days are days of Vietnam. A day is closed once, some minutes after midnight or as soon as the hub
is up again; each statement begins where the one before ended. The digest of a statement is itself
an entry of the log, so the hub's time-stamps cover it and it cannot be swapped for another later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from exchange.custody import Entry, Event
from exchange.errors import NotFound
from exchange.office import Office
from exchange.store import agencies, custody_log
from exchange.store import statements as kept
from exchange.store.statements import LINE, Made
from signing.seal import sign_seal
from signing.statement_check import Statement, statement_bytes, statement_file
from signing.wording import VIETNAM

GRACE = timedelta(minutes=5)  # what was begun before midnight is in the log by then
CHUNK = 64  # agencies in one transaction
Head = tuple[str, tuple[tuple[str, int], ...]]  # a signed note, and (origin, first number) of every epoch so far


def day_of(moment: datetime) -> date:
    """The day in Vietnam."""
    return moment.astimezone(VIETNAM).date()


def end_of(day: date) -> datetime:
    """Midnight at the end of a day in Vietnam, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=VIETNAM).astimezone(UTC) + timedelta(days=1)


def close_days(office: Office, *, through: date | None = None) -> int:
    """Make every statement that is due; how many were made.

    Args:
        through: the last day to close; yesterday by default, once `GRACE` has passed.
    """
    last = through or day_of(office.clock() - GRACE) - timedelta(days=1)
    with office.store.read() as connection:
        codes = agencies.taking_part(connection)
        if kept.made_of(connection, last.isoformat()) >= len(codes):
            return 0  # once a minute, so this must cost little
        made = kept.newest(connection)
        began = kept.first_moment(connection)
    if began is None:
        return 0
    known = [date.fromisoformat(made[code].day) + timedelta(days=1) for code in codes if code in made]
    new = [code for code in codes if code not in made]
    day = min([*known, day_of(began)] if new and not known else known, default=last)
    count = 0
    while day <= last:
        count += _close(office, day)
        day += timedelta(days=1)
    return count


def _close(office: Office, day: date) -> int:
    """Close one day for every agency that has no statement of it."""
    with office.store.read() as connection:
        made = kept.newest(connection)
        start = max((m.last for m in made.values() if m.day < day.isoformat()), default=0)
        # An agency that takes part since begins with this day; what was sent to its bare address before stands in the log, not here.
        begin = {code: made[code].last if code in made else start for code in agencies.taking_part(connection)}
        begin = {code: first for code, first in begin.items() if code not in made or made[code].day < day.isoformat()}
        last = kept.boundary(connection, max(begin.values(), default=0), end_of(day))
        lines = kept.gather(connection, begin, last)
        epochs = tuple((e.origin or office.origin, e.first) for e in custody_log.epochs(connection) if e.first < max(last, 1))
    if not begin:
        return 0
    note = office.head(covering=last)
    count = 0
    codes = sorted(begin)
    for place in range(0, len(codes), CHUNK):
        rows = [_make(office, code, day, begin[code], last, bytes(lines[code]), made, (note, epochs)) for code in codes[place : place + CHUNK]]

        def job(connection: Connection, rows: list[tuple[Made, bytes, bytes]] = rows) -> int:
            # Another hub process may have been quicker: the first statement of a day stands.
            fresh = [row for row, data, seal in rows if kept.save(connection, row, data, seal)]
            if fresh:
                office.append(connection, [_event(row) for row in fresh])
            return len(fresh)

        # Durable after this: statements and their entries together. A crash before it costs only the signing.
        count += office.store.write(job)
    return count


def _make(office: Office, code: str, day: date, first: int, last: int, lines: bytes, made: Mapping[str, Made], head: Head) -> tuple[Made, bytes, bytes]:
    now = office.clock()
    entries = tuple((int.from_bytes(lines[i : i + 8], "big"), lines[i + 8 : i + LINE]) for i in range(0, len(lines), LINE))
    statement = Statement(
        agency=code,
        day=day.isoformat(),
        epochs=head[1],
        first=first,
        last=last,
        entries=entries,
        previous=made[code].sha256 if code in made else "",
        head=head[0],
        made_at=now,
    )
    data = statement_bytes(statement)
    digest = hashlib.sha256(data)
    row = Made(code, statement.day, first, last, len(entries), statement.root, digest.hexdigest(), now)
    return row, data, sign_seal(digest.digest(), office.seal_key)


def _event(row: Made) -> Entry:
    return Entry(event=Event.LOG_STATEMENT, at=row.at, by="hub", recipient=row.agency, object_sha256=row.sha256, object_type="statement+seal", why=row.day)


def statement_of(office: Office, agency: str, day: str) -> bytes:
    """The statement file of one day: sealed bytes, seal, and the entries it lists.

    Raises:
        NotFound: no statement of that day.
    """
    with office.store.read() as connection:
        found = kept.get(connection, agency, day)
        if found is None:
            raise NotFound(f"{agency} {day}"[:80], place="statement")
        data, seal = found
        return statement_file(data, seal, kept.leaves(connection, indices(data)))


def indices(data: bytes) -> list[int]:
    """The indices a sealed statement lists; it is our own, so its form is known."""
    value = json.loads(data)
    return [int(index) for index, _ in value["entries"]]


def listed(office: Office, agency: str = "", *, limit: int = 400) -> list[dict[str, Any]]:
    """Statements made, newest first, of one agency or of all."""
    with office.store.read() as connection:
        rows = kept.of_agency(connection, agency, limit)
    return [
        {
            "agency": row.agency,
            "day": row.day,
            "first": row.first,
            "last": row.last,
            "count": row.count,
            "root": row.root.hex(),
            "sha256": row.sha256,
            "made_at": row.at.isoformat(),
        }
        for row in rows
    ]
