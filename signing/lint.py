"""lint — rà soát trước khi ký: what a careful clerk would want to know before a signature makes it final.

Warnings only. Rules over plain facts; `signing.sign_pdf.lint_reader` gathers the facts.
Components of a document (NĐ 30/2020 Art 8, DOC-01), form of a digitised one (Annex I-II-I.2,
DOC-12), active content, and constructs with which a prepared file can change its face after
it was signed (shadow attacks): signing is the last moment at which these can be stopped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from signing.marks import normal_number, number_in, numbers_equal
from signing.reasons import reason
from signing.report import Reason

LEAST_VERSION = (1, 4)
LEAST_DPI = 200
DPI_SLACK = 2.0
PAPERS_MM = ((210.0, 297.0), (297.0, 420.0), (148.0, 210.0))  # A4, A3, A5
PAPER_SLACK_MM = 4.0
_NUMBER_LINE = re.compile(r"\bSố\s*:?\s*([^\n]{1,80})", re.IGNORECASE)
_DATE = re.compile(r"ngày\s+(\d{1,2})\s+tháng\s+(\d{1,2})\s+năm\s+(\d{4})", re.IGNORECASE)
_COMPONENTS = (
    ("Quốc hiệu", "CONGHOAXAHOICHUNGHIAVIETNAM"),
    ("Tiêu ngữ", "DOCLAPTUDOHANHPHUC"),
    ("Nơi nhận", "NOINHAN"),
)
_ACTIONS = {
    "JavaScript": "lint.javascript",
    "AA": "lint.automatic_action",
    "OpenAction": "lint.automatic_action",
    "Launch": "lint.launch",
    "SubmitForm": "lint.launch",
    "ImportData": "lint.launch",
    "External": "lint.external",
}


@dataclass(frozen=True, slots=True)
class Scan:
    """A page that is one large image. `coverage` is the share of the page, 0…1; `page_mm` (width, height)."""

    page: int
    dpi: float
    colour: bool
    coverage: float
    page_mm: tuple[float, float]


@dataclass(frozen=True, slots=True)
class LintFacts:
    """What was read in a PDF. Pages count from 1; `actions` are (kind, where), kinds as in the rules.

    `text` is None when it could not be extracted here; `error` is set when the file could not be read.
    """

    version: tuple[int, int] = (1, 7)
    encrypted: bool = False
    hybrid: bool = False
    revisions: int = 1
    signatures: int = 0
    actions: tuple[tuple[str, str], ...] = ()
    optional_content: bool = False
    embedded: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    duplicated: tuple[int, ...] = ()
    unreachable: tuple[int, ...] = ()
    covered_text: tuple[int, ...] = ()
    outside: tuple[int, ...] = ()
    scans: tuple[Scan, ...] = ()
    text: tuple[str, ...] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the envelope says and the signer declares; "" and None are not compared.

    `components` is False for attachments and copies, which have none of their own.
    """

    number: str = ""
    issued: date | None = None
    fields: tuple[str, ...] = ("NguoiKy", "CoQuan")
    embedded: tuple[str, ...] = ()
    components: bool = True


def judge(facts: LintFacts, expected: Expected | None = None) -> tuple[Reason, ...]:
    """All warnings about a file, in the order of the rules."""
    expected = expected or Expected()
    if facts.encrypted:
        return (reason("lint.encrypted"),)
    if facts.error:
        return (reason("lint.unreadable", detail=facts.error),)
    return (*_structure(facts), *_active(facts), *_shadows(facts, expected), *_scanned(facts), *_content(facts, expected))


def _structure(facts: LintFacts) -> Iterator[Reason]:
    if facts.version < LEAST_VERSION:
        yield reason("lint.version", detail=f"{facts.version[0]}.{facts.version[1]}")
    if facts.hybrid:
        yield reason("lint.hybrid_xref")
    if facts.revisions > 1 and not facts.signatures:
        yield reason("lint.revisions", detail=str(facts.revisions))
    if facts.duplicated:
        yield reason("lint.duplicate_object", detail=_some(facts.duplicated))
    if facts.unreachable:
        yield reason("lint.unreachable_object", detail=_some(facts.unreachable))


def _active(facts: LintFacts) -> Iterator[Reason]:
    for code, place in dict.fromkeys((_ACTIONS[kind], place) for kind, place in facts.actions if kind in _ACTIONS):
        yield reason(code, place)


def _shadows(facts: LintFacts, expected: Expected) -> Iterator[Reason]:
    if facts.optional_content:
        yield reason("lint.optional_content")
    for name in facts.embedded:
        if name not in expected.embedded:
            yield reason("lint.embedded_file", name)
    for name in facts.fields:
        if name not in expected.fields:
            yield reason("lint.undeclared_field", name)
    for name in facts.differing:
        yield reason("lint.value_differs", name)
    for page in facts.covered_text:
        yield reason("lint.hidden_text", f"trang {page}")
    for page in facts.outside:
        yield reason("lint.outside_page", f"trang {page}")


def _scanned(facts: LintFacts) -> Iterator[Reason]:
    for scan in facts.scans:
        place = f"trang {scan.page}"
        if scan.dpi < LEAST_DPI - DPI_SLACK:
            yield reason("lint.resolution", place, f"{scan.dpi:.0f} dpi")
        if not scan.colour:
            yield reason("lint.grey", place)
        if not any(_is_paper(scan.page_mm, paper) for paper in PAPERS_MM) or scan.coverage < 0.95:
            yield reason("lint.scale", place, f"{scan.page_mm[0]:.0f} × {scan.page_mm[1]:.0f} mm")


def _is_paper(page: tuple[float, float], paper: tuple[float, float]) -> bool:
    return all(abs(a - b) <= PAPER_SLACK_MM for a, b in zip(sorted(page), sorted(paper), strict=True))


def _content(facts: LintFacts, expected: Expected) -> Iterator[Reason]:
    if not expected.components:
        return
    if facts.text is None:
        yield reason("lint.text_not_checked")
        return
    whole = "\n".join(facts.text)
    if not whole.strip():
        return  # a scan without text: nothing to compare
    letters = _base_letters(whole)
    for name, wanted in _COMPONENTS:
        if wanted not in letters:
            yield reason("lint.component_missing", detail=name)
    yield from _number(facts.text[0], expected.number)
    yield from _dated(whole, expected.issued)


def _number(first_page: str, wanted: str) -> Iterator[Reason]:
    found = next((n for line in _NUMBER_LINE.findall(first_page) if (n := number_in(line))), "")
    if not found:
        yield reason("lint.component_missing", detail="Số, ký hiệu")
    elif wanted and not numbers_equal(found, wanted):
        yield reason("lint.number_differs", detail=f"{found} ≠ {normal_number(wanted)}")


def _dated(text: str, wanted: date | None) -> Iterator[Reason]:
    match = _DATE.search(text)
    if match is None:
        yield reason("lint.component_missing", detail="Địa danh và thời gian")
        return
    day, month, year = (int(part) for part in match.groups())
    if wanted is not None and (year, month, day) != (wanted.year, wanted.month, wanted.day):
        yield reason("lint.date_differs", detail=f"{day:02d}/{month:02d}/{year} ≠ {wanted:%d/%m/%Y}")


def _base_letters(text: str) -> str:
    """Letters without accents: tone marks are placed in two ways (HÒA, HOÀ), and producers decompose them."""
    plain = unicodedata.normalize("NFD", text.upper()).replace("Đ", "D")
    return "".join(c for c in plain if c.isalnum())


def _some(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
