"""Fail before and after every single durable step: all or nothing, and nothing receipted is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.receipt import from_bytes
from signing.sandbox import Sandbox
from tests.house import PULLER, SENDER, House, Pki

MOST_STEPS = 200


class Crash(Exception):
    """The power went here."""


class NthStep:
    """Raises at the n-th durable step, once; counts all of them."""

    def __init__(self) -> None:
        self.at = -1
        self.seen = 0
        self.names: list[str] = []

    def arm(self, at: int) -> None:
        self.at, self.seen, self.names = at, 0, []

    def __call__(self, step: str) -> None:
        self.seen += 1
        self.names.append(step)
        if self.seen == self.at:
            self.at = -1
            raise Crash(step)


def crash_everywhere(house: House, fault: NthStep, act: Callable[[int], object], check: Callable[[int], None]) -> int:
    """Run `act(n)` with a crash at step n for n = 1, 2, … until it meets none; how many steps there were."""
    for n in range(1, MOST_STEPS):
        fault.arm(n)
        crashed = False
        try:
            act(n)
        except Exception as error:  # the crash may surface as the store's own error
            crashed = True
            assert "Crash" in repr(error) or isinstance(error.__cause__, Crash) or isinstance(error, Crash), repr(error)
        fault.arm(-1)
        house.reopen()
        check(n)
        if not crashed:
            return n - 1
    raise AssertionError("never ran through")


@pytest.fixture
def faulty(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> tuple[House, NthStep]:
    fault = NthStep()
    house = House(pki, tmp_path / "hub", fault=fault, sandbox=sandbox)
    house.register()
    return house, fault


def documents(house: House, document_id: str) -> int:
    return len(house.hub.find(None, document_id=document_id))


def test_submit(faulty: tuple[House, NthStep]) -> None:
    house, fault = faulty

    def name(n: int) -> str:
        return f"{SENDER},2026/11/20,{n}/QĐ-UBND"

    def check(n: int) -> None:
        before = documents(house, name(n))
        assert before in (0, 1)
        receipt = house.submit(house.package(name(n)))
        assert documents(house, name(n)) == 1
        envelope = from_bytes(receipt).envelope
        life = house.hub.timeline(SENDER, envelope)
        assert len(life["deliveries"]) == 2
        assert [e["event"].rsplit("/", 1)[-1] for e in life["events"]] == ["SubmissionAcceptance", "ContentConsignment"]
        assert house.submit(house.package(name(n))) == receipt
        lines = [i for i in house.hub.inbox(PULLER, after=0, limit=1000) if i["document_id"] == name(n)]
        assert len(lines) == 1
        file = house.hub.package_of(PULLER, lines[0]["delivery"])
        assert file.path.read_bytes() == house.package(name(n)).read_bytes()
        assert house.hub.verify_log().ok

    steps = crash_everywhere(house, fault, lambda n: house.submit(house.package(name(n))), check)
    assert steps >= 10
    house.close()


def test_acknowledge(faulty: tuple[House, NthStep]) -> None:
    house, fault = faulty
    lines: dict[int, tuple[str, str, bytes, bytes]] = {}

    def prepare(n: int) -> tuple[str, str, bytes, bytes]:
        if n not in lines:
            document_id = f"{SENDER},2026/11/20,{n}/QĐ-UBND"
            at, fault.at = fault.at, -1
            envelope = from_bytes(house.submit(house.package(document_id))).envelope
            delivery = next(d["delivery"] for d in house.hub.timeline(None, envelope)["deliveries"] if d["recipient"] == PULLER)
            data, seal = house.status("01", document_id=document_id)
            lines[n] = (envelope, delivery, data, seal)
            fault.arm(at)
        return lines[n]

    def act(n: int) -> object:
        _, delivery, data, seal = prepare(n)
        return house.hub.acknowledge(PULLER, delivery, data, seal)

    def check(n: int) -> None:
        envelope, delivery, data, seal = prepare(n)
        receipt = house.hub.acknowledge(PULLER, delivery, data, seal)
        assert house.hub.acknowledge(PULLER, delivery, data, seal) == receipt
        life = house.hub.timeline(SENDER, envelope)
        assert sum(e["event"].endswith("ContentHandover") for e in life["events"]) == 1
        assert {d["state"] for d in life["deliveries"] if d["recipient"] == PULLER} == {"acknowledged"}
        assert sum(i["envelope"] == envelope for i in house.hub.inbox(SENDER, after=0, limit=1000)) == 1
        assert house.hub.verify_log().ok

    assert crash_everywhere(house, fault, act, check) >= 8
    house.close()


def test_delivery(faulty: tuple[House, NthStep]) -> None:
    house, fault = faulty

    def act(n: int) -> object:
        at, fault.at = fault.at, -1
        house.submit(house.package(f"{SENDER},2026/11/20,{n}/QĐ-UBND", recipients=("H56.97",)))
        fault.arm(at)
        for carriage in house.hub.claim(100):
            house.hub.settle(carriage, ok=True, temporary=False, detail="")
        return None

    def check(n: int) -> None:
        # The crashed worker's lease runs out; here the operator hands it back at once.
        envelope = house.hub.find(None, document_id=f"{SENDER},2026/11/20,{n}/QĐ-UBND")[0]["envelope"]
        house.expire_leases()
        for carriage in house.hub.claim(100):
            house.hub.settle(carriage, ok=True, temporary=False, detail="")
        life = house.hub.timeline(None, envelope)
        assert [d["state"] for d in life["deliveries"]] == ["delivered"]
        assert sum(e["event"].endswith("ContentConsignment") for e in life["events"]) == 1
        assert house.hub.verify_log().ok

    assert crash_everywhere(house, fault, act, check) >= 4
    house.close()
