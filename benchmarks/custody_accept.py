"""What the custody log costs an acceptance: the whole of one, its transaction alone, and several hub processes at once."""

from __future__ import annotations

import gc
import hashlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table
from sqlalchemy import Connection

from benchmarks.databases import row, store_at
from exchange.agency import Agency
from exchange.custody import Entry, Event
from exchange.delivery import Delivery, State
from exchange.hub import Hub
from exchange.office import Office, Proven, new_salt
from exchange.store import agencies, custody_log, envelopes
from exchange.store.custody_tree import Epoch
from exchange.store.engine import Store
from exchange.store.envelopes import AttachmentRow, EnvelopeRow
from exchange.store.sign_order import SignedHead
from signing.merkle import Edges
from signing.seal import sign_seal
from tests.house import SENDER, House, make_house_pki
from tests.store.conftest import Postgres

WRITERS = 16
WARM_UP = 20  # documents


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
            custody_log.append(c, [accepted, consigned], salts=new_salt, begins={row.id})  # type: ignore[arg-type]

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
    for code in ("A", "B"):
        store.write(lambda c, code=code: agencies.put(c, Agency(code=code, name=f"{code} (mô phỏng)")))  # type: ignore[misc]
    accepting(store, custody=True, first=0, documents=300)
    without, with_it = [], []
    for run in range(runs):
        without.append(accepting(store, custody=False, first=10_000 + 2000 * run, documents=1000))
        with_it.append(accepting(store, custody=True, first=11_000 + 2000 * run, documents=1000))
    plain, full = statistics.median(without), statistics.median(with_it)
    return plain, full, (plain / full - 1) * 100


class TimedOffice(Office):
    """An office that takes the time of the log's part in an acceptance: append, signed head, proof, head stored."""

    spent = 0.0

    def append(self, connection: Connection, entries: list[Entry], *, begins: Collection[str] = ()) -> list[int]:
        begin = time.perf_counter()
        try:
            return super().append(connection, entries, begins=begins)
        finally:
            self.spent += time.perf_counter() - begin

    def prove(self, seq: int) -> Proven:
        begin = time.perf_counter()
        try:
            return super().prove(seq)
        finally:
            self.spent += time.perf_counter() - begin

    def keep_head(self, connection: Connection, head: SignedHead) -> None:
        begin = time.perf_counter()
        try:
            super().keep_head(connection, head)
        finally:
            self.spent += time.perf_counter() - begin


class PlainOffice(Office):
    """An office without a log: nothing is appended, signed or proven. The receipt is stored all the same."""

    def append(self, connection: Connection, entries: list[Entry], *, begins: Collection[str] = ()) -> list[int]:
        return [0] * len(entries)

    def prove(self, seq: int) -> Proven:
        return Proven(self.origin, 0, b"{}", "", SignedHead(Epoch(0, self.origin, 0, ""), 0, b"", "", self.clock(), Edges(), kept=True))

    def keep_head(self, connection: Connection, head: SignedHead) -> None:
        return None


def acceptance(folder: Path, documents: int) -> tuple[float, float, float]:
    """(milliseconds of one acceptance of the reference document, of them the log's: append, signed head, proof; milliseconds without a log).

    The whole of `Hub.submit`: package and seal read, two PDF signatures verified,
    bytes synced to disk, transaction, head, receipt. One after the other, so that
    nobody shares a head or a commit: the worst case for the log. Two hubs, one of them
    without a log, take turns document by document; medians.
    """
    pki = make_house_pki(folder / "pki")
    with_log, without = House(pki, folder / "with"), House(pki, folder / "without")
    whole, part, plain = list[float](), list[float](), list[float]()
    for house, kind in ((with_log, TimedOffice), (without, PlainOffice)):
        house.register()
        office = house.hub.office
        house.hub = Hub(kind(**{field.name: getattr(office, field.name) for field in fields(office)}))
    for number in range(-WARM_UP, documents):
        for house, times in ((with_log, whole), (without, plain)):
            package = house.package(f"{SENDER},2026/11/20,{number + WARM_UP}/QĐ-UBND")
            package.with_suffix(".p7s").write_bytes(sign_seal(hashlib.sha256(package.read_bytes()).digest(), pki.seal(SENDER)))
            own = house.hub.office
            gc.collect()
            before, begin = own.spent if isinstance(own, TimedOffice) else 0.0, time.perf_counter()
            house.submit(package)
            spent = time.perf_counter() - begin
            if number >= 0:
                times.append(spent * 1000)
                part += [(own.spent - before) * 1000] if isinstance(own, TimedOffice) else []
    with_log.close()
    without.close()
    return statistics.median(whole), statistics.median(part), statistics.median(plain)


CHILD = """
import sys, time
from pathlib import Path
from benchmarks.custody_accept import accepting
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


def accept_rows(table: Table, folder: Path, server: Postgres | None, runs: int) -> None:
    """An acceptance and the log's share of it; its transaction alone with and without custody; several hub processes at once."""
    whole, part, without = acceptance(folder, 20 * runs)
    for what, text, cost in (
        ("accept a document, one at a time (SQLite)", f"{whole:.1f} ms, of them the log {part:.1f} ms", part / (whole - part)),
        ("… in turns with a hub that keeps no log", f"{without:.1f} → {whole:.1f} ms", whole / without - 1),
    ):
        row(table, what, f"{text}: {cost * 100:.0f} %", "≤ 25 %", cost <= 0.25)
    urls = [("SQLite", f"sqlite:///{folder / 'accept.sqlite'}")] + ([("PostgreSQL", server.database())] if server else [])
    for name, url in urls:
        with store_at(url, folder) as store:
            plain, full, cost = share(store, runs)
        row(table, f"{name}: its bare transaction, {WRITERS} at once", f"{plain:,.0f} → {full:,.0f} /s: custody costs {cost:.0f} %")
        if name == "PostgreSQL":
            for count in (1, 2, 4):
                first = 1_000_000 * count
                rates = [processes(url, folder, count, first + 10_000 * run, custody=True) for run in range(3)]
                row(table, f"… {count} hub processes, one sequencer lock", f"{statistics.median(rates):,.0f} documents/s", "≥ 12 /s, peak", min(rates) >= 12)
