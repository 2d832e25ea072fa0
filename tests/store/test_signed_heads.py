"""Heads that are stored with what they are first used for, proofs from the edge in memory, and numbers after a roll-back; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import IntegrityError

from exchange.custody import Entry, Event
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.office import Office, new_salt
from exchange.store import custody_log, envelopes, sign_order
from exchange.store.custody_audit import recompute
from exchange.store.engine import Store
from exchange.store.high_water import HighWater
from exchange.store.sign_order import SignedHead
from signing.checkpoint import LogKey, parse_note, verify_proof
from signing.merkle import TILE

NOW = datetime(2026, 11, 20, 9, 0, 0, 5, tzinfo=UTC)
ORIGIN = "hub.example.vn/custody/2026"


def entries(count: int, *, first: int = 0) -> list[Entry]:
    return [
        Entry(Event.STATUS, NOW, "r", envelope=f"e{n}", recipient="r", sender="s", object_sha256="a" * 64, object_type="t", status="03")
        for n in range(first, first + count)
    ]


def grow(store: Store, count: int, *, first: int = 0) -> list[int]:
    return store.write(lambda c: custody_log.append(c, entries(count, first=first), salts=new_salt))


@pytest.fixture
def key() -> LogKey:
    return LogKey.generate(ORIGIN)


@pytest.fixture
def mark(tmp_path: Path) -> HighWater:
    return HighWater(tmp_path / "other-disk" / "high-water")


@pytest.fixture
def office(store: Store, key: LogKey, mark: HighWater) -> Office:
    unused = cast(Any, None)
    return Office(store, ORIGIN, unused, key, mark, unused, unused, lambda: NOW)


def head_now(store: Store, key: LogKey, mark: HighWater, since: SignedHead | None = None) -> SignedHead:
    return sign_order.sign(store, key, mark, now=NOW, since=since)


# -- appending -------------------------------------------------------------


def test_a_new_envelope_asks_for_no_chain_and_a_wrong_word_is_refused(store: Store) -> None:
    new = entries(1) * 2
    store.write(lambda c: custody_log.append(c, new, salts=new_salt, begins={"e0"}))
    with store.read() as c:
        assert [entry.n for entry in custody_log.entries(c, 0, 2)] == [0, 1]
    with pytest.raises(IntegrityError):
        store.write(lambda c: custody_log.append(c, new, salts=new_salt, begins={"e0"}))
    grow(store, 1)
    with store.read() as c:
        assert [entry.n for entry in custody_log.entries(c, 0, 3)] == [0, 1, 2] and recompute(c).ok


@pytest.mark.parametrize("before", [0, 3, 254, 255, 300])
def test_what_is_rolled_back_leaves_no_gap_and_no_edge(store: Store, before: int) -> None:
    def job(c: Connection) -> None:
        for start in range(0, before, 100):
            custody_log.append(c, entries(min(100, before - start), first=start), salts=new_salt)
        nested = c.begin_nested()
        custody_log.append(c, entries(300, first=5000), salts=new_salt)
        nested.rollback()
        assert custody_log.append(c, entries(2, first=9000), salts=new_salt) == [before, before + 1]

    store.write(job)
    assert grow(store, 1, first=9500) == [before + 2]
    with store.read() as c:
        assert recompute(c).ok and recompute(c).size == before + 3


def test_a_second_append_in_a_transaction_reads_nothing(store: Store) -> None:
    asked: list[str] = []
    grow(store, 1)

    def job(c: Connection) -> None:
        custody_log.append(c, entries(1, first=10), salts=new_salt, begins={"e10"})
        event.listen(c, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement.split()[0]))
        custody_log.append(c, entries(1, first=11), salts=new_salt, begins={"e11"})
        assert asked == ["INSERT"]

    store.write(job)


def test_two_hub_processes_go_on_from_each_other(store: Store, url: str, tmp_path: Path) -> None:
    other = Store.open(url, blobs=tmp_path / "other")
    numbers = [seq for n, one in enumerate((store, other, store, store, other, store)) for seq in grow(one, 100, first=100 * n)]
    other.close()
    assert numbers == list(range(600))
    with store.read() as c:
        assert recompute(c).ok


def test_times_are_stored_as_the_column_stores_them(store: Store) -> None:
    local = NOW.astimezone()
    made = Entry(Event.OPERATOR, local, "operator:x", why="x")
    store.write(lambda c: custody_log.append(c, [made], salts=new_salt))
    with store.read() as c:
        assert next(custody_log.entries(c, 0, 1)).at == NOW
    with pytest.raises(ValueError, match="naive"):
        store.write(lambda c: custody_log.append(c, [Entry(Event.OPERATOR, NOW.replace(tzinfo=None), "hub")], salts=new_salt))
    assert grow(store, 1) == [1]


# -- heads and proofs ------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 511, 512, 700])
def test_the_edge_proves_what_the_tiles_prove(store: Store, key: LogKey, mark: HighWater, count: int) -> None:
    grow(store, count)
    head = head_now(store, key, mark)
    with store.read() as c:
        for index in {0, count // 2, count - count % TILE, count - 1} - {count}:
            path = head.path(index)
            assert (path is None) == (index // TILE != count // TILE)
            assert path is None or path == custody_log.prove(c, index, count)


def test_a_head_is_stored_with_its_first_use_or_signed_again(store: Store, key: LogKey, mark: HighWater) -> None:
    grow(store, 3)
    first = head_now(store, key, mark)
    assert first.kept  # the log's first head names the log, and is stored at once
    grow(store, 2, first=10)
    head = head_now(store, key, mark, first)
    with store.read() as c:
        assert not head.kept and custody_log.note_over(c, 0, 5) == ""
    # As after a crash before it was used: the mark remembers, and the same head is signed again.
    again = head_now(store, key, mark)
    assert again.note == head.note and not again.kept
    for _ in range(2):
        store.write(lambda c: sign_order.keep_in(c, again))
    with store.read() as c:
        assert custody_log.note_over(c, 0, 5) == head.note
    assert head_now(store, key, mark, head).kept


def test_memory_goes_on_as_the_database_would(store: Store, key: LogKey, mark: HighWater) -> None:
    since = None
    for step in (1, 200, 54, 1, 1, 300):
        grow(store, step, first=1000 * step)
        head = head_now(store, key, mark, since)
        sign_order.keep(store, head)
        with store.read() as c:
            assert (head.size, head.root) == custody_log.head(c)
            assert head.edges == custody_log.edges_at(c, head.size)
        assert since is None or since.size == head.size - step
        since = head


def test_another_process_makes_the_edge_in_memory_stale_and_it_is_read_again(store: Store, url: str, key: LogKey, mark: HighWater, tmp_path: Path) -> None:
    grow(store, 300)
    mine = sign_order.keep(store, head_now(store, key, mark))
    other = Store.open(url, blobs=tmp_path / "other")
    grow(other, 10, first=400)
    theirs = sign_order.keep(other, head_now(other, key, HighWater(mark.path)))
    grow(store, 5, first=500)
    again = sign_order.keep(store, head_now(store, key, mark, mine))  # its memory ends at 300, the last signed head at 310
    assert (mine.size, theirs.size, again.size) == (300, 310, 315)
    with store.read() as c:
        assert (again.size, again.root) == custody_log.head(c) and again.edges == custody_log.edges_at(c, 315)
    # And what was changed below the other's head is met with an older memory as it would be with none.
    grow(other, 1, first=600)
    newest = sign_order.keep(other, head_now(other, key, HighWater(mark.path), theirs))
    other.close()
    store.write(lambda c: c.exec_driver_sql(GUARD[url.partition("+")[0].partition(":")[0]]).close())
    store.write(lambda c: c.exec_driver_sql("UPDATE custody_entry SET leaf_hash = (SELECT leaf_hash FROM custody_entry WHERE seq = 1) WHERE seq = 312").close())
    grow(store, 1, first=700)
    with pytest.raises((CustodyError, HighWaterError)):
        head_now(store, key, mark, again)
    assert newest.size == 316 and "316" in mark.path.read_text().splitlines()[-1]


def test_a_receipts_proof_holds_and_its_head_is_stored_with_it(office: Office, store: Store, key: LogKey) -> None:
    for number, step in enumerate((3, 5, 260, 1)):
        seq = grow(store, step, first=1000 * number)[0]
        proven = office.prove(seq)
        assert verify_proof(proven.proof, proven.leaf, [key.vkey()])[0] == seq

        def keep(c: Connection, proven: Any = proven, seq: int = seq) -> bytes:
            office.keep_head(c, proven.head)
            return envelopes.save_receipt(c, f"r{seq}", b"x")

        store.write(keep)
        with store.read() as c:
            kept = custody_log.head_covering(c, seq)
        assert kept is not None and kept.note in proven.proof
    assert parse_note(office.head(covering=2)).size == 269


def test_an_entry_of_an_ended_log_is_proven_in_its_own(office: Office, store: Store, key: LogKey) -> None:
    grow(store, 3)
    office.prove(2)
    office.begin_epoch("hub.example.vn/custody/2027")
    old, new = office.prove(1), office.prove(4)
    assert (old.origin, old.index, new.origin, new.index) == (ORIGIN, 1, "hub.example.vn/custody/2027", 1)
    assert verify_proof(old.proof, old.leaf, office.vkeys())[0] == 1


GUARD = {"sqlite": "DROP TRIGGER custody_entry_no_update", "postgresql": "ALTER TABLE custody_entry DISABLE TRIGGER ALL"}


def test_no_proof_is_made_for_an_entry_that_was_changed_under_a_running_hub(office: Office, store: Store, url: str) -> None:
    grow(store, 5)
    office.prove(4)
    store.write(lambda c: c.exec_driver_sql(GUARD[url.partition("+")[0].partition(":")[0]]).close())
    store.write(lambda c: c.exec_driver_sql("UPDATE custody_entry SET leaf = (SELECT leaf FROM custody_entry WHERE seq = 1) WHERE seq = 3").close())
    with pytest.raises(CustodyError, match="not in the signed tree"):
        office.prove(3)
    store.write(lambda c: c.exec_driver_sql("UPDATE custody_entry SET leaf_hash = (SELECT leaf_hash FROM custody_entry WHERE seq = 1) WHERE seq = 3").close())
    grow(store, 1, first=20)
    with pytest.raises((CustodyError, HighWaterError)):
        office.prove(5)
    with pytest.raises((CustodyError, HighWaterError)):
        office.head()
