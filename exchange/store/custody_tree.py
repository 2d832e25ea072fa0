"""custody_tree — cây sổ: epochs, tiles and proofs of the custody log, read from the database.

Entries carry one running number `seq` over all epochs; an epoch is the range from
its first number to the next epoch's, so an old one is frozen by construction and
stays provable. Full tiles are stored once and for ever, the right edge of levels
≥ 1 beside them, the edge of level 0 is derived from the newest entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, func, select

from exchange.errors import CustodyError
from exchange.store.tables import custody_edge as g
from exchange.store.tables import custody_entry as e
from exchange.store.tables import custody_epoch as p
from exchange.store.tables import custody_tile as t
from signing.merkle import HASH, TILE, Edges, Tree


@dataclass(frozen=True, slots=True)
class Epoch:
    """One log: `origin` is its name, `first` the running number of its leaf 0, `vkey`
    the key that signs its heads. Both texts are empty before the first head."""

    number: int
    origin: str
    first: int
    vkey: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands: leaf `index` of the tree of `epoch`."""

    epoch: Epoch
    index: int


def hashed(stored: object) -> bytes:
    """Leaf hash of what a row holds; no hash at all for what is no leaf any more (a
    damaged row of SQLite may come back as text)."""
    return sha256(b"\x00" + stored).digest() if isinstance(stored, bytes) else b""


def size(connection: Connection) -> int:
    """Number of entries over all epochs, which is the next running number."""
    newest = connection.execute(select(func.max(e.c.seq))).scalar()
    return 0 if newest is None else int(newest) + 1


def epochs(connection: Connection) -> list[Epoch]:
    """Every epoch, oldest first; one without a name before the first head."""
    rows = connection.execute(select(p.c.number, p.c.origin, p.c.first, p.c.vkey, p.c.at).order_by(p.c.number))
    return [Epoch(row.number, row.origin, row.first, row.vkey, row.at) for row in rows] or [Epoch(0, "", 0, "")]


def current_epoch(connection: Connection) -> Epoch:
    """The epoch that grows."""
    return epochs(connection)[-1]


def epoch_of(connection: Connection, seq: int) -> Epoch:
    """The epoch that holds entry `seq`."""
    return next(epoch for epoch in reversed(epochs(connection)) if epoch.first <= seq or epoch.number == 0)


def place(connection: Connection, seq: int) -> Place:
    """Epoch and tree index of entry `seq`."""
    epoch = epoch_of(connection, seq)
    return Place(epoch, seq - epoch.first)


def bounds(connection: Connection, number: int | None = None) -> tuple[Epoch, int]:
    """An epoch (the current one when None) and the running number it ends before.

    Raises:
        CustodyError: no such epoch.
    """
    known = epochs(connection)
    if number is None or number == known[-1].number:
        return known[-1], size(connection)
    for epoch, after in zip(known, known[1:], strict=False):
        if epoch.number == number:
            return epoch, after.first
    raise CustodyError(f"no epoch {number}", place="custody_epoch")


def head(connection: Connection, epoch: int | None = None) -> tuple[int, bytes]:
    """(size, root) of an epoch's whole tree, from the edge; the current epoch when None."""
    own, end = bounds(connection, epoch)
    return end - own.first, stored_edges(connection, own, end).root()


def stored_edges(connection: Connection, epoch: Epoch, end: int) -> Edges:
    """The right edge of an epoch that ends before the running number `end`."""
    count = end - epoch.first
    statement = select(e.c.leaf_hash).where(e.c.seq >= end - count % TILE, e.c.seq < end).order_by(e.c.seq)
    rows: list[list[bytes]] = [list(connection.execute(statement).scalars())]
    for level, data in connection.execute(select(g.c.level, g.c.hashes).where(g.c.epoch == epoch.number).order_by(g.c.level)):
        if level != len(rows):
            raise CustodyError(f"edge of level {level} missing", place="custody_edge")
        rows.append([data[i : i + HASH] for i in range(0, len(data), HASH)])
    return Edges(rows)


def edges_at(connection: Connection, count: int, epoch: int | None = None) -> Edges:
    """The right edge as it was when the epoch had `count` entries, from tiles alone.

    Raises:
        CustodyError: the log has no such tile.
    """
    return edges_of(connection, *bounds(connection, epoch), count)


def edges_of(connection: Connection, own: Epoch, end: int, count: int) -> Edges:
    """`edges_at` for an epoch whose bounds are known.

    Raises:
        CustodyError: the log has no such tile.
    """
    rows: list[list[bytes]] = [[]]
    for level in range(8):
        index, width = divmod(count >> (8 * level), TILE)
        if level and not index and not width:
            break
        data = _tile(connection, own, end, level, index, width) if width else b""
        row = [data[i : i + HASH] for i in range(0, len(data), HASH)]
        rows[level:] = [row]
    return Edges(rows)


def tile(connection: Connection, level: int, index: int, width: int, epoch: int | None = None) -> bytes:
    """Hashes of a tile of an epoch (the current one when None), `width` of them.

    Raises:
        CustodyError: the log has no such tile.
    """
    own, end = bounds(connection, epoch)
    return _tile(connection, own, end, level, index, width)


def _tile(connection: Connection, epoch: Epoch, end: int, level: int, index: int, width: int) -> bytes:
    count = end - epoch.first
    known = count >> (8 * level) if 0 <= level < 8 else 0
    if not 0 < width <= TILE or index < 0 or index * TILE + width > known:
        raise CustodyError(f"no tile {level}/{index} of width {width}", place="custody_tile")
    data: bytes | None
    if (index + 1) * TILE <= known:
        data = connection.execute(select(t.c.hashes).where(t.c.epoch == epoch.number, t.c.level == level, t.c.idx == index)).scalar()
    elif level == 0:
        start = epoch.first + index * TILE
        statement = select(e.c.leaf_hash).where(e.c.seq >= start, e.c.seq < start + width).order_by(e.c.seq)
        data = b"".join(connection.execute(statement).scalars())
    else:
        data = connection.execute(select(g.c.hashes).where(g.c.epoch == epoch.number, g.c.level == level)).scalar()
    if data is None or len(data) < width * HASH:
        raise CustodyError(f"tile {level}/{index} is lost", place="custody_tile")
    return data[: width * HASH]


def tree(connection: Connection, count: int, epoch: int | None = None) -> Tree:
    """Proofs over the first `count` entries of an epoch."""
    own, end = bounds(connection, epoch)
    return Tree(lambda level, index, width: _tile(connection, own, end, level, index, width), count)


def prove(connection: Connection, seq: int, count: int) -> list[bytes]:
    """Audit path of entry `seq` in the head over `count` entries of its own epoch."""
    where = place(connection, seq)
    return tree(connection, count, where.epoch.number).inclusion(where.index)


def consistency(connection: Connection, old: int, new: int, epoch: int | None = None) -> list[bytes]:
    """Proof that an epoch's head over `old` entries is a prefix of that over `new`."""
    return tree(connection, new, epoch).consistency(old)


def entry_bundle(connection: Connection, index: int, width: int, epoch: int | None = None) -> bytes:
    """`width` entries from tree index 256·`index`, each after its length in two bytes (tlog-tiles).

    Raises:
        CustodyError: the epoch does not have them.
    """
    own, end = bounds(connection, epoch)
    start = own.first + index * TILE
    if not 0 < width <= TILE or index < 0 or start + width > end:
        raise CustodyError(f"no entries {index} of width {width}", place="custody_entry")
    leaves = connection.execute(select(e.c.leaf).where(e.c.seq >= start, e.c.seq < start + width).order_by(e.c.seq)).scalars().all()
    if len(leaves) != width:
        raise CustodyError(f"entries {index} are lost", place="custody_entry")
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
