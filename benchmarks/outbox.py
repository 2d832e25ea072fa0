"""An outbox with one sequencer beside entries appended in place: PostgreSQL, one, two and four hub processes.

Run by `make bench-outbox`; what it found stands in ADR 0002. *In place* is what the hub does: entries are
appended in the transaction of the state change, under the writers' advisory lock. *Outbox*: that transaction writes
the events to a table of pending ones and takes no lock; a sequencer in a process of its own moves what is pending into the log
(DELETE … RETURNING in order, FOR UPDATE SKIP LOCKED, leaves, tiles and edge in one transaction, again at once while there is any).
The rest is the same on both sides: group commit in each process, head signed through the shared high-water file,
head and receipt stored together. Every commit waits for the disk. The seal on a receipt is left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from benchmarks.databases import at, server_of_wheel
from exchange.agency import Agency
from exchange.custody import Entry, Event, envelope_id
from exchange.delivery import Delivery, State
from exchange.office import Office, new_salt
from exchange.store import agencies, custody_log, envelopes
from exchange.store.engine import Store
from exchange.store.envelopes import AttachmentRow, EnvelopeRow
from exchange.store.high_water import HighWater
from exchange.store.sign_order import SignedHead
from signing.checkpoint import LogKey

ORIGIN = "hub.example.vn/custody/2026"
COUNTS = (1, 2, 4)
MOST = 5000
PENDING = "CREATE TABLE IF NOT EXISTS custody_pending (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry TEXT NOT NULL)"
TAKE = "DELETE FROM custody_pending WHERE id IN (SELECT id FROM custody_pending ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED) RETURNING id, entry"
SEQUENCED = "SELECT envelope, seq FROM custody_entry WHERE envelope = ANY(:names) AND envelope <> '' AND recipient = '' AND n = 0"
KEEP = "INSERT INTO custody_checkpoint (epoch, size, root, note, at) VALUES (0, :size, :root, :note, :at) ON CONFLICT DO NOTHING"
POLL = 0.002  # seconds


def office_at(url: str, folder: Path) -> Office:
    """The parts of a hub process that this measurement uses; no keys but the log's, nothing that verifies."""
    absent = cast(Any, None)
    store = Store.open(url, blobs=folder / "blobs")
    return Office(store, ORIGIN, absent, LogKey.load(folder / "log.key"), HighWater(folder / "high-water"), absent, absent, lambda: datetime.now(UTC))


def state_change(connection: Connection, id: str, now: datetime) -> list[Entry]:
    """What an acceptance writes beside the log; the events it makes."""
    row = EnvelopeRow(id, "A", f"d{id}", 0, "0" * 64, "1" * 64, 10, "V/v đo", "1/QĐ", "2026-11-20", 0, now, "{}", "", "2" * 64)
    files = [AttachmentRow(id, 0, "a.pdf", "3" * 64, 100_000, "application/pdf", "{}")]
    envelopes.insert_envelope(connection, row, files, [Delivery(f"{id}-B", id, "B", State.QUEUED, 0, 0, now)])
    accepted = Entry(Event.ACCEPTED, now, "hub", envelope=id, document_id=row.document_id, sender="A", object_sha256="1" * 64)
    return [accepted, replace(accepted, event=Event.CONSIGNED, recipient="B", object_sha256="")]


class InPlace:
    """Entries appended in the transaction of the state change."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def commit(self, id: str, now: datetime) -> int:
        """Durable on return: the state change and its entries; the number of the first."""
        return self.office.store.write(lambda c: self.office.append(c, state_change(c, id, now), begins={id})[0])

    def sequenced(self, _id: str, first: int) -> int:
        """The first entry's number, known already."""
        return first

    def keep(self, connection: Connection, head: SignedHead) -> None:
        """Store a signed head."""
        self.office.keep_head(connection, head)


class Outbox:
    """Events written as pending in the transaction of the state change; the sequencer numbers them."""

    def __init__(self, office: Office) -> None:
        self.office = office
        office.store._is_postgresql = False  # the same writer thread, without the lock of the log's writers
        self._waiting: dict[str, threading.Event] = {}
        self._found: dict[str, int] = {}
        threading.Thread(target=self._look, daemon=True).start()

    def commit(self, id: str, now: datetime) -> int:
        """Durable on return: the state change and its pending events."""

        def job(c: Connection) -> int:
            rows = [
                (json.dumps([e.event.value, e.at.isoformat(), e.envelope, e.document_id, e.sender, e.recipient, e.object_sha256]),)
                for e in state_change(c, id, now)
            ]
            c.exec_driver_sql("INSERT INTO custody_pending (entry) VALUES (%s), (%s)", tuple(value for row in rows for value in row))
            return -1

        self._waiting[id] = threading.Event()
        return self.office.store.write(job)

    def sequenced(self, id: str, _first: int) -> int:
        """Wait until the sequencer has numbered the first entry."""
        self._waiting[id].wait()
        del self._waiting[id]
        return self._found.pop(id)

    def keep(self, connection: Connection, head: SignedHead) -> None:
        """Store a signed head; without the lock another process may be doing the same."""
        if not head.kept:
            values = {"size": head.size, "root": head.root, "note": head.note, "at": head.at}
            connection.execute(text(KEEP), values)

    def _look(self) -> None:
        # One look for all who wait in this process.
        while True:
            names = [name for name, event in list(self._waiting.items()) if not event.is_set()]
            if names:
                with self.office.store.read() as c:
                    rows = c.execute(text(SEQUENCED), {"names": names}).all()
                for envelope, seq in rows:
                    self._found[envelope] = seq
                    self._waiting[envelope].set()
            time.sleep(POLL)


def sequence(url: str, folder: Path) -> None:
    """The one sequencer: under the log's advisory lock, until it is ended."""
    store = Store.open(url, blobs=folder / "blobs")

    def job(c: Connection) -> int:
        rows = sorted(c.execute(text(TAKE), {"most": MOST}).all())
        entries = []
        for _, value in rows:
            event, when, envelope, document, sender, recipient, digest = json.loads(value)
            said = {"envelope": envelope, "document_id": document, "sender": sender, "recipient": recipient, "object_sha256": digest}
            entries.append(Entry(Event(event), datetime.fromisoformat(when), "hub", **said))
        custody_log.append(c, entries, salts=new_salt)
        return len(rows)

    while True:
        if not store.write(job):
            time.sleep(POLL)


def hub(url: str, folder: Path, way: str, writers: int, seconds: float) -> dict[str, list[float]]:
    """One hub process: milliseconds of each document to its commit and to its stored receipt."""
    office = office_at(url, folder)
    side: InPlace | Outbox = InPlace(office) if way == "in place" else Outbox(office)
    sys.stdin.readline()
    end, taken = time.perf_counter() + seconds, {"commit": list[float](), "receipt": list[float]()}

    def receipt(c: Connection, id: str, proven: Any) -> None:
        side.keep(c, proven.head)
        envelopes.save_receipt(c, id, proven.proof.encode())

    def work() -> None:
        while (begin := time.perf_counter()) < end:
            now = datetime.now(UTC)
            id = envelope_id(now, os.urandom(10))
            first = side.commit(id, now)
            committed = time.perf_counter()
            proven = office.prove(side.sequenced(id, first))
            office.store.write(lambda c, id=id, proven=proven: receipt(c, id, proven))  # type: ignore[misc]
            proven.head.kept = True
            taken["commit"].append((committed - begin) * 1000)
            taken["receipt"].append((time.perf_counter() - begin) * 1000)

    threads = [threading.Thread(target=work) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def child(*arguments: str) -> subprocess.Popen[bytes]:
    """A process of this module."""
    command = [sys.executable, "-m", "benchmarks.outbox", "--child", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])


def run(url: str, folder: Path, way: str, count: int, writers: int, seconds: float) -> tuple[float, list[float], list[float]]:
    """(documents a second, milliseconds to the commit, to the receipt), sorted, of `count` hub processes."""
    sequencer = child("sequencer", url, str(folder)) if way == "outbox" else None
    hubs = [child("hub", url, str(folder), way, str(writers), str(seconds)) for _ in range(count)]
    time.sleep(3 + count / 2)
    begin = time.perf_counter()
    for process in hubs:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    commit, receipt = list[float](), list[float]()
    for process in hubs:
        found = json.loads(process.communicate()[0])
        commit += found["commit"]
        receipt += found["receipt"]
    took = min(seconds + 1, time.perf_counter() - begin)
    if sequencer is not None:
        sequencer.terminate()
        sequencer.wait()
    return len(receipt) / took, sorted(commit), sorted(receipt)


def main() -> None:
    """Measure and print; or be one of the processes."""
    options = argparse.ArgumentParser()
    options.add_argument("--child", nargs="+", default=None)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=2)
    chosen = options.parse_args()
    if chosen.child:
        part, url, folder, *rest = chosen.child
        if part == "sequencer":
            sequence(url, Path(folder))
        print(json.dumps(hub(url, Path(folder), rest[0], int(rest[1]), float(rest[2]))))
        return
    console = Console(width=150)
    server = server_of_wheel(console)
    if server is None:
        return
    table = Table(
        "hub processes × writers",
        "way",
        "documents/s",
        "to the commit, p50 / p95",
        "to the receipt with proof, p50 / p95",
        title="PostgreSQL: entries in place, or outbox and sequencer",
    )
    try:
        with tempfile.TemporaryDirectory(prefix="vanthu-bench-") as name:
            folder, url = Path(name), server.database()
            prepare(url, folder)
            for writers in (1, 16):
                for count in COUNTS:
                    found: dict[str, list[tuple[float, list[float], list[float]]]] = {"in place": [], "outbox": []}
                    for _ in range(chosen.rounds):
                        for way, results in found.items():
                            results.append(run(url, folder, way, count, writers, chosen.seconds))
                    for way, results in found.items():
                        rate = statistics.median(r[0] for r in results)
                        commit, receipt = sorted(v for r in results for v in r[1]), sorted(v for r in results for v in r[2])
                        times = (f"{at(values, 0.5):.1f} / {at(values, 0.95):.1f} ms" for values in (commit, receipt))
                        table.add_row(f"{count} × {writers}", way, f"{rate:,.0f}", *times)
    finally:
        server.stop()
    console.print(
        f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {chosen.rounds} rounds of {chosen.seconds:.0f} s each, in turns"
    )
    console.print(table)


def prepare(url: str, folder: Path) -> None:
    """Schema, two agencies, the pending table, the log's first head."""
    key = LogKey.generate(ORIGIN)
    key.save(folder / "log.key")
    Store.open(url, blobs=folder / "blobs", migrate=True).close()
    office = office_at(url, folder)
    for code in ("A", "B"):
        office.store.write(lambda c, code=code: agencies.put(c, Agency(code=code, name=f"{code} (mô phỏng)")))  # type: ignore[misc]
    office.store.write(lambda c: c.exec_driver_sql(PENDING).close())
    office.store.write(lambda c: office.append(c, [Entry(Event.OPERATOR, datetime.now(UTC), "operator:bench", why="đo")]))
    office.head()
    office.store.close()


if __name__ == "__main__":
    main()
