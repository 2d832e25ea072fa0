"""Published and sealed heads, slots, witness states: the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from exchange.custody import Entry, Event, control
from exchange.store import custody_log, heads
from exchange.store.engine import Store
from exchange.store.heads import LogState, PublishedHead, SealedHead, WitnessState

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def published(size: int, *, at: datetime = NOW, witnessed: bool = True, note: str = "note\n") -> PublishedHead:
    return PublishedHead(1, size, bytes(32), note, at, witnessed)


def sealed(size: int, *, token: bytes | None = None) -> SealedHead:
    return SealedHead(1, size, "2026-11-24T15+07", "note\n", b"seal", token, NOW, NOW if token else None)


def test_published_heads_only_gain(store: Store) -> None:
    store.write(lambda c: heads.publish(c, published(10, witnessed=False)))
    store.write(lambda c: heads.publish(c, published(5)))
    with store.read() as c:
        assert heads.latest_published(c, 1) == published(10, witnessed=False)
        assert heads.latest_published(c, 1, witnessed=True) == published(5)
        assert heads.latest_published(c, 2) is None
        assert heads.published_covering(c, 1, 4) == published(5)
        assert heads.published_covering(c, 1, 5) is None
    longer = published(10, note="note\nline\n")
    store.write(lambda c: heads.publish(c, longer))
    store.write(lambda c: heads.publish(c, published(10, witnessed=False)))  # a slower process with fewer lines
    with store.read() as c:
        assert heads.latest_published(c, 1) == longer


def test_a_stamp_is_never_lost_again(store: Store) -> None:
    store.write(lambda c: heads.save_sealed(c, sealed(10)))
    store.write(lambda c: heads.save_sealed(c, sealed(10, token=b"token")))
    store.write(lambda c: heads.save_sealed(c, sealed(10)))
    store.write(lambda c: heads.save_sealed(c, sealed(12)))
    with store.read() as c:
        assert heads.sealed(c, 1, 10) == sealed(10, token=b"token")
        assert heads.latest_sealed(c, 1) == sealed(12)
        assert heads.latest_sealed(c, 1, stamped=True) == sealed(10, token=b"token")
        assert heads.sealed_covering(c, 1, 9) == sealed(10, token=b"token")
        assert heads.sealed_covering(c, 1, 11) == sealed(12)
        assert heads.sealed_covering(c, 1, 12) is None
        assert [h.size for h in heads.all_sealed(c, 1)] == [12, 10]


def test_a_slot_belongs_to_one_until_it_is_late(store: Store) -> None:
    later = NOW + timedelta(minutes=2)
    claims = [("a", NOW, True), ("b", NOW, False), ("a", NOW, True), ("b", later + timedelta(seconds=1), True), ("a", NOW, False)]
    for worker, at, wanted in claims:
        assert store.write(lambda c, worker=worker, at=at: heads.claim_slot(c, "s", worker, at, at + timedelta(minutes=2))) is wanted
    store.write(lambda c: heads.finish_slot(c, "s"))
    assert not store.write(lambda c: heads.claim_slot(c, "s", "b", later + timedelta(days=1), later))
    with store.read() as c:
        assert heads.slot_done(c, "s") and not heads.slot_done(c, "t")


def test_states(store: Store) -> None:
    state = WitnessState("w", 5, NOW, NOW)
    failed = replace(state, failures=2, last_error="đứt")
    for kept in (state, failed):
        store.write(lambda c, kept=kept: heads.save_states(c, 1, [kept]))
    with store.read() as c:
        assert heads.witness_states(c, 1) == [failed]
        assert heads.witness_states(c, 2) == []


def test_how_far_an_entry_has_come(store: Store) -> None:
    def states() -> list[LogState]:
        with store.read() as c:
            return [heads.state_of(c, 1, index, 4) for index in range(5)]

    assert states() == [LogState.SEQUENCED] * 4 + [LogState.COMMITTED]
    store.write(lambda c: heads.publish(c, published(4, witnessed=False)))
    assert states()[3] is LogState.SEQUENCED
    store.write(lambda c: heads.publish(c, published(3)))
    store.write(lambda c: heads.save_sealed(c, sealed(2)))
    assert states() == [LogState.SEALED] * 2 + [LogState.PUBLISHED, LogState.SEQUENCED, LogState.COMMITTED]


def test_old_heads_go_but_not_sealed_ones_nor_the_newest(store: Store) -> None:
    old = NOW - timedelta(days=91)
    for head in (published(1, at=old), published(2, at=old), published(3, at=NOW), published(4, at=old)):
        store.write(lambda c, head=head: heads.publish(c, head))
    store.write(lambda c: heads.save_sealed(c, sealed(2)))
    assert store.write(lambda c: heads.prune(c, NOW)) == 1
    with store.read() as c:
        assert [heads.published_covering(c, 1, i).size for i in (0, 2, 3)] == [2, 3, 4]  # type: ignore[union-attr]


def test_entries_about_heads_are_not_something(store: Store) -> None:
    def append(entry: Entry) -> int:
        return store.write(lambda c: custody_log.append(c, [entry], salts=lambda: bytes(16)))[0]

    first = append(Entry(Event.OPERATOR, NOW, "operator:test", why="x"))
    append(control(Event.LOG_TICK, NOW))
    append(control(Event.LOG_STAMP, NOW))
    with store.read() as c:
        assert heads.anything_since(c, first)
        assert not heads.anything_since(c, first + 1)
