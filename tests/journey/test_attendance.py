"""Witnesses' conduct in the log itself: who was added, fell silent, refused, came back, and when too few were there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange import log_keys
from exchange.attendance import QUORUM, Attendance
from exchange.cli import cli
from exchange.custody import Event
from exchange.errors import NotFound
from exchange.event_reasons import split_why
from exchange.publishing import Publisher
from exchange.store import custody_log, heads
from exchange.store.heads import WitnessState
from signing.checkpoint import LogKey
from signing.cosignature import make_keys
from signing.errors import SealInvalid
from signing.seal import verify_seal
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy, load_policy, parse_policy, policy_text
from tests.house import House, Pki
from tests.journey.processes import HubProcess

NAMES = ("kiem-toan", "co-yeu", "tinh-a")


def policy_of(house: House, *names: str) -> WitnessPolicy:
    rows = [(n, make_keys(f"{n}.example.vn")[0].vkey(), f"https://{n}.example.vn/witness") for n in names]
    return parse_policy(policy_text([(house.hub.office.vkeys()[0], "")], rows))


class Book:
    """The witnesses of one hub process, as they answer in these tests."""

    def __init__(self, house: House, policy: WitnessPolicy | None) -> None:
        self.house, self.attendance = house, Attendance(house.hub.office, policy)
        self.attendance.enrol()

    def round(self, *states: WitnessState, satisfied: bool = True, after: float = 120) -> None:
        self.house.ahead += timedelta(seconds=after)
        missing = [s.name for s in states if s.failures]
        self.house.hub.store.write(lambda c: self.attendance.enter(c, states, satisfied=satisfied, missing=missing))

    def said(self) -> list[tuple[str, str]]:
        return [(name, change) for name, change, _ in entries(self.house)]


def entries(house: House) -> list[tuple[str, str, str]]:
    """(name, change, why) of every entry about witnesses."""
    with house.hub.store.read() as connection:
        found = [json.loads(e.leaf) for e in custody_log.control_entries(connection, Event.LOG_WITNESS)]
    return [(e["data"]["name"], e["data"]["change"], e.get("why", "")) for e in found]


@pytest.fixture
def book(house: House) -> Iterator[Book]:
    yield Book(house, policy_of(house, *NAMES))


def test_who_is_asked_is_written_before_the_first_head_that_they_see(house: House) -> None:
    publisher = Publisher(house.hub.office, policy_of(house, *NAMES))
    round_ = publisher.begin()
    assert round_ is not None
    assert [(name, change) for name, change, _ in entries(house)] == [(n, "added") for n in NAMES]
    with house.hub.store.read() as connection:
        assert custody_log.head(connection)[0] == round_.head.size, "the head covers the entries"
    # Another process with the same policy has nothing to add.
    again = Publisher(house.hub.office, publisher.policy)
    again.begin()
    assert len(entries(house)) == 3


def test_a_policy_that_changes(house: House, book: Book) -> None:
    assert book.attendance.policy is not None
    keep = book.attendance.policy
    Book(house, replace(keep, witnesses=keep.witnesses[:2], groups=(), quorum=""))
    assert book.said()[3:] == [("tinh-a", "removed")]
    Book(house, keep)
    assert book.said()[4:] == [("tinh-a", "added")]
    # Another key under the same name is another witness.
    other = policy_of(house, *NAMES)
    Book(house, replace(keep, witnesses=(*keep.witnesses[:2], other.witnesses[2])))
    assert book.said()[5:] == [("tinh-a", "removed"), ("tinh-a", "added")]
    Book(house, None)
    assert sorted(book.said()[7:]) == sorted((n, "removed") for n in NAMES)


def test_silence_refusal_lateness_and_return(house: House, book: Book) -> None:
    now = house.hub.office.clock()
    fine = [WitnessState(n, 9, now, now) for n in NAMES]
    silent = replace(fine[0], failures=5, last_error="OSError")
    book.round(*fine)
    book.round(replace(silent, failures=4))
    assert len(book.said()) == 3, "a short silence is none"
    book.round(silent)
    book.round(silent)
    assert entries(house)[3:] == [("kiem-toan", "silent", "NoAnswerInTime: OSError")]
    refused = replace(fine[1], failures=1, last_error="HTTP 422: not consistent")
    book.round(refused)
    assert entries(house)[4:] == [("co-yeu", "refused", "RejectedByNextSystem: HTTP 422: not consistent")]
    book.round(fine[0], fine[1])
    assert book.said()[5:] == [("kiem-toan", "back"), ("co-yeu", "back")]
    slow = replace(fine[2], cosigned_at=now + timedelta(seconds=1.5))
    for _ in range(2):
        book.round(slow)
    book.round(replace(slow, cosigned_at=now + timedelta(seconds=0.9)))  # in time: the count begins anew
    for _ in range(2):
        book.round(slow)
    assert book.said()[7:] == [], "twice late is not late yet"
    book.round(slow)
    assert book.said()[7:] == [("tinh-a", "late")]
    book.round(fine[2])
    assert book.said()[8:] == [("tinh-a", "back")]
    for _, change, why in entries(house):
        assert (change in ("silent", "refused", "late")) is (split_why(why) is not None)


def test_a_bad_line_does_not_fill_the_log(house: House, book: Book) -> None:
    now = house.hub.office.clock()
    fine = WitnessState("tinh-a", 9, now, now)
    for _ in range(60):
        book.round(replace(fine, failures=9, last_error="OSError"), after=1)
        book.round(fine, after=1)
    assert len(book.said()) <= 3 + 3


def test_too_few_for_half_a_minute(house: House, book: Book) -> None:
    gone = [WitnessState(n, failures=2, last_error="OSError") for n in NAMES[:2]]
    book.round(*gone, satisfied=False, after=1)
    book.round(*gone, satisfied=True, after=5)
    book.round(*gone, satisfied=False, after=1)
    assert len(book.said()) == 3
    book.round(*gone, satisfied=False, after=31)
    book.round(*gone, satisfied=False, after=31)
    assert entries(house)[3:] == [(QUORUM, "silent", "NoAnswerInTime: kiem-toan, co-yeu")]
    book.round(satisfied=True)
    assert book.said()[4:] == [(QUORUM, "back")]


def test_two_processes_write_a_change_once(house: House, book: Book) -> None:
    other = Book(house, book.attendance.policy)
    now = house.hub.office.clock()
    silent = WitnessState("tinh-a", 9, now, now, failures=6, last_error="OSError")
    book.round(silent)
    other.round(silent)
    assert book.said()[3:] == [("tinh-a", "silent")]


def test_the_policy_of_a_hub_is_five_of_seven_unless_said_otherwise(pki: Pki, tmp_path: Path) -> None:
    hub = HubProcess(pki, tmp_path / "hub")
    files = []
    for n in range(7):
        first, second = (key.vkey() for key in make_keys(f"w{n}.example.vn"))
        files.append(tmp_path / f"w{n}.txt")
        files[-1].write_text(
            f"witness w{n} {first} https://w{n}.example.vn:8910/witness\nwitness w{n}-ML-DSA-44 {second} https://w{n}.example.vn:8910/witness\n"
        )
    arguments = ["custody", "witness", "policy", "--config", str(hub.config), *map(str, files)]
    result = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "policy.txt")])
    assert result.exit_code == 0 and "5 trong 7 bên phải ký; chịu được 2 bên gian dối và 2 bên vắng mặt" in " ".join(result.stdout.split()), result.output
    policy = load_policy(tmp_path / "policy.txt")
    assert [w.name for w in policy.counted()] == [f"w{n}" for n in range(7)] and len(policy.witnesses) == 14
    assert policy.satisfied_by({"w0", "w1", "w2", "w5", "w6"}) and not policy.satisfied_by({"w0", "w1", "w2", "w5"})
    assert CliRunner().invoke(cli, [*arguments, "--threshold", "7"]).stdout.count("group witnesses 7 ") == 1
    files[0].write_text("witness broken\n")
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_entries_about_witnesses_call_for_no_seal_and_no_tick(house: House, book: Book) -> None:
    with house.hub.store.read() as connection:
        rows = custody_log.control_entries(connection, Event.LOG_WITNESS)
        assert not heads.anything_since(connection, rows[0].seq)


def test_the_hubs_certificate_vouches_for_the_key_of_the_log(house: House, pki: Pki, tmp_path: Path) -> None:
    office = house.hub.office
    with pytest.raises(NotFound):
        log_keys.certificate(office)
    assert log_keys.certify(office) and not log_keys.certify(office)
    vkey, seal = log_keys.certificate(office)
    assert vkey == (pki.folder / "trust" / "log.vkey").read_text()
    trust = Trust.load(pki.folder / "trust")
    verify_seal(hashlib.sha256(vkey.encode()).digest(), seal, trust, at=office.clock())
    with pytest.raises(SealInvalid):
        verify_seal(hashlib.sha256(b"another key").digest(), seal, trust, at=office.clock())
    with house.hub.store.read() as connection:
        (entry,) = custody_log.control_entries(connection, Event.LOG_KEY)
    assert json.loads(entry.leaf)["obj"] == {
        "sha256": hashlib.sha256(vkey.encode()).hexdigest(),
        "seal": hashlib.sha256(seal).hexdigest(),
        "type": "vkey+seal",
    }
    # A new key in a log of its own is vouched for anew.
    office.begin_epoch("hub.example.vn/custody/2027", key=LogKey.generate("hub.example.vn/custody/2027"))
    assert log_keys.certify(office) and log_keys.certificate(office)[0] != vkey
