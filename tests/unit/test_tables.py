"""Tables of the command line: nothing is lost at the edge of a narrow screen."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from signing.show import Screen

ROWS = [
    ("10", "25/11/2026 09:39:56", "Trục tiếp nhận", "000.00.99.H56", "000.00.98.H56", "HMAC của hồ sơ VXP; hệ thống sys.000.00.99.H56, khóa 8517277c5924"),
    ("11", "25/11/2026 09:39:56", "Đã xác nhận", "hub", "000.00.98.H56", "a" * 64),
]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_character_is_cut_off(capsys: pytest.CaptureFixture[str], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    columns = [(name, name) for name in ("Mục", "Thời điểm (+07:00)", "Sự kiện", "Do", "Bên nhận", "Lý do")]
    Screen(as_json=False, lang="vi").table(("Sổ", "Log"), columns, ROWS)
    printed = capsys.readouterr().out
    assert all(cell_len(line) <= width for line in printed.splitlines())
    for row in ROWS:
        for cell in row:
            assert all(printed.count(letter) >= cell.count(letter) for letter in set(cell) - {" "})
    total = sum(letter.isalnum() for line in printed.splitlines() for letter in line)
    wanted = sum(letter.isalnum() for row in [*ROWS, [vi for vi, _ in columns], ["Sổ"]] for cell in row for letter in cell)
    assert total == wanted
    if width >= 80:
        assert "000.00.98.H56" in printed and "25/11/2026" in printed
