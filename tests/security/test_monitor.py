"""A stranger who follows the log: every lie of a hub about its own log ends as an alert with its proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.cli_custody import custody
from exchange.mirror import mirror
from exchange.monitor import Look, Monitor
from signing.checkpoint import LogKey, parse_note
from signing.cosignature import CosignerKey, add_lines
from signing.errors import LogUnavailable, ProofInvalid
from signing.merkle import leaf_hash, perfect_root, root_of
from signing.tile_log import (
    consistency_of,
    entries_path,
    folder_log,
    join_bundle,
    parse_path,
    signed_head,
    split_bundle,
    tile_path,
    verify_folder,
)
from signing.witness_policy import parse_policy, policy_text
from tests.house import Pki

ORIGIN = "hub.example.vn/custody/2026"
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
KEY = LogKey.generate(ORIGIN)


@lru_cache(maxsize=16)
def level_of(leaves: tuple[bytes, ...], level: int) -> tuple[bytes, ...]:
    """All hashes of a tile level."""
    if level == 0:
        return tuple(leaf_hash(leaf) for leaf in leaves)
    below = level_of(leaves, level - 1)
    return tuple(perfect_root(below[i : i + 256]) for i in range(0, len(below) // 256 * 256, 256))


class LiveLog:
    """A log served from memory, honest unless its leaves are changed between two heads."""

    def __init__(self, count: int = 0, key: LogKey = KEY) -> None:
        self.leaves = [self.leaf(n) for n in range(count)]
        self.key, self.down, self.asked = key, False, 0
        self.shows_entries = True
        self.shown: int | None = None

    @staticmethod
    def leaf(number: int) -> bytes:
        return b'{"v":1,"n":%d,"salt":"%s"}' % (number, hashlib.sha256(b"%d" % number).hexdigest()[:22].encode())

    def grow(self, count: int) -> None:
        self.leaves += [self.leaf(len(self.leaves) + n) for n in range(count)]

    @property
    def size(self) -> int:
        return len(self.leaves) if self.shown is None else self.shown

    def root(self, size: int) -> bytes:
        return root_of(level_of(tuple(self.leaves[:size]), 0))

    def __call__(self, path: str) -> bytes:
        self.asked += 1
        if self.down:
            raise LogUnavailable("no route", place=path)
        if path == "checkpoint":
            return self.key.sign_note(self.key.name, self.size, self.root(self.size)).encode()
        level, index, width = parse_path(path)
        if level is None:
            if not self.shows_entries:
                raise LogUnavailable("HTTP 403", place=path)
            return join_bundle(self.leaves[index * 256 : index * 256 + width])
        found = level_of(tuple(self.leaves), level)[index * 256 : index * 256 + width]
        if len(found) < width:
            raise LogUnavailable("HTTP 404", place=path)
        return b"".join(found)


@pytest.fixture
def log() -> LiveLog:
    return LiveLog(700)


def monitor(log: Callable[[str], bytes], folder: Path, *, minutes: float = 30) -> Monitor:
    return Monitor(log, folder, [KEY.vkey()], silence=timedelta(minutes=minutes), pick=lambda size: size // 2)


def codes(look: Look) -> list[str]:
    return [alert.code for alert in look.alerts]


def test_an_honest_log_is_followed(log: LiveLog, tmp_path: Path) -> None:
    follower = monitor(log, tmp_path)
    assert follower.look(NOW).ok
    for grown in (1, 0, 300, 256, 900):
        log.grow(grown)
        look = follower.look(NOW)
        assert look.ok and look.grown == grown and look.head is not None and look.head.size == log.size
    assert len(list((tmp_path / "heads").iterdir())) == 5 and not (tmp_path / "evidence").exists()


def test_an_edited_entry_signed_again(log: LiveLog, tmp_path: Path) -> None:
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    log.leaves[3] = b"{}"
    log.grow(5)
    look = follower.look(NOW)
    assert codes(look) == ["inconsistent"] and len(look.alerts[0].files) == 2
    # The kept head stays the honest one, so the next look says so again; both heads are there for others.
    assert codes(follower.look(NOW)) == ["inconsistent"] and look.head is not None and look.head.size == 700
    assert all((tmp_path / name).read_text().startswith(ORIGIN) for name in look.alerts[0].files)


def test_honest_tiles_under_a_forged_head(log: LiveLog, tmp_path: Path) -> None:
    """The published tiles are the true ones; what is signed is not what they hash to."""
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    log.grow(40)
    forged = LiveLog(740)
    forged.leaves[720] = b"{}"

    def two_faced(path: str) -> bytes:
        return forged(path) if path == "checkpoint" else log(path)

    assert codes(monitor(two_faced, tmp_path).look(NOW)) == ["inconsistent"]
    with pytest.raises(ProofInvalid):
        mirror(two_faced, tmp_path / "mirror", [KEY.vkey()])


def test_entries_that_are_not_those_of_the_tree(log: LiveLog, tmp_path: Path) -> None:
    def lies(path: str) -> bytes:
        data = log(path)
        return join_bundle([b"{}", *split_bundle(data)[1:]]) if path == entries_path(1) else data

    with pytest.raises(ProofInvalid, match="entries from 256"):
        mirror(lies, tmp_path, [KEY.vkey()])
    assert mirror(log, tmp_path, [KEY.vkey()]).head.size == 700 and verify_folder(tmp_path, [KEY.vkey()]).ok


@pytest.mark.parametrize("change", ["delete", "swap", "last"])
def test_deleted_and_moved_entries(log: LiveLog, tmp_path: Path, change: str) -> None:
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    if change == "delete":
        del log.leaves[10]
    elif change == "swap":
        log.leaves[10], log.leaves[11] = log.leaves[11], log.leaves[10]
    else:
        log.leaves[699] = b"{}"
    log.grow(2)
    assert codes(follower.look(NOW)) == ["inconsistent"]


def test_a_split_view_of_one_size(log: LiveLog, tmp_path: Path) -> None:
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    log.leaves[-1] = b"{}"
    assert codes(follower.look(NOW)) == ["split_view"]


def test_a_restored_backup_and_a_truncated_tail(log: LiveLog, tmp_path: Path) -> None:
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    del log.leaves[650:]
    assert codes(follower.look(NOW)) == ["rollback"]
    log.leaves += [b'{"other":%d}' % n for n in range(100)]  # and goes on as if nothing were
    assert codes(follower.look(NOW)) == ["inconsistent"]


def test_another_view_for_others(log: LiveLog, tmp_path: Path) -> None:
    """Each follower alone sees a consistent log; one head of the other's is enough."""
    theirs = LiveLog(700)
    theirs.leaves[5] = b"{}"
    mine, other = monitor(log, tmp_path / "a"), monitor(theirs, tmp_path / "b")
    assert mine.look(NOW).ok and other.look(NOW).ok
    log.grow(20)
    shown = theirs("checkpoint").decode()
    look = mine.look(NOW, others=[shown])
    assert codes(look) == ["split_view"] and len(look.alerts[0].files) == 2
    theirs.grow(90)
    assert codes(mine.look(NOW, others=[theirs("checkpoint").decode()])) == ["rollback"]
    assert mine.look(NOW, others=[LiveLog(33)("checkpoint").decode()]).ok


def test_a_head_that_nobody_signed(log: LiveLog, tmp_path: Path) -> None:
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    log.key = LogKey.generate(ORIGIN)
    assert codes(follower.look(NOW)) == ["signature"]
    log.key = LogKey.generate("elsewhere.example.vn/custody/2026")
    assert codes(follower.look(NOW)) == ["signature"]


def test_silence(log: LiveLog, tmp_path: Path) -> None:
    follower = monitor(log, tmp_path)
    follower.look(NOW)
    log.down = True
    assert follower.look(NOW + timedelta(minutes=29)).ok
    look = monitor(log, tmp_path).look(NOW + timedelta(minutes=31))
    assert codes(look) == ["silent"] and not look.answered and "31 min" in look.alerts[0].detail
    log.down = False
    assert follower.look(NOW + timedelta(minutes=32)).ok


def test_a_log_that_never_answered(log: LiveLog, tmp_path: Path) -> None:
    log.down = True
    assert monitor(log, tmp_path).look(NOW).ok and codes(monitor(log, tmp_path).look(NOW + timedelta(hours=1))) == ["silent"]


def test_a_damaged_tile(log: LiveLog, tmp_path: Path) -> None:
    def damaged(path: str) -> bytes:
        data = log(path)
        return b"\0" + data[1:] if path == tile_path(0, 1) else data

    assert codes(monitor(damaged, tmp_path).look(NOW)) == ["tiles"]

    def gone(path: str) -> bytes:
        if path.startswith("tile/0/"):
            raise LogUnavailable("HTTP 404", place=path)
        return log(path)

    monitor(log, tmp_path / "b").look(NOW)
    log.grow(10)
    assert codes(monitor(gone, tmp_path / "b").look(NOW)) == ["tiles"]


def test_a_head_without_its_witnesses(log: LiveLog, tmp_path: Path) -> None:
    witnesses = [CosignerKey.generate(f"w{n}.example.vn") for n in range(3)]
    text = policy_text([(KEY.vkey(), "")], [(f"w{n}", key.vkey(), "") for n, key in enumerate(witnesses)], 2)
    cosigned = 2

    def shown(path: str) -> bytes:
        data = log(path)
        if path != "checkpoint":
            return data
        note = data.decode()
        return add_lines(note, [key.cosign(parse_note(note), at=NOW) for key in witnesses[:cosigned]]).encode()

    follower = Monitor(shown, tmp_path, [KEY.vkey()], silence=timedelta(minutes=30), policy=parse_policy(text))
    assert follower.look(NOW).ok
    log.grow(3)
    cosigned = 1
    look = follower.look(NOW)
    assert codes(look) == ["unwitnessed"] and "w1" in look.alerts[0].detail and look.head is not None and look.head.size == 700


def test_a_new_name_needs_a_person(log: LiveLog, tmp_path: Path) -> None:
    next_key = LogKey.generate("hub.example.vn/custody/2027")
    follower = Monitor(log, tmp_path, [KEY.vkey(), next_key.vkey()], silence=timedelta(minutes=30))
    follower.look(NOW)
    log.key, log.leaves = next_key, [LiveLog.leaf(0)]
    assert codes(follower.look(NOW)) == ["origin"]
    assert follower.look(NOW, new_epoch=True).ok and follower.look(NOW).ok


def test_a_mirror_goes_on_and_can_be_recomputed(log: LiveLog, tmp_path: Path) -> None:
    keys = [KEY.vkey()]
    for grown in (0, 1, 511, 66_000):
        log.grow(grown)
        done = mirror(log, tmp_path, keys)
        assert done.head.size == log.size and done.entries
    found = verify_folder(tmp_path, keys)
    assert found.ok and found.entries == log.size and found.heads == 4
    asked = log.asked
    mirror(log, tmp_path, keys)
    assert log.asked == asked + 1  # the head alone
    old, new = LiveLog(300)("checkpoint").decode(), signed_head(log, keys)
    (tmp_path / "old.note").write_text(old)
    here = folder_log(tmp_path)
    assert consistency_of(here, signed_head(LiveLog(300), keys), new)


def test_a_mirror_that_was_killed_goes_on(log: LiveLog, tmp_path: Path) -> None:
    left = 5

    def cut(path: str) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise LogUnavailable("killed", place=path)
        return log(path)

    with pytest.raises(LogUnavailable):
        mirror(cut, tmp_path, [KEY.vkey()])
    assert not (tmp_path / "checkpoint").exists()
    have = {p for p in tmp_path.rglob("*") if p.is_file()}
    log.asked = 0
    done = mirror(log, tmp_path, [KEY.vkey()])
    assert verify_folder(tmp_path, [KEY.vkey()]).ok and done.fetched == 6 - len([p for p in have if "0.p" not in str(p)])


def test_a_mirror_without_entries(log: LiveLog, tmp_path: Path) -> None:
    log.shows_entries = False
    assert not mirror(log, tmp_path, [KEY.vkey()]).entries
    found = verify_folder(tmp_path, [KEY.vkey()])
    assert found.ok and found.entries == 0


def test_a_mirror_refuses_a_fork_and_stays(log: LiveLog, tmp_path: Path) -> None:
    keys = [KEY.vkey()]
    mirror(log, tmp_path, keys)
    honest = LiveLog(700)
    log.leaves[699] = b"{}"
    log.grow(400)
    with pytest.raises(ProofInvalid):
        mirror(log, tmp_path, keys)
    del log.leaves[600:]
    with pytest.raises(ProofInvalid):
        mirror(log, tmp_path, keys)
    honest.grow(500)
    assert mirror(honest, tmp_path, keys).head.size == 1200
    found = verify_folder(tmp_path, keys)
    # The shorter, signed head that was refused was kept: it contradicts nothing but its own size.
    assert found.head.size == 1200 and found.ok


@pytest.mark.parametrize("what", ["entry", "tile", "upper", "checkpoint", "missing", "short"])
def test_every_flipped_bit_of_a_mirror_is_found(log: LiveLog, tmp_path: Path, what: str) -> None:
    keys = [KEY.vkey()]
    mirror(log, tmp_path, keys)
    file = tmp_path / {"upper": tile_path(0, 0), "tile": tile_path(0, 1), "checkpoint": "checkpoint"}.get(what, entries_path(1))
    data = bytearray(file.read_bytes())
    if what == "missing":
        (tmp_path / tile_path(0, 1)).unlink()
    elif what == "short":
        file.write_bytes(join_bundle(split_bundle(bytes(data))[:-1]))
    else:
        data[40] ^= 1
        file.write_bytes(bytes(data))
    if what == "checkpoint":
        with pytest.raises(Exception, match="signature|base64|root|checkpoint"):
            verify_folder(tmp_path, keys)
        return
    assert verify_folder(tmp_path, keys).problems


def test_a_bundle_that_lies_about_its_lengths() -> None:
    for data in (b"\x00", b"\x00\x05ab", b"\x00\x01a\x00"):
        with pytest.raises(ProofInvalid):
            split_bundle(data)
    assert split_bundle(join_bundle([b"", b"a" * 65_535])) == [b"", b"a" * 65_535]


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067" and tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert entries_path(999) == "tile/entries/999" and entries_path(1000, 3) == "tile/entries/x001/000.p/3"
    for path in (tile_path(2, 70_000), tile_path(0, 5, 9), entries_path(1000, 3)):
        level, index, width = parse_path(path)
        assert (entries_path(index, width) if level is None else tile_path(level, index, width)) == path
    for bad in ("tile/x/000", "tile/0/..", "tile/0/abc", "checkpoint", "tile/0/000.p/x"):
        with pytest.raises(LogUnavailable):
            parse_path(bad)


def test_an_address_that_never_answered_is_no_success(pki: Pki, tmp_path: Path) -> None:
    arguments = ["monitor", "http://127.0.0.1:1", "--trust", str(pki.folder / "trust"), "--state", str(tmp_path / "state"), "--once", "--lang", "en"]
    done = CliRunner().invoke(custody, arguments)
    assert done.exit_code == 1 and "never an answer" in done.output
