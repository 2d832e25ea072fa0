"""custody_log — sổ lưu giữ: entries of the Merkle log, appended in the caller's transaction.

The tree itself is in `custody_tree`, the order of signing in `sign_order`, the
recomputation in `custody_audit`; their names can be had from here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction, Select, delete, event, insert, or_, select, text

from exchange.custody import Entry, Event, leaf_bytes, leaf_hash
from exchange.errors import CustodyError
from exchange.store.custody_audit import Audit, recompute
from exchange.store.custody_tree import (
    Epoch,
    Place,
    bounds,
    consistency,
    current_epoch,
    edges_at,
    entry_bundle,
    epoch_of,
    epochs,
    head,
    place,
    prove,
    size,
    stored_edges,
    tile,
    tree,
)
from exchange.store.high_water import HighWater
from exchange.store.tables import custody_checkpoint as k
from exchange.store.tables import custody_edge as g
from exchange.store.tables import custody_entry as e
from exchange.store.tables import custody_epoch as p
from exchange.store.tables import custody_tile as t
from signing.merkle import Edges
from signing.note import Checkpoint, parse_note

BATCH = 1000
CHAINS = 200  # chains looked up in one statement
COPY_FROM = 50  # entries from which COPY is worth its set-up

COLUMNS = ("seq", "leaf", "leaf_hash", "envelope", "recipient", "n", "event", "sender", "at")
_PG_TYPES = ("int8", "bytea", "bytea", "text", "text", "int4", "text", "text", "timestamptz")
_INSERT = f"INSERT INTO custody_entry ({', '.join(COLUMNS)}) VALUES "
_INSERT_SQLITE = _INSERT + f"({', '.join('?' * len(COLUMNS))})"
_PG_PLACES = f"({', '.join(['%s'] * len(COLUMNS))})"

_TAIL = "custody_tail"

_Chain = tuple[str, str]
_NEWEST_SQLITE = "SELECT a, b, e.n, e.leaf_hash FROM w CROSS JOIN custody_entry AS e WHERE e.envelope = a AND e.recipient = b AND e.envelope <> ''"
_NEWEST_POSTGRESQL = text(
    "SELECT w.a, w.b, l.n, l.leaf_hash FROM unnest(CAST(:names AS text[]), CAST(:others AS text[])) AS w (a, b) JOIN LATERAL ("
    "SELECT n, leaf_hash FROM custody_entry WHERE envelope = w.a AND recipient = w.b AND envelope <> '' ORDER BY n DESC LIMIT 1) AS l ON true"
)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One stored entry. `seq` is its running number; the other columns repeat what
    the leaf says, for searching only: what counts is `leaf`."""

    seq: int
    leaf: bytes
    leaf_hash: bytes
    envelope: str
    recipient: str
    n: int
    event: Event
    sender: str
    at: datetime


def append(connection: Connection, entries: Sequence[Entry], *, salts: Callable[[], bytes], begins: Collection[str] = ()) -> list[int]:
    """Append entries inside the caller's transaction; their running numbers.

    The caller is the only log writer for the length of its transaction (the
    store's writer lock), so edges are read, extended and written back here. If
    that lock ever failed, the primary key refuses the second writer.

    Args:
        begins: envelopes that were made in this transaction: they have no chains yet,
            and none are looked up. Were one not new, the index of chains refuses the entry.
    """
    if not entries:
        return []
    tail = _tail(connection)
    heads = _chains(connection, {(entry.envelope, entry.recipient) for entry in entries if entry.envelope and entry.envelope not in begins})
    rows: list[tuple[Any, ...]] = []
    for seq, entry in enumerate(entries, tail.seq + 1):
        chain = (entry.envelope, entry.recipient)
        # One chain per (envelope, recipient); entries of no envelope form no chain.
        n, previous = heads.get(chain, (0, "")) if entry.envelope else (0, "")
        leaf = leaf_bytes(entry, n=n, previous=previous, salt=salts())
        digest = leaf_hash(leaf)
        heads[chain] = (n + 1, digest.hex())
        rows.append((seq, leaf, digest, entry.envelope, entry.recipient, n, entry.event.value, entry.sender, entry.at))
    _write(connection, rows, tail)
    return [row[0] for row in rows]


def write_rows(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store finished rows (in the order of `COLUMNS`, densely numbered from the log's
    end) with the tiles they fill and the new edge."""
    _write(connection, rows, _tail(connection))


@dataclass(slots=True)
class _Tail:
    # The newest entry with the edges behind it, kept with the database connection.
    seq: int
    leaf_hash: bytes
    epoch: Epoch
    edges: Edges
    transaction: RootTransaction | None = None


@event.listens_for(Engine, "rollback")
@event.listens_for(Engine, "rollback_savepoint")
def _forget(connection: Connection, *_: Any) -> None:
    # What was rolled back may hold the tail.
    connection.info.pop(_TAIL, None)


def _tail(connection: Connection) -> _Tail:
    own: _Tail | None = connection.info.get(_TAIL)
    if own is not None and own.transaction is not None and own.transaction is connection.get_transaction():
        return own  # nobody else writes during our transaction, and what it rolls back is forgotten
    newest = connection.execute(select(e.c.seq, e.c.leaf_hash).order_by(e.c.seq.desc()).limit(1)).first()
    seq, digest = (-1, b"") if newest is None else (int(newest[0]), newest[1])
    kept: _Tail | None = connection.info.pop(_TAIL, None)
    # Leaves are salted: the same newest entry means the same log before it. A rolled
    # back or another process's append leaves another one, and the edges are read anew.
    if kept is not None and (kept.seq, kept.leaf_hash) == (seq, digest):
        kept.transaction = None
        return kept
    epoch = current_epoch(connection)
    return _Tail(seq, digest, epoch, stored_edges(connection, epoch, seq + 1))


def _write(connection: Connection, rows: Sequence[tuple[Any, ...]], tail: _Tail) -> None:
    # Held by nobody until all of it is written: a failure half-way must not leave an edge too long.
    connection.info.pop(_TAIL, None)
    if any(row[-1].tzinfo is None for row in rows):
        raise ValueError("naive datetime")
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_INSERT_SQLITE, [(*row[:-1], _as_sqlite(row[-1])) for row in rows])
    elif len(rows) >= COPY_FROM:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY custody_entry ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_PG_TYPES)
            for row in rows:
                copy.write_row(row)
    else:
        # One statement, so one round trip.
        connection.exec_driver_sql(_INSERT + ", ".join([_PG_PLACES] * len(rows)), tuple(value for row in rows for value in row))
    number = tail.epoch.number
    full = tail.edges.append([row[2] for row in rows], tail.seq + 1 - tail.epoch.first)
    if full:
        connection.execute(insert(t), [{"epoch": number, "level": level, "idx": index, "hashes": data} for level, index, data in full])
        connection.execute(delete(g).where(g.c.epoch == number))
        upper = [{"epoch": number, "level": level, "hashes": b"".join(row)} for level, row in enumerate(tail.edges.rows) if level]
        connection.execute(insert(g), upper)
    tail.seq, tail.leaf_hash, tail.transaction = rows[-1][0], rows[-1][2], connection.get_transaction()
    connection.info[_TAIL] = tail


def _as_sqlite(at: datetime) -> str:
    # As `tables.Utc` stores it.
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _chains(connection: Connection, keys: set[_Chain]) -> dict[_Chain, tuple[int, str]]:
    # (next n, hash of the newest) of each chain that has begun.
    found: dict[_Chain, tuple[int, str]] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), CHAINS):
        part = ordered[start : start + CHAINS]
        rows: Any
        if connection.dialect.name == "postgresql":
            names, others = zip(*part, strict=True)
            rows = connection.execute(_NEWEST_POSTGRESQL, {"names": list(names), "others": list(others)})
        else:
            # A row value IN (…) would read the whole index; a join looks each key up.
            places = ", ".join(["(?, ?)"] * len(part))
            rows = connection.exec_driver_sql(f"WITH w (a, b) AS (VALUES {places}) {_NEWEST_SQLITE}", tuple(word for key in part for word in key))
        for envelope, recipient, n, digest in rows:
            if n >= found.get((envelope, recipient), (0, ""))[0]:
                found[envelope, recipient] = (n + 1, digest.hex())
    return found


def leaf(connection: Connection, seq: int) -> bytes:
    """Bytes of one entry.

    Raises:
        CustodyError: no such entry.
    """
    data: bytes | None = connection.execute(select(e.c.leaf).where(e.c.seq == seq)).scalar()
    if data is None:
        raise CustodyError(f"no entry {seq}", place="custody_entry")
    return data


def leaves_of(connection: Connection, envelope: str) -> list[tuple[int, bytes]]:
    """(running number, leaf) of every event of an envelope, in log order."""
    rows = connection.execute(select(e.c.seq, e.c.leaf).where(e.c.envelope == envelope, e.c.envelope != "").order_by(e.c.seq))
    return [(row.seq, row.leaf) for row in rows]


def entries(connection: Connection, start: int, end: int, *, batch: int = BATCH) -> Iterator[LogEntry]:
    """Entries from running number `start` up to before `end`, a batch in memory at a time."""
    for low in range(start, end, batch):
        statement = _stored().where(e.c.seq >= low, e.c.seq < min(low + batch, end)).order_by(e.c.seq)
        yield from map(_entry, connection.execute(statement))


def entries_for(connection: Connection, agency: str, start: int, end: int, *, batch: int = 20 * BATCH) -> Iterator[LogEntry]:
    """Entries of the range that name `agency` as sender or recipient."""
    for low in range(start, end, batch):
        statement = _stored().where(e.c.seq >= low, e.c.seq < min(low + batch, end), or_(e.c.sender == agency, e.c.recipient == agency))
        yield from map(_entry, connection.execute(statement.order_by(e.c.seq)))


def control_entries(connection: Connection, event: Event, *, newest: int = 0) -> list[LogEntry]:
    """Entries of one kind that belong to no envelope, in log order; only the `newest` ones when not 0."""
    statement = _stored().where(e.c.envelope == "", e.c.event == event.value).order_by(e.c.seq.desc())
    rows = connection.execute(statement.limit(newest) if newest else statement).all()
    return [_entry(row) for row in reversed(rows)]


def _stored() -> Select[Any]:
    return select(e.c.seq, e.c.leaf, e.c.leaf_hash, e.c.envelope, e.c.recipient, e.c.n, e.c.event, e.c.sender, e.c.at)


def _entry(row: Any) -> LogEntry:
    return LogEntry(row.seq, row.leaf, row.leaf_hash, row.envelope, row.recipient, row.n, Event(row.event), row.sender, row.at)


def insert_epoch(connection: Connection, epoch: Epoch) -> None:
    """Enter an epoch; `sign_order` and `custody_recovery` decide when."""
    connection.info.pop(_TAIL, None)
    connection.execute(insert(p).values(number=epoch.number, origin=epoch.origin, first=epoch.first, vkey=epoch.vkey, at=epoch.at))


# -- signed heads ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A signed head of an epoch, as stored."""

    epoch: int
    size: int
    root: bytes
    note: str
    at: datetime


def save_checkpoint(connection: Connection, count: int, root: bytes, note: str, at: datetime, epoch: int = 0) -> None:
    """Keep a signed head; the first note over a size stays."""
    if connection.execute(select(k.c.size).where(k.c.epoch == epoch, k.c.size == count)).first() is None:
        connection.execute(insert(k).values(epoch=epoch, size=count, root=root, note=note, at=at))


def note_over(connection: Connection, epoch: int, count: int) -> str:
    """The signed head of an epoch over exactly `count` entries, "" when none is kept."""
    return str(connection.execute(select(k.c.note).where(k.c.epoch == epoch, k.c.size == count)).scalar() or "")


def latest_checkpoint(connection: Connection, epoch: int | None = None) -> Checkpoint | None:
    """The newest signed head, of one epoch or of the newest that has one."""
    statement = select(k.c.note).order_by(k.c.epoch.desc(), k.c.size.desc()).limit(1)
    note: str | None = connection.execute(statement if epoch is None else statement.where(k.c.epoch == epoch)).scalar()
    return None if note is None else parse_note(note)


def heads(connection: Connection, *, epoch: int | None = None, after: int = -1, limit: int = 1000) -> list[KeptHead]:
    """Signed heads of an epoch (the current one when None) over more than `after` entries, oldest first."""
    number = current_epoch(connection).number if epoch is None else epoch
    statement = select(k.c.epoch, k.c.size, k.c.root, k.c.note, k.c.at).where(k.c.epoch == number, k.c.size > after)
    return [KeptHead(*row) for row in connection.execute(statement.order_by(k.c.size).limit(limit))]


def head_covering(connection: Connection, seq: int) -> KeptHead | None:
    """The smallest kept head whose tree holds entry `seq`, None before there is one."""
    where = place(connection, seq)
    found = heads(connection, epoch=where.epoch.number, after=where.index, limit=1)
    return found[0] if found else None


__all__ = [
    "Audit",
    "Epoch",
    "HighWater",
    "KeptHead",
    "LogEntry",
    "Place",
    "append",
    "bounds",
    "consistency",
    "control_entries",
    "current_epoch",
    "edges_at",
    "entries",
    "entries_for",
    "entry_bundle",
    "epoch_of",
    "epochs",
    "head",
    "head_covering",
    "heads",
    "insert_epoch",
    "latest_checkpoint",
    "leaf",
    "leaves_of",
    "note_over",
    "place",
    "prove",
    "recompute",
    "save_checkpoint",
    "size",
    "tile",
    "tree",
    "write_rows",
]
