"""The rules of recall, update and replacement as a state machine: nothing is taken away silently, nothing withdrawn comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exchange.change_errors import ChangeError
from exchange.delivery import State, may_move
from exchange.lifecycle import AGREES, DECLINES, Asks, Status, advance, lawful
from exchange.succession import (
    Answerable,
    Carries,
    Change,
    Effect,
    Held,
    Order,
    Step,
    asks_of,
    meant,
    plan_recall,
    plan_replacement,
    plan_take_back,
    plan_update,
)

AGENCIES = [f"A{n}" for n in range(5)]
some = st.lists(st.sampled_from(AGENCIES), min_size=1, max_size=3, unique=True).map(tuple)
few = st.lists(st.sampled_from(AGENCIES), max_size=2, unique=True)


class LegalLife(RuleBasedStateMachine):
    """One document, its deliveries, and what each recipient really has in hand."""

    def __init__(self) -> None:
        super().__init__()
        self.held = {code: self._new(code) for code in AGENCIES[:3]}
        self.in_hand: set[str] = set()  # who has the bytes
        self.asked: set[str] = set()  # who was told to destroy them
        self.superseded: set[str] = set()
        self.serial = 0

    def _new(self, code: str, serial: int = 0) -> Held:
        return Held(f"{code}/{serial}", "e", code, State.QUEUED, handed_over=False)

    @rule(code=st.sampled_from(AGENCIES))
    def collects(self, code: str) -> None:
        held = self.held.get(code)
        if held is not None and held.live:
            self.held[code] = replace(held, state=State.ACKNOWLEDGED, handed_over=True)
            self.in_hand.add(code)

    @rule(named=some)
    def recall(self, named: tuple[str, ...]) -> None:
        before = dict(self.held)
        try:
            steps = plan_recall(list(self.held.values()), named)
        except ChangeError:
            assert not all(c in self.held for c in named) or not any(self.held[c].live for c in named)
            return
        self.carry_out(steps)
        for code in named:
            assert not self.held[code].live
        assert {s.recipient for s in steps} == {c for c in named if before[c].live}

    @rule(added=few, removed=few, content=st.booleans())
    def update(self, added: list[str], removed: list[str], content: bool) -> None:
        live = {c for c, h in self.held.items() if h.live}
        order = Order(Change.UPDATE, "x", (("d", ()),), added=tuple(added), removed=tuple(removed), content=content)
        try:
            steps = plan_update(list(self.held.values()), order, has_files=True)
        except ChangeError:
            assert set(added) & live or set(removed) - live or not live
            return
        self.carry_out(steps)
        assert {c for c, h in self.held.items() if h.live} == (live - set(removed)) | set(added)
        if content:  # all who stay get it
            assert {s.recipient for s in steps if s.carries is Carries.CHANGE} >= live - set(removed)

    @rule(organs=some, to=some)
    def replace_for(self, organs: tuple[str, ...], to: tuple[str, ...]) -> None:
        try:
            steps = plan_replacement(list(self.held.values()), organs, to)
        except ChangeError:
            assert not set(organs) <= set(to) or not set(organs) <= set(self.held)
            return
        assert {s.recipient for s in steps} <= set(organs)
        self.carry_out(steps, versions=False)

    @rule(code=st.sampled_from(AGENCIES))
    def take_back(self, code: str) -> None:
        if code in self.held:
            self.carry_out(plan_take_back(self.held[code]))

    @precondition(lambda self: self.asked)
    @rule(agreed=st.booleans(), data=st.data())
    def answers(self, agreed: bool, data: st.DataObject) -> None:
        code = data.draw(st.sampled_from(sorted(self.asked)))
        self.asked.discard(code)
        held = self.held[code]
        if agreed:
            self.in_hand.discard(code)
            assert may_move(held.state, State.RECALLED)
            self.held[code] = replace(held, state=State.RECALLED)
        else:
            self.held[code] = replace(held, over=False)

    def carry_out(self, steps: list[Step], *, versions: bool = True) -> None:
        for step in steps:
            code, held = step.recipient, self.held.get(step.recipient)
            if step.effect is Effect.ADDED:
                assert held is None or not held.live
                self.serial += 1
                self.held[code] = self._new(code, self.serial)
                self.asked.discard(code)
                self.in_hand.discard(code)
                continue
            assert held is not None and held.live and held.delivery == step.delivery
            if step.effect is Effect.WITHDRAWN:
                assert code not in self.in_hand, "taken away silently"
                assert may_move(held.state, State.RECALLED)
                fresh = step.carries is Carries.CHANGE and versions  # the new version stands in its place
                self.serial += 1
                self.held[code] = self._new(code, self.serial) if fresh else replace(held, state=State.RECALLED)
            elif step.effect is Effect.ASKED:
                self.asked.add(code)
                self.held[code] = replace(held, over=True)

    @invariant()
    def who_is_asked_has_it(self) -> None:
        assert self.asked <= self.in_hand

    @invariant()
    def who_has_it_is_known(self) -> None:
        for code in self.in_hand:
            assert self.held[code].handed_over and self.held[code].state is not State.RECALLED

    @invariant()
    def what_is_withdrawn_stays_so(self) -> None:
        for held in self.held.values():
            if held.state is State.RECALLED:
                assert not held.live and not any(may_move(State.RECALLED, s) for s in State)


LegalLife.TestCase.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
TestLegalLife = LegalLife.TestCase


@pytest.mark.parametrize("asks", list(Asks))
def test_what_may_be_said_moves_forward(asks: Asks) -> None:
    """Whatever is lawful to send is taken as sent; nothing lawful leads back."""
    for before in ("", "01", "02", "03", "04", "05", "06", "13", "15", "16"):
        for status in lawful(before, asks):
            assert advance(before, status, asks) == status.value, (asks, before, status)


@given(st.sampled_from(list(Asks)), st.lists(st.sampled_from(list(Status)), max_size=14))
def test_repeats_and_late_statuses_never_move_back(asks: Asks, taken: list[Status]) -> None:
    state, seen = "", [""]
    for status in taken:
        after = advance(state, status, asks)
        assert after in (state, status.value)
        assert advance(after, status, asks) == after or after in ("13", "16")
        if after != state and asks is Asks.RECALL:
            assert after not in seen  # a recall's answer is never unsaid
        seen.append(after)
        state = after


@given(
    st.lists(st.tuples(st.sampled_from(list(Asks)), st.booleans(), st.sampled_from(["", "01", "03", "13"])), max_size=4),
    st.sampled_from(list(Status)),
    st.one_of(st.none(), st.integers(-5, 60)),
)
def test_a_status_is_about_one_delivery_and_no_recall_takes_a_documents_handling(
    made: list[tuple[Asks, bool, str]], status: Status, minutes: int | None
) -> None:
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    candidates = [Answerable(f"d{n}", start + timedelta(minutes=10 * n), said, asks, open) for n, (asks, open, said) in enumerate(made)]
    found = meant(candidates, status, None if minutes is None else start + timedelta(minutes=minutes))
    assert (found is None) == (not candidates)
    if found is None:
        return
    assert found in candidates
    documents = [c for c in candidates if c.asks is not Asks.RECALL]
    if documents and status in (Status.ASSIGNED, Status.IN_PROCESS, Status.FINISHED, Status.TAKE_BACK):
        assert found.asks is not Asks.RECALL
    if found.asks is Asks.RECALL and documents and status in (Status.REGISTERED, Status.REFUSED):
        assert found.open and (minutes is None or found.accepted_at <= start + timedelta(minutes=minutes))


def test_what_a_package_asks() -> None:
    assert asks_of(Change.RECALL, [Effect.ASKED]) is Asks.RECALL
    assert asks_of(Change.UPDATE, [Effect.ASKED]) is Asks.RECALL
    assert asks_of(Change.UPDATE, [Effect.WITHDRAWN, Effect.UPDATED]) is Asks.UPDATE
    assert asks_of(Change.UPDATE, [Effect.ADDED]) is asks_of(Change.REPLACE, [Effect.SUPERSEDED]) is Asks.NOTHING
    assert not AGREES & DECLINES
