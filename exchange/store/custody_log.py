"""custody_log — sổ lưu giữ: the Merkle log in the database, appended in the caller's transaction.

Stored as C2SP tiles: full tiles once and for ever, the right edge of levels ≥ 1
rewritten, the edge of level 0 derived from the newest entries. Signing order:
commit → re-read and recompute → compare-and-swap in the high-water file → sign.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select

from exchange.custody import Entry, leaf_bytes, leaf_hash
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.store.engine import Store
from exchange.store.tables import custody_checkpoint as k
from exchange.store.tables import custody_edge as g
from exchange.store.tables import custody_entry as e
from exchange.store.tables import custody_tile as t
from signing.checkpoint import Checkpoint, LogKey, parse_note
from signing.errors import ProofInvalid
from signing.merkle import HASH, TILE, Edges, Tree, verify_consistency

BATCH = 1000


def size(connection: Connection) -> int:
    """Number of entries."""
    newest = connection.execute(select(func.max(e.c.seq))).scalar()
    return 0 if newest is None else int(newest) + 1


def append(connection: Connection, entries: Sequence[Entry], *, salts: Callable[[], bytes]) -> list[int]:
    """Append entries inside the caller's transaction; their indices.

    The caller is the only log writer for the length of its transaction (the
    store's writer lock), so edges are read, extended and written back here.
    """
    if not entries:
        return []
    start = size(connection)
    edges = _edges(connection, start)
    heads: dict[tuple[str, str], tuple[int, str]] = {}
    rows, hashes = [], []
    for seq, entry in enumerate(entries, start):
        chain = (entry.envelope, entry.recipient)
        n, previous = heads[chain] if chain in heads else _chain(connection, entry)
        leaf = leaf_bytes(entry, n=n, previous=previous, salt=salts())
        digest = leaf_hash(leaf)
        heads[chain] = (n + 1, digest.hex())
        hashes.append(digest)
        rows.append(
            {
                "seq": seq,
                "leaf": leaf,
                "leaf_hash": digest,
                "envelope": entry.envelope,
                "recipient": entry.recipient,
                "n": n,
                "event": entry.event.value,
                "sender": entry.sender,
                "at": entry.at,
            }
        )
    connection.execute(insert(e), rows)
    full = edges.append(hashes, start)
    if full:
        connection.execute(insert(t), [{"level": level, "idx": index, "hashes": data} for level, index, data in full])
        connection.execute(delete(g))
        upper = [{"level": level, "hashes": b"".join(row)} for level, row in enumerate(edges.rows) if level]
        if upper:
            connection.execute(insert(g), upper)
    return list(range(start, start + len(rows)))


def _chain(connection: Connection, entry: Entry) -> tuple[int, str]:
    # One chain per (envelope, recipient); entries of no envelope form no chain.
    if not entry.envelope:
        return 0, ""
    statement = select(e.c.n, e.c.leaf_hash).where(e.c.envelope == entry.envelope, e.c.recipient == entry.recipient)
    row = connection.execute(statement.order_by(e.c.n.desc()).limit(1)).first()
    return (0, "") if row is None else (row.n + 1, row.leaf_hash.hex())


def _edges(connection: Connection, count: int) -> Edges:
    rows: list[list[bytes]] = [[]]
    statement = select(e.c.leaf_hash).where(e.c.seq >= count - count % TILE).order_by(e.c.seq)
    rows[0] = list(connection.execute(statement).scalars())
    for level, data in connection.execute(select(g.c.level, g.c.hashes).order_by(g.c.level)):
        if level != len(rows):
            raise CustodyError(f"edge of level {level} missing", place="custody_edge")
        rows.append([data[i : i + HASH] for i in range(0, len(data), HASH)])
    return Edges(rows)


def head(connection: Connection) -> tuple[int, bytes]:
    """(size, root) of the whole log, from the edge."""
    count = size(connection)
    return count, _edges(connection, count).root()


def leaf(connection: Connection, index: int) -> bytes:
    """Bytes of one entry.

    Raises:
        CustodyError: no such entry.
    """
    data: bytes | None = connection.execute(select(e.c.leaf).where(e.c.seq == index)).scalar()
    if data is None:
        raise CustodyError(f"no entry {index}", place="custody_entry")
    return data


def leaves_of(connection: Connection, envelope: str) -> list[tuple[int, bytes]]:
    """(index, leaf) of every event of an envelope, in log order."""
    rows = connection.execute(select(e.c.seq, e.c.leaf).where(e.c.envelope == envelope).order_by(e.c.seq))
    return [(row.seq, row.leaf) for row in rows]


def tile(connection: Connection, level: int, index: int, width: int) -> bytes:
    """Hashes of a tile, `width` of them.

    Raises:
        CustodyError: the log has no such tile.
    """
    data: bytes | None = connection.execute(select(t.c.hashes).where(t.c.level == level, t.c.idx == index)).scalar()
    if data is None and level == 0:
        statement = select(e.c.leaf_hash).where(e.c.seq >= index * TILE, e.c.seq < index * TILE + width).order_by(e.c.seq)
        data = b"".join(connection.execute(statement).scalars())
    elif data is None:
        data = connection.execute(select(g.c.hashes).where(g.c.level == level)).scalar()
    if data is None or len(data) < width * HASH or not 0 < width <= TILE:
        raise CustodyError(f"no tile {level}/{index} of width {width}", place="custody_tile")
    return data[: width * HASH]


def tree(connection: Connection, count: int) -> Tree:
    """Proofs over the first `count` entries."""
    return Tree(lambda level, index, width: tile(connection, level, index, width), count)


def prove(connection: Connection, index: int, count: int) -> list[bytes]:
    """Audit path of entry `index` in the head over `count` entries."""
    return tree(connection, count).inclusion(index)


def consistency(connection: Connection, old: int, new: int) -> list[bytes]:
    """Proof that the head over `old` entries is a prefix of that over `new`."""
    return tree(connection, new).consistency(old)


def save_checkpoint(connection: Connection, count: int, root: bytes, note: str, at: datetime) -> None:
    """Keep a signed head; the first note over a size stays."""
    if connection.execute(select(k.c.size).where(k.c.size == count)).first() is None:
        connection.execute(insert(k).values(size=count, root=root, note=note, at=at))


def latest_checkpoint(connection: Connection) -> Checkpoint | None:
    """The newest signed head."""
    note: str | None = connection.execute(select(k.c.note).order_by(k.c.size.desc()).limit(1)).scalar()
    return None if note is None else parse_note(note)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a recomputation of the log found. `problems` is empty when it holds."""

    size: int
    root: bytes
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def recompute(connection: Connection, *, progress: Callable[[int], None] | None = None) -> Audit:
    """Recompute the whole log from its leaves: hashes, numbering, tiles, edge and every kept head."""
    problems: list[str] = []
    notes = {row.size: parse_note(row.note) for row in connection.execute(select(k.c.size, k.c.note))}
    edges, count = Edges([[]]), 0
    for batch in _batches(connection):
        cuts = sorted({n for n in notes if count < n <= count + len(batch)} | {count + len(batch)})
        for cut in cuts:
            part, batch = batch[: cut - count], batch[cut - count :]
            for seq, data, digest in part:
                if leaf_hash(data) != digest:
                    problems.append(f"entry {seq}: stored hash differs")
            if [seq for seq, _, _ in part] != list(range(count, cut)):
                problems.append(f"entries {count}…{cut - 1}: numbering broken")
            for level, index, hashes in edges.append([leaf_hash(data) for _, data, _ in part], count):
                stored = connection.execute(select(t.c.hashes).where(t.c.level == level, t.c.idx == index)).scalar()
                if stored != hashes:
                    problems.append(f"tile {level}/{index} differs")
            count = cut
            if count in notes and notes[count].root != edges.root():
                problems.append(f"signed head over {count} entries has another root")
        if progress is not None:
            progress(count)
    problems += [f"signed head over {n} entries, but the log has {count}" for n in notes if n > count]
    if head(connection) != (count, edges.root()):
        problems.append("stored edge differs")
    return Audit(count, edges.root(), tuple(problems))


def _batches(connection: Connection) -> Iterator[list[tuple[int, bytes, bytes]]]:
    last = -1
    while True:
        statement = select(e.c.seq, e.c.leaf, e.c.leaf_hash).where(e.c.seq > last).order_by(e.c.seq).limit(BATCH)
        rows = [(row.seq, row.leaf, row.leaf_hash) for row in connection.execute(statement)]
        if not rows:
            return
        last = rows[-1][0]
        yield rows


class HighWater:
    """The last head that was signed, in an append-only file outside the database.

    One line per head: size, root in hex, origin. A database restored from an
    old copy is behind it, and then nothing is signed (custody.md 10.3).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[str, int, bytes] | None:
        """(origin, size, root) of the last head, None before the first.

        Raises:
            HighWater: the file is damaged.
        """
        try:
            lines = self.path.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return None
        # A line without its end was being written when the power went: nothing was signed on it.
        whole = [line for line in lines if line.endswith("\n")]
        if not whole:
            return None
        try:
            count, root, origin = whole[-1].split(" ", 2)
            return origin.rstrip("\n"), int(count), bytes.fromhex(root)
        except ValueError as error:
            raise HighWaterError("damaged high-water file", place=str(self.path)) from error

    def advance(self, origin: str, count: int, root: bytes, *, consistent: Callable[[int, bytes], None]) -> None:
        """Move to a head, durable on return.

        Args:
            consistent: called with (old size, old root); raises ProofInvalid unless it is a prefix.

        Raises:
            HighWater: behind the last head, or not its continuation.
        """
        last = self.read()
        if last is not None:
            if last == (origin, count, root):
                return
            if count <= last[1] or origin != last[0]:
                raise HighWaterError(f"{count} entries, signed {last[1]}", place=str(self.path))
            try:
                consistent(last[1], last[2])
            except ProofInvalid as error:
                raise HighWaterError("not a continuation of the last signed head", place=str(self.path)) from error
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            if file.tell() and not self.path.read_bytes().endswith(b"\n"):
                file.write(b"\n")
            file.write(f"{count} {root.hex()} {origin}\n".encode())
            file.flush()
            os.fsync(file.fileno())


def sign_head(store: Store, key: LogKey, high_water: HighWater, *, now: datetime) -> str:
    """Sign the newest durable head: a checkpoint note. The caller stores it.

    Raises:
        HighWater: the database is behind the last signed head.
        CustodyError: what is stored does not recompute to the head.
    """
    with store.read() as connection:
        count, root = head(connection)
        last = high_water.read()
        # Re-read what is new and recompute it, so that an entry served is an entry hashed.
        since = last[1] if last is not None else 0
        for batch in (_range(connection, start, min(start + BATCH, count)) for start in range(since, count, BATCH)):
            for seq, data, digest in batch:
                if leaf_hash(data) != digest:
                    raise CustodyError(f"entry {seq} does not hash to what is in the tree", place="custody_entry")
        if last is not None and count < last[1]:
            raise HighWaterError(f"{count} entries, signed {last[1]}", place=str(high_water.path))

        def consistent(old: int, old_root: bytes) -> None:
            if old:
                verify_consistency(old, count, consistency(connection, old, count), old_root, root)

        high_water.advance(key.name, count, root, consistent=consistent)
    return key.sign_note(key.name, count, root)


def _range(connection: Connection, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
    statement = select(e.c.seq, e.c.leaf, e.c.leaf_hash).where(e.c.seq >= start, e.c.seq < end).order_by(e.c.seq)
    return [(row.seq, row.leaf, row.leaf_hash) for row in connection.execute(statement)]
