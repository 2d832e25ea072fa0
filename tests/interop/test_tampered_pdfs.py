"""A changed copy is refused by us, whatever others say; and each tool refuses the plain changes, which shows that it really looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from signing.report import Verdict
from tests.interop.calls import judged
from tests.interop.material import Case, Office
from tests.interop.tampered import BASE, FAMILIES, PLAIN
from tests.interop.tools import Tool

pytestmark = pytest.mark.xdist_group("interop")


@pytest.fixture
def changed(made: Callable[[Case], Path], tmp_path: Path) -> Callable[[str], Path]:
    def change(family: str) -> Path:
        data = made(Case(*BASE)).read_bytes()
        path = tmp_path / "changed.pdf"
        path.write_bytes(FAMILIES[family](data))
        assert path.read_bytes() != data
        return path

    return change


@pytest.mark.parametrize("family", FAMILIES)
def test_refused_by_us(family: str, changed: Callable[[str], Path], office: Office) -> None:
    verdict = judged(changed(family), office.trust, kind="document")
    assert verdict.verdict is not Verdict.VALID and verdict.reasons


@pytest.mark.parametrize("family", PLAIN)
@pytest.mark.parametrize("tool", ["pdfsig", "mutool", "openssl", "pdfbox"])
def test_plain_changes_are_seen_by(tool: str, family: str, changed: Callable[[str], Path], tools: dict[str, Tool]) -> None:
    missing = tools[tool].missing()
    if missing:
        pytest.skip(f"{tool}: {missing} not installed")
    opinion = tools[tool].check(changed(family))
    assert not opinion.accepts, opinion.said
