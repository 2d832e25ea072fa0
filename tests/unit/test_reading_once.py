"""Every digest and every /ByteRange of a file in one reading, wherever the blocks of the reading end."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.verify_pdf.hashing import CHUNK, Range, digests
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.searching import count, ways

MARK = b"/ByteRange"


@given(st.lists(st.sampled_from([MARK, b"/Byte", b"Range", b"/", b"e", b"\0", b"/ByteRang"]), max_size=30), st.integers(0, 40), st.integers(0, 40))
def test_all_ways_of_searching_count_the_same(parts: list[bytes], skip: int, leave: int) -> None:
    buffer = bytearray(b"".join(parts))
    start, end = min(skip, len(buffer)), max(min(skip, len(buffer)), len(buffer) - leave)
    expected = bytes(buffer[start:end]).count(MARK)
    assert {way(buffer, MARK, start, end) for way in ways} == {expected} == {count(buffer, MARK, start, end)}


def test_the_buffer_can_still_grow_after_a_search() -> None:
    buffer = bytearray(MARK)
    assert count(buffer, MARK, 0, len(buffer)) == 1
    buffer += b"x"  # a view that was left open would refuse this


@pytest.mark.parametrize("before", [0, 5, CHUNK - 10, CHUNK - 9, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 4])
@pytest.mark.parametrize("gap", [1, 7, 20])
def test_marks_across_the_ends_of_blocks_are_counted(tmp_path: Path, before: int, gap: int) -> None:
    data = bytes(before) + MARK + bytes(100) + MARK + b"x" * gap + MARK + os.urandom(50)
    path = tmp_path / "f"
    path.write_bytes(data)
    inside = before + 4  # one range ends within the first mark, so that the reading stops there
    ranges = [Range(inside, inside + 3, len(data), "sha256"), Range(inside + 1, inside + 2, len(data) - 1, "sha512")]
    with path.open("rb") as file:
        found = digests(PdfFile(file.fileno(), len(data)), ranges)
    assert found.marks == 3 and found.whole == hashlib.sha256(data).digest()
    for part, r in zip(found.parts, ranges, strict=True):
        assert part == hashlib.new(r.digest, data[: r.gap_start] + data[r.gap_end : r.end]).digest()
