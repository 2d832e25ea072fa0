"""Searching the log, gathering a day, fsck and gaps: the same on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from exchange import fsck, statements
from exchange.store import custody_search
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
        assert find(event="contenthandover") == find(event="http://uri.etsi.org/19522/Event/ContentHandover") == life[2:]
        row = custody_search.search(connection, Query(event="ContentHandover"))[0]
        assert find(digest=row.leaf_hash) == life[2:] and find(since=row.at) == life[2:] and find(until=row.at) == [*directory, *life[:2]]
        for digest in [d for d, _ in custody_search.blobs_referenced(connection)]:
            assert find(digest=digest) == life
        assert find(digest="0" * 64) == []


def test_the_entries_of_an_agency_are_found_without_reading_the_log(hub: House) -> None:
    statement = custody_search.statement_of(Query(agency=PULLER, after=2, limit=50))
    with hub.hub.store.read() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:
            # So small a table is read whole by choice; forbidden to, a plan reads it whole only where no index serves.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        asked = f"{'EXPLAIN QUERY PLAN' if sqlite else 'EXPLAIN'} {compiled}".replace("%", "%%")
        plan = [str(row[-1]) for row in connection.exec_driver_sql(asked)]
        scans = [line for line in plan if line.strip().startswith(("SCAN custody_entry", "SCAN envelopes", "SCAN deliveries")) or "Seq Scan on" in line]
        assert scans == [], plan
        names = "\n".join(plan)
        assert all(index in names for index in ("custody_entry_chain", "custody_entry_sender", "custody_entry_recipient", "deliveries_")), plan
        # The check can fail: the plain question reads every entry.
        naive = f"{'EXPLAIN QUERY PLAN' if sqlite else 'EXPLAIN'} SELECT seq FROM custody_entry WHERE recipient = '{PULLER}'"
        found = [str(row[-1]) for row in connection.exec_driver_sql(naive)]
        assert any(line.strip().startswith("SCAN custody_entry") or "Seq Scan on" in line for line in found), found


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
