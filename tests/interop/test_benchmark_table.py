"""The table of the benchmarks says truly whether a bar was held, and lands where the document wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measure import COLUMNS, at_most, compared, interleaved, markdown, ratio, write_block
from benchmarks.signing import PAGE


def test_rows_know_their_bars() -> None:
    assert at_most("a", [9.0, 7.0, 8.0], 8.0).held is True
    assert at_most("a", [9.0, 7.0, 8.1], 8.0).cells()[-1] == "NO"
    assert at_most("a", [1.0]).held is None
    # The middle ratio of the rounds, not the ratio of the middles.
    assert ratio([1.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2.0
    row = compared("a", [1.0, 20.0, 3.0], "peer", [1.0, 10.0, 1.0], 1.9)
    assert (row.ratio, row.bar, row.held) == ("2.00 ×", "≤ 1.9 ×", False)


def test_rounds_take_turns_and_the_first_does_not_count() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = interleaved({"a": lambda: side("a"), "b": lambda: side("b")}, 2)
    assert order == ["a", "b"] * 3
    assert taken == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- signing -->old<!-- /signing -->\nafter\n")
    write_block(page, "signing", markdown(COLUMNS, [at_most("a | b", [1.0], 2).cells()]))
    text = page.read_text()
    assert text.startswith("before\n<!-- signing -->") and text.endswith("<!-- /signing -->\nafter\n")
    assert "old" not in text and "| a \\| b | 1.00 ms | 1.00 ms |  |  | ≤ 2 ms | yes |" in text
    with pytest.raises(ValueError, match="no block"):
        write_block(page, "elsewhere", "")


def test_the_page_has_both_places() -> None:
    text = PAGE.read_text()
    assert all(f"<!-- {name} -->" in text and f"<!-- /{name} -->" in text for name in ("signing", "opinions"))
