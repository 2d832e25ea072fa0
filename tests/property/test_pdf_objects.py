"""Any bytes: the strict reader gives an object or `Unusual`, and what it reads is what was written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from signing.der import read
from signing.errors import NotDer
from signing.policy import judge
from signing.report import Verdict
from signing.signed_data import read_signed_data
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from signing.verify_pdf.metadata import statements
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Name, Ref, Unusual, parse

NAMES = st.binary(min_size=1, max_size=6).map(Name)
ATOMS = st.one_of(
    st.integers(-(10**9), 10**9), st.booleans(), st.none(), st.binary(max_size=20), NAMES, st.builds(Ref, st.integers(1, 999), st.integers(0, 9))
)
OBJECTS = st.recursive(ATOMS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES.map(bytes), inner, max_size=4)), max_leaves=12)


def written(value: object, hexed: bool) -> bytes:
    """A PDF object by the letter of ISO 32000-2 7.3."""
    if isinstance(value, Ref):
        return b"%d %d R" % value
    if isinstance(value, Name):
        return b"/" + b"".join(b"#%02x" % c for c in value)
    if isinstance(value, bytes):
        return b"<" + value.hex().encode() + b">" if hexed else b"(" + b"".join(b"\\%03o" % c for c in value) + b")"
    if isinstance(value, bool) or value is None:
        return {True: b"true", False: b"false", None: b"null"}[value]
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, list):
        return b"[ " + b" ".join(written(v, hexed) for v in value) + b" ]"
    assert isinstance(value, dict)
    return b"<< " + b" ".join(written(Name(k), hexed) + b" " + written(v, hexed) for k, v in value.items()) + b" >>"


@given(OBJECTS, st.booleans())
def test_what_is_written_is_read(value: object, hexed: bool) -> None:
    data = written(value, hexed)
    assert parse(data + b" ") == (value, len(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_unusual(data: bytes) -> None:
    with contextlib.suppress(Unusual):
        parse(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_file_or_unusual(data: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(Unusual, OSError):
            PdfFile.open(file.fileno(), len(data))


@given(st.binary(max_size=300))
def test_any_bytes_are_der_or_not(data: bytes) -> None:
    for reader in (read, read_signed_data):
        with contextlib.suppress(NotDer):
            reader(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_metadata_or_not(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        statements(data)


@given(st.binary(max_size=400), st.sampled_from((b"%PDF-1.7\n", b"")), st.sampled_from((b"\nstartxref\n9\n%%EOF\n", b"%%EOF", b"")))
def test_any_file_gets_one_verdict_with_a_reason(body: bytes, head: bytes, tail: bytes) -> None:
    handle, name = tempfile.mkstemp(suffix=".pdf")
    try:
        os.write(handle, head + body + tail)
        verdict = judge(verify_pdf(Path(name), Trust(()), at=datetime.now(UTC)))
    finally:
        os.close(handle)
        os.unlink(name)
    assert verdict.verdict is not Verdict.VALID and verdict.reasons
