"""The directory in the store, on both databases: names, search, successors, whole directories, versions."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from exchange.agency import AgencyStatus
from exchange.directory_errors import DirectoryConflict
from exchange.store import agencies, connectors, directory
from exchange.store.directory import VersionRow
from exchange.store.engine import Store
from tests.directory_material import unit

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
CLOSED = AgencyStatus.CLOSED
FULL = unit(
    "H56.T01",
    "Sở Y tế tỉnh Thanh Hóa (mô phỏng)",
    legacy_code="000.00.01.H56",
    aliases=("H56.X1", "H56.X2"),
    valid_from=date(2025, 7, 1),
    valid_until=date(2030, 12, 31),
    hub="001.00.20.TT2",
)


def test_a_row_comes_back_as_it_went_in_and_is_found_by_each_name(store: Store) -> None:
    store.write(lambda c: agencies.put(c, FULL))
    with store.read() as c:
        for name in ("H56.T01", "000.00.01.H56", "H56.X1", "H56.X2"):
            assert agencies.get(c, name) == FULL
        assert agencies.get(c, "H56.X3") is None and agencies.get(c, "") is None
    store.write(lambda c: agencies.put(c, unit("H56.T01", aliases=("H56.X2",))))
    with store.read() as c:
        assert agencies.get(c, "H56.X1") is None and agencies.get(c, "H56.X2") is not None


def test_an_alias_is_one_agencys(store: Store) -> None:
    store.write(lambda c: agencies.put(c, FULL))
    with pytest.raises(IntegrityError):
        store.write(lambda c: agencies.put(c, unit("H56.T02", aliases=("H56.X1",))))
    with store.read() as c:
        assert agencies.names_taken(c, unit("H56.X2", legacy_code="000.00.01.H56", aliases=("H56.T01",))) == ["000.00.01.H56", "H56.T01", "H56.X2"]
        assert agencies.names_taken(c, FULL) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("thanh hoa", ["H56.T01", "H56.T02"]),
        ("Thanh Hóa", ["H56.T01", "H56.T02"]),
        ("THANH HOÁ", ["H56.T01", "H56.T02"]),
        ("y te thanh", ["H56.T01"]),
        ("hoa so", ["H56.T01"]),
        ("dak lak", ["H15.T01"]),
        ("ĐẮK LẮK", ["H15.T01"]),
        ("000.00.01", ["H56.T01"]),
        ("x2", ["H56.T01"]),
        ("100%", ["H15.T01"]),
        ("5_1", []),
        ("%", ["H15.T01"]),
        ("", ["H15.T01", "H56.T01", "H56.T02"]),
        ("không có", []),
    ],
)
def test_search_without_diacritics_and_without_wildcards(store: Store, query: str, found: list[str]) -> None:
    rows = [FULL, unit("H56.T02", "Xã Thanh Hoà (mô phỏng)"), unit("H15.T01", "Đắk Lắk 100% (mô phỏng)")]
    store.write(lambda c: directory.add(c, rows, source="x", now=NOW))
    store.write(lambda c: directory.rename(c, rows))
    with store.read() as c:
        assert [a.code for a in agencies.all(c, query=query)] == found
        assert [a.code for a in agencies.all(c, query=query, status=CLOSED)] == []


def test_successors_up_to_the_one_that_is_open(store: Store) -> None:
    rows = [
        unit("A", status=CLOSED, successor="B"),
        unit("B", valid_until=date(2026, 1, 1), successor="C"),
        unit("C"),
        unit("D", status=CLOSED, successor="E"),
        unit("E", status=CLOSED),
        unit("F", status=CLOSED, successor="G"),
        unit("G", status=CLOSED, successor="F"),
    ]
    store.write(lambda c: directory.add(c, rows, source="", now=NOW))
    with store.read() as c:
        assert agencies.heirs(c, rows[0], on=TODAY) == ("B", "C")
        assert agencies.heirs(c, rows[0], on=date(2025, 12, 31)) == ("B",)
        assert agencies.heirs(c, rows[3], on=TODAY) == () == agencies.heirs(c, rows[2], on=TODAY)
        with pytest.raises(DirectoryConflict):
            agencies.heirs(c, rows[5], on=TODAY)


@pytest.mark.parametrize("count", [3, 200])  # below and above what goes by COPY
def test_a_whole_directory_in_and_out(store: Store, count: int) -> None:
    rows = [unit(f"H56.{n:03d}", aliases=(f"X.{n:03d}",), parent="H56.000" if n else "") for n in range(count)]

    def load(c: Connection) -> None:
        directory.add(c, rows, source="x", now=NOW)
        directory.rename(c, rows)

    store.write(load)
    with store.read() as c:
        assert directory.every(c) == rows and agencies.count(c) == count
        assert agencies.get(c, "X.002") == rows[2]
        before = directory.revision(c)
    # Two agencies swap an alias: all old ones go before the new ones come.
    swapped = [unit("H56.000", aliases=("X.001",)), unit("H56.001", aliases=("X.000",), status=CLOSED)]

    def swap(c: Connection) -> None:
        directory.replace(c, swapped, now=NOW)
        directory.rename(c, swapped)

    store.write(swap)
    with store.read() as c:
        assert agencies.get(c, "X.000") == swapped[1] and directory.revision(c) > before
        assert [row[0] for row in c.execute(text("SELECT code FROM agencies WHERE closed_at IS NOT NULL"))] == ["H56.001"]
    store.write(lambda c: directory.replace(c, [unit("H56.001")], now=NOW))
    with store.read() as c:
        assert c.execute(text("SELECT count(*) FROM agencies WHERE closed_at IS NOT NULL")).scalar() == 0


def test_versions_by_issuer(store: Store) -> None:
    def row(issuer: str, version: int, kind: str) -> VersionRow:
        return VersionRow(issuer, version, kind, "1" * 64, "2" * 64, "3" * 64, "CN=x", "op", "added=1", NOW)

    for issuer, number, kind in (("a", 1, "import"), ("a", 2, "export"), ("b", 9, "import")):
        store.write(lambda c, i=issuer, n=number, k=kind: directory.keep_version(c, row(i, n, k)))  # type: ignore[misc]
    with store.read() as c:
        newest = directory.newest_version(c, "a")
        assert newest == row("a", 2, "export") and directory.newest_version(c, "z") is None
        assert directory.version(c, "a", 1, "import") == row("a", 1, "import") and directory.version(c, "a", 1, "export") is None
        assert len(directory.versions(c)) == 3 and len(directory.files_referenced(c)) == 6
    with pytest.raises(IntegrityError):
        store.write(lambda c: directory.keep_version(c, row("a", 1, "import")))


def test_who_serves_whom(store: Store) -> None:
    rows = [unit("G"), unit("A", gateway="G"), unit("B", gateway="G", status=CLOSED), unit("C")]
    store.write(lambda c: directory.add(c, rows, source="", now=NOW))
    with store.read() as c:
        assert agencies.served_by(c, "G") == ["A"]
        assert connectors.with_served(c, ["G", "C"]) == ["A", "C", "G"] and connectors.with_served(c, []) == []
