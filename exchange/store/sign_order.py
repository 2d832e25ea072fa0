"""sign_order — thứ tự ký: which head may be signed next, decided so that no fork is ever signed.

Order: commit → re-read and recompute → compare-and-swap in the high-water file →
sign → store → publish. This module does the second and third step; after a crash
anywhere the same head is found and signed again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from exchange.custody import Event, control
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.store import custody_log, custody_tree
from exchange.store.custody_audit import named_head
from exchange.store.custody_tree import Epoch
from exchange.store.engine import Store
from exchange.store.high_water import HighWater, Mark
from exchange.store.tables import custody_entry as e
from exchange.store.tables import custody_tile as t
from signing.checkpoint import LogKey
from signing.merkle import TILE, Edges, Tree

BATCH = 8 * TILE
ATTEMPTS = 20  # of the compare-and-swap; each loss means that another signer got ahead


@dataclass(frozen=True, slots=True)
class NextHead:
    """A head that is in the high-water file and may be signed. `newest` is False when
    a later epoch has heads of its own to sign after this one. `note` is the signed head
    if it has been stored, else empty; `edges` is the tree's right edge, recomputed."""

    epoch: int
    origin: str
    size: int
    root: bytes
    newest: bool
    own: Epoch = field(compare=False)
    edges: Edges = field(compare=False)
    note: str = field(compare=False, default="")


def next_head(store: Store, high_water: HighWater, *, origin: str, since: SignedHead | None = None) -> NextHead:
    """The newest head that goes on from the last signed one, entered in the high-water file.

    Args:
        origin: name of the first epoch while the database does not know it yet.
        since: a head that this process signed; if it is the last signed one, its edge is gone on from in memory.

    Raises:
        HighWater: the database is behind the last signed head or beside it.
        CustodyError: what is stored does not recompute to the head.
    """
    for _ in range(ATTEMPTS):
        last = high_water.mark()
        with store.read() as connection:
            found = recompute(connection, last, origin, str(high_water.path), since=since)
        store.step("sign.recomputed")
        # Durable from here: what may be signed. A crash costs only the signature,
        # and the next start signs exactly this head or one that goes on from it.
        if high_water.swap(last, Mark(found.origin, found.size, found.root)):
            store.step("sign.marked")
            return found
    raise HighWaterError("other signers were always faster", place=str(high_water.path))


def sign_head(store: Store, key: LogKey, high_water: HighWater, *, now: datetime, origin: str = "", since: SignedHead | None = None) -> str:
    """Sign and keep the newest durable head: the note. An epoch that has ended gets its last head first.

    Args:
        origin: name of the first epoch while the database does not know it yet; the key's when empty.
        since: see `next_head`.

    Raises:
        HighWater, CustodyError: see `next_head`; or the key is not the one the epoch began with.
    """
    return keep(store, sign(store, key, high_water, now=now, origin=origin, since=since)).note


def sign(store: Store, key: LogKey, high_water: HighWater, *, now: datetime, origin: str = "", since: SignedHead | None = None) -> SignedHead:
    """`sign_head`, but the newest head is not stored yet unless it is the log's first: the caller stores it
    (`keep_in`) in the transaction of what it is first used for, and gives out nothing before that is durable.

    Raises:
        HighWater, CustodyError: see `sign_head`.
    """
    while True:
        found = next_head(store, high_water, origin=origin or key.name, since=since)
        head = _signed(store, key.under(found.origin), found, now)
        if found.newest and found.own.origin:
            return head
        keep(store, head)
        if found.newest:
            return head


def sign_ended(store: Store, key: LogKey, high_water: HighWater, *, now: datetime) -> None:
    """Sign the last heads of epochs that have ended, and stop before the one that grows.

    Raises:
        HighWater, CustodyError: see `sign_head`.
    """
    while True:
        last = high_water.mark()
        with store.read() as connection:
            ended = [epoch.origin for epoch in custody_tree.epochs(connection)[:-1]]
            count = custody_tree.head(connection, ended.index(last.origin))[0] if last is not None and last.origin in ended else 0
        if last is None or count <= last.size:
            return
        found = next_head(store, high_water, origin=last.origin)
        keep(store, _signed(store, key.under(found.origin), found, now))


@dataclass(slots=True)
class SignedHead:
    """A signed head with the edge it was computed from. `kept`: it is durable in the database.
    `begins`: the database does not know its epoch's name yet."""

    epoch: Epoch
    size: int
    root: bytes
    note: str
    at: datetime
    edges: Edges
    kept: bool
    begins: bool = False

    def covers(self, seq: int) -> bool:
        """Is entry `seq` (a running number) in its tree?"""
        return self.epoch.first <= seq < self.epoch.first + self.size

    def path(self, index: int) -> list[bytes] | None:
        """Audit path of leaf `index` from the edge alone, None when tiles are needed for it."""
        if index // TILE != self.size // TILE:
            return None
        return Tree(lambda level, _, width: b"".join(self.edges.rows[level][:width]), self.size).inclusion(index)


def _signed(store: Store, key: LogKey, found: NextHead, now: datetime) -> SignedHead:
    own = found.own
    if own.vkey and own.vkey != key.vkey():
        raise CustodyError("the log key is not the one this epoch began with: begin an epoch with the new key", place=found.origin)
    note = found.note or key.sign_note(found.origin, found.size, found.root)
    if not found.note:
        store.step("sign.signed")
    named = own if own.origin else Epoch(0, found.origin, 0, key.vkey(), now)
    return SignedHead(named, found.size, found.root, note, now, found.edges, kept=bool(found.note), begins=not own.origin)


def keep(store: Store, head: SignedHead) -> SignedHead:
    """Store a signed head unless it is stored."""
    if not head.kept:
        # Durable: head in the high-water file. A crash before this insert only
        # loses the note; the same head is signed again at the next call.
        store.write(lambda connection: keep_in(connection, head))
        store.step("sign.stored")
        head.kept = True
    return head


def keep_in(connection: Connection, head: SignedHead) -> None:
    """Store a signed head inside the caller's transaction, unless it is stored. Durable with that
    transaction; a crash before costs the note only, as in `keep`."""
    if head.kept:
        return
    if head.begins and not custody_tree.epochs(connection)[0].origin:
        custody_log.insert_epoch(connection, head.epoch)
    custody_log.save_checkpoint(connection, head.size, head.root, head.note, head.at, head.epoch.number)


def begin_epoch(connection: Connection, *, origin: str, vkey: str, now: datetime, salts: Callable[[], bytes], why: str = "") -> Epoch:
    """End the current epoch and begin the log `origin`, inside the caller's transaction.

    Leaf 0 of the new log names the old one's last head, leaf 1 the key that signs
    the new one. From here the old log cannot grow: what comes is numbered after it.

    Raises:
        CustodyError: the log has this name already, or no head yet.
    """
    known = custody_tree.epochs(connection)
    old = known[-1]
    count, root = custody_tree.head(connection)
    if not old.origin or not count or any(epoch.origin == origin for epoch in known):
        raise CustodyError("an epoch follows a log that has entries and a signed head, under another name", place=origin)
    epoch = Epoch(old.number + 1, origin, old.first + count, vkey, now)
    custody_log.insert_epoch(connection, epoch)
    entries = [
        control(Event.LOG_EPOCH, now, data=(("origin", old.origin), ("size", count), ("root", root.hex())), why=why),
        control(Event.LOG_KEY, now, data=(("vkey", vkey),)),
    ]
    custody_log.append(connection, entries, salts=salts)
    return epoch


def recompute(connection: Connection, last: Mark | None, origin: str, place: str, *, since: SignedHead | None = None) -> NextHead:
    """The newest head that goes on from `last`, recomputed from it and from the leaves since.

    Raises:
        HighWater, CustodyError: see `next_head`.
    """
    known = custody_tree.epochs(connection)
    named = [epoch.origin or origin for epoch in known]
    if last is None:
        if custody_log.latest_checkpoint(connection) is not None:
            raise HighWaterError("the file is lost, but heads have been signed", place=place)
        number, start, edges = 0, 0, Edges([[]])
    elif last.origin not in named:
        raise HighWaterError(f"last signed {last.origin}, this is {named[-1]}", place=place)
    else:
        number = named.index(last.origin)
        onward = number + 1 < len(known) and _leaf_names(connection, known[number + 1], last)
        start, edges = (0, Edges([[]])) if onward else (last.size, _edges_of(connection, known, number, last, place, since))
        number += onward
    own, end = known[number], _end(connection, known, number)
    extend(connection, own, end, start, edges)
    # The stored edge holds a hash of every entry before it, so this compares the whole log, also
    # where the edge of the last head came from memory.
    if edges != custody_tree.stored_edges(connection, own, end):
        if since is not None:
            return recompute(connection, last, origin, place)  # says where they part
        raise CustodyError("what is stored does not recompute to the stored edge", place="custody_edge")
    size, root = end - own.first, edges.root()
    # Only the head that the mark names can have been stored: marks come before heads.
    note = custody_log.note_over(connection, own.number, size) if last == Mark(named[number], size, root) else ""
    return NextHead(own.number, named[number], size, root, number + 1 == len(known), own, edges, note)


def _end(connection: Connection, known: list[Epoch], number: int) -> int:
    return known[number + 1].first if number + 1 < len(known) else custody_tree.size(connection)


def _leaf_names(connection: Connection, epoch: Epoch, mark: Mark) -> bool:
    return named_head(custody_log.leaf(connection, epoch.first)) == (mark.origin, mark.size, mark.root)


def _edges_of(connection: Connection, known: list[Epoch], number: int, last: Mark, place: str, since: SignedHead | None) -> Edges:
    own, end = known[number], _end(connection, known, number)
    count = end - own.first
    if count < last.size:
        raise HighWaterError(f"{count} entries, signed {last.size}", place=place)
    if since is not None and Mark(since.epoch.origin, since.size, since.root) == last:
        return Edges([list(row) for row in since.edges.rows])
    edges = custody_tree.edges_of(connection, own, end, last.size)
    if edges.root() != last.root:
        raise HighWaterError(f"the first {last.size} entries are not those that were signed", place=place)
    return edges


def extend(connection: Connection, epoch: Epoch, end: int, since: int, edges: Edges) -> None:
    """Re-read an epoch's entries from tree index `since` and add them to `edges`, so
    that an entry served is an entry hashed.

    Raises:
        CustodyError: an entry is missing or does not hash to what is in the tree.
    """
    for low in range(epoch.first + since, end, BATCH):
        high = min(low + BATCH, end)
        rows = connection.execute(select(e.c.seq, e.c.leaf, e.c.leaf_hash).where(e.c.seq >= low, e.c.seq < high).order_by(e.c.seq)).all()
        if [row[0] for row in rows] != list(range(low, high)):
            raise CustodyError(f"entries {low}…{high - 1} are not all there", place="custody_entry")
        hashes = [custody_tree.hashed(row[1]) for row in rows]
        wrong = next((row[0] for row, digest in zip(rows, hashes, strict=True) if row[2] != digest), None)
        if wrong is not None:
            raise CustodyError(f"entry {wrong} does not hash to what is in the tree", place="custody_entry")
        for level, index, data in edges.append(hashes, low - epoch.first):
            if connection.execute(select(t.c.hashes).where(t.c.epoch == epoch.number, t.c.level == level, t.c.idx == index)).scalar() != data:
                raise CustodyError(f"tile {level}/{index} is not what its entries hash to", place="custody_tile")
