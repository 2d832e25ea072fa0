"""Shapes, levels, validity, successors, the difference of two directories and what a whole one must keep to."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import pytest

from exchange.agency import AgencyStatus, Certificate, Purpose, Shape, chain_of, check_open, day_of, folded, level_of, shape_of
from exchange.directory_diff import Kind, apply, check_whole, diff
from exchange.directory_errors import AgencyNotYet, DirectoryConflict, DirectoryRow
from exchange.edxml.codes import CONFIDENCES, about, lists, rows_of
from exchange.errors import ClosedAgency, SucceededAgency
from exchange.web.problems import document
from tests.directory_material import by_code, unit

TODAY = date(2026, 11, 20)
CLOSED = AgencyStatus.CLOSED


@pytest.mark.parametrize(
    ("code", "shape", "level"),
    [
        ("000.00.00.H49", Shape.QCVN102, 1),
        ("000.00.12.H56", Shape.QCVN102, 2),
        ("000.03.12.H56", Shape.QCVN102, 3),
        ("001.01.07.H53", Shape.QCVN102, 4),
        ("001.00.20.TT2", Shape.QCVN102, 4),
        ("H56", Shape.QD20, 1),
        ("G12.18", Shape.QD20, 2),
        ("H37.DN.001", Shape.QD20, 3),
        ("28.22.H17", Shape.SHORT, 3),
        ("vxp.saas.03", Shape.OTHER, 0),
        ("000.1137.H53", Shape.OTHER, 0),
        ("H56.٣", Shape.OTHER, 0),
    ],
)
def test_shapes_and_levels(code: str, shape: Shape, level: int) -> None:
    assert (shape_of(code), level_of(code)) == (shape, level)


def test_validity_is_by_days_of_vietnam() -> None:
    agency = unit("H56.1", valid_from=TODAY, valid_until=TODAY)
    check_open(agency, place="x", on=TODAY)
    with pytest.raises(AgencyNotYet):
        check_open(agency, place="x", on=TODAY - timedelta(days=1))
    with pytest.raises(ClosedAgency):
        check_open(agency, place="x", on=TODAY + timedelta(days=1))
    assert day_of(datetime(2026, 11, 20, 17, 0, tzinfo=UTC)) == date(2026, 11, 21)


def test_the_refusal_names_every_successor_and_the_last_one_apart() -> None:
    with pytest.raises(SucceededAgency) as caught:
        check_open(unit("H02", status=CLOSED, successor="H03"), place="To", on=TODAY, heirs=("H03", "H05"))
    assert caught.value.detail == "H02 → H03 → H05"
    assert document(caught.value)["successor"] == "H05"


def test_chains_end_or_are_refused() -> None:
    steps = {"A": "B", "B": "C"}
    assert chain_of("A", lambda code: steps.get(code, ""), what="successor") == ("B", "C")
    steps["C"] = "A"
    with pytest.raises(DirectoryConflict):
        chain_of("A", lambda code: steps.get(code, ""), what="successor")
    with pytest.raises(DirectoryConflict):
        chain_of("0", lambda code: str(int(code) + 1), what="parent")


def test_a_certificate_holds_between_its_ends() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = Certificate("A", Purpose.SEAL, "0" * 64, "", start, start + timedelta(days=10), start + timedelta(days=5))
    assert [certificate.holds(start + timedelta(days=n)) for n in (-1, 0, 4, 5, 11)] == [False, True, True, False, False]


def test_folding() -> None:
    assert folded("  Sở Y tế  tỉnh THANH HÓA ") == "so y te tinh thanh hoa"
    assert folded("Đắk Lắk") == folded("ĐẮK  LẮK") == "dak lak"


def kinds(before: dict, *after: object) -> list[Kind]:  # type: ignore[type-arg]
    return [change.kind for change in diff(before, after).changes]  # type: ignore[arg-type]


def test_each_kind_of_change() -> None:
    old = by_code(unit("A"), unit("B"))
    assert kinds(old, unit("A"), unit("B")) == []
    for kind, after in (
        (Kind.ADDED, unit("C")),
        (Kind.CLOSED, unit("A", status=CLOSED)),
        (Kind.SUCCEEDED, unit("A", status=CLOSED, successor="B")),
        (Kind.SUCCEEDED, unit("A", successor="B", valid_until=TODAY)),
        (Kind.LOCKED, unit("A", status=AgencyStatus.LOCKED)),
        (Kind.GATEWAY, unit("A", "Tên khác", gateway="B")),
        (Kind.CODES, unit("A", aliases=("X",))),
        (Kind.CODES, unit("A", legacy_code="X")),
        (Kind.MOVED, unit("A", parent="B")),
        (Kind.VALIDITY, unit("A", valid_until=TODAY)),
        (Kind.RENAMED, unit("A", "Tên khác")),
        (Kind.CHANGED, unit("A", hub="TT2")),
    ):
        assert kinds(old, after) == [kind]
    assert kinds(by_code(unit("A", status=CLOSED)), unit("A")) == [Kind.REOPENED]
    assert kinds(by_code(unit("A", status=AgencyStatus.LOCKED)), unit("A")) == [Kind.UNLOCKED]


def test_what_a_file_does_not_name_stays_and_so_does_the_way_of_delivery() -> None:
    old = by_code(unit("A"), unit("B", endpoint="https://node.example.vn", strict=True))
    found = diff(old, [unit("B", "Tên khác")])
    new = apply(old, found)
    assert (found.same, found.absent) == (1, 1) and new["A"] == old["A"]
    assert new["B"].endpoint == "https://node.example.vn" and new["B"].strict and new["B"].name == "Tên khác"
    assert found.changes[0].fields() == [("name", "Cơ quan B (mô phỏng)", "Tên khác")]
    assert found.summary() == "renamed=1"


@pytest.mark.parametrize(
    "agencies",
    [
        [unit("A", parent="B"), unit("B", parent="A")],
        [unit("A", parent="B"), unit("B", parent="C"), unit("C", parent="B")],
        [unit("A", status=CLOSED, successor="B"), unit("B", status=CLOSED, successor="A")],
        [unit("A", parent="404")],
        [unit("A", status=CLOSED, successor="404")],
        [unit("A", gateway="404")],
        [unit("A", gateway="B"), unit("B", gateway="C"), unit("C")],
        [unit("A", legacy_code="X"), unit("B", aliases=("X",))],
        [unit("A", aliases=("B",)), unit("B")],
    ],
)
def test_a_directory_that_contradicts_itself(agencies: list) -> None:  # type: ignore[type-arg]
    with pytest.raises(DirectoryConflict):
        check_whole(by_code(*agencies))


def test_a_gateway_cannot_be_given_one_later() -> None:
    whole = by_code(unit("A", gateway="B"), unit("B", gateway="C"), unit("C"))
    with pytest.raises(DirectoryConflict):
        check_whole(whole, [whole["B"]])


def test_the_mergers_of_2025_give_a_sound_directory() -> None:
    """QĐ 09/2025: the new province that keeps an old name keeps its code, the other codes are closed."""
    merged = {row["code"]: row for row in rows_of("province_mergers_2025")}
    provinces = [
        unit(r["code"], r["name"], **({"status": CLOSED, "successor": merged[r["code"]]["successor"]} if r["code"] in merged else {}))
        for r in rows_of("organ_level1_provinces_2016_63")
    ]
    whole = by_code(*provinces)
    check_whole(whole)
    assert len(merged) == 29 and sum(a.status is AgencyStatus.OPEN for a in provinces) == 34
    for code, row in merged.items():
        assert whole[row["successor"]].name == row["successor_name"] and whole[row["successor"]].status is AgencyStatus.OPEN
        assert whole[code].name == row["name"]
    assert {r["code"] for r in rows_of("organ_level1_provinces_2016_63") if not r["kept_after_2025_07_01"]} == set(merged)


def test_every_code_list_says_where_it_is_from_and_how_sure_it_is() -> None:
    data = json.loads((files("schemas") / "codelists.json").read_text(encoding="utf-8"))
    assert data == lists()  # edxml.codes reads this file and no other
    assert set(about()) == {name for name in data if not name.startswith("_")}
    for name, said in about().items():
        assert said["source"] and said["vi"] and said["en"] and said["confidence"] in CONFIDENCES, name
        assert rows_of(name), name
        if said["confidence"] == "mixed":
            assert all("confidence" in row or "seen" in row.get("value", "") or "unverified" in row.get("value", "") for row in rows_of(name)), name


def test_a_row_typed_by_hand_is_refused_like_one_in_a_file() -> None:
    assert DirectoryRow("x").code == "directory.row"
