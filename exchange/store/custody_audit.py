"""custody_audit — soát sổ: recompute the log from its leaves, and what each leaf says of its neighbours.

Two passes: `recompute` trusts nothing but the leaf bytes and rebuilds hashes,
tiles, edges and every signed head; `check_chains` reads the leaves and compares
them with the columns they are searched by, with each other and with the clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from exchange.custody import event_of
from exchange.errors import CustodyError
from exchange.store.custody_tree import Epoch, bounds, epochs, hashed, size, stored_edges
from exchange.store.tables import custody_checkpoint as k
from exchange.store.tables import custody_entry as e
from exchange.store.tables import custody_tile as t
from signing.errors import CheckpointInvalid
from signing.merkle import EMPTY_ROOT, TILE, Edges
from signing.note import parse_note

BATCH = 2 * TILE  # entries in memory; more are no faster
PAGE = 256  # signed heads in memory
MOST_PROBLEMS = 200  # a wholly wrong log need not be listed entry by entry
TOLERANCE = timedelta(minutes=5)  # between the clocks and threads of one hub


@dataclass(frozen=True, slots=True)
class Audit:
    """What a recomputation of the log found: `size` over all epochs, `root` of the
    newest. `problems` is empty when it holds."""

    size: int
    root: bytes
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def recompute(connection: Connection, *, progress: Callable[[int], None] | None = None) -> Audit:
    """Recompute the whole log from its leaves: hashes, numbering, tiles, edges, every
    kept head, and that each epoch goes on from the one before."""
    problems: list[str] = []
    total, root, before = 0, EMPTY_ROOT, ""
    known = epochs(connection)
    for epoch in known:
        end = bounds(connection, epoch.number)[1]
        if before and not _goes_on(connection, epoch, before):
            problems.append(f"epoch {epoch.number} does not name the head it goes on from")
        edges = _recompute_epoch(connection, epoch, end, problems, progress)
        root, total = edges.root(), end
        before = json.dumps([epoch.origin or "", end - epoch.first, root.hex()])
    if size(connection) != total:
        problems.append(f"{size(connection)} entries, {total} in epochs")
    return Audit(total, root, tuple(problems[:MOST_PROBLEMS]))


def _recompute_epoch(connection: Connection, epoch: Epoch, end: int, problems: list[str], progress: Callable[[int], None] | None) -> Edges:
    edges, count, whole = Edges([[]]), 0, end - epoch.first
    ahead = _Ahead(_kept_heads(connection, epoch, whole))
    for low in range(epoch.first, end, BATCH):
        rows = connection.execute(select(e.c.seq, e.c.leaf, e.c.leaf_hash).where(e.c.seq >= low, e.c.seq < min(low + BATCH, end)).order_by(e.c.seq)).all()
        hashes = [hashed(row[1]) for row in rows]
        problems += [f"entry {row[0]}: stored hash differs" for row, digest in zip(rows, hashes, strict=True) if row[2] != digest][:MOST_PROBLEMS]
        if [row[0] for row in rows] != list(range(low, min(low + BATCH, end))):
            problems.append(f"entries {low}…{min(low + BATCH, end) - 1}: numbering broken")
        lowest = _lowest_tiles(connection, epoch, count, count + len(rows))
        for cut, kept in _cuts(ahead, count, count + len(rows)):
            part, hashes = hashes[: cut - count], hashes[cut - count :]
            for level, index, data in edges.append(part, count):
                if (lowest.get(index) if level == 0 else _tile(connection, epoch, level, index)) != data:
                    problems.append(f"tile {level}/{index} of epoch {epoch.number} differs")
            count = cut
            if kept is not None:
                problems += _check_head(kept, epoch, count, edges)
        if progress is not None:
            progress(epoch.first + count)
    for (beyond,) in connection.execute(select(k.c.size).where(k.c.epoch == epoch.number, k.c.size > whole).limit(MOST_PROBLEMS)):
        problems.append(f"signed head over {beyond} entries, but the log has {whole}")
    try:
        if stored_edges(connection, epoch, end) != edges:
            problems.append(f"stored edge of epoch {epoch.number} differs")
    except CustodyError as error:
        problems.append(f"epoch {epoch.number}: {error.detail}")
    return edges


def _tile(connection: Connection, epoch: Epoch, level: int, index: int) -> bytes | None:
    return connection.execute(select(t.c.hashes).where(t.c.epoch == epoch.number, t.c.level == level, t.c.idx == index)).scalar()


def _lowest_tiles(connection: Connection, epoch: Epoch, low: int, high: int) -> dict[int, bytes]:
    # Level 0 of one batch in one question: the way to the server and back is a good part of an audit.
    found = select(t.c.idx, t.c.hashes).where(t.c.epoch == epoch.number, t.c.level == 0, t.c.idx >= low // TILE, t.c.idx <= high // TILE)
    return {row[0]: row[1] for row in connection.execute(found)}


def _kept_heads(connection: Connection, epoch: Epoch, whole: int) -> Iterator[Any]:
    """Signed heads of an epoch up to `whole` entries by size, a page in memory."""
    last = 0
    while True:
        statement = select(k.c.size, k.c.root, k.c.note).where(k.c.epoch == epoch.number, k.c.size > last, k.c.size <= whole)
        page = connection.execute(statement.order_by(k.c.size).limit(PAGE)).all()
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1].size


class _Ahead:
    """The next kept head, looked at before it is taken."""

    def __init__(self, heads: Iterator[Any]) -> None:
        self._heads, self.next = heads, next(heads, None)

    def take(self) -> Any:
        taken, self.next = self.next, next(self._heads, None)
        return taken


def _cuts(ahead: _Ahead, low: int, high: int) -> Iterator[tuple[int, Any]]:
    # Sizes at which the tree is compared with a kept head, and the batch's end.
    last = low
    while ahead.next is not None and ahead.next.size <= high:
        last = ahead.next.size
        yield last, ahead.take()
    if last < high:
        yield high, None


def _check_head(kept: Any, epoch: Epoch, count: int, edges: Edges) -> list[str]:
    try:
        note = parse_note(kept.note)
    except CheckpointInvalid:
        return [f"signed head over {count} entries cannot be read"]
    if (note.size, note.root) != (count, edges.root()) or kept.root != note.root or (epoch.origin and note.origin != epoch.origin):
        return [f"signed head over {count} entries has another root"]
    return []


def _goes_on(connection: Connection, epoch: Epoch, before: str) -> bool:
    leaf: bytes | None = connection.execute(select(e.c.leaf).where(e.c.seq == epoch.first)).scalar()
    named = named_head(leaf or b"")
    if named is None:
        return False
    origin, count, root = json.loads(before)
    if named == (origin, count, bytes.fromhex(root)):
        return True
    # After a loss leaf 0 names the last signed head and leaf 1 what was found.
    second: bytes | None = connection.execute(select(e.c.leaf).where(e.c.seq == epoch.first + 1)).scalar()
    return second is not None and named_head(second) == (origin, count, bytes.fromhex(root))


def named_head(leaf: bytes) -> tuple[str, int, bytes] | None:
    """(origin, size, root) that the leaf of a control event names, None when it names none."""
    try:
        data = json.loads(leaf)["data"]
        return str(data["origin"]), int(data["size"]), bytes.fromhex(data["root"])
    except (ValueError, KeyError, TypeError):
        return None


def check_chains(connection: Connection, start: int = 0, end: int | None = None) -> list[str]:
    """What the leaves of a range say of themselves: columns that repeat them, the
    chain of each (envelope, recipient), and times that run backwards.

    An entry whose columns were changed would vanish from its document's life
    though its leaf is still in the tree; a leaf that says an earlier hour than
    the one before it was backdated or written under a wrong clock.
    """
    problems: list[str] = []
    latest: tuple[datetime, int] | None = None
    stop = size(connection) if end is None else end
    columns = (e.c.seq, e.c.leaf, e.c.envelope, e.c.recipient, e.c.n, e.c.event, e.c.sender, e.c.at)
    for low in range(start, stop, BATCH):
        statement = select(*columns).where(e.c.seq >= low, e.c.seq < min(low + BATCH, stop)).order_by(e.c.seq)
        for row in connection.execute(statement).all():
            try:
                value = json.loads(row.leaf)
                at = datetime.fromisoformat(value["at"]).astimezone(UTC)
                event = event_of(value["ev"])
            except (ValueError, KeyError, TypeError):
                problems.append(f"entry {row.seq}: not a leaf")
                continue
            said = (value.get("msg", ""), value.get("to", ""), value.get("n"), event, value.get("from", ""), at)
            if said != (row.envelope, row.recipient, row.n, row.event, row.sender, row.at):
                problems.append(f"entry {row.seq}: its columns say something else than its leaf")
            if row.envelope and row.n and not _follows(connection, row, value):
                problems.append(f"entry {row.seq}: not the next of its chain")
            if latest is not None and at < latest[0] - TOLERANCE:
                problems.append(f"entry {row.seq}: says {value['at']}, but entry {latest[1]} before it says {latest[0].isoformat()}")
            latest = (at, row.seq) if latest is None or at > latest[0] else latest
        if len(problems) >= MOST_PROBLEMS:
            break
    return problems[:MOST_PROBLEMS]


def _follows(connection: Connection, row: Any, value: dict[str, Any]) -> bool:
    before = connection.execute(
        select(e.c.seq, e.c.leaf).where(e.c.envelope == row.envelope, e.c.envelope != "", e.c.recipient == row.recipient, e.c.n == row.n - 1)
    ).first()
    return before is not None and before.seq < row.seq and value.get("prev") == hashed(before.leaf).hex()
