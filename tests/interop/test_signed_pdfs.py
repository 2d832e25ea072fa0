"""Everything we sign is accepted by other people's verifiers; where two of them disagree, a test fails."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from signing.report import Level, Role, Verdict
from tests.interop.calls import judged
from tests.interop.material import Case, Office, matrix
from tests.interop.tools import MuTool, Tool

# One Java process and one set of signed files for all.
pytestmark = pytest.mark.xdist_group("interop")
TOOLS = ("pdfsig", "mutool", "qpdf", "openssl", "pdfbox")


def pairs() -> list[tuple[str, Case]]:
    return [(tool, case) for case in matrix() for tool in TOOLS if tool != "mutool" or MuTool().knows(case.scheme)]


@pytest.mark.parametrize(("tool", "case"), pairs(), ids=lambda value: str(value))
def test_accepted_by(tool: str, case: Case, made: Callable[[Case], Path], tools: dict[str, Tool]) -> None:
    missing = tools[tool].missing()
    if missing:
        pytest.skip(f"{tool}: {missing} not installed")
    opinion = tools[tool].check(made(case))
    assert opinion.accepts, f"{tool} on {case}: {opinion.said}"
    if tool == "pdfbox":
        # Validation data after the last signature are the only reason not to cover the whole file.
        assert opinion.said.count("whole") == (0 if case.level == "B-LT" else 1), opinion.said


@pytest.mark.parametrize("case", matrix(), ids=str)
def test_accepted_by_us(case: Case, made: Callable[[Case], Path], office: Office) -> None:
    verdict = judged(made(case), office.trust, kind=case.kind, policy=case.policy)
    assert verdict.verdict is Verdict.VALID, verdict.reasons
    assert {s.level for s in verdict.findings.signatures if s.role is Role.AGENCY} == {case.level}


def test_the_matrix_is_whole() -> None:
    cases = matrix()
    assert len(set(cases)) == len(cases)
    for one, other in combinations(("scheme", "level", "source", "shape"), 2):
        values = [len({getattr(case, name) for case in cases}) for name in (one, other)]
        assert len({(getattr(case, one), getattr(case, other)) for case in cases}) == values[0] * values[1], (one, other)
    assert len({case.scheme for case in cases}) == 5 and {case.level for case in cases} == set(Level)
