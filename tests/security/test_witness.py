"""A witness against a log that lies: rollback, truncation, split view, wrong keys, replays, clocks, lost databases."""

from __future__ import annotations

import base64
import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import WitnessStopped
from exchange.node.witness import MOST_HASHES, Reply, Witness
from exchange.store.engine import Store
from exchange.store.witness_log import Mark, WitnessMark
from signing.checkpoint import LogKey, parse_note, verify_note
from signing.cosignature import CosignerKey, Kind, add_lines, make_keys, verify_cosignatures
from signing.merkle import EMPTY_ROOT, Edges, Tree, leaf_hash, verify_consistency

ORIGIN = "log.example.vn/2026"
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class Log:
    """A log in memory that signs whatever it is told to, honest or not."""

    def __init__(self, word: str = "entry", key: LogKey | None = None, *, same: int = 0) -> None:
        """`same` first entries are those of every log; from there on they are of this `word`."""
        self.key = key or LogKey.generate(ORIGIN)
        self.leaves = [leaf_hash(f"{'entry' if n < same else word} {n}".encode()) for n in range(300)]

    def _tree(self, size: int) -> Tree:
        return Tree(lambda level, index, width: b"".join(self._row(level, size)[index * 256 : index * 256 + width]), size)

    def _row(self, level: int, size: int) -> list[bytes]:
        edges = Edges()
        full = {(lv, i): d for lv, i, d in edges.append(self.leaves[:size], 0)}
        if level == 0:
            return self.leaves[:size]
        return [edges.rows[level][n] for n in range(len(edges.rows[level]))] if full else []

    def note(self, size: int) -> str:
        return self.key.sign_note(ORIGIN, size, self._tree(size).root() if size else EMPTY_ROOT)

    def proof(self, old: int, size: int) -> list[bytes]:
        return self._tree(size).consistency(old) if 0 < old < size else []

    def request(self, old: int, size: int, *, note: str = "", proof: list[bytes] | None = None) -> bytes:
        parts = self.proof(old, size) if proof is None else proof
        return request(old, parts, note or self.note(size))


def request(old: int | str, proof: list[bytes], note: str) -> bytes:
    return "".join([f"old {old}\n", *(base64.b64encode(p).decode() + "\n" for p in proof), "\n", note]).encode()


@dataclass
class Post:
    """A witness in a folder, with a clock that can be set."""

    folder: Path
    log: Log
    now: datetime = NOW
    keys: tuple[CosignerKey, CosignerKey] = field(default_factory=lambda: make_keys("w.example.vn"))

    def __post_init__(self) -> None:
        self.open()
        self.witness.enrol()

    def open(self) -> None:
        self.store = Store.open(f"sqlite:///{self.folder / 'node.sqlite'}", blobs=self.folder / "blobs", migrate=True, schema="node")
        self.witness = Witness(self.store, self.keys, [self.log.key.vkey()], WitnessMark(self.folder / "keys" / "witness.mark"), lambda: self.now)

    def ask(self, old: int, size: int, *, note: str = "", log: Log | None = None, proof: list[bytes] | None = None) -> Reply:
        return self.witness.add_checkpoint((log or self.log).request(old, size, note=note, proof=proof))

    def size(self) -> int:
        return int(self.witness.status()["logs"][0]["size"])


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    here = Post(tmp_path, Log())
    yield here
    here.store.close()


def test_a_growing_log_is_cosigned(post: Post) -> None:
    old = 0
    for size in (0, 1, 5, 5, 256, 300):
        note = post.log.note(size)
        reply = post.ask(old, size)
        assert (reply.status, reply.kind) == (200, "text/plain")
        found = verify_cosignatures(note + reply.text, post.witness.vkeys())
        assert [(c.kind, c.at) for c in found] == [(Kind.ED25519, NOW), (Kind.ML_DSA_44, NOW)]
        old = size
    kept = post.witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
    assert kept is not None and verify_note(kept, [post.log.key.vkey()]).size == 300
    assert len(verify_cosignatures(kept, post.witness.vkeys())) == 2
    assert post.witness.checkpoint("0" * 64) is None
    assert post.witness.refusals() == []


def test_lines_of_others_are_not_vouched_for(post: Post) -> None:
    second = CosignerKey.generate(ORIGIN, Kind.ML_DSA_44)
    note = post.log.note(4)
    note = add_lines(note, [second.cosign(parse_note(note), at=NOW), make_keys("stranger")[0].cosign(parse_note(note), at=NOW)])
    assert post.ask(0, 4, note=note).status == 200
    kept = post.witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
    assert kept is not None and "stranger" not in kept and len(verify_cosignatures(kept, [second.vkey()])) == 1


def test_replies_as_the_protocol_has_them(post: Post) -> None:
    log = post.log
    assert post.ask(0, 10).status == 200
    wrong = post.ask(0, 20)
    assert (wrong.status, wrong.kind, wrong.text) == (409, "text/x.tlog.size", "10\n")
    assert post.ask(7, 20).status == 409  # an old size from before, replayed
    assert post.ask(0, 10, proof=[]).status == 409  # an old request, replayed
    assert post.ask(30, 20, proof=[]).status == 400
    assert post.ask(10, 10).status == 200
    assert post.ask(10, 10, proof=[bytes(32)]).status == 422
    assert post.ask(10, 20, proof=[]).status == 422
    assert post.ask(10, 20, proof=[*log.proof(10, 20), bytes(32)]).status == 422
    other = LogKey.generate("other.example.vn")
    assert post.ask(0, 1, note=other.sign_note("other.example.vn", 1, bytes(32))).status == 404
    assert post.ask(10, 20, log=Log(), proof=log.proof(10, 20)).status == 403  # right origin, another key
    broken = log.note(20)[:-8] + "AAAAAA=\n"
    assert post.ask(10, 20, note=broken).status in (400, 403)
    assert post.size() == 10
    assert post.ask(10, 20).status == 200


def test_at_size_zero(tmp_path: Path) -> None:
    post = Post(tmp_path, Log())
    empty_lie = post.log.key.sign_note(ORIGIN, 0, bytes(32))
    assert post.ask(0, 0, note=empty_lie).status == 422
    assert post.ask(0, 5, proof=[bytes(32)]).status == 422
    assert post.ask(0, 5).status == 200
    post.store.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0",
        b"old 0\n\n",
        b"old -1\n\nx",
        b"old 00\n\nx",
        b"old 1 \n\nx",
        b"new 0\n\nx",
        b"old 0\nAAAA\n\nx",
        b"old 0\n" + base64.b64encode(bytes(31)) + b"\n\nx",
        b"old \xc3\xa9\n\nx",
        b"\xff\xfe\n\n",
        "old ٣\n\nx".encode(),
        b"old 99999999999999999999\n\nx",
    ],
)
def test_malformed_requests(post: Post, body: bytes) -> None:
    good = post.log.request(0, 3)
    for candidate in (body, body.replace(b"x", post.log.note(3).encode())):
        if candidate != good:
            assert post.witness.add_checkpoint(candidate).status == 400
    assert post.size() == 0


def test_sixty_three_hashes_are_read_and_sixty_four_are_not(post: Post) -> None:
    assert post.ask(0, 10).status == 200
    assert post.ask(10, 20, proof=[bytes(32)] * MOST_HASHES).status == 422
    assert post.ask(10, 20, proof=[bytes(32)] * (MOST_HASHES + 1)).status == 400


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes_get_a_reply(post_of_all: Post, data: bytes) -> None:
    good = post_of_all.log.request(0, 3)
    for candidate in (data, b"old 0\n\n" + data, good + data, good[: len(data)]):
        if candidate != good:
            assert post_of_all.witness.add_checkpoint(candidate).status in (400, 403, 404)


@pytest.fixture(scope="module")
def post_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    here = Post(tmp_path_factory.mktemp("witness"), Log())
    yield here
    here.store.close()


def test_a_split_view_is_refused_and_kept(post: Post) -> None:
    """The other view of the same size, and one that grew from another past: two signed heads are the proof."""
    other = Log("another past", post.log.key, same=4)
    assert post.ask(0, 10).status == 200
    assert post.ask(10, 10, log=other).status == 422
    assert post.ask(3, 10, log=other).status == 409  # whatever the old size says
    assert post.ask(10, 20, log=other).status == 422
    assert post.size() == 10
    split, grown = post.witness.refusals()
    assert (split.reason, split.size, grown.reason, grown.size) == ("split view", 10, "inconsistent", 20)
    # What was kept convinces anyone who knows the log's key: one size, two roots, both signed.
    ours = verify_note(split.own_note, [post.log.key.vkey()])
    theirs = verify_note(split.request.decode().partition("\n\n")[2], [post.log.key.vkey()])
    assert ours.size == theirs.size == 10 and ours.root != theirs.root
    assert post.ask(10, 20).status == 200  # the honest continuation goes on


def test_a_truncated_log_is_refused_and_kept(post: Post) -> None:
    assert post.ask(0, 50).status == 200
    assert post.ask(50, 40, proof=[]).status == 400
    assert (post.ask(40, 45).status, post.ask(0, 40).text) == (409, "50\n")
    assert [r.reason for r in post.witness.refusals()] == ["truncated"]
    assert post.size() == 50


def test_a_restored_and_regrown_log_is_refused(post: Post) -> None:
    """Back to 30 entries from a copy, then other entries: no proof leads from 50 to there."""
    assert post.ask(0, 50).status == 200
    regrown = Log("after the restore", post.log.key, same=30)
    assert post.ask(50, 60, log=regrown).status == 422
    assert post.ask(50, 60, log=regrown, proof=regrown.proof(30, 60)).status == 422
    assert post.size() == 50
    assert [r.size for r in post.witness.refusals()] == [60]  # the same head twice is kept once


def test_refusals_survive_a_restart(post: Post) -> None:
    assert post.ask(0, 10).status == 200
    post.ask(10, 10, log=Log("x", post.log.key))
    post.store.close()
    post.open()
    assert len(post.witness.refusals()) == 1
    assert post.ask(10, 12).status == 200


def test_a_clock_that_went_back(post: Post) -> None:
    assert post.ask(0, 10).status == 200
    post.now -= timedelta(seconds=2)
    reply = post.ask(10, 20)
    assert reply.status == 503 and "clock" in reply.text
    assert post.size() == 10
    post.now += timedelta(seconds=5)
    assert post.ask(10, 20).status == 200  # it has caught up


def test_a_lost_database_signs_nothing(post: Post) -> None:
    assert post.ask(0, 10).status == 200
    post.store.close()
    for file in post.folder.glob("node.sqlite*"):
        file.unlink()
    post.open()
    other = Log("another past", post.log.key)
    assert post.ask(0, 10, log=other).status == 503
    assert post.witness.status()["stopped"] == "database lost"
    # A person looks, and goes on from the mark: the other past is still refused.
    assert post.witness.recover() == {ORIGIN: 10}
    assert post.ask(10, 10, log=other).status == 422
    assert post.ask(10, 20).status == 200


def test_a_database_from_an_old_copy_signs_nothing(post: Post) -> None:
    assert post.ask(0, 10).status == 200
    post.store.close()
    shutil.copyfile(post.folder / "node.sqlite", post.folder / "copy")
    post.open()
    assert post.ask(10, 20).status == 200
    post.store.close()
    for file in post.folder.glob("node.sqlite*"):
        file.unlink()
    shutil.copyfile(post.folder / "copy", post.folder / "node.sqlite")
    post.open()
    rewritten = Log("rewritten", post.log.key, same=10)
    assert post.ask(10, 20, log=rewritten).status == 503
    assert post.witness.recover() == {ORIGIN: 20}
    assert post.ask(20, 20, log=rewritten).status == 422
    assert post.ask(20, 30).status == 200


def test_a_lost_mark_signs_nothing(post: Post) -> None:
    assert post.ask(0, 10).status == 200
    post.witness.mark.path.unlink()
    assert post.ask(10, 20).status == 503
    assert post.witness.recover() == {ORIGIN: 10}
    assert post.ask(10, 20).status == 200
    post.witness.mark.path.write_text("nonsense\n")
    assert post.ask(20, 30).status == 503


def test_a_witness_that_was_never_enrolled(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'node.sqlite'}", blobs=tmp_path / "blobs", migrate=True, schema="node")
    log, mark = Log(), WitnessMark(tmp_path / "witness.mark")
    mark.create()
    witness = Witness(store, make_keys("w.example.vn"), [log.key.vkey()], mark, lambda: NOW)
    assert witness.add_checkpoint(log.request(0, 3)).status == 503
    witness.enrol()
    assert witness.add_checkpoint(log.request(0, 3)).status == 200
    store.close()


def test_a_head_whose_mark_was_not_written_is_not_given_out(post: Post) -> None:
    """Power goes between database and mark: no cosignature left; the log asks again and gets one."""
    assert post.ask(0, 10).status == 200
    path = post.witness.mark.path
    kept = path.read_text()
    assert post.ask(10, 20).status == 200
    path.write_text(kept + "20 00")  # torn: as if it had not reached the disk
    assert post.ask(20, 20).status == 200
    assert post.witness.mark.read()[ORIGIN].size == 20


def test_two_at_a_time_never_roll_back(post: Post) -> None:
    """The race of the specification: of all who ask at once from one old size, one wins, and nothing shrinks."""
    assert post.ask(0, 10).status == 200
    replies: dict[int, Reply] = {}

    def ask(size: int) -> None:
        replies[size] = post.ask(10, size)

    threads = [threading.Thread(target=ask, args=(size,)) for size in range(11, 27)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [size for size, reply in replies.items() if reply.status == 200]
    assert len(won) == 1 and post.size() == won[0]
    assert all(reply.status == 409 and reply.text == f"{won[0]}\n" for size, reply in replies.items() if size != won[0])


def test_the_mark_stays_short_and_in_order(tmp_path: Path) -> None:
    mark = WitnessMark(tmp_path / "m")
    with pytest.raises(WitnessStopped):
        mark.read()
    mark.create()
    for size in range(1, 700):
        mark.advance(ORIGIN, Mark(size, bytes(32), 1000 + size))
    mark.advance(ORIGIN, Mark(5, bytes(32), 9))  # an answer that was overtaken
    assert mark.read()[ORIGIN].size == 699
    assert mark.path.read_text().count("\n") < 300


def test_the_log_of_these_tests_proves_what_it_should() -> None:
    """So a refusal is the witness's doing."""
    log = Log()
    for old, size in ((1, 2), (10, 20), (10, 256), (255, 300), (256, 257)):
        roots = [parse_note(log.note(n)).root for n in (old, size)]
        verify_consistency(old, size, log.proof(old, size), *roots)


def test_the_log_of_the_next_year_is_the_same_log(post: Post) -> None:
    """At midnight the log goes on under another name; the witness follows it without being told, from size 0."""
    later = "log.example.vn/2027"
    assert post.ask(0, 10).status == 200
    root = parse_note(post.log.note(2)).root
    assert post.witness.add_checkpoint(request(0, [], post.log.key.under(later).sign_note(later, 2, root))).status == 200
    assert post.witness.add_checkpoint(request(0, [], LogKey.generate(later).sign_note(later, 2, root))).status == 403
    other = "log.example.vn/2027-2"
    assert post.witness.add_checkpoint(request(0, [], post.log.key.under(other).sign_note(other, 2, root))).status == 404
    assert {log["origin"]: log["size"] for log in post.witness.status()["logs"]} == {ORIGIN: 10, later: 2}
    assert post.witness.checkpoint(hashlib.sha256(later.encode()).hexdigest()) is not None
