"""Searching the log, gathering a day, fsck and gaps: the same on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from exchange import fsck, statements
from exchange.custody import Entry, Event
from exchange.office import new_salt
from exchange.store import custody_log, custody_search
from exchange.store import statements as kept
from exchange.store.custody_search import Query
from signing.sandbox import Sandbox
from signing.statement_check import check_statement
from signing.trust import Trust
from tests.house import PULLER, PUSHER, SENDER, House, Pki


@pytest.fixture
def hub(pki: Pki, sandbox: Sandbox, url: str, tmp_path: Path) -> Iterator[House]:
    """A hub with one document, acknowledged by its one recipient."""
    house = House(pki, tmp_path / "hub", url=url, sandbox=sandbox)
    house.register()
    house.submit(house.package(recipients=(PULLER,)))
    line = house.hub.inbox(PULLER, after=0, limit=10)[0]
    house.hub.acknowledge(PULLER, line["delivery"], *house.status("01"))
    yield house
    house.close()


def test_search_by_everything_an_auditor_knows(hub: House) -> None:
    with hub.hub.store.read() as connection:

        def find(**values: object) -> list[str]:
            return [f.event for f in custody_search.search(connection, Query(**values))]  # type: ignore[arg-type]

        life = ["SubmissionAcceptance", "ContentConsignment", "ContentHandover"]
        directory = ["DirectoryChange"] * 3
        assert find() == [*directory, *life] and find(after=3) == life[1:] and find(limit=4) == [*directory, life[0]]
        assert find(document_id=f"{SENDER},2026/11/20,125/QĐ-UBND") == find(document_id="125/QĐ-UBND") == life
        assert find(agency=PULLER) == ["DirectoryChange", *life[1:]] and find(agency=PUSHER) == ["DirectoryChange"]
        assert find(event="ContentHandover") == life[2:]
        row = custody_search.search(connection, Query(event="ContentHandover"))[0]
        assert find(digest=row.leaf_hash) == life[2:] and find(since=row.at) == life[2:] and find(until=row.at) == [*directory, *life[:2]]
        for digest in [d for d, _ in custody_search.blobs_referenced(connection)]:
            assert find(digest=digest) == life
        assert find(digest="0" * 64) == []


def plan_of(connection: Connection, statement: object) -> list[str]:
    """How the database would answer, line by line."""
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        # So small a table is read whole by choice; forbidden to, a plan reads it whole only where no index serves.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    if not isinstance(statement, str):
        statement = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
    asked = f"{'EXPLAIN QUERY PLAN' if sqlite else 'EXPLAIN'} {statement}".replace("%", "%%")
    return [str(row[-1]).strip() for row in connection.exec_driver_sql(asked)]


TABLES = ("custody_entry", "envelopes", "deliveries", "attachments", "statuses")


def whole(plan: list[str]) -> list[str]:
    """Lines of a plan by which a table is read from one end to the other."""
    return [line for line in plan if line.startswith(tuple(f"SCAN {table}" for table in TABLES)) or "Seq Scan on" in line]


@pytest.mark.parametrize(
    ("values", "indexes"),
    [
        ({"agency": PULLER}, ("custody_entry_chain", "custody_entry_sender", "custody_entry_recipient", "deliveries_")),
        ({"document_id": "125/QĐ-UBND"}, ("custody_entry_chain", "ix_envelopes_document_id", "ix_envelopes_code")),
        ({"event": "RecallRequested"}, ("custody_entry_event",)),
        (
            {"digest": "0" * 64},
            ("custody_entry_chain", *(f"ix_envelopes_{c}_sha256" for c in ("package", "seal", "header")), "ix_attachments_sha256", "ix_statuses_seal_sha256"),
        ),
        ({"event": "ContentHandover", "agency": PULLER}, ("custody_entry",)),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_no_question_reads_the_whole_log(hub: House, values: dict[str, str], indexes: tuple[str, ...]) -> None:
    with hub.hub.store.read() as connection:
        plan = plan_of(connection, custody_search.statement_of(connection, Query(**values, after=2, limit=50)))  # type: ignore[arg-type]
        assert whole(plan) == [], plan
        names = "\n".join(plan)
        # PostgreSQL takes whichever index it likes for so few rows; SQLite, without statistics, those it would take for many.
        assert all(index in names for index in indexes) or connection.dialect.name != "sqlite", plan
        # The check can fail: the plain question reads every entry.
        assert whole(plan_of(connection, f"SELECT seq FROM custody_entry WHERE recipient = '{PULLER}'"))


def test_a_time_is_found_by_halving_also_where_the_clock_was_set_back(hub: House) -> None:
    office, moments = hub.hub.office, [0, 10, 20, 19, 18, 21, 30, 90, 91, 92]  # minutes; the clock goes back by two of them
    begin = office.clock() + timedelta(days=1)
    first = hub.hub.entries()
    for minutes in moments:
        entry = Entry(Event.OPERATOR, begin + timedelta(minutes=minutes), "operator:thu", why=f"{minutes}")
        office.store.write(lambda c, entry=entry: custody_log.append(c, [entry], salts=new_salt))  # type: ignore[misc]
    reads: list[str] = []
    with office.store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: reads.append(args[2]))
        assert custody_search.place_of(connection, begin) == first and custody_search.place_of(connection, begin + timedelta(days=9)) == first + len(moments)
        assert len(reads) < 16  # some lookups each, however long the log is

        def numbers(**values: Any) -> list[int]:
            return [f.number - first for f in custody_search.search(connection, Query(**values))]

        since, until = begin + timedelta(minutes=19), begin + timedelta(minutes=31)
        assert numbers(since=since) == [2, 3, 5, 6, 7, 8, 9] and numbers(since=since, until=until) == [2, 3, 5, 6]
        # Only what the times leave is looked at: an hour more on either side.
        asked = str(custody_search.statement_of(connection, Query(since=begin + timedelta(minutes=91))).compile(compile_kwargs={"literal_binds": True}))
        assert f"seq >= {first + 7}" in asked


def test_a_leaf_hash_is_found_in_full_tiles_and_behind_them(hub: House) -> None:
    office = hub.hub.office
    entries = [Entry(Event.OPERATOR, office.clock(), "operator:thu", why=f"{n}") for n in range(300)]
    office.store.write(lambda c: custody_log.append(c, entries, salts=new_salt))
    with office.store.read() as connection:
        rows = {r.seq: r.leaf_hash.hex() for r in connection.execute(text("SELECT seq, leaf_hash FROM custody_entry WHERE seq IN (0, 7, 255, 256, 305)"))}
        for seq, digest in rows.items():
            assert [f.number for f in custody_search.search(connection, Query(digest=digest))] == [seq]


def test_a_day_is_closed_and_everything_recomputes(hub: House) -> None:
    office = hub.hub.office
    today = statements.day_of(office.clock())
    assert statements.close_days(office, through=today) == 3
    file = statements.statement_of(office, PULLER, today.isoformat())
    found = check_statement(file, trust=Trust.load(hub.pki.folder / "trust"), vkeys=office.vkeys(), at=office.clock())
    assert [json.loads(leaf)["ev"].rsplit("/", 1)[-1].rsplit(":", 1)[-1] for leaf in found.leaves.values()] == [
        "DirectoryChange",
        "ContentConsignment",
        "ContentHandover",
    ]
    assert [c.problems for c in fsck.check_all(office, lambda *_: None)] == [()] * len(fsck.STEPS)
    with office.store.read() as connection:
        assert kept.made_of(connection, today.isoformat()) == 3 and set(kept.newest(connection)) == {SENDER, PULLER, PUSHER}


def test_what_the_log_does_not_say(hub: House) -> None:
    office = hub.hub.office
    assert fsck.gaps(office, late_after=timedelta(hours=24)) == []
    hub.submit(hub.package(f"{SENDER},2026/11/20,126/QĐ-UBND", recipients=(PUSHER,)))
    # An operator with the database password says what nobody did.
    office.store.write(lambda c: c.execute(text("UPDATE deliveries SET state = 'acknowledged' WHERE recipient = :code"), {"code": PUSHER}))
    row = {"id": "s", "sha": "0" * 64}
    copied = "SELECT :id, envelope, delivery, agency, to_agency, '03', '', at, at, :sha, :sha FROM statuses"
    office.store.write(lambda c: c.execute(text(f"INSERT INTO statuses {copied}"), row))
    found = fsck.gaps(office, late_after=timedelta(hours=24))
    assert sorted((g.kind, g.agency, g.event) for g in found) == [("missing", PULLER, "Status 03"), ("missing", PUSHER, "ContentHandover")]
    office.store.write(lambda c: c.execute(text("UPDATE deliveries SET state = 'delivered' WHERE recipient = :code"), {"code": PUSHER}))
    hub.ahead = timedelta(hours=30)
    kinds = {(g.kind, g.event) for g in fsck.gaps(office, late_after=timedelta(hours=24)) if g.agency == PUSHER}
    assert kinds == {("missing", "ContentConsignment"), ("late", "ContentHandover")}
