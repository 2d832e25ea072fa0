"""Hostile packages get a clear refusal with a code and a place, never another exception."""

from __future__ import annotations

import base64
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.edxml.parser import Limits
from exchange.edxml.read import read_package
from exchange.edxml.status import read_status
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing
from exchange.errors import DamagedAttachment, EnvelopeError, ExchangeError, ForbiddenXml, InvalidField, MissingField, NotEdxml, NotXml, TooLarge

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    file = tmp_path / "f.pdf"
    file.write_bytes(b"%PDF-1.7 " + bytes(range(256)) * 20)
    header = Header(Organ("A.1"), (Organ("B.1"),), "A,2026/11/20,1/QĐ", subject="V/v")
    write_package(tmp_path / "p.edxml", header, [Outgoing("f.pdf", "", "application/pdf", file)])
    return (tmp_path / "p.edxml").read_bytes()


def refuse(tmp_path: Path, data: bytes, kind: type[ExchangeError], limits: Limits | None = None) -> ExchangeError:
    path = tmp_path / "bad.edxml"
    path.write_bytes(data)
    with pytest.raises(kind) as caught:
        read_package(path, workdir=tmp_path, limits=limits)
    return caught.value


DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (DECLARATION, DECLARATION + b'<!DOCTYPE x SYSTEM "file:///etc/passwd">', ForbiddenXml),
        (DECLARATION, DECLARATION + b'<!DOCTYPE x [<!ENTITY a "aaaa">]>', ForbiddenXml),
        (DECLARATION, DECLARATION + b'<?xml-stylesheet href="http://example.vn/x"?>', ForbiddenXml),
        (b"<edXML:Subject>V/v", b'<xi:include href="file:///etc/passwd"/><edXML:Subject>', ForbiddenXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>&xxe;", NotXml),
        (b"UTF-8", b"UTF-16", NotXml),
        (b"UTF-8", b"ISO-8859-1", NotXml),
        (DECLARATION, b"1212" + DECLARATION, NotXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>\x00", NotXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>\xff\xfe", NotXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>\xed\xa0\x80", NotXml),
        (NS.encode(), b"http://example.vn/other", NotEdxml),
        (b"<edXML:OrganId>A.1</edXML:OrganId>", b"", MissingField),
        (b"<edXML:DocumentId>A,2026/11/20,1/Q\xc4\x90</edXML:DocumentId>", b"", MissingField),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>a</edXML:Subject><edXML:Subject>V/v", InvalidField),
        (b"<edXML:BussinessDocType>0", b"<edXML:BussinessDocType>9", InvalidField),
        (b"JVBERi", b"JVB!!!", DamagedAttachment),
        (b"JVBERi", b"JVBERi=JVBE", DamagedAttachment),
        (b"JVBERi", b"<b/>JVBERi", DamagedAttachment),
    ],
)
def test_refused_with_its_code(good: bytes, tmp_path: Path, old: bytes, new: bytes, kind: type[ExchangeError]) -> None:
    assert old in good
    error = refuse(tmp_path, good.replace(old, new, 1), kind)
    assert error.place


def test_text_round_trip_damage(tmp_path: Path, good: bytes) -> None:
    mangled = base64.b64encode(b"%PDF-1.7\n" + b"\xef\xbf\xbd\x01" * 4000)
    start = good.index(b"JVBERi")
    end = good.index(b"<", start)
    refuse(tmp_path, good[:start] + mangled + good[end:], DamagedAttachment)


def test_limits(tmp_path: Path, good: bytes) -> None:
    refuse(tmp_path, good, TooLarge, Limits(size=1000))
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"<a>" * 100_000, 1), TooLarge)
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"<a/>" * 30_000 + b"<edXML:Subject>", 1), TooLarge)
    refuse(tmp_path, good.replace(b"V/v", b"x" * 5_000_000, 1), TooLarge)


def test_cut_anywhere(tmp_path: Path, good: bytes) -> None:
    for part in range(50):
        refuse(tmp_path, good[: len(good) * part // 50], EnvelopeError)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31), st.binary(min_size=1, max_size=8))
def test_any_bytes_anywhere(tmp_path_factory: pytest.TempPathFactory, where: int, what: bytes) -> None:
    folder = tmp_path_factory.mktemp("f")
    file = folder / "f.pdf"
    file.write_bytes(b"%PDF-1.7 hello")
    write_package(folder / "p", Header(Organ("A.1"), (Organ("B.1"),), "A,1"), [Outgoing("f.pdf", "", "application/pdf", file)])
    data = bytearray((folder / "p").read_bytes())
    place = where % len(data)
    data[place : place + len(what)] = what
    (folder / "p").write_bytes(data)
    try:
        read_package(folder / "p", workdir=folder)
    except EnvelopeError as error:
        assert error.code.startswith("envelope.")


@given(st.binary(max_size=300))
def test_status_of_any_bytes(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_status(data)


def test_memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    """100 MB of attachment: the peak moves by far less than the document."""
    file = tmp_path / "big.bin"
    with file.open("wb") as out:
        for _ in range(100):
            out.write(b"%PDF-" + b"\x01" * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_package(tmp_path / "p.edxml", Header(Organ("A.1"), (Organ("B.1"),), "A,1"), [Outgoing("b.pdf", "", "application/pdf", file)])
    package = read_package(tmp_path / "p.edxml", workdir=tmp_path)
    assert package.attachments[0].size == file.stat().st_size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024
