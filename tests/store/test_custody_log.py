"""The custody log in the database: growth only, epochs, chains, tiles, recovery; on both databases."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from exchange.custody import Entry, Event, control, leaf_bytes, leaf_hash
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.office import new_salt
from exchange.store import custody_log, custody_recovery, custody_tree, sign_order
from exchange.store.custody_audit import PAGE, check_chains, recompute
from exchange.store.engine import Store
from exchange.store.high_water import LONGEST, HighWater, Mark
from exchange.store.sign_order import sign_head
from signing.checkpoint import LogKey, build_proof, parse_note, verify_note, verify_proof
from signing.errors import SignerUnknown
from signing.merkle import TILE, Edges, root_of_long, verify_consistency

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ORIGIN = "hub.example.vn/custody/2026"
NEXT = "hub.example.vn/custody/2027"


def entries(count: int, *, first: int = 0) -> list[Entry]:
    return [
        Entry(Event.STATUS, NOW, f"r{n % 3}", envelope=f"e{n % 7}", recipient=f"r{n % 3}", sender="s", object_sha256="a" * 64, object_type="t", status="03")
        for n in range(first, first + count)
    ]


def grow(store: Store, count: int) -> list[int]:
    return store.write(lambda c: custody_log.append(c, entries(count), salts=new_salt))


def turn(store: Store, key: LogKey, origin: str, **more: str) -> custody_log.Epoch:
    vkey = key.under(origin).vkey()
    return store.write(lambda c: sign_order.begin_epoch(c, origin=origin, vkey=vkey, now=NOW, salts=new_salt, **more))


@pytest.fixture
def key() -> LogKey:
    return LogKey.generate(ORIGIN)


@pytest.fixture
def mark(tmp_path: Path) -> HighWater:
    return HighWater(tmp_path / "other-disk" / "high-water")


# -- growth only -----------------------------------------------------------

TABLES = ("custody_entry", "custody_tile", "custody_epoch", "custody_checkpoint")
CHANGES = [
    *(f"DELETE FROM {table}" for table in TABLES),
    "UPDATE custody_entry SET leaf = leaf",
    "UPDATE custody_entry SET envelope = 'other' WHERE seq = 1",
    "UPDATE custody_tile SET hashes = hashes",
    "UPDATE custody_epoch SET origin = 'x'",
    "UPDATE custody_checkpoint SET root = root",
]
ON_SQLITE = [
    "INSERT OR REPLACE INTO custody_entry SELECT seq, x'00', leaf_hash, envelope, recipient, n, event, sender, at FROM custody_entry WHERE seq = 1",
    "INSERT INTO custody_entry SELECT seq + 5000, leaf, leaf_hash, 'x', recipient, n, event, sender, at FROM custody_entry WHERE seq = 1",
    "INSERT OR REPLACE INTO custody_tile SELECT * FROM custody_tile",
    "INSERT OR REPLACE INTO custody_epoch SELECT number, 'x', first, vkey, at FROM custody_epoch",
    "INSERT OR REPLACE INTO custody_checkpoint SELECT * FROM custody_checkpoint",
]
ON_POSTGRESQL = [
    *(f"TRUNCATE {table}" for table in TABLES),
    "INSERT INTO custody_entry SELECT * FROM custody_entry WHERE seq = 1 ON CONFLICT (seq) DO UPDATE SET leaf = '\\x00'",
    "SET LOCAL session_replication_role = replica; DELETE FROM custody_entry",
]


def test_the_log_tables_only_grow(store: Store, url: str, key: LogKey, mark: HighWater) -> None:
    grow(store, 300)
    sign_head(store, key, mark, now=datetime.now(UTC))
    for statement in CHANGES + (ON_SQLITE if url.startswith("sqlite") else ON_POSTGRESQL):
        with pytest.raises(DBAPIError, match="only grows"):
            store.write(lambda c, s=statement: c.exec_driver_sql(s))
    with store.read() as c:
        assert recompute(c).ok and custody_log.size(c) == 300


def test_old_heads_may_be_dropped_after_ninety_days(store: Store) -> None:
    long_ago, now = datetime.now(UTC) - timedelta(days=91), datetime.now(UTC)
    store.write(lambda c: custody_log.save_checkpoint(c, 1, bytes(32), "n", long_ago))
    store.write(lambda c: custody_log.save_checkpoint(c, 2, bytes(32), "n", now))
    store.write(lambda c: c.exec_driver_sql("DELETE FROM custody_checkpoint WHERE size = 1"))
    with pytest.raises(DBAPIError, match="only grows"):
        store.write(lambda c: c.exec_driver_sql("DELETE FROM custody_checkpoint"))


def test_every_kept_head_is_compared_however_many_there_are(store: Store, key: LogKey) -> None:
    """More than are held in memory at once; the sizes go over the borders of batches and tiles."""
    count = 3 * PAGE + 5
    grow(store, count)
    with store.read() as c:
        hashes = [leaf_hash(entry.leaf) for entry in custody_log.entries(c, 0, count)]
    roots = Edges([[]])
    wrong = {1, PAGE, PAGE + 1, 2 * PAGE, count}

    def keep(connection: Connection) -> None:
        for size, digest in enumerate(hashes, 1):
            roots.append([digest], size - 1)
            said = bytes(32) if size in wrong else roots.root()
            custody_log.save_checkpoint(connection, size, said, key.sign_note(ORIGIN, size, said), NOW)

    store.write(keep)
    with store.read() as c:
        assert recompute(c).problems == tuple(f"signed head over {size} entries has another root" for size in sorted(wrong))


def test_a_role_that_may_only_insert_is_enough_to_append(store: Store, url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no roles")
    grow(store, 10)
    owner = create_engine(url)
    with owner.begin() as c:
        c.execute(text(f"DROP ROLE IF EXISTS hub_{(name := url.rsplit('/', 1)[1])}"))
        c.execute(text(f"CREATE ROLE hub_{name} LOGIN"))
        c.execute(text(f"GRANT SELECT, INSERT ON custody_entry, custody_tile, custody_epoch, custody_checkpoint TO hub_{name}"))
        c.execute(text(f"GRANT SELECT, INSERT, DELETE ON custody_edge TO hub_{name}"))
    owner.dispose()
    hub = create_engine(url.replace("vanthu@", f"hub_{name}@"))
    with hub.begin() as c:
        custody_log.append(c, entries(300), salts=new_salt)
    with pytest.raises(DBAPIError, match="must be owner"), hub.begin() as c:
        c.execute(text("ALTER TABLE custody_entry DISABLE TRIGGER ALL"))
    with pytest.raises(DBAPIError), hub.begin() as c:
        c.execute(text("DELETE FROM custody_entry"))
    hub.dispose()


# -- leaves and chains -----------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8"), max_size=40)


@given(WORDS, WORDS, WORDS, st.integers(-(2**53) + 1, 2**53 - 1), st.datetimes())
def test_leaves_are_rfc_8785(document: str, recipient: str, word: str, number: int, at: datetime) -> None:
    entry = Entry(Event.OPERATOR, at.replace(tzinfo=UTC), "hub", document_id=document, recipient=recipient, data=(("ô".encode().hex(), word), ("z", number)))
    leaf = leaf_bytes(entry, n=3, previous="ab", salt=bytes(16))
    assert leaf == rfc8785.dumps(json.loads(leaf))


def test_what_no_leaf_may_hold() -> None:
    fine = entries(1)[0]
    for wrong in (
        replace(fine, object_sha256=""),  # an agency's act without what the agency signed
        replace(fine, event=Event.RECIPIENT_REFUSED),  # negative, no reason
        replace(fine, data=(("ô", 1),)),
        replace(fine, data=(("x", 2**53),)),
        replace(fine, data=(("x", 1.5),)),  # type: ignore[arg-type]
        replace(fine, data=(("x", True),)),
        replace(fine, document_id="\ud800"),
        replace(fine, document_id="x" * 2048),
    ):
        with pytest.raises(CustodyError):
            leaf_bytes(wrong, n=0, previous="", salt=bytes(16))
    leaf = json.loads(leaf_bytes(replace(fine, seal_sha256="b" * 64), n=0, previous="", salt=bytes(16)))
    assert leaf["obj"] == {"sha256": "a" * 64, "type": "t", "seal": "b" * 64} and leaf["salt"] and "prev" not in leaf


def test_chains_run_through_batches_of_every_length(store: Store) -> None:
    chance = random.Random(1)
    for _ in range(12):
        grow(store, chance.choice([1, 2, 3, 60, 300]))
    with store.read() as c:
        newest: dict[tuple[str, str], tuple[int, str]] = {}
        for entry in custody_log.entries(c, 0, custody_log.size(c), batch=97):
            value = json.loads(entry.leaf)
            chain = (value["msg"], value["to"])
            n, before = newest.get(chain, (-1, ""))
            assert (value["n"], value.get("prev", "")) == (n + 1, before)
            newest[chain] = (entry.n, entry.leaf_hash.hex())
            assert entry.leaf_hash == leaf_hash(entry.leaf)
        assert len(newest) == 21 and check_chains(c) == []
        theirs = [x.seq for x in custody_log.entries_for(c, "r1", 0, custody_log.size(c))]
        assert theirs == [x.seq for x in custody_log.entries(c, 0, custody_log.size(c)) if x.recipient == "r1"]


def test_control_events_are_found_by_their_kind(store: Store) -> None:
    for number in range(4):
        store.write(lambda c, n=number: custody_log.append(c, [control(Event.LOG_TICK, NOW, data=(("size", n),)), *entries(2)], salts=new_salt))
    with store.read() as c:
        found = custody_log.control_entries(c, Event.LOG_TICK)
        assert [json.loads(x.leaf)["data"] for x in found] == [{"size": n} for n in range(4)]
        assert custody_log.control_entries(c, Event.LOG_TICK, newest=2) == found[2:]
        assert {json.loads(x.leaf)["n"] for x in found} == {0}


# -- two sequencers --------------------------------------------------------


def test_two_sequencers_append_in_turn(store: Store, url: str, tmp_path: Path) -> None:
    other = Store.open(url, blobs=tmp_path / "blobs2")
    threads = [threading.Thread(target=grow, args=(one, 1 + n % 5)) for n in range(24) for one in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    with store.read() as c:
        assert custody_log.size(c) == 2 * sum(1 + n % 5 for n in range(24))
        assert recompute(c).ok and check_chains(c) == []


def test_a_rolled_back_append_leaves_no_trace_in_what_follows(store: Store, url: str, tmp_path: Path) -> None:
    def fails(c: Any) -> None:
        custody_log.append(c, entries(3), salts=new_salt)
        raise ValueError("no")

    grow(store, 5)
    with pytest.raises(ValueError):
        store.write(fails)
    other = Store.open(url, blobs=tmp_path / "blobs2")
    grow(other, 3)  # as many as were taken back, but others
    other.close()
    grow(store, 300)
    with store.read() as c:
        assert custody_log.size(c) == 308 and recompute(c).ok and check_chains(c) == []


def _until_somebody_waits(engine: Engine) -> None:
    """Until another session is held up by a lock, at most 10 s."""
    end = time.monotonic() + 10
    with engine.connect() as watcher:
        while time.monotonic() < end:
            if watcher.execute(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).scalar():
                return
            watcher.rollback()
            time.sleep(0.01)


def test_without_the_lock_the_key_refuses_the_second(store: Store, url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("SQLite's own lock admits one writer")
    grow(store, 5)
    engine = create_engine(url)
    with engine.connect() as one, engine.connect() as two:
        first, second = one.begin(), two.begin()
        custody_log.append(one, [control(Event.LOG_TICK, NOW)], salts=new_salt)
        done: list[BaseException] = []

        def late() -> None:
            try:
                custody_log.append(two, [control(Event.LOG_TICK, NOW)], salts=new_salt)
            except IntegrityError as error:
                done.append(error)

        thread = threading.Thread(target=late)
        thread.start()  # waits for the first on the key it wants
        _until_somebody_waits(engine)
        first.commit()
        thread.join()
        second.rollback()
    engine.dispose()
    assert len(done) == 1
    with store.read() as c:
        assert custody_log.size(c) == 6 and recompute(c).ok


# -- tiles -----------------------------------------------------------------


def test_tiles_and_bundles_are_those_of_the_leaves(store: Store) -> None:
    for count in (255, 1, 1, 700):
        grow(store, count)
    with store.read() as c:
        size, root = custody_log.head(c)
        hashes = [x.leaf_hash for x in custody_log.entries(c, 0, size)]
        assert root == root_of_long(hashes)
        for level, index, width in ((0, 0, 256), (0, 0, 17), (0, 3, size - 768), (1, 0, 3), (1, 0, 1)):
            step = TILE**level
            wanted = [root_of_long(hashes[i * step : (i + 1) * step]) for i in range(index * TILE, index * TILE + width)]
            assert custody_log.tile(c, level, index, width) == b"".join(wanted)
        for nothing in ((0, 3, 256), (0, 4, 1), (1, 0, 4), (1, 1, 1), (1, 7, 1), (2, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257), (-1, 0, 1), (9, 0, 1)):
            with pytest.raises(CustodyError):
                custody_log.tile(c, *nothing)
        bundle, at = custody_log.entry_bundle(c, 3, size - 768), 0
        for seq in range(768, size):
            length = int.from_bytes(bundle[at : at + 2], "big")
            assert bundle[at + 2 : at + 2 + length] == custody_log.leaf(c, seq)
            at += 2 + length
        assert at == len(bundle)
        with pytest.raises(CustodyError):
            custody_log.entry_bundle(c, 3, 256)
        for old in (0, 1, 255, 256, 257, 512, 900, size):
            assert custody_tree.edges_at(c, old).root() == (root_of_long(hashes[:old]) if old else custody_tree.edges_at(c, 0).root())


# -- epochs ----------------------------------------------------------------


def test_a_new_epoch_freezes_the_old_one_which_stays_provable(store: Store, key: LogKey, mark: HighWater) -> None:
    grow(store, 300)
    first = parse_note(sign_head(store, key, mark, now=NOW))
    grow(store, 13)
    epoch = turn(store, key, NEXT)
    new = [*grow(store, 600), *grow(store, 5)]
    newest = parse_note(sign_head(store, key, mark, now=NOW))
    assert (epoch.first, newest.origin, newest.size) == (313, NEXT, 607)
    with store.read() as c:
        assert custody_log.place(c, new[0]) == custody_log.Place(epoch, 2)
        last = custody_log.latest_checkpoint(c, 0)
        assert last is not None and (last.origin, last.size) == (ORIGIN, 313)
        verify_note(last.note, [key.vkey()])
        verify_note(newest.note, [key.under(NEXT).vkey()])
        verify_consistency(300, 313, custody_log.consistency(c, 300, 313, 0), first.root, last.root)
        leaf0 = json.loads(custody_log.leaf(c, 313))
        assert leaf0["data"] == {"origin": ORIGIN, "size": 313, "root": last.root.hex()}
        for seq, head in ((7, last), (312, last), (313, newest), (new[-1], newest)):
            vkey = key.under(head.origin).vkey()
            index = custody_log.place(c, seq).index
            proof = build_proof(index, custody_log.prove(c, seq, head.size), head.note)
            assert verify_proof(proof, custody_log.leaf(c, seq), [vkey]) == (index, head)
        assert recompute(c).ok and check_chains(c) == []
        assert custody_log.head_covering(c, 5) == custody_log.heads(c, epoch=0)[0]


@pytest.mark.parametrize("count", [1, 256, 257, 512])
def test_epochs_of_awkward_sizes(store: Store, key: LogKey, mark: HighWater, count: int) -> None:
    grow(store, count)
    sign_head(store, key, mark, now=NOW)
    turn(store, key, NEXT)
    grow(store, count)
    assert parse_note(sign_head(store, key, mark, now=NOW)).size == count + 2
    with store.read() as c:
        assert recompute(c).ok


def test_no_epoch_over_nothing_or_under_a_used_name(store: Store, key: LogKey, mark: HighWater) -> None:
    with pytest.raises(CustodyError):
        turn(store, key, NEXT)
    grow(store, 1)
    with pytest.raises(CustodyError):
        turn(store, key, NEXT)  # its head was never signed
    sign_head(store, key, mark, now=NOW)
    with pytest.raises(CustodyError):
        turn(store, key, ORIGIN)


def test_another_key_signs_nothing_until_an_epoch_names_it(store: Store, key: LogKey, mark: HighWater) -> None:
    grow(store, 1)
    sign_head(store, key, mark, now=NOW)
    stranger = LogKey.generate(ORIGIN)
    grow(store, 1)
    with pytest.raises(CustodyError, match="log key"):
        sign_head(store, stranger, mark, now=NOW)


# -- the high-water file ---------------------------------------------------


def test_the_mark_is_compared_and_swapped(mark: HighWater) -> None:
    one, two = Mark(ORIGIN, 1, bytes(32)), Mark(ORIGIN, 2, bytes(range(32)))
    assert mark.swap(None, one) and mark.mark() == one
    assert not mark.swap(None, two) and mark.mark() == one
    assert mark.swap(one, two) and mark.swap(one, two)  # asking again for what stands is no loss
    assert mark.read() == (ORIGIN, 2, bytes(range(32)))


def test_of_many_signers_one_moves_the_mark(mark: HighWater) -> None:
    won: list[int] = []
    threads = [threading.Thread(target=lambda n=n: mark.swap(None, Mark(ORIGIN, n, bytes(32))) and won.append(n)) for n in range(1, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and mark.mark() == Mark(ORIGIN, won[0], bytes(32))


def test_half_a_line_is_not_a_mark(mark: HighWater) -> None:
    one, two = Mark(ORIGIN, 1, bytes(32)), Mark(ORIGIN, 2, bytes(32))
    mark.swap(None, one)
    with mark.path.open("ab") as file:
        file.write(two.line()[:30])
    assert mark.mark() == one
    assert mark.swap(one, two) and mark.path.read_bytes() == one.line() + two.line()


def test_the_file_stays_short(mark: HighWater) -> None:
    mark.path.parent.mkdir()
    mark.path.write_bytes(b"".join(Mark(ORIGIN, n, bytes(32)).line() for n in range(1, LONGEST // 90)))
    last = mark.mark()
    assert last is not None and mark.swap(last, Mark(ORIGIN, last.size + 1, bytes(32)))
    assert mark.path.stat().st_size < 10_000
    assert mark.mark() == Mark(ORIGIN, last.size + 1, bytes(32))


@pytest.mark.parametrize(
    "spoil",
    [lambda b: b[1:], lambda b: b.replace(b" ", b"", 1), lambda b: b[:20] + b"g" + b[21:], lambda b: b"0" + b, lambda b: b"\xff" + b],
)
def test_a_damaged_mark_stops_signing(store: Store, key: LogKey, mark: HighWater, spoil: Callable[[bytes], bytes]) -> None:
    grow(store, 12)
    sign_head(store, key, mark, now=NOW)
    mark.path.write_bytes(spoil(mark.path.read_bytes()))
    with pytest.raises(HighWaterError):
        sign_head(store, key, mark, now=NOW)
    assert custody_recovery.diagnose(store, mark, origin=ORIGIN).state in ("mark_damaged", "forked")


# -- recovery --------------------------------------------------------------


def lost(store: Store, tmp_path: Path, key: LogKey, mark: HighWater, kept: int) -> tuple[Store, list[bytes]]:
    """A database that was restored from before the last 40 entries, and a mirror's leaves."""
    grow(store, 500)
    sign_head(store, key, mark, now=NOW)
    with store.read() as c:
        leaves = [x.leaf for x in custody_log.entries(c, 0, 500)]
    older = Store.open(f"sqlite:///{tmp_path / 'restored.sqlite'}", blobs=tmp_path / "b2", migrate=True)
    older.write(lambda c: custody_log.insert_epoch(c, custody_log.Epoch(0, ORIGIN, 0, key.vkey(), NOW)))
    if kept:
        older.write(lambda c: custody_log.write_rows(c, [custody_recovery._row(n, leaf) for n, leaf in enumerate(leaves[:kept])]))
    return older, leaves


@pytest.mark.parametrize("kept", [0, 1, 255, 460])
def test_missing_entries_are_put_back(store: Store, tmp_path: Path, key: LogKey, mark: HighWater, kept: int) -> None:
    older, leaves = lost(store, tmp_path, key, mark, kept)
    found = custody_recovery.diagnose(older, mark, origin=ORIGIN)
    assert (found.state, found.size) == ("behind", kept) and "recover" in found.vi and "recover" in found.en
    for wrong in (leaves[kept:-1], [*leaves[kept:-1], leaves[kept]], [b"{}", *leaves[kept + 1 :]], list(reversed(leaves[kept:]))):
        with pytest.raises((CustodyError, IntegrityError)):
            custody_recovery.replay(older, mark, wrong)
    assert custody_recovery.replay(older, mark, [*leaves[kept:], b"beyond the mark"]) == 500 - kept
    assert custody_recovery.diagnose(older, mark, origin=ORIGIN).state == "ok"
    with store.read() as ours, older.read() as theirs:
        assert custody_log.head(ours) == custody_log.head(theirs)
        assert recompute(theirs).ok and check_chains(theirs) == []
    with pytest.raises(HighWaterError):
        custody_recovery.replay(older, mark, leaves)
    assert parse_note(sign_head(older, key, mark, now=NOW)).size == 500
    older.close()


def test_a_log_that_cannot_be_completed_is_closed_in_the_open(store: Store, tmp_path: Path, key: LogKey, mark: HighWater) -> None:
    older, _ = lost(store, tmp_path, key, mark, 460)
    grow(older, 3)
    signed, recovered = mark.mark(), "hub.example.vn/custody/2026-2"
    assert signed is not None and custody_recovery.diagnose(older, mark, origin=ORIGIN).state == "behind"
    more = {"origin": recovered, "vkey": key.under(recovered).vkey(), "now": NOW, "salts": new_salt}
    with pytest.raises(CustodyError):
        custody_recovery.close_epoch(older, mark, why=" ", **more)  # type: ignore[arg-type]
    custody_recovery.close_epoch(older, mark, why="Mất đĩa (mô phỏng)", **more)  # type: ignore[arg-type]
    note = parse_note(sign_head(older, key, mark, now=NOW))
    assert (note.origin, note.size) == (recovered, 3)
    with older.read() as c:
        assert json.loads(custody_log.leaf(c, 463))["data"] == {"origin": ORIGIN, "size": 500, "root": signed.root.hex()}
        assert json.loads(custody_log.leaf(c, 464))["data"]["size"] == 463
        assert recompute(c).ok
    with pytest.raises(HighWaterError):
        custody_recovery.close_epoch(older, mark, why="x", **{**more, "origin": "z"})  # type: ignore[arg-type]
    older.close()


def test_a_lost_mark_is_taken_from_an_outsider(store: Store, key: LogKey, mark: HighWater) -> None:
    grow(store, 5)
    note = sign_head(store, key, mark, now=NOW)
    mark.path.unlink()
    with pytest.raises(HighWaterError, match="lost"):
        sign_head(store, key, mark, now=NOW)
    assert custody_recovery.diagnose(store, mark, origin=ORIGIN).state == "mark_lost"
    with pytest.raises(SignerUnknown):
        custody_recovery.adopt_mark(store, mark, LogKey.generate(ORIGIN).sign_note(ORIGIN, 9, bytes(32)), [key.vkey()])
    beyond = key.sign_note(ORIGIN, 9, bytes(32))
    assert custody_recovery.adopt_mark(store, mark, beyond, [key.vkey()]).size == 9
    with pytest.raises(HighWaterError):
        sign_head(store, key, mark, now=NOW)  # a witness has seen more than the database holds
    with pytest.raises(HighWaterError):
        custody_recovery.adopt_mark(store, mark, note, [key.vkey()])
    mark.path.unlink()
    custody_recovery.adopt_mark(store, mark, note, [key.vkey()])
    assert sign_head(store, key, mark, now=NOW) == note
