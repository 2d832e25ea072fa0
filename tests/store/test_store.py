"""What the store promises, on both databases."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, delete, text, update
from sqlalchemy.exc import DBAPIError

from exchange.agency import Agency, AgencyStatus, Certificate, Mode, Purpose
from exchange.custody import Entry, Event
from exchange.delivery import Delivery, State
from exchange.errors import HighWater as HighWaterError
from exchange.errors import SchemaNewer, SchemaOlder
from exchange.office import new_salt
from exchange.store import agencies, custody_log, envelopes, queue, tables
from exchange.store.custody_log import HighWater
from exchange.store.engine import Store
from exchange.store.envelopes import EnvelopeRow
from exchange.store.sign_order import sign_head
from signing.checkpoint import LogKey, parse_note
from signing.merkle import leaf_hash, root_of_long, verify_consistency, verify_inclusion

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def agency(code: str, mode: Mode = Mode.PUSH) -> Agency:
    return Agency(code=code, name=f"Cơ quan {code} (mô phỏng)", mode=mode)


def envelope(number: int, *, priority: int = 0) -> EnvelopeRow:
    return EnvelopeRow(f"e{number}", "A", f"d{number}", 0, "0" * 64, "1" * 64, 10, "V/v", "1/QĐ", "2026-11-20", priority, NOW, "{}", "", "2" * 64)


def delivery(number: int, to: str, *, priority: int = 0) -> Delivery:
    return Delivery(f"{number}-{to}", f"e{number}", to, State.QUEUED, 0, priority, NOW)


def fill(store: Store, *rows: tuple[int, str, int]) -> None:
    def job(c: object) -> None:
        for code in sorted({to for _, to, _ in rows}):
            agencies.put(c, agency(code))  # type: ignore[arg-type]
        for number, to, priority in rows:
            envelopes.insert_envelope(c, envelope(number, priority=priority), [], [delivery(number, to, priority=priority)])  # type: ignore[arg-type]

    store.write(job)


def test_migrations_reach_the_tables(url: str, tmp_path: Path) -> None:
    for schema, metadata in (("hub", tables.hub), ("node", tables.node)):
        own = url if schema == "hub" else f"sqlite:///{tmp_path / 'node.sqlite'}"
        Store.open(own, blobs=tmp_path / "b", migrate=True, schema=schema).close()
        engine = create_engine(own)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()


def test_older_and_newer_databases_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaOlder):
        Store.open(url, blobs=tmp_path / "b")
    Store.open(url, blobs=tmp_path / "b", migrate=True).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SchemaNewer):
        Store.open(url, blobs=tmp_path / "b")


def test_a_raising_job_takes_only_itself_back(store: Store) -> None:
    def bad(c: object) -> None:
        agencies.put(c, agency("B"))  # type: ignore[arg-type]
        raise ValueError("no")

    store.write(lambda c: agencies.put(c, agency("A")))
    with pytest.raises(ValueError):
        store.write(bad)
    with store.read() as c:
        assert [a.code for a in agencies.all(c)] == ["A"]


def test_many_writers_at_once(store: Store) -> None:
    threads = [threading.Thread(target=lambda i=i: store.write(lambda c: agencies.put(c, agency(f"A{i:02d}")))) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as c:
        assert len(agencies.all(c)) == 40


def test_naive_times_are_refused(store: Store) -> None:
    fill(store, (1, "B", 0))
    with pytest.raises(Exception, match="naive"):
        store.write(lambda c: queue.set_status(c, "1-B", "01", now=datetime(2026, 1, 1)))


def test_directory(store: Store) -> None:
    store.write(lambda c: agencies.put(c, Agency(code="H56.01", name="Một (mô phỏng)", legacy_code="000.00.01.H56")))
    certificate = Certificate("H56.01", Purpose.TLS, "a" * 64, "pem", NOW, NOW + timedelta(days=1))
    store.write(lambda c: agencies.add_certificate(c, certificate))
    store.write(lambda c: agencies.succeed(c, "H56.01", "H56.02", now=NOW))
    with store.read() as c:
        found = agencies.get(c, "000.00.01.H56")
        assert found is not None and found.status is AgencyStatus.CLOSED and found.successor == "H56.02"
        assert agencies.agency_by_certificate(c, "a" * 64, Purpose.TLS) == found
        assert agencies.agency_by_certificate(c, "a" * 64, Purpose.SEAL) is None
        assert agencies.certificates_of(c, "H56.01", Purpose.TLS) == [certificate]


def test_urgent_first_then_fair_between_recipients(store: Store) -> None:
    fill(store, (1, "B", 0), (2, "B", 0), (3, "B", 0), (4, "C", 0), (5, "B", 3))
    claimed = store.write(lambda c: queue.claim(c, now=NOW, lease=timedelta(seconds=60), limit=3, worker="w"))
    assert [d.id for d in claimed] == ["5-B", "1-B", "4-C"]


def test_the_attempt_number_fences_a_lost_lease(store: Store) -> None:
    fill(store, (1, "B", 0))
    lease = timedelta(seconds=60)
    first = store.write(lambda c: queue.claim(c, now=NOW, lease=lease, limit=5, worker="one"))[0]
    assert store.write(lambda c: queue.claim(c, now=NOW, lease=lease, limit=5, worker="two")) == []
    later = NOW + timedelta(seconds=61)
    second = store.write(lambda c: queue.claim(c, now=later, lease=lease, limit=5, worker="two"))[0]
    assert not store.write(lambda c: queue.settle(c, "1-B", first.attempt, State.DELIVERED, now=later, error="", next_at=later))
    assert store.write(lambda c: queue.settle(c, "1-B", second.attempt, State.DELIVERED, now=later, error="", next_at=later))


def test_mailbox_cursors_grow(store: Store) -> None:
    cursors = [store.write(lambda c, n=n: queue.inbox_put(c, "A", "document", f"x{n}", NOW)) for n in range(3)]
    assert cursors == sorted(set(cursors))
    with store.read() as c:
        assert [i.ref for i in queue.inbox_after(c, "A", cursors[0], 10)] == ["x1", "x2"]


def entries(count: int) -> list[Entry]:
    return [Entry(Event.STATUS, NOW, "hub", envelope=f"e{n % 7}", recipient=f"r{n % 3}", status="03") for n in range(count)]


def test_the_log_proves_every_entry(store: Store) -> None:
    roots = {}
    for count in (1, 2, 3, 250, 1, 300):
        store.write(lambda c, count=count: custody_log.append(c, entries(count), salts=new_salt))
        with store.read() as c:
            size, root = custody_log.head(c)
            roots[size] = root
    with store.read() as c:
        leaves = [custody_log.leaf(c, n) for n in range(size)]
        assert root_of_long([leaf_hash(leaf) for leaf in leaves]) == root
        for index in (0, 1, 255, 256, 511, 512, size - 1):
            verify_inclusion(leaf_hash(leaves[index]), index, size, custody_log.prove(c, index, size), root)
        for old, old_root in roots.items():
            verify_consistency(old, size, custody_log.consistency(c, old, size) if old != size else [], old_root, root)
        assert custody_log.recompute(c).ok


def test_the_log_only_grows(store: Store) -> None:
    store.write(lambda c: custody_log.append(c, entries(3), salts=new_salt))
    for statement in (update(tables.custody_entry).values(event="x"), delete(tables.custody_entry)):
        with pytest.raises(DBAPIError):
            store.write(lambda c, s=statement: c.execute(s))


def test_an_edited_entry_is_found(url: str, tmp_path: Path) -> None:
    store = Store.open(url, blobs=tmp_path / "b", migrate=True)
    store.write(lambda c: custody_log.append(c, entries(5), salts=new_salt))
    engine = create_engine(url)
    with engine.begin() as c:
        if engine.dialect.name == "sqlite":
            c.execute(text("DROP TRIGGER custody_entry_no_update"))
        else:
            c.execute(text("ALTER TABLE custody_entry DISABLE TRIGGER ALL"))
        c.execute(text("UPDATE custody_entry SET leaf = :leaf WHERE seq = 2"), {"leaf": b"{}"})
    engine.dispose()
    with store.read() as c:
        assert any("entry 2" in p for p in custody_log.recompute(c).problems)
    store.close()


def test_a_database_behind_the_high_water_mark_signs_nothing(store: Store, tmp_path: Path) -> None:
    key, mark = LogKey.generate("log.example.vn"), HighWater(tmp_path / "high-water")
    store.write(lambda c: custody_log.append(c, entries(3), salts=new_salt))
    note = parse_note(sign_head(store, key, mark, now=NOW))
    assert mark.read() == ("log.example.vn", 3, note.root)
    older = Store.open(f"sqlite:///{tmp_path / 'restored.sqlite'}", blobs=tmp_path / "b2", migrate=True)
    older.write(lambda c: custody_log.append(c, entries(2), salts=new_salt))
    with pytest.raises(HighWaterError):
        sign_head(older, key, mark, now=NOW)
    older.write(lambda c: custody_log.append(c, entries(4), salts=new_salt))
    with pytest.raises(HighWaterError):  # longer, but another history
        sign_head(older, key, mark, now=NOW)
    older.close()


def test_blobs_keep_exact_bytes(store: Store) -> None:
    sha256 = store.blobs.put_bytes(b"abc")
    assert sha256 == hashlib.sha256(b"abc").hexdigest()
    assert store.blobs.path(sha256).read_bytes() == b"abc"
    assert store.blobs.sweep({sha256}, older_than=2e9) == 0
    assert store.blobs.sweep(set(), older_than=2e9) == 1
