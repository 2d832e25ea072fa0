"""What the store keeps for the connector profiles, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from exchange.delivery import State
from exchange.store import agencies, connectors, envelopes, queue
from exchange.store.connectors import KeyRow
from exchange.store.engine import Store
from exchange.store.envelopes import StatusRow
from tests.store.test_store import agency, delivery, envelope

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def fill(connection: Connection) -> None:
    """Agency A sent a document to B, which reported five times."""
    for code in ("A", "B"):
        agencies.put(connection, agency(code))
    envelopes.insert_envelope(connection, envelope(1), [], [delivery(1, "B")])
    for n in range(5):
        status = StatusRow(f"s{n}", "e1", "1-B", "B", "A", "01", "", NOW, NOW + timedelta(minutes=n), f"{n}" * 64, "0" * 64)
        envelopes.insert_status(connection, status)
        queue.inbox_put(connection, "A", "status", status.id, NOW)
        queue.inbox_put(connection, "A", "document", f"x{n}", NOW)


def waiting(connection: Connection) -> list[str]:
    return [w.ref for w in connectors.waiting_statuses(connection, ["B", "A"], limit=10)]


def test_the_cursor_passes_only_what_is_done(store: Store) -> None:
    store.write(fill)

    def job(connection: Connection) -> None:
        assert waiting(connection) == ["s0", "s1", "s2", "s3", "s4"]
        for done, cursor in (("s1", 0), ("s0", 1), ("s3", 1), ("s2", 4), ("s4", 5)):
            connectors.tell(connection, done, "A", "done", at=NOW)
            connectors.advance(connection, "A")
            left = waiting(connection)
            assert done not in left
            assert (connectors._cursor(connection, "A") > 0) == (cursor > 0)
        assert waiting(connection) == []
        late = StatusRow("s9", "e1", "1-B", "B", "A", "06", "", NOW, NOW, "9" * 64, "0" * 64)
        envelopes.insert_status(connection, late)
        queue.inbox_put(connection, "A", "status", "s9", NOW)
        assert waiting(connection) == ["s9"]

    store.write(job)


def test_lists_by_party_state_and_day(store: Store) -> None:
    store.write(fill)
    with store.read() as connection:
        (line,) = connectors.waiting_documents(connection, ["B"], limit=10)
        assert (line.ref, line.sender, line.recipient, line.state, line.told) == ("1-B", "A", "B", State.QUEUED, "")
        assert connectors.waiting_documents(connection, ["A"], limit=10) == connectors.waiting_documents(connection, [], limit=10) == []
        for since, until, count in ((NOW, None, 1), (None, NOW, 0), (NOW - timedelta(days=1), NOW + timedelta(days=1), 1)):
            assert len(connectors.waiting_documents(connection, ["B"], since=since, until=until, limit=10)) == count
            assert len(connectors.sent_documents(connection, ["A"], since=since, until=until, limit=10)) == count
        assert connectors.sent_documents(connection, ["B"], limit=10) == []
        assert [r["delivery"] for r in connectors.sent_documents(connection, ["A"], envelope="e1", limit=10)] == ["1-B"]
        assert [r["id"] for r in connectors.sent_statuses(connection, ["B"], status="s2", limit=10)] == ["s2"]
        assert len(connectors.waiting_statuses(connection, ["A"], since=NOW + timedelta(minutes=3), limit=10)) == 2
        assert len(connectors.waiting_statuses(connection, ["A"], until=NOW + timedelta(minutes=3), limit=10)) == 3
    store.write(lambda c: connectors.tell(c, "1-B", "B", "processing", at=NOW))
    assert store.write(lambda c: connectors.set_failed(c, "1-B", State.QUEUED, "lỗi", now=NOW))
    assert not store.write(lambda c: connectors.set_failed(c, "1-B", State.QUEUED, "lỗi", now=NOW))
    with store.read() as connection:
        assert connectors.waiting_documents(connection, ["B"], limit=10) == []
        found = queue.get(connection, "1-B")
        assert found is not None and (found.state, found.last_error) == (State.FAILED, "lỗi")


def test_keys_and_nonces(store: Store) -> None:
    for n in range(2):
        store.write(lambda c, n=n: connectors.put_key(c, KeyRow(f"k{n}", "vxp", "h", b"x", NOW + timedelta(seconds=n))))  # type: ignore[misc]
    later = NOW + timedelta(hours=1)
    with store.read() as connection:
        assert [k.id for k in connectors.keys_of(connection, "vxp", "h", at=NOW)] == ["k1", "k0"]
        assert connectors.keys_of(connection, "lgsp", "h", at=NOW) == []
    assert store.write(lambda c: connectors.end_keys(c, "vxp", "h", at=later)) == 2
    with store.read() as connection:
        assert len(connectors.keys_of(connection, "vxp", "h", at=NOW)) == 2
        assert connectors.keys_of(connection, "vxp", "h", at=later) == []
    early = NOW - timedelta(hours=1)
    for nonce in ("n", connectors.KEPT + "n"):
        assert store.write(lambda c, n=nonce: connectors.remember(c, "h", n, at=NOW, forget_before=early)) is None  # type: ignore[misc]
        assert store.write(lambda c, n=nonce: connectors.remember(c, "h", n, at=later, forget_before=early)) == NOW  # type: ignore[misc]
    assert store.write(lambda c: connectors.remember(c, "h", "n", at=later, forget_before=later)) is None
    assert store.write(lambda c: connectors.remember(c, "h", connectors.KEPT + "n", at=later, forget_before=later)) == NOW


@pytest.mark.parametrize("state", ["lạ", ""])
def test_no_other_transport_state(store: Store, state: str) -> None:
    with pytest.raises(Exception, match="transport_states_state|CHECK"):
        store.write(lambda c: connectors.tell(c, "x", "A", state, at=NOW))
