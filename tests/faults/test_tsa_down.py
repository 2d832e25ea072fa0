"""Time-stamp authorities that are down, slow, limited or lying: heads go on, and the newest is stamped when they are back."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.custody import Entry, Event
from exchange.publishing import Publisher
from exchange.sealing import Sealer
from exchange.store import custody_log, heads
from exchange.store.heads import SealedHead
from signing.cosignature import CosignerKey, Kind, verify_cosignatures
from signing.dev_tsa import respond
from signing.errors import TimestampUnavailable
from signing.keys import SigningKey, open_key
from signing.seal import verify_seal
from signing.timestamps import http_timestamper, request, verify_token
from signing.trust import Trust
from tests.house import ORIGIN, House, Pki

MORNING = datetime(2026, 11, 24, 1, 5, tzinfo=UTC)  # 08:05 in Vietnam


class Authority:
    """A real authority behind a `Post`; `act` replaces what it does."""

    def __init__(self, key: SigningKey, clock: Callable[[], datetime]) -> None:
        self.key, self.clock, self.asked = key, clock, 0
        self.act: Callable[[bytes], bytes] | None = None

    def __call__(self, url: str, body: bytes, content_type: str) -> bytes:
        self.asked += 1
        if self.act is not None:
            return self.act(body)
        return respond(body, self.key, now=self.clock(), serial=self.asked)


class Desk:
    """A house with a sealer, an authority, and a clock of its own."""

    def __init__(self, house: House, pki: Pki) -> None:
        self.house, self.at = house, MORNING
        self.monotonic = 0.0
        trust = Trust.load(pki.folder / "trust")
        self.trust = trust
        self.authority = Authority(open_key(pki.folder / "tsa" / "tsa.pem"), lambda: datetime.now(UTC))
        stamp = http_timestamper(["http://tsa.example.vn/"], self.authority, trust, clock=lambda: self.monotonic)
        self.office = replace(house.hub.office, clock=lambda: self.at, timestamp=stamp)
        self.second = CosignerKey.generate(ORIGIN, Kind.ML_DSA_44)
        self.sealer = Sealer(Publisher(self.office, None), self.second, worker="one")

    def seal(self) -> SealedHead | None:
        slot = self.sealer.due()
        round_ = self.sealer.begin(slot) if slot is not None else None
        return self.sealer.finish(slot, round_) if slot is not None and round_ is not None else None

    def work(self) -> None:
        """Something happens that is logged."""
        entry = Entry(Event.OPERATOR, self.at, "operator:test", why="thử nghiệm")
        self.office.store.write(lambda c: self.office.append(c, [entry]))

    def pass_(self, **time: float) -> None:
        self.at += timedelta(**time)
        self.monotonic += timedelta(**time).total_seconds()

    def sealed(self) -> list[SealedHead]:
        with self.office.store.read() as connection:
            return heads.all_sealed(connection, custody_log.current_epoch(connection).number)

    def stamps(self) -> list[custody_log.LogEntry]:
        with self.office.store.read() as connection:
            return custody_log.control_entries(connection, Event.LOG_STAMP)


@pytest.fixture
def desk(house: House, pki: Pki) -> Iterator[Desk]:
    yield Desk(house, pki)


def test_a_sealed_head_holds_in_every_way(desk: Desk) -> None:
    head = desk.seal()
    assert head is not None and head.token is not None and head.slot == "2026-11-24T08+07"
    digest = hashlib.sha256(head.note.encode()).digest()
    assert verify_seal(digest, head.seal, desk.trust, at=datetime.now(UTC)).time is not None
    verify_token(head.token, digest, desk.trust)
    assert [c.kind for c in verify_cosignatures(head.note, [desk.second.vkey()])] == [Kind.ML_DSA_44]
    # The stamp's digest is an entry of the log now, and the next stamp covers it.
    (entry,) = desk.stamps()
    assert hashlib.sha256(head.token).hexdigest().encode() in entry.leaf
    assert entry.seq >= head.size
    desk.pass_(hours=1)
    desk.work()
    after = desk.seal()
    assert after is not None and after.size > entry.seq


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_stock_tools_check_a_sealed_head(desk: Desk, pki: Pki, tmp_path: Path) -> None:
    """The commands of docs/witnesses.md."""
    head = desk.seal()
    assert head is not None and head.token is not None
    for name, data in (("12345", head.note.encode()), ("12345.p7s", head.seal), ("12345.tst", head.token)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "root.pem").write_bytes((pki.folder / "trust" / "anchors" / "root.pem").read_bytes())
    page = (Path(__file__).resolve().parents[2] / "docs" / "witnesses.md").read_text()
    commands = [line for line in page.splitlines() if line.startswith("openssl ")]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (tmp_path / "12345").write_bytes(head.note.encode() + b"x")
    for command in commands:
        assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode != 0


def test_hours_and_days(desk: Desk) -> None:
    assert desk.seal() is not None
    assert desk.sealer.due() is None  # once an hour
    desk.pass_(hours=1)
    assert desk.sealer.due() is None  # nothing came but the stamp's own entry
    desk.work()
    assert desk.sealer.due() == "2026-11-24T09+07"
    assert desk.seal() is not None
    desk.at = datetime(2026, 11, 24, 17, 0, 1, tzinfo=UTC)  # midnight in Vietnam
    assert desk.sealer.due() == "2026-11-25T00+07"  # the day is closed even so, and renews the last stamp
    assert desk.seal() is not None
    assert [h.slot for h in desk.sealed()] == ["2026-11-25T00+07", "2026-11-24T09+07", "2026-11-24T08+07"]


def down(_body: bytes) -> bytes:
    raise ConnectionRefusedError("down")


def test_an_outage_is_caught_up_with_the_newest_head_only(desk: Desk) -> None:
    desk.authority.act = down
    first = desk.seal()
    assert first is not None and first.token is None  # sealed all the same, without a stamp
    verify_seal(hashlib.sha256(first.note.encode()).digest(), first.seal, desk.trust, at=datetime.now(UTC))
    for _ in range(4):
        desk.pass_(hours=1)
        desk.work()
        assert desk.seal() is not None
    assert [h.token for h in desk.sealed()] == [None] * 5
    assert desk.stamps() == []
    desk.authority.act = None
    desk.pass_(minutes=10)
    desk.work()
    asked = desk.authority.asked
    newest = desk.seal()
    assert newest is not None and newest.token is not None
    assert desk.authority.asked == asked + 2  # one token over the note, one inside the seal: nothing for the old heads
    assert [h.token is not None for h in desk.sealed()] == [True] + [False] * 5
    assert len(desk.stamps()) == 1
    assert desk.seal() is None


def test_one_sealed_by_hand_in_an_outage_does_not_wait_for_the_next_hour(desk: Desk) -> None:
    assert desk.seal() is not None and desk.sealer.due() is None
    desk.work()
    desk.authority.act = down
    by_hand = "now 2026-11-24T01:05:00+00:00"
    round_ = desk.sealer.begin(by_hand)
    unstamped = desk.sealer.finish(by_hand, round_) if round_ is not None else None
    assert unstamped is not None and unstamped.token is None
    desk.authority.act = None
    desk.pass_(minutes=10)
    assert desk.sealer.due() == by_hand
    stamped = desk.seal()
    assert stamped is not None and stamped.token is not None and stamped.size >= unstamped.size
    assert desk.sealer.due() is None


def test_while_down_a_slot_keeps_one_seal(desk: Desk) -> None:
    """However often it is tried within the hour, and whatever comes meanwhile."""
    desk.authority.act = down
    assert desk.seal() is not None
    for _ in range(5):
        desk.pass_(minutes=5)
        desk.work()
        assert desk.sealer.due() is not None and desk.seal() is None
    assert len(desk.sealed()) == 1


def test_an_idle_log_gets_its_stamp_too(desk: Desk) -> None:
    """Down, and then nothing new comes: the head that has no stamp gets it."""
    desk.authority.act = down
    first = desk.seal()
    assert first is not None
    assert desk.seal() is None  # not at every look
    desk.authority.act = None
    desk.pass_(minutes=5)
    again = desk.seal()
    assert again is not None and again.size == first.size and again.token is not None
    assert [h.token is not None for h in desk.sealed()] == [True]


@pytest.mark.parametrize("spoil", ["nonce", "imprint", "rejected", "garbage", "empty"])
def test_a_bad_answer_is_no_answer(desk: Desk, pki: Pki, spoil: str) -> None:
    key, other = open_key(pki.folder / "tsa" / "tsa.pem"), {}

    def lie(body: bytes) -> bytes:
        if spoil in ("nonce", "imprint"):
            # Someone else's answer, or the last one again: another nonce, another digest.
            return other.setdefault("answer", respond(http_request(spoil, body), key, now=datetime.now(UTC), serial=1))
        return {"rejected": respond(b"", key, now=datetime.now(UTC), serial=1), "garbage": b"\x30\x82", "empty": b""}[spoil]

    desk.authority.act = lie
    head = desk.seal()
    assert head is not None and head.token is None
    assert desk.stamps() == []


def http_request(spoil: str, body: bytes) -> bytes:
    return request(hashlib.sha256(b"other").digest(), nonce=7) if spoil == "imprint" else request(hashlib.sha256(body).digest(), nonce=8)


def test_a_limit_is_respected(desk: Desk) -> None:
    """An authority that counts is not asked at every look: a refusal lengthens the pause."""
    desk.authority.act = down
    looks = 0
    for _ in range(600):
        desk.pass_(seconds=1)
        if desk.sealer.due() is not None:
            looks += 1
            desk.seal()
    assert looks < 20 and desk.authority.asked <= looks


def test_the_strictest_limit_known_is_not_reached(desk: Desk) -> None:
    """20 requests in any 20 minutes, else a block of a day: neither a long outage nor the return from it comes near."""
    asked: list[float] = []

    def strict(body: bytes) -> bytes:
        asked.append(desk.monotonic)
        assert sum(at > desk.monotonic - 1200 for at in asked) <= 15
        if desk.monotonic < 2 * 3600:
            raise ConnectionRefusedError("HTTP 429 Too Many Requests")
        return respond(body, desk.authority.key, now=datetime.now(UTC), serial=len(asked))

    desk.authority.act = strict
    for _ in range(3 * 3600 // 10):  # the loop looks every few seconds
        desk.pass_(seconds=10)
        if desk.monotonic % 600 == 0:
            desk.work()
        if desk.sealer.due() is not None:
            desk.seal()
    assert len(asked) > 20 and desk.sealed()[0].token is not None, "it was asked, and caught up with"


def test_two_processes_ask_once(desk: Desk) -> None:
    other = Sealer(Publisher(desk.office, None), desk.second, worker="two")
    slot = desk.sealer.due()
    assert slot is not None and other.due() == slot
    round_ = desk.sealer.begin(slot)
    assert round_ is not None and other.begin(slot) is None
    desk.pass_(minutes=3)  # the first one died
    again = other.begin(slot)
    assert again is not None and other.finish(slot, again) is not None
    assert desk.sealer.due() is None


def test_the_message_path_does_not_notice(house: House, pki: Pki, tmp_path: Path) -> None:
    """While an authority hangs, a document is accepted and gets its receipt."""
    desk = Desk(house, pki)
    hanging, release = threading.Event(), threading.Event()

    def hang(_body: bytes) -> bytes:
        hanging.set()
        release.wait(20)
        raise TimeoutError("slow")

    desk.authority.act = hang
    thread = threading.Thread(target=desk.seal)
    thread.start()
    assert hanging.wait(10)
    try:
        assert house.submit(house.package())
        assert thread.is_alive()
    finally:
        release.set()
        thread.join()
    assert [h.token for h in desk.sealed()] == [None]


def test_all_authorities_down_says_which(desk: Desk) -> None:
    desk.authority.act = down
    assert desk.office.timestamp is not None
    with pytest.raises(TimestampUnavailable, match="tsa.example.vn"):
        desk.office.timestamp(bytes(32))
