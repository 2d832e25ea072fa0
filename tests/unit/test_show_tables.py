"""Tables of the command line: on a narrow screen words are folded, and no letter is lost."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from signing.errors import EvidenceInvalid
from signing.evidence.manifest import read_manifest
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


def test_a_manifest_that_is_no_xml_is_named() -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        read_manifest(b"<a><b></a>", "META-INF/ASiCManifest001.xml")
    assert caught.value.place == "META-INF/ASiCManifest001.xml"
