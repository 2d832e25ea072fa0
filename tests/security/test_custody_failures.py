"""Acts of a malicious or broken hub against its log (docs/adr/0002), and who detects each.

On SQLite and on a real PostgreSQL. The attacker here owns the database and the log key:
it drops the guards, edits, rebuilds tiles and edges as it likes and signs anew. What it does not have is the
high-water file on the other host, and what others hold: a head, a proof, a seal.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from exchange.custody import Entry, Event, control, leaf_bytes, leaf_hash
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.office import new_salt
from exchange.store import custody_log, custody_recovery
from exchange.store.custody_audit import check_chains, recompute
from exchange.store.engine import Store
from exchange.store.high_water import HighWater
from exchange.store.sign_order import SignedHead, begin_epoch, keep, sign, sign_head
from signing.checkpoint import Checkpoint, LogKey, build_proof, parse_note, verify_note, verify_proof
from signing.errors import CheckpointInvalid, ProofInvalid
from signing.merkle import HASH, TILE, Edges, verify_consistency
from tests.postgres import Postgres

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ORIGIN = "hub.example.vn/custody/2026"
SIZE = 600
GUARDED = ("custody_entry", "custody_tile", "custody_checkpoint")
GUARDS = [f"{table}_{rest}" for table in GUARDED for rest in ("no_update", "no_delete", "no_replace")]


def entry(number: int, *, at: datetime = NOW) -> Entry:
    agency = f"H{number % 3}"
    return Entry(
        Event.REGISTERED, at, agency, envelope=f"e{number % 50}", recipient=agency, sender="S", object_sha256=f"{number:064x}", object_type="t", status="03"
    )


class Hub:
    """A log that has signed a head over 600 entries, and the outsiders who saw it."""

    def __init__(self, folder: Path, *, remembers: bool = False, server: Postgres | None = None) -> None:
        self.folder, self.key, self.server = folder, LogKey.generate(ORIGIN), server
        self.urls: dict[str, str] = {}
        # A process that runs on goes on from the edge in its memory, one that was started anew from the database.
        self.remembers = remembers
        self.memory: SignedHead | None = None
        self.mark = HighWater(folder / "other-host" / "high-water")
        self.store = self.open("hub")
        for start in range(0, SIZE, 100):
            self.append([entry(n, at=NOW + timedelta(seconds=n)) for n in range(start, start + 100)])
        self.head = parse_note(self.sign())
        with self.store.read() as c:
            self.leaf = custody_log.leaf(c, 137)
            self.proof = build_proof(137, custody_log.prove(c, 137, SIZE), self.head.note)

    def open(self, name: str) -> Store:
        if name not in self.urls:
            self.urls[name] = self.server.database() if self.server is not None else f"sqlite:///{self.folder / name}.sqlite"
        return Store.open(self.urls[name], blobs=self.folder / "blobs", migrate=True)

    def back_up(self) -> None:
        """A copy of the database as it is now, called "backup"."""
        self.store.close()
        if self.server is not None:
            self.urls["backup"] = self.server.database(self.urls["hub"])
        else:
            shutil.copyfile(self.folder / "hub.sqlite", self.folder / "backup.sqlite")
        self.store = self.open("hub")

    def copied(self, folder: Path) -> Hub:
        """The same hub and outsiders over a copy of the database; this one must be closed."""
        twin = copy(self)
        shutil.copytree(self.folder / "other-host", folder / "other-host")
        twin.folder, twin.mark = folder, HighWater(folder / "other-host" / "high-water")
        if self.server is not None:
            twin.urls = {"hub": self.server.database(self.urls["hub"])}
        else:
            twin.urls = {}
            shutil.copyfile(self.folder / "hub.sqlite", folder / "hub.sqlite")
        twin.store = twin.open("hub")
        return twin

    def drop_guards(self, connection: Connection) -> None:
        if self.server is not None:
            for table in GUARDED:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for guard in GUARDS if self.server is None else ():
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {guard}")

    def append(self, entries: list[Entry], store: Store | None = None) -> list[int]:
        return (store or self.store).write(lambda c: custody_log.append(c, entries, salts=new_salt))

    def sign(self, store: Store | None = None) -> str:
        if not self.remembers:
            return sign_head(store or self.store, self.key, self.mark, now=NOW)
        self.memory = keep(store or self.store, sign(store or self.store, self.key, self.mark, now=NOW, since=self.memory))
        return self.memory.note

    def leaves(self) -> list[bytes]:
        with self.store.read() as c:
            return [x.leaf for x in custody_log.entries(c, 0, custody_log.size(c))]

    def rewrite(self, leaves: list[bytes], *, more: int = 20) -> Checkpoint:
        """Replace the whole log by these leaves and `more` new ones, rebuild everything, and sign with the log key."""
        self.store.close()
        engine = create_engine(self.urls["hub"])
        with engine.begin() as c:
            self.drop_guards(c)
            for table in ("custody_entry", "custody_tile", "custody_edge", "custody_checkpoint"):
                c.exec_driver_sql(f"DELETE FROM {table}")
        engine.dispose()
        self.store = self.open("hub")
        self.store.write(lambda c: custody_log.write_rows(c, renumbered(leaves)))
        if more:
            self.append([entry(n) for n in range(more)])
        with self.store.read() as c:
            size, root = custody_log.head(c)
        return parse_note(self.key.sign_note(ORIGIN, size, root))

    # -- who detects ------------------------------------------------------

    def signs_nothing(self) -> None:
        """The hub itself, on its next tick or start."""
        before = self.mark.path.read_bytes()
        with pytest.raises((HighWaterError, CustodyError)):
            self.sign()
        assert self.mark.path.read_bytes() == before
        assert custody_recovery.diagnose(self.store, self.mark, origin=ORIGIN).state != "ok"

    def outsider_refuses(self, forged: Checkpoint) -> None:
        """Whoever holds an older head (a witness, a monitor, another node): no consistency proof exists."""
        verify_note(forged.note, [self.key.vkey()])  # the signature is good; it is the history that is not
        if forged.size < self.head.size:
            return  # a witness answers a smaller head by itself
        with self.store.read() as c:
            proof = custody_log.consistency(c, self.head.size, forged.size) if forged.size > self.head.size else []
        with pytest.raises(ProofInvalid):
            verify_consistency(self.head.size, forged.size, proof, self.head.root, forged.root)

    def fsck_says(self, words: str) -> None:
        """The nightly recomputation, or anyone's over a mirror."""
        with self.store.read() as c:
            problems = [*recompute(c).problems, *check_chains(c)]
        assert any(words in problem for problem in problems), problems


def renumbered(leaves: list[bytes]) -> list[tuple[Any, ...]]:
    rows, taken = [], set()
    for seq, leaf in enumerate(leaves):
        row = list(custody_recovery._row(seq, leaf))
        if (row[3], row[4], row[5]) in taken:
            row[5] = 10_000 + seq  # the attacker makes the column fit; the leaf says otherwise
        taken.add((row[3], row[4], row[5]))
        rows.append(tuple(row))
    return rows


@pytest.fixture(scope="session")
def on_postgresql(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A hub over PostgreSQL to be copied, since that is quicker than to fill one for each test."""
    made = Hub(tmp_path_factory.mktemp("hub"), server=postgres)
    made.store.close()
    return made


@pytest.fixture(scope="session")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Hub]:
    """The same over SQLite: one that will have been started anew, and one that runs on."""
    made = {name: Hub(tmp_path_factory.mktemp("hub"), remembers=name == "running on") for name in ("started anew", "running on")}
    for one in made.values():
        one.store.close()
    return made


@pytest.fixture(params=["started anew", "running on", "postgresql"])
def hub(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hub]:
    filled = request.getfixturevalue("on_postgresql") if request.param == "postgresql" else request.getfixturevalue("on_sqlite")[request.param]
    made = filled.copied(tmp_path)
    yield made
    made.store.close()


def test_the_honest_log_convinces_everybody(hub: Hub) -> None:
    hub.append([entry(n, at=NOW + timedelta(minutes=11)) for n in range(20)])
    newer = parse_note(hub.sign())
    with hub.store.read() as c:
        verify_consistency(SIZE, newer.size, custody_log.consistency(c, SIZE, newer.size), hub.head.root, newer.root)
        assert recompute(c).ok and check_chains(c) == []
    assert verify_proof(hub.proof, hub.leaf, [hub.key.vkey()])[0] == 137


def edited(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:137], leaves[137].replace(b'"st":"03"', b'"st":"06"'), *leaves[138:]]


def deleted(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:137], *leaves[138:]]


def reordered(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:137], leaves[138], leaves[137], *leaves[139:]]


def invented(leaves: list[bytes]) -> list[bytes]:
    made_up = leaf_bytes(entry(137), n=77, previous="", salt=bytes(16))
    return [*leaves[:137], made_up, *leaves[137:]]


@pytest.mark.parametrize("act", [edited, deleted, reordered, invented])
def test_history_rewritten_and_signed_again(hub: Hub, act: Any) -> None:
    changed = act(hub.leaves())
    forged = hub.rewrite(changed)
    hub.signs_nothing()
    hub.outsider_refuses(forged)
    assert verify_proof(hub.proof, hub.leaf, [hub.key.vkey()])[1] == hub.head  # who holds the proof still proves the old history


@pytest.mark.parametrize(
    ("act", "words"), [(edited, "next of its chain"), (deleted, "next of its chain"), (reordered, "says"), (invented, "next of its chain")]
)
def test_the_leaves_themselves_give_a_rewriter_away(hub: Hub, act: Any, words: str) -> None:
    """Even without any head: the chain of one document and its recipient no longer closes (times, for a mere reordering)."""
    leaves = hub.leaves()
    if act is reordered:
        hub.rewrite([*leaves[:100], leaves[599], *leaves[100:599]], more=0)
    else:
        hub.rewrite(act(leaves), more=0)
    hub.fsck_says(words)


def test_a_rewriter_who_mends_the_chains_too_meets_the_heads(hub: Hub) -> None:
    """Every later leaf of the chain made anew, so the log agrees with itself: only what others hold is left, and it is enough."""
    leaves, mended = hub.leaves(), {}
    rows: list[bytes] = []
    for number, leaf in enumerate(leaves):
        value = json.loads(leaf)
        if number == 137:
            value["st"] = "06"
        if value.get("prev") in mended:
            value["prev"] = mended[value["prev"]]
        new = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        if new != leaf:
            mended[leaf_hash(leaf).hex()] = leaf_hash(new).hex()
        rows.append(new)
    forged = hub.rewrite(rows)
    with hub.store.read() as c:
        assert recompute(c).ok and not any("chain" in problem for problem in check_chains(c))
    hub.signs_nothing()
    hub.outsider_refuses(forged)


def test_a_restored_backup_signs_nothing_even_when_it_grows_past_the_mark(hub: Hub) -> None:
    hub.back_up()
    hub.append([entry(n) for n in range(50)])
    hub.head = parse_note(hub.sign())
    hub.store.close()
    hub.store = hub.open("backup")
    assert custody_recovery.diagnose(hub.store, hub.mark, origin=ORIGIN).state == "behind"
    hub.signs_nothing()
    hub.append([entry(n) for n in range(100)])
    hub.signs_nothing()
    found = custody_recovery.diagnose(hub.store, hub.mark, origin=ORIGIN)
    assert found.state == "forked" and "vanthu custody recover" in found.vi and "vanthu custody recover" in found.en
    with hub.store.read() as c:
        size, root = custody_log.head(c)
    hub.outsider_refuses(parse_note(hub.key.sign_note(ORIGIN, size, root)))


def test_a_truncated_tail(hub: Hub) -> None:
    forged = hub.rewrite(hub.leaves()[:500], more=0)
    hub.signs_nothing()
    assert forged.size < hub.head.size
    hub.store.write(lambda c: custody_log.save_checkpoint(c, hub.head.size, hub.head.root, hub.head.note, NOW))
    hub.fsck_says("but the log has 500")


def test_a_split_view_is_two_signed_heads(hub: Hub) -> None:
    """A stolen or misused log key: the second view has a good signature; the two heads together are the proof against the log."""
    other = hub.rewrite(edited(hub.leaves()), more=0)
    for head in (hub.head, other):
        verify_note(head.note, [hub.key.vkey()])
    assert (hub.head.origin, hub.head.size) == (other.origin, other.size) and hub.head.root != other.root
    hub.outsider_refuses(other)
    with hub.store.read() as c:
        shown = build_proof(137, custody_log.prove(c, 137, SIZE), other.note)
        new_leaf = custody_log.leaf(c, 137)
    assert verify_proof(shown, new_leaf, [hub.key.vkey()])[1] == other  # so a proof alone is not enough: heads must be compared
    with pytest.raises(ProofInvalid):
        verify_proof(shown.replace(other.note, hub.head.note), new_leaf, [hub.key.vkey()])


def test_a_thief_of_the_database_without_the_key_proves_nothing(hub: Hub) -> None:
    thief = LogKey.generate(ORIGIN)
    with pytest.raises(CustodyError, match="log key"):
        hub.append([entry(1)])
        sign_head(hub.store, thief, hub.mark, now=NOW)
    with pytest.raises(CheckpointInvalid):
        verify_note(thief.sign_note(ORIGIN, SIZE, hub.head.root), [hub.key.vkey()])


def test_a_stolen_key_is_replaced_in_a_log_of_its_own(hub: Hub) -> None:
    """Rotation: a new epoch whose leaf 1 names the new key; the old key signs nothing any more."""
    successor, thief = LogKey.generate(f"{ORIGIN}-2"), hub.key
    hub.store.write(lambda c: begin_epoch(c, origin=successor.name, vkey=successor.vkey(), now=NOW, salts=new_salt, why="lộ khoá (mô phỏng)"))
    hub.key = successor
    assert verify_note(hub.sign(), [successor.vkey()]).size == 2
    hub.append([entry(1)])
    with pytest.raises(CustodyError, match="log key"):
        sign_head(hub.store, thief.under(successor.name), hub.mark, now=NOW)
    with hub.store.read() as c:
        named = custody_log.control_entries(c, Event.LOG_KEY)
        assert json.loads(named[-1].leaf)["data"] == {"vkey": successor.vkey()} and recompute(c).ok


def in_words_of_postgresql(statement: str) -> str:
    """The same statement over bytea."""
    told = re.sub(r"zeroblob\((\d+)\)", lambda m: f"decode(repeat('00', {m[1]}), 'hex')", statement)
    told = re.sub(r"CAST\((.*) AS BLOB\)", r"\1", told).replace("x'5a'", r"'\x5a'::bytea").replace("'X'", "'X'::bytea").replace("'text'", "'text'::bytea")
    return told.replace("datetime(at, '+1 day')", "at + interval '1 day'")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE custody_entry SET leaf = CAST(substr(leaf, 1, 60) || 'X' || substr(leaf, 62) AS BLOB) WHERE seq = 137", "entry 137: stored hash differs"),
        ("UPDATE custody_entry SET leaf = 'text' WHERE seq = 137", "entry 137: stored hash differs"),
        ("UPDATE custody_entry SET leaf_hash = zeroblob(32) WHERE seq = 137", "entry 137: stored hash differs"),
        ("UPDATE custody_tile SET hashes = CAST(zeroblob(1) || substr(hashes, 2) AS BLOB) WHERE idx = 0", "tile 0/0 of epoch 0 differs"),
        ("UPDATE custody_edge SET hashes = zeroblob(64)", "stored edge of epoch 0 differs"),
        ("DELETE FROM custody_entry WHERE seq = 137", "numbering broken"),
        ("DELETE FROM custody_tile", "tile 0/1 of epoch 0 differs"),
        ("UPDATE custody_checkpoint SET note = replace(note, '600', '601')", "another root"),
        ("UPDATE custody_checkpoint SET root = zeroblob(32)", "another root"),
        ("UPDATE custody_entry SET envelope = 'another' WHERE seq = 137", "entry 137: its columns say something else"),
        ("UPDATE custody_entry SET sender = 'another' WHERE seq = 137", "entry 137: its columns say something else"),
        ("UPDATE custody_entry SET at = datetime(at, '+1 day') WHERE seq = 137", "entry 137: its columns say something else"),
    ],
)
def test_a_flipped_bit_is_found_and_named(hub: Hub, statement: str, words: str) -> None:
    hub.store.write(hub.drop_guards)
    hub.store.write(lambda c: c.exec_driver_sql(in_words_of_postgresql(statement) if hub.server is not None else statement))
    hub.fsck_says(words)


def test_a_flipped_bit_in_a_tile_makes_proofs_that_nobody_takes(hub: Hub) -> None:
    hub.store.write(hub.drop_guards)
    flip = "UPDATE custody_tile SET hashes = CAST(substr(hashes, 1, 4000) || x'5a' || substr(hashes, 4002) AS BLOB)"
    hub.store.write(lambda c: c.exec_driver_sql(in_words_of_postgresql(flip) if hub.server is not None else flip))
    with hub.store.read() as c:
        proof = build_proof(137, custody_log.prove(c, 137, SIZE), hub.head.note)
    with pytest.raises(ProofInvalid):
        verify_proof(proof, hub.leaf, [hub.key.vkey()])


def test_an_omitted_event_has_no_proof(hub: Hub) -> None:
    """What was never logged cannot be proven: whoever asks for it gets nothing that verifies."""
    never = leaf_bytes(entry(9999), n=0, previous="", salt=bytes(16))
    with hub.store.read() as c:
        for index in (0, 137, SIZE - 1):
            with pytest.raises(ProofInvalid):
                verify_proof(build_proof(index, custody_log.prove(c, index, SIZE), hub.head.note), never, [hub.key.vkey()])
        with pytest.raises(ProofInvalid):
            custody_log.prove(c, SIZE, SIZE)


def test_no_event_of_an_agency_without_what_it_signed() -> None:
    with pytest.raises(CustodyError, match="signed"):
        leaf_bytes(Entry(Event.REGISTERED, NOW, "H1", envelope="e", recipient="H1"), n=0, previous="", salt=bytes(16))


@pytest.mark.parametrize("wrong", [timedelta(hours=-3), timedelta(days=-400)])
def test_a_backdated_event_stands_out(hub: Hub, wrong: timedelta) -> None:
    hub.append([entry(1, at=NOW + wrong)])
    hub.sign()
    hub.fsck_says("entry 600: says")


def test_a_clock_that_goes_back_changes_no_order_and_is_seen(hub: Hub) -> None:
    """Heads carry no time, so a wrong clock cannot fork the log; the entries written under it are named."""
    late = NOW + timedelta(days=30)
    hub.append([control(Event.LOG_TICK, late)])
    hub.sign()
    hub.append([entry(n, at=NOW + timedelta(days=1)) for n in range(3)])
    newer = parse_note(hub.sign())
    with hub.store.read() as c:
        verify_consistency(SIZE, newer.size, custody_log.consistency(c, SIZE, newer.size), hub.head.root, newer.root)
        assert recompute(c).ok
        assert [problem[:9] for problem in check_chains(c)] == ["entry 601", "entry 602", "entry 603"]


def test_a_postdated_event_stands_out_as_soon_as_time_is_right_again(hub: Hub) -> None:
    hub.append([entry(1, at=NOW + timedelta(days=2))])
    hub.append([entry(2, at=NOW + timedelta(minutes=20))])
    hub.fsck_says("but entry 600 before it says")


def test_two_signers_racing_over_one_mark(hub: Hub) -> None:
    """Two hub processes: each signs, none signs less or another than the mark says, all heads lie on one history."""
    other = hub.open("hub")
    notes: list[str] = []

    def work(store: Store) -> None:
        for n in range(15):
            hub.append([entry(n)], store)
            notes.append(hub.sign(store))

    threads = [threading.Thread(target=work, args=(store,)) for store in (hub.store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    lines = hub.mark.path.read_text().splitlines()
    sizes = [int(line.split()[0]) for line in lines]
    assert sizes == sorted(set(sizes)) and sizes[-1] == SIZE + 30 and len(notes) == 30
    with hub.store.read() as c:
        assert recompute(c).ok
        size, root = custody_log.head(c)
        for head in map(parse_note, notes):
            verify_consistency(head.size, size, custody_log.consistency(c, head.size, size) if head.size < size else [], head.root, root)


_APPENDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from exchange.custody import Event, control
from exchange.office import new_salt
from exchange.store import custody_log
from exchange.store.engine import Store

store = Store.open(sys.argv[1], blobs=Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    store.write(lambda c: custody_log.append(c, [control(Event.LOG_TICK, datetime.now(UTC))] * 3, salts=new_salt))
store.close()
"""


@pytest.mark.parametrize("hub", ["started anew", "postgresql"], indirect=True)
def test_two_sequencers_racing_as_processes(hub: Hub) -> None:
    """Two programs append to one log at once: one numbering, no gap, no chain forked, and the head goes on from the last."""
    command = [sys.executable, "-c", _APPENDS, hub.urls["hub"], str(hub.folder / "blobs")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    assert [one.communicate(timeout=60) and one.returncode for one in both] == [0, 0]
    newer = parse_note(hub.sign())
    assert newer.size == SIZE + 2 * 40 * 3
    with hub.store.read() as c:
        verify_consistency(SIZE, newer.size, custody_log.consistency(c, SIZE, newer.size), hub.head.root, newer.root)
        assert recompute(c).ok


def test_a_forged_tile_set_cannot_serve_the_signed_root(hub: Hub) -> None:
    """Sizes and roots come from signed heads only: a tree with one leaf swapped never folds to the signed root."""
    with hub.store.read() as c:
        row = [custody_log.tile(c, 0, n, min(TILE, SIZE - n * TILE)) for n in range(3)]
    hashes = [data[i : i + HASH] for data in row for i in range(0, len(data), HASH)]
    edges = Edges()
    edges.append(hashes, 0)
    assert edges.root() == hub.head.root
    hashes[3], hashes[4] = hashes[4], hashes[3]
    edges = Edges()
    edges.append(hashes, 0)
    assert edges.root() != hub.head.root
