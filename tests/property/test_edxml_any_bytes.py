"""Any bytes, and any change to a package of any dialect: an answer or a clear refusal, never another exception."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.edxml.status import inspect_status
from exchange.errors import EnvelopeError
from tests.fuzz.edxml_reader import one_input
from tests.unit import test_edxml_dialects as dialects

SEEDS = [d.encode() if isinstance(d, str) else d for d in (dialects.D1, dialects.D2, dialects.D3, dialects.D4, dialects.D5, dialects.D6, dialects.swa())]
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"<", b">", b"</", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"&", b"&#10;", b"&amp;", b'"', b"xmlns=", b"xmlns:edXML='urn:x'", b"\x00"]
        + [b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"<?x?>", b"<!DOCTYPE a>", b"cid:", b"--b1", b"\r\n\r\n", b"=", b"ContentTransferEncoded"]
        + [b"<Attachment>", b"</Attachment>", b"OrganId", b"9" * 30, b"2026/13/45", b"-1", b"\xef\xbf\xbd" * 40, b"<To/>", b"<From/>"]
        + [b"<StatusCode>01</StatusCode>", b"<ContentTransferEncoded>"]
    ),
)
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 60), PIECES), min_size=1, max_size=5)


def changed(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for where, cut, piece in changes:
        at = int(where * len(seed))
        seed = seed[:at] + piece + seed[at + cut :]
    return seed


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), CHANGES)
def test_changed_packages(seed: bytes, changes: list[tuple[float, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one_input(changed(seed, changes), Path(folder))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
@example(b"")
@example(b"--")
@example(b"--b\n\n--b")
@example(b"Content-Type: multipart/related\n\n--b\n\n<edXML/>\n--b--")
@example(b"<edXML/>")
@example(b"<Envelope/>")
@example(b"<edXML><edXMLEnvelope><edXMLHeader><MessageHeader/></edXMLHeader></edXMLEnvelope></edXML>")
@example(b"<edXML><edXMLEnvelope><edXMLHeader><MessageHeader><StatusCode/></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>")
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one_input(data, Path(folder))
    try:
        inspect_status(data)
    except EnvelopeError as error:
        assert error.code.startswith("envelope.")


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(dialects.ENTRY, b"%PDF-1.7" + b"so lieu " * 50)
    return out.getvalue()


@settings(max_examples=200, deadline=None)
@given(CHANGES)
def test_changed_archives(changes: list[tuple[float, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one_input(dialects.swa(body=changed(archive(), changes)).replace(b"125.pdf", b"125.xlsx"), Path(folder))
