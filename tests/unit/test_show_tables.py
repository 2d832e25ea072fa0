"""Tables of the command line: on a narrow screen words are folded, and no letter is lost."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from signing.show import EVENT_COLUMNS, Screen, event_label

CODE, DOCUMENT = "000.00.99.H56", "000.00.99.H56,2026/11/25,202/SKHCN-CĐS"


def drawn(width: int) -> list[str]:
    screen = Screen(lang="vi")
    screen.out = Console(file=StringIO(), width=width)
    label = event_label(screen, "urn:vanthu:event:TakeBackRequested", "13", "SenderDecision: Gửi nhầm (mô phỏng)")
    row = ("64", "25/11/2026 09:18:11", label, CODE, CODE[::-1], DOCUMENT)
    screen.table(("Sổ", "Log"), (*EVENT_COLUMNS, ("Văn bản", "Document")), [row])
    assert isinstance(screen.out.file, StringIO)
    return screen.out.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [50, 60, 79, 80, 81, 100, 200])
def test_no_letter_is_lost_at_any_width(width: int) -> None:
    lines = drawn(width)
    assert all(len(line) <= width for line in lines)
    seen = sorted("".join(lines).replace("─", "").replace(" ", ""))
    heads = "".join(vi for vi, _ in (*EVENT_COLUMNS, ("Văn bản", "")))
    cells = "64 25/11/2026 09:18:11 Yêu cầu lấy lại 13 Theo quyết định của bên gửi: Gửi nhầm (mô phỏng)" + CODE * 2 + DOCUMENT
    assert seen == sorted(f"Sổ{heads}{cells}".replace(" ", ""))


def test_codes_stay_whole_at_eighty_columns() -> None:
    assert any(CODE in line and CODE[::-1] in line for line in drawn(80))


LONG = [
    ("10", "25/11/2026 09:39:56", "Trục tiếp nhận", "000.00.99.H56", "000.00.98.H56", "HMAC của hồ sơ VXP; hệ thống sys.000.00.99.H56, khóa 8517277c5924"),
    ("11", "25/11/2026 09:39:56", "Đã xác nhận", "hub", "000.00.98.H56", "a" * 64),
]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_long_reasons_and_digests_are_folded(width: int) -> None:
    screen = Screen(lang="vi")
    screen.out = Console(file=StringIO(), width=width)
    heads = ("Mục", "Thời điểm (+07:00)", "Sự kiện", "Do", "Bên nhận", "Lý do")
    screen.table(("Sổ", "Log"), [(name, name) for name in heads], LONG)
    assert isinstance(screen.out.file, StringIO)
    printed = screen.out.file.getvalue()
    assert all(cell_len(line) <= width for line in printed.splitlines())
    wanted = "".join(cell for row in (*LONG, heads, ("Sổ",)) for cell in row)
    assert sorted(filter(str.isalnum, printed)) == sorted(filter(str.isalnum, wanted))
    if width >= 80:
        assert "000.00.98.H56" in printed and "25/11/2026" in printed
