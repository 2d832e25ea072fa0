"""What hostile files cost: an answer within the limits of the cage, and a true one where that is to be had."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyhanko.pdf_utils import reader
from pyhanko.pdf_utils.misc import PdfReadError

from signing.report import Verdict
from signing.sandbox import CPU_SECONDS, MEMORY_MB, Sandbox
from signing.verify_pdf import speedups, verify_pdf
from tests.security.attacks import ALL
from tests.security.attacks.bombs import stream
from tests.security.attacks.builders import PLAIN, update, write
from tests.security.attacks.drafts import CONTENT, FORGED, bodies
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import Workshop
from tests.security.caged import KILLED, Costing, costing

CASES = {case.id: case for case in ALL}
WORST = ["A15-hex-many", "A17-escapes", "A17-xref-index-huge"]
"""The most memory of all generated files (`python -m tests.security.costs`)."""
CHEAP = {
    "A15-unclosed-3-mb": "undetermined",
    "A15-unclosed-20-mb": "undetermined",
    "A15-contents-3-mb": "valid",
    "A16-lawful-25-signatures-50-revisions": "valid",
    "A16-25-signatures-50-revisions-then-changed": "invalid",
    "A16-40-time-stamps-then-changed": "invalid",
}
"""Files that were or could be ended at a limit, and what is to be said of them."""
proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")


@pytest.fixture(scope="module")
def cost() -> Iterator[Costing]:
    with costing() as asked:
        yield asked


@proc
@pytest.mark.parametrize("name", WORST)
def test_no_file_passes_the_limits(name: str, workshop: Workshop, cost: Costing, tmp_path: Path) -> None:
    path = tmp_path / "case.pdf"
    path.write_bytes(workshop.file(CASES[name]))
    found = cost(path, workshop.trust, workshop.now)
    assert found.within and found.verdict != "valid", found
    assert MEMORY_MB == 256 and CPU_SECONDS == 2


@proc
@pytest.mark.parametrize("name", CHEAP)
def test_an_answer_within_the_limits(name: str, workshop: Workshop, cost: Costing, tmp_path: Path) -> None:
    path = tmp_path / "case.pdf"
    path.write_bytes(workshop.file(CASES[name]))
    found = cost(path, workshop.trust, workshop.now)
    assert KILLED not in found.codes and found.verdict == CHEAP[name], found


@proc
def test_thousands_of_new_objects_over_a_large_file(workshop: Workshop, cost: Costing, tmp_path: Path) -> None:
    """60,000 objects in 8 MB; an update adds 2,000 and changes the text."""
    path = tmp_path / "case.pdf"
    many = {n: b"<< /Kind /Some /Number %d /Text (%s) >>" % (n, b"x" * 60) for n in range(1000, 61_000)}
    signed = sign(write({**bodies(), **many}, PLAIN), Plan(workshop.cms(workshop.agency)))
    new = {n: b"<< /A %d >>" % n for n in range(100_000, 102_000)}
    path.write_bytes(update(signed, {**new, CONTENT: stream(FORGED)}, loose=range(1, 200_000)).data)
    found = cost(path, workshop.trust, workshop.now)
    assert found.within and found.verdict == "invalid" and "pdf.tampered.changed" in found.codes, found


def test_the_share_of_memory_ends_a_file(workshop: Workshop, tmp_path: Path) -> None:
    """The same lawful file of 3 MB: valid with the usual share, "cannot be determined" with one that it does not fit."""
    path = tmp_path / "large.pdf"
    path.write_bytes(workshop.file(CASES["A15-contents-3-mb"]))
    verdicts = []
    for megabytes in (MEMORY_MB, 1):
        cage = Sandbox(workers=1, memory_mb=megabytes)
        verdicts.append(cage.verify(path, workshop.trust, at=workshop.now, policy="crypto-only").verdict)
        cage.close()
    assert verdicts == [Verdict.VALID, Verdict.UNDETERMINED]


def test_lines_are_read_backwards_as_before(tmp_path: Path) -> None:
    """The quick search for a line against the plain one, over the same random bytes."""

    def plain(data: bytes, at: int) -> tuple[bytes, int]:
        """One byte after the other; of line ends in a row every second one is looked at."""
        line = bytearray()
        while data[at : at + 1] not in (b"\r", b"\n"):
            line += data[at : at + 1]
            at -= 1
            if at < 1:
                raise PdfReadError("start")
        at, several = at - 1, False
        while at >= 0 and data[at] in b"\r\n":
            at, several = at - 2, True
        if at < 1:
            raise PdfReadError("start")
        return bytes(line[::-1]), at + 1 if several else at

    dice = random.Random(20)
    assert reader.read_next_end_line is speedups._line_before
    for size in [40] * 300 + [700] * 30 + [140_000] * 3:
        data = bytes(dice.choices(b"ab%\r\n", weights=(9, 9, 2, dice.choice((0.001, 1, 6)), dice.choice((0, 1, 6))), k=size))
        at = dice.randrange(1, size)
        try:
            expected = plain(data, at)
        except PdfReadError:
            with pytest.raises(PdfReadError):
                speedups._line_before(_at(data, at))
            continue
        file = _at(data, at)
        assert (speedups._line_before(file), file.tell()) == expected


def _at(data: bytes, at: int) -> io.BytesIO:
    file = io.BytesIO(data)
    file.seek(at)
    return file


def test_the_newest_change_is_found_among_lawful_ones(workshop: Workshop, tmp_path: Path) -> None:
    """The order in which revisions are compared changes no answer: a change in the middle is found as well as the last."""
    path, base = tmp_path / "case.pdf", workshop.base("pure")
    path.write_bytes(workshop.dss(update(base, {CONTENT: stream(FORGED)})).data)
    middle = verify_pdf(path, workshop.trust, at=workshop.now)
    path.write_bytes(update(workshop.dss(base), {CONTENT: stream(FORGED)}).data)
    last = verify_pdf(path, workshop.trust, at=workshop.now)
    path.write_bytes(workshop.dss(workshop.dss(base)).data)
    lawful = verify_pdf(path, workshop.trust, at=workshop.now, full=True)
    assert [s.changes_after for found in (middle, last, lawful) for s in found.signatures] == ["other", "other", "lta_updates"]
