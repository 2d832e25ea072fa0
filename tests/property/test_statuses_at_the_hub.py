"""A real hub under statuses in any order: early, repeated, late, unlawful, about either recipient. None is lost, none is doubled, no state moves back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from exchange.delivery import State
from exchange.errors import StatusUnknownDocument
from tests.house import PULLER, PUSHER, SENDER, House

PAIR = (PULLER, PUSHER)
CODES = ("01", "02", "03", "04", "05", "06", "15", "16")
FORWARD = {"": 0, "01": 1, "03": 3, "04": 4, "05": 5, "02": 9, "06": 9}  # our own small table: what counts as further on
_number = count()


def expected(before: str, code: str) -> str:
    """What a recipient's state is after `code`, said without a take-back being open; 15 and 16 answer nothing then."""
    return code if FORWARD.get(code, -1) > FORWARD[before] and FORWARD[before] < 9 else before


def machine(house: House) -> type[RuleBasedStateMachine]:
    class Statuses(RuleBasedStateMachine):
        @initialize(early=st.booleans())
        def begin(self, early: bool) -> None:
            self.document = f"{SENDER},2026/11/20,may-{next(_number)}/QĐ-UBND"
            self.package = house.package(self.document, recipients=PAIR)
            self.start = datetime.now(UTC)
            self.sent: dict[tuple[str, bytes], bytes] = {}  # what was said by whom, with its seal
            self.receipts: dict[bytes, bytes] = {}
            self.early: list[tuple[datetime, str, str]] = []
            self.state = dict.fromkeys(PAIR, "")
            self.envelope = self.receipt = ""
            if not early:
                self.document_comes()

        @rule(said=st.lists(st.tuples(st.sampled_from(PAIR), st.sampled_from(CODES), st.integers(0, 30)), min_size=3, max_size=6))
        def say(self, said: list[tuple[str, str, int]]) -> None:
            for one in said:
                self.say_one(*one)

        def say_one(self, recipient: str, code: str, minutes: int) -> None:
            at = (self.start + timedelta(minutes=minutes, seconds=len(self.sent))).replace(microsecond=0)
            data, seal = house.status(code, agency=recipient, document_id=self.document, at=at)
            if (recipient, data) not in self.sent:
                self.sent[recipient, data] = seal
                self.told(recipient, data, seal)
                if self.envelope:
                    self.state[recipient] = expected(self.state[recipient], code)
                else:
                    self.early.append((at, recipient, code))

        @precondition(lambda self: self.sent)
        @rule(data=st.data())
        def repeat(self, data: st.DataObject) -> None:
            (recipient, message), seal = data.draw(st.sampled_from(list(self.sent.items())))
            self.told(recipient, message, seal)

        def told(self, recipient: str, data: bytes, seal: bytes) -> None:
            try:
                receipt = house.hub.report_status(recipient, data, seal)
            except StatusUnknownDocument:
                assert not self.envelope
                return
            assert self.envelope and self.receipts.setdefault(data, receipt) == receipt

        @rule()
        def document_comes(self) -> None:
            receipt = house.submit(self.package)
            if not self.envelope:
                self.receipt = receipt  # type: ignore[assignment]
                self.envelope = str(house.hub.find(SENDER, document_id=self.document)[0]["envelope"])
                for _, recipient, code in sorted(self.early):
                    self.state[recipient] = expected(self.state[recipient], code)
            assert receipt == self.receipt

        @invariant()
        def each_is_kept_once_and_moves_nothing_back(self) -> None:
            if not getattr(self, "envelope", ""):
                return
            told = house.hub.timeline(SENDER, self.envelope)
            assert {d["recipient"]: d["status"] for d in told["deliveries"]} == self.state
            heard = {recipient for recipient, _ in self.sent}
            assert {d["recipient"] for d in told["deliveries"] if d["state"] == State.ACKNOWLEDGED.value} == heard
            entries = [e for e in told["events"] if e["by"] in PAIR]
            assert len(entries) == len(self.sent)
            mine = [i for i in house.hub.inbox(SENDER, after=0, limit=5000) if i["envelope"] == self.envelope]
            assert len(mine) == len(self.sent)  # the sender is told each of them, once

    return Statuses


def test_statuses_in_any_order(house: House) -> None:
    # Each step is durable: nine of them need no shrinking, which would take minutes.
    slow = settings(max_examples=8, stateful_step_count=5, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine(house), settings=slow)  # type: ignore[no-untyped-call]
