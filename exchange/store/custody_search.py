"""custody_search — tìm trong sổ: entries by what an auditor knows, and what the rest of the database says about the log.

No question reads the whole log. Documents, their files and their statuses are found by indexes, events
by one over (event, number); a time is turned into a running number by halving; a leaf hash is looked up
in the tiles, which hold 32 bytes of an entry instead of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, exists, func, literal_column, select, union

from exchange.custody import Event
from exchange.delivery import State
from exchange.store import custody_tree, directory
from exchange.store.tables import attachments as a
from exchange.store.tables import custody_entry as e
from exchange.store.tables import custody_tile as t
from exchange.store.tables import deliveries as d
from exchange.store.tables import envelopes as v
from exchange.store.tables import statuses as s
from signing.merkle import HASH, TILE

STREAM = 500
# Entries stand in the order of commits, their times are read a moment before: they may cross by as much
# as a clock is set back. Farther back than this, what `fsck` names as time running backwards may be passed over.
CROSSING = timedelta(hours=1)


_NOBODY: ColumnElement[str] = literal_column("''")  # as it stands in the partial indexes


@dataclass(frozen=True, slots=True)
class Found:
    """One entry. `number` counts over the whole log; `event` is its name without the namespace."""

    number: int
    at: datetime
    event: str
    envelope: str
    document_id: str
    sender: str
    recipient: str
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; "" and None leave a condition out. `agency` is sender or recipient, `event` an `Event`'s value.
    `digest` is the lower-hex SHA-256 of a package, file, seal or status message, or an entry's leaf hash."""

    document_id: str = ""
    agency: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None
    digest: str = ""
    after: int = -1
    limit: int = 200


def search(connection: Connection, query: Query) -> list[Found]:
    """Entries in log order that meet every condition of `query`."""
    rows = connection.execute(statement_of(connection, query))
    return [Found(r.seq, r.at, r.event, r.envelope, r.document_id, r.sender, r.recipient, r.leaf_hash.hex()) for r in rows]


def statement_of(connection: Connection, query: Query) -> Select[Any]:
    """What is asked of the database; a test looks how it is answered."""
    columns = (e.c.seq, e.c.at, e.c.event, e.c.envelope, e.c.sender, e.c.recipient, e.c.leaf_hash)
    statement = select(*columns, func.coalesce(v.c.document_id, "").label("document_id")).outerjoin(v, v.c.id == e.c.envelope)
    first, end = _between(connection, query)
    statement = statement.where(e.c.seq >= first).order_by(e.c.seq).limit(query.limit)
    if end is not None:
        statement = statement.where(e.c.seq < end)
    if query.document_id:
        statement = statement.where(e.c.envelope.in_(_named(query.document_id)), e.c.envelope != _NOBODY)
    if query.agency:
        statement = statement.where(e.c.seq.in_(_of_agency(query.agency)))
    if query.event:
        statement = statement.where(e.c.event == query.event)
    if query.since is not None:
        statement = statement.where(e.c.at >= query.since)
    if query.until is not None:
        statement = statement.where(e.c.at < query.until)
    if query.digest:
        statement = statement.where(e.c.seq.in_(_bears(query.digest, _numbers_of(connection, query.digest))))
    return statement


def place_of(connection: Connection, moment: datetime) -> int:
    """About where the log stood at `moment`: a running number before which entries are older, found by halving.

    Exact where times never run backwards; see `CROSSING` for where they do.
    """
    low, high = 0, custody_tree.size(connection)
    while low < high:
        middle = (low + high) // 2
        at = connection.execute(select(e.c.at).where(e.c.seq >= middle).order_by(e.c.seq).limit(1)).scalar()
        if at is not None and at < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _between(connection: Connection, query: Query) -> tuple[int, int | None]:
    """Running numbers that the times of `query` leave: from the first, before the second."""
    first = query.after + 1
    if query.since is not None:
        first = max(first, place_of(connection, query.since - CROSSING))
    return first, None if query.until is None else place_of(connection, query.until + CROSSING)


def _numbers_of(connection: Connection, digest: str) -> list[int]:
    """Running numbers of the entries with this leaf hash. An index over leaf hashes would cost a fifth of every
    append; the tiles hold the same hashes side by side, and each epoch's newest entries are read as they are."""
    wanted, found = bytes.fromhex(digest), list[int]()
    for epoch in custody_tree.epochs(connection):
        end = custody_tree.bounds(connection, epoch.number)[1]
        place = func.instr(t.c.hashes, wanted) if connection.dialect.name == "sqlite" else func.pg_catalog.position(t.c.hashes, wanted)
        tiles = select(t.c.idx, t.c.hashes).where(t.c.epoch == epoch.number, t.c.level == 0, place > 0)
        for row in connection.execute(tiles):
            found += [epoch.first + row.idx * TILE + n for n in range(TILE) if row.hashes[n * HASH : (n + 1) * HASH] == wanted]
        newest = select(e.c.seq).where(e.c.seq >= end - (end - epoch.first) % TILE, e.c.seq < end, e.c.leaf_hash == wanted)
        found += connection.execute(newest).scalars()
    return found


def _named(name: str) -> CompoundSelect[Any]:
    """Envelopes with this document id, number or id of their own; one question each, so that each has its index."""
    return union(*(select(v.c.id).where(column == name) for column in (v.c.document_id, v.c.code, v.c.id)))


def _of_agency(code: str) -> CompoundSelect[Any]:
    """Numbers of the entries that name an agency, found through its documents: an index by agency over
    every entry would cost each append more than the entry itself. Entries of no document have one."""
    sent = select(e.c.seq).join(v, v.c.id == e.c.envelope).where(v.c.sender == code, e.c.envelope != _NOBODY, e.c.sender == code)
    received = select(e.c.seq).join(d, and_(d.c.envelope == e.c.envelope, d.c.recipient == e.c.recipient))
    received = received.where(d.c.recipient == code, e.c.recipient == code, e.c.envelope != _NOBODY)
    alone = [select(e.c.seq).where(e.c.envelope == _NOBODY, column == code) for column in (e.c.sender, e.c.recipient)]
    return union(sent, received, *alone)


def _bears(digest: str, numbers: Sequence[int]) -> CompoundSelect[Any]:
    """Numbers of the entries with these `numbers`, and of the documents that have bytes of this digest."""
    columns = [(v.c.id, v.c.package_sha256), (v.c.id, v.c.seal_sha256), (v.c.id, v.c.header_sha256)]
    columns += [(a.c.envelope, a.c.sha256), (s.c.envelope, s.c.sha256), (s.c.envelope, s.c.seal_sha256)]
    holders = union(*(select(holder.label("id")).where(column == digest) for holder, column in columns)).subquery()
    lives = select(e.c.seq).join(holders, holders.c.id == e.c.envelope).where(e.c.envelope != _NOBODY)
    return union(select(e.c.seq).where(e.c.seq.in_(numbers)), lives)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the log should say and does not, or says too late. `kind`: missing, late."""

    kind: str
    envelope: str
    document_id: str
    agency: str
    event: str
    since: datetime


_NEEDED = (
    ((State.DELIVERED,), (Event.CONSIGNED,)),
    ((State.ACKNOWLEDGED,), (Event.HANDED_OVER, Event.REGISTERED)),
    ((State.FAILED,), (Event.CONSIGNMENT_FAILED,)),
    ((State.EXPIRED,), (Event.HANDOVER_FAILED, Event.CONSIGNMENT_FAILED)),
)


def missing(connection: Connection) -> Iterator[Gap]:
    """States of the database without the entry that must stand behind them."""
    logged = exists().where(e.c.envelope == v.c.id, e.c.event == Event.ACCEPTED.value)
    accepted = select(v.c.id, v.c.document_id, v.c.sender, v.c.accepted_at).where(~logged)
    for row in connection.execution_options(yield_per=STREAM).execute(accepted):
        yield Gap("missing", row.id, row.document_id, row.sender, Event.ACCEPTED.value, row.accepted_at)
    for states, events in _NEEDED:
        logged = exists().where(e.c.envelope == d.c.envelope, e.c.recipient == d.c.recipient, e.c.event.in_([event.value for event in events]))
        rows = _deliveries().where(d.c.state.in_([state.value for state in states]), ~logged)
        yield from _gaps(connection, rows, "missing", events[0])
    # A status message is logged at the moment it was taken.
    logged = exists().where(e.c.envelope == s.c.envelope, e.c.at == s.c.received_at)
    told = select(s.c.envelope, v.c.document_id, s.c.agency, s.c.code, s.c.received_at).join(v, v.c.id == s.c.envelope).where(~logged)
    for taken in connection.execution_options(yield_per=STREAM).execute(told):
        yield Gap("missing", taken.envelope, taken.document_id, taken.agency, f"{Event.STATUS.value} {taken.code}", taken.received_at)


def late(connection: Connection, before: datetime) -> Iterator[Gap]:
    """Deliveries that have been waiting for their next event since before a moment."""
    waiting = ((State.QUEUED, Event.CONSIGNED), (State.CLAIMED, Event.CONSIGNED), (State.HELD, Event.CONSIGNED), (State.DELIVERED, Event.HANDED_OVER))
    for state, event in waiting:
        yield from _gaps(connection, _deliveries().where(and_(d.c.state == state.value, d.c.updated_at < before)), "late", event)


def _deliveries() -> Select[tuple[str, str, str, datetime]]:
    return select(d.c.envelope, v.c.document_id, d.c.recipient, d.c.updated_at).join(v, v.c.id == d.c.envelope).order_by(d.c.updated_at)


def _gaps(connection: Connection, rows: Select[tuple[str, str, str, datetime]], kind: str, event: Event) -> Iterator[Gap]:
    for row in connection.execution_options(yield_per=STREAM).execute(rows):
        yield Gap(kind, row.envelope, row.document_id, row.recipient, event.value, row.updated_at)


def blobs_referenced(connection: Connection) -> Iterator[tuple[str, str]]:
    """(digest, what it is and whose) of every stored file that the database speaks of."""
    stream = connection.execution_options(yield_per=STREAM)
    for row in stream.execute(select(v.c.id, v.c.package_sha256, v.c.seal_sha256)):
        yield row.package_sha256, f"package of {row.id}"
        yield row.seal_sha256, f"seal of {row.id}"
    for row in stream.execute(select(s.c.id, s.c.sha256, s.c.seal_sha256)):
        yield row.sha256, f"status {row.id}"
        yield row.seal_sha256, f"seal of status {row.id}"
    yield from directory.files_referenced(connection)


def files_referenced(connection: Connection) -> int:
    """How many such files there are."""
    count = 2 * (connection.execute(select(func.count()).select_from(v)).scalar() or 0)
    count += len(directory.files_referenced(connection))
    return count + 2 * (connection.execute(select(func.count()).select_from(s)).scalar() or 0)
