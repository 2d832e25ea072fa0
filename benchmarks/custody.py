"""What the custody log costs on this machine: appending, proving, auditing, and its share of accepting a document.

Run by `make bench-custody`; `--entries N` for another size (default one million),
`--runs N`. Every database syncs to disk on each commit. Both databases get the
same work; PostgreSQL is left out, and said so, where its wheel does not start.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.custody_accept import accept_rows
from benchmarks.databases import at, row, server_of_wheel, store_at
from exchange.custody import Entry, Event, envelope_id
from exchange.office import new_salt
from exchange.store import custody_log
from exchange.store.engine import Store
from exchange.store.high_water import HighWater
from exchange.store.sign_order import sign_head
from signing.checkpoint import LogKey
from signing.merkle import leaf_hash, verify_inclusion

BATCH = 1000
OPEN = 2000  # documents whose events arrive mixed up
PROOFS = 2000
ORIGIN = "hub.example.vn/custody/2026"


def life(chance: random.Random, documents: list[str]) -> Entry:
    """One more event of a document under way: eight or so each, in no order between documents."""
    place = chance.randrange(len(documents))
    if chance.random() < 1 / 8:
        documents[place] = envelope_id(datetime.now(UTC), chance.randbytes(10))
    agency = f"000.00.{hash(documents[place]) % 90:02d}.H41"
    return Entry(
        Event.REGISTERED,
        datetime.now(UTC),
        agency,
        envelope=documents[place],
        document_id="000.00.00.G22,2026/11/20,7816/VPCP-TTĐT",
        document_sha256="a" * 64,
        sender="000.00.00.G22",
        recipient=agency,
        object_sha256=f"{chance.getrandbits(256):064x}",
        object_type="edxml-status+seal",
        seal_sha256=f"{chance.getrandbits(256):064x}",
        status="03",
    )


def appending(store: Store, entries: int, say: Callable[[str], None]) -> tuple[list[float], list[float], float]:
    """Rates of each tenth of the way, milliseconds of every batch, CPU microseconds of an entry; making the events is not counted."""
    chance = random.Random(1)
    documents = [envelope_id(datetime.now(UTC), chance.randbytes(10)) for _ in range(OPEN)]
    rates, waits, spent, done, cpu = [], [], 0.0, 0, 0.0
    tenth = max(BATCH, entries // 10)
    for start in range(0, entries, BATCH):
        batch = [life(chance, documents) for _ in range(BATCH)]
        begin, used = time.perf_counter(), time.process_time()
        store.write(lambda c: custody_log.append(c, batch, salts=new_salt))
        took, cpu = time.perf_counter() - begin, cpu + time.process_time() - used
        waits.append(took * 1000)
        spent, done = spent + took, done + BATCH
        if done >= tenth:
            rates.append(done / spent)
            say(f"{start + BATCH:,} entries, {rates[-1]:,.0f} /s")
            spent, done = 0.0, 0
    return rates, sorted(waits), cpu / entries * 1e6


def proving(store: Store, size: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of inclusion proofs at the head and at any older size, and of consistency proofs; all checked."""
    chance = random.Random(2)
    at_head, at_any, consistent = [], [], []
    with store.read() as c:
        count, root = custody_log.head(c)
    for _ in range(PROOFS):
        seq, old = chance.randrange(count), chance.randrange(1, count + 1)
        begin = time.perf_counter()
        with store.read() as c:
            path = custody_log.prove(c, seq, count)
        at_head.append((time.perf_counter() - begin) * 1000)
        with store.read() as c:
            verify_inclusion(leaf_hash(custody_log.leaf(c, seq)), seq, count, path, root)
        begin = time.perf_counter()
        with store.read() as c:
            custody_log.prove(c, chance.randrange(old), old)
        at_any.append((time.perf_counter() - begin) * 1000)
        begin = time.perf_counter()
        with store.read() as c:
            custody_log.consistency(c, old, count)
        consistent.append((time.perf_counter() - begin) * 1000)
    return sorted(at_head), sorted(at_any), sorted(consistent)


AUDIT = """
import json, sys, time
from sqlalchemy import create_engine
from exchange.store.custody_audit import recompute
engine = create_engine(sys.argv[1])
begin, cpu = time.perf_counter(), time.process_time()
with engine.connect() as c, c.begin():
    audit = recompute(c)
took, cpu = time.perf_counter() - begin, time.process_time() - cpu
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([audit.ok, audit.size, took, cpu, peak / 1024]))
"""


def auditing(url: str) -> tuple[float, float, float]:
    """(entries a second, entries a CPU second, peak MB of the whole process) of a full recomputation in a process of its own."""
    done = subprocess.run([sys.executable, "-c", AUDIT, url], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    ok, size, took, cpu, peak = json.loads(done.stdout)
    assert ok, "the log does not recompute"
    return size / took, size / cpu, peak


def measure(table: Table, name: str, url: str, folder: Path, entries: int, runs: int, console: Console) -> None:
    def say(what: str) -> None:
        console.print(f"  {name}: {what}", highlight=False)

    with store_at(url, folder) as store:
        rates, waits, cpu = appending(store, entries, say)
        rate = entries / sum(waits) * 1000
        row(table, f"{name}: append, batches of {BATCH}", f"{rate:,.0f} /s (slowest tenth {min(rates):,.0f})", "≥ 10,000 /s", rate >= 10_000)
        row(table, "… a batch p50 / p99; CPU of an entry here", f"{at(waits, 0.5):.0f} / {at(waits, 0.99):.0f} ms; {cpu:.0f} µs")
        begin = time.perf_counter()
        sign_head(store, LogKey.generate(ORIGIN), HighWater(folder / "high-water"), now=datetime.now(UTC))
        row(table, "… first head: everything re-read and recomputed", f"{entries / (time.perf_counter() - begin):,.0f} entries/s")
        if name == "SQLite":
            used = sum(p.stat().st_size for p in folder.glob("hub.sqlite*"))
        else:
            with store.read() as c:
                used = int(c.execute(text("SELECT pg_total_relation_size('custody_entry') + pg_total_relation_size('custody_tile')")).scalar() or 0)
        row(table, "… on disk", f"{used / entries:.0f} bytes an entry")
        for what, times in zip(("at the head", "at any older size", "consistency"), proving(store, entries), strict=True):
            p99 = at(times, 0.99)
            row(table, f"… proof {what} p50 / p99, {entries:,} entries", f"{at(times, 0.5):.1f} / {p99:.1f} ms", "≤ 15 ms", p99 <= 15)
    audits = [auditing(url) for _ in range(min(runs, 3))]
    rate, processor, peak = statistics.median(a[0] for a in audits), statistics.median(a[1] for a in audits), max(a[2] for a in audits)
    row(table, "… full audit, one process", f"{rate:,.0f} entries/s ({processor:,.0f} a CPU second)", "≥ 100,000 /s", rate >= 100_000)
    row(table, "… its peak, the whole process", f"{peak:.1f} MB resident", "≤ 60 MB", peak <= 60)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--entries", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--only", choices=("sqlite", "postgresql", "accept"), default="")
    options.add_argument("--folder", default=None, help="where the databases go; a real disk")
    chosen = options.parse_args()
    console = Console(width=140)
    console.print(f"{platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}")
    console.print(", ".join(f"{n} {version(n)}" for n in ("sqlalchemy", "psycopg", "cryptography")) + f"; load {os.getloadavg()[0]:.1f}")
    table = Table("what", "measured", "bar", "held", title=f"custody log, {chosen.entries:,} entries")
    with tempfile.TemporaryDirectory(prefix="vanthu-bench-", dir=chosen.folder) as name:
        folder = Path(name)
        server = server_of_wheel(console)
        try:
            if chosen.only in ("", "sqlite"):
                measure(table, "SQLite", f"sqlite:///{folder / 'hub.sqlite'}", folder, chosen.entries, chosen.runs, console)
            if server is not None and chosen.only in ("", "postgresql"):
                (folder / "pg").mkdir()
                measure(table, "PostgreSQL", server.database(), folder / "pg", chosen.entries, chosen.runs, console)
            if chosen.only in ("", "accept"):
                accept_rows(table, folder, server, chosen.runs)
        finally:
            if server is not None:
                server.stop()
    console.print(table)


if __name__ == "__main__":
    main()
