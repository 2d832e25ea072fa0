"""Crash at each step of commit → re-read → compare-and-swap → sign → store: never two heads that contradict each other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.custody import Entry, Event
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.office import new_salt
from exchange.store import custody_log, sign_order
from exchange.store.custody_audit import recompute
from exchange.store.engine import Store
from exchange.store.high_water import HighWater
from exchange.store.sign_order import sign_head
from signing.checkpoint import Checkpoint, LogKey, parse_note, verify_note
from signing.merkle import verify_consistency
from tests.faults.test_every_write import Crash, NthStep

NOW = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
ORIGIN, NEXT = "hub.example.vn/custody/2026", "hub.example.vn/custody/2027"
STEPS = ("sign.recomputed", "sign.marked", "sign.signed", "commit.before", "commit.after", "sign.stored")


class Watched(LogKey):
    """A log key that remembers all it ever signed, given out or not."""

    def __init__(self, key: LogKey, signed: list[str]) -> None:
        super().__init__(key.name, key._private)
        self.signed = signed

    def under(self, name: str) -> LogKey:
        return Watched(super().under(name), self.signed)

    def sign_note(self, origin: str, size: int, root: bytes) -> str:
        note = super().sign_note(origin, size, root)
        self.signed.append(note)
        return note


class Log:
    """One hub's log: what survives a crash are its files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.fault, self.signed = folder, NthStep(), list[str]()
        self.key = Watched(LogKey.generate(ORIGIN), self.signed)
        self.restart()

    def restart(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self.store = Store.open(f"sqlite:///{self.folder / 'hub.sqlite'}", blobs=self.folder / "blobs", migrate=True, fault=self.fault)
        self.mark = HighWater(self.folder / "high-water")

    def append(self, count: int) -> None:
        entries = [Entry(Event.STATUS, NOW, "hub", envelope=f"e{n}", recipient="r", status="03") for n in range(count)]
        self.store.write(lambda c: custody_log.append(c, entries, salts=new_salt))

    def sign(self) -> str:
        return sign_head(self.store, self.key, self.mark, now=NOW)

    def check(self) -> None:
        """All that was ever signed lies on one history: that of the database."""
        with self.store.read() as c:
            assert recompute(c).ok
            names = [epoch.origin or ORIGIN for epoch in custody_log.epochs(c)]
            for note in {*self.signed}:
                old: Checkpoint = verify_note(note, [self.key.under(parse_note(note).origin).vkey()])
                number = names.index(old.origin)
                size, root = custody_log.head(c, number)
                verify_consistency(old.size, size, custody_log.consistency(c, old.size, size, number) if old.size < size else [], old.root, root)


def crash_everywhere(log: Log, act: Callable[[], object]) -> list[str]:
    """Run `act` with a crash at its 1st, 2nd, … step until it meets none; the steps of a whole run."""
    for n in range(1, 200):
        log.fault.arm(n)
        try:
            act()
        except Exception as error:
            assert isinstance(error, Crash) or "Crash" in repr(error), repr(error)
        else:
            return log.fault.names
        finally:
            log.fault.arm(-1)
            log.restart()
        log.check()
    raise AssertionError("never ran through")


def test_a_crash_anywhere_in_append_and_sign(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append(3)

    def act() -> None:
        log.append(200)
        log.sign()

    names = crash_everywhere(log, act)
    assert [name for name in names if name in STEPS] == ["commit.before", "commit.after", *STEPS]
    before = len(log.signed)
    note = log.sign()
    log.check()
    assert parse_note(note).size % 200 == 3 and before > 5
    log.store.close()


def test_a_crash_anywhere_while_the_year_turns(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append(300)

    def act() -> None:
        with log.store.read() as c:
            turned = custody_log.current_epoch(c).origin == NEXT
        if not turned:
            log.sign()
            log.append(5)
            vkey = log.key.under(NEXT).vkey()
            log.store.write(lambda c: sign_order.begin_epoch(c, origin=NEXT, vkey=vkey, now=NOW, salts=new_salt))
            log.append(1)
        log.sign()

    crash_everywhere(log, act)
    log.check()
    with log.store.read() as c:
        last, newest = custody_log.latest_checkpoint(c, 0), custody_log.latest_checkpoint(c, 1)
        assert last is not None and newest is not None
        assert (last.origin, last.size) == (ORIGIN, custody_log.epochs(c)[1].first) and newest.origin == NEXT
    log.store.close()


@pytest.mark.parametrize("step", ["sign.recomputed", "sign.marked", "sign.signed", "sign.stored"])
def test_after_a_crash_the_same_bytes_are_signed_again(tmp_path: Path, step: str) -> None:
    log = Log(tmp_path)
    log.append(10)
    log.sign()
    log.append(10)
    log.fault.arm(10_000)
    log.sign()
    place = log.fault.names.index(step) + 1
    log.append(10)
    log.fault.arm(place)
    with pytest.raises(Crash):
        log.sign()
    log.fault.arm(-1)
    marked = log.mark.mark()
    log.restart()
    assert marked is not None and marked.size == (20 if step == "sign.recomputed" else 30)
    again = log.sign()
    assert {note for note in log.signed if parse_note(note).size == 30} == {again}
    log.store.close()


def test_a_crash_after_the_mark_and_a_lost_database_sign_nothing(tmp_path: Path) -> None:
    """The one case in which the mark is ahead of every note: still no head is signed on less."""
    log = Log(tmp_path)
    log.append(10)
    log.sign()
    log.store.close()
    copy = (tmp_path / "hub.sqlite").read_bytes()
    log.restart()
    log.append(10)
    log.fault.arm(2)  # sign.marked
    with pytest.raises(Crash):
        log.sign()
    log.fault.arm(-1)
    log.store.close()
    for stale in tmp_path.glob("hub.sqlite-*"):
        stale.unlink()
    (tmp_path / "hub.sqlite").write_bytes(copy)
    log.restart()
    for _ in range(2):
        with pytest.raises(HighWaterError):
            log.sign()
        log.append(10)  # as many entries again, but others
    log.store.close()


def test_what_was_damaged_after_the_commit_is_never_signed(tmp_path: Path) -> None:
    """Bit rot between commit and signature: the re-read finds it, whatever part it hits."""
    for number, (trigger, statement) in enumerate(
        [
            ("custody_entry_no_update", "UPDATE custody_entry SET leaf = substr(leaf, 1, 50) || x'00' || substr(leaf, 52) WHERE seq = 270"),
            ("custody_entry_no_update", "UPDATE custody_entry SET leaf_hash = zeroblob(32) WHERE seq = 270"),
            ("custody_tile_no_update", "UPDATE custody_tile SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 1"),
            ("custody_entry_no_delete", "DELETE FROM custody_entry WHERE seq = 270"),
            ("custody_entry_no_delete", "UPDATE custody_edge SET hashes = zeroblob(64) WHERE level = 1"),
        ]
    ):
        log = Log(tmp_path / str(number))
        log.append(200)
        log.sign()
        log.append(400)
        log.store.write(lambda c, t=trigger: c.exec_driver_sql(f"DROP TRIGGER {t}"))
        log.store.write(lambda c, s=statement: c.exec_driver_sql(s))
        with pytest.raises(CustodyError):
            log.sign()
        assert len(log.signed) == 1 and (mark := log.mark.mark()) is not None and mark.size == 200
        log.store.close()


CHILD = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from exchange.custody import Entry, Event
from exchange.office import new_salt
from exchange.store import custody_log
from exchange.store.engine import Store
from exchange.store.high_water import HighWater
from exchange.store.sign_order import sign_head
from signing.checkpoint import LogKey
folder, step = Path(sys.argv[1]), sys.argv[2]
armed = []
def fault(name):
    if armed and name == step:
        os._exit(9)
store = Store.open(f"sqlite:///{folder / 'hub.sqlite'}", blobs=folder / "blobs", migrate=True, fault=fault)
now = datetime.now(UTC)
entries = [Entry(Event.STATUS, now, "hub", envelope=f"e{n}", recipient="r", status="03") for n in range(300)]
store.write(lambda c: custody_log.append(c, entries, salts=new_salt))
armed.append(1)
print(sign_head(store, LogKey.load(folder / "log.key"), HighWater(folder / "high-water"), now=now), end="")
os._exit(0)
"""


def test_the_process_is_killed_at_each_step(tmp_path: Path) -> None:
    LogKey.generate(ORIGIN).save(tmp_path / "log.key")
    key = LogKey.load(tmp_path / "log.key")
    for step in ("sign.marked", "sign.signed", "commit.before", "never"):
        done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), step], capture_output=True, text=True, cwd=Path(__file__).parents[2])
        assert done.returncode == (0 if step == "never" else 9), done.stderr
    head = verify_note(done.stdout, [key.vkey()])
    assert head.size == 4 * 300
    store = Store.open(f"sqlite:///{tmp_path / 'hub.sqlite'}", blobs=tmp_path / "blobs")
    with store.read() as c:
        assert recompute(c).ok and custody_log.head(c) == (head.size, head.root)
    store.close()
