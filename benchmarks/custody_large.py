"""Proofs from a log of ten million entries on SQLite: cold and warm, and what a hundred million would take.

Run by `make bench-custody-10m`: builds the log once (minutes, and says how long), with `--keep FOLDER`
kept there for the next time. *Warm*: one process, pages where they happen to be. *Cold*: before each proof
the database's pages are dropped from the page cache and a new connection is opened. A proof costs the tiles it
reads; for 100,000,000 entries they are counted by running the same code over a tree of that size.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from benchmarks.custody import OPEN, life
from exchange.custody import envelope_id
from exchange.office import new_salt
from exchange.store import custody_log
from exchange.store.engine import Store
from signing.merkle import HASH, Tree, leaf_hash, verify_consistency, verify_inclusion

BATCH = 20_000  # one fsync each
WARM, COLD = 2000, 300
KINDS = ("inclusion at the head", "inclusion at any older size", "consistency")
LATER = 100_000_000
BAR_MS, LATER_BAR_MS = 15.0, 25.0


def build(store: Store, entries: int, console: Console) -> float:
    """Append what is missing of `entries`; seconds it took. The rows are those that `append` always writes."""
    chance = random.Random(3)
    documents = [envelope_id(datetime.now(UTC), chance.randbytes(10)) for _ in range(OPEN)]
    with store.read() as c:
        done = custody_log.size(c)
    begin = time.perf_counter()
    for start in range(done, entries, BATCH):
        batch = [life(chance, documents) for _ in range(min(BATCH, entries - start))]
        store.write(lambda c: custody_log.append(c, batch, salts=new_salt))
        if (start + BATCH) % 500_000 == 0:
            spent = time.perf_counter() - begin
            console.print(f"  {start + BATCH:,} entries after {spent:,.0f} s", highlight=False)
    return time.perf_counter() - begin


def drop_pages(path: Path) -> None:
    """Ask the kernel to forget the file's pages; needs no rights, works on clean pages only."""
    for file in path.parent.glob(path.name + "*"):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def proofs(path: Path, count: int, root: bytes, times: int, *, cold: bool) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds, sorted: inclusion at the head, inclusion at any older size, consistency; the first and last verified."""
    chance = random.Random(5)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    kept = engine.connect()
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(times):
        old = chance.randrange(1, count + 1)
        for kind, (seq, size) in enumerate(((chance.randrange(count), count), (chance.randrange(old), old), (-1, old))):
            if cold:
                drop_pages(path)
            begin = time.perf_counter()
            with engine.connect() if cold else kept.begin() as scope:
                c = scope if cold else kept
                proof = custody_log.prove(c, seq, size) if seq >= 0 else custody_log.consistency(c, old, count)
                found[kind].append((time.perf_counter() - begin) * 1000)
                if kind == 0:
                    verify_inclusion(leaf_hash(custody_log.leaf(c, seq)), seq, size, proof, root)
                elif kind == 2:
                    verify_consistency(old, count, proof, custody_log.tree(c, old).root(), root)
    kept.close()
    engine.dispose()
    return sorted(found[0]), sorted(found[1]), sorted(found[2])


def tiles_read(size: int) -> dict[int, float]:
    """Tiles that one inclusion proof at the head reads, by level: the mean over random places."""
    chance, counts = random.Random(7), {}

    def read(level: int, index: int, width: int) -> bytes:
        counts[level] = counts.get(level, 0) + 1
        return bytes(HASH * width)

    for _ in range(200):
        Tree(read, size).inclusion(chance.randrange(size))
    return {level: counts[level] / 200 for level in sorted(counts)}


def at(ordered: list[float], part: float) -> float:
    """The value below which `part` of them lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def verdict(value: float, bar: float) -> str:
    """How a figure stands to its bar."""
    return "held" if value <= bar else "MISSED"


def measure(path: Path, table: Table) -> bool:
    """Rows of the table; were all bars held?"""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as c:
        count, root = custody_log.head(c)
    engine.dispose()
    good = True
    now, later = tiles_read(count), tiles_read(LATER)
    for name, cold, times in (("warm", False, WARM), ("cold", True, COLD)):
        worst = 0.0
        for what, taken in zip(KINDS, proofs(path, count, root, times, cold=cold), strict=True):
            p99 = at(taken, 0.99)
            worst, good = max(worst, p99), good and p99 <= BAR_MS
            table.add_row(f"{what}, {name}, {times} of each", f"{at(taken, 0.5):.2f} / {p99:.2f} ms", f"p99 ≤ {BAR_MS:.0f} ms", verdict(p99, BAR_MS))
        reads = sum(later.values()) / sum(now.values())
        good = good and worst * reads <= LATER_BAR_MS
        text = f"{worst:.2f} ms × {sum(later.values()):.1f} / {sum(now.values()):.1f} tiles = {worst * reads:.2f} ms"
        table.add_row(f"extrapolated to {LATER:,}, {name}: the worst p99", text, f"p99 ≤ {LATER_BAR_MS:.0f} ms", verdict(worst * reads, LATER_BAR_MS))
    for size, levels in ((count, now), (LATER, later)):
        table.add_row(f"tiles a proof reads at {size:,}", ", ".join(f"level {level}: {mean:.2f}" for level, mean in levels.items()), "", "")
    return good


def main() -> int:
    """Build, measure, print; 1 when a bar is missed."""
    options = argparse.ArgumentParser()
    options.add_argument("--entries", type=int, default=10_000_000)
    options.add_argument("--keep", type=Path, default=None, help="folder that keeps the log for the next time")
    options.add_argument("--build-only", action="store_true")
    chosen = options.parse_args()
    console = Console(width=160)
    with tempfile.TemporaryDirectory(prefix="vanthu-bench-") as name:
        folder: Path = chosen.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "hub.sqlite"
        store = Store.open(f"sqlite:///{path}", blobs=folder / "blobs", migrate=True)
        took = build(store, chosen.entries, console)
        store.close()
        console.print(f"built in {took:,.0f} s; {path.stat().st_size / 1e9:.1f} GB", highlight=False)
        if chosen.build_only:
            return 0
        table = Table("what", "p50 / p99", "bar", "", title=f"proofs from {chosen.entries:,} entries, SQLite")
        good = measure(path, table)
        console.print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
