"""Hostile packages get a clear refusal with a code and a place, never another exception."""

from __future__ import annotations

import base64
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.edxml.convert import read_any
from exchange.edxml.parser import Limits, Reader
from exchange.edxml.payload import Decoder
from exchange.edxml.read import package_of, read_package
from exchange.edxml.status import read_status
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing, Package
from exchange.errors import (
    DamagedAttachment,
    EnvelopeError,
    ExchangeError,
    ForbiddenXml,
    InvalidField,
    MissingAttachment,
    MissingField,
    NotEdxml,
    NotXml,
    TooLarge,
)
from tests.unit import test_edxml_dialects as dialects

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
        (b"JVBERi", b"<!-- x -->JVBERi", DamagedAttachment),
        (b"JVBERi", b"JVB<!-- x -->ERi", DamagedAttachment),
        (b"JVBERi", b"<!-- ContentTransferEncoded>QUJD -->JVBERi", DamagedAttachment),
        (b"JVBERi", b"JVB\x00ERi", DamagedAttachment),
        (b"JVBERi", b"JVB\xff\xfeERi", DamagedAttachment),
        (b"JVBERi", b"JVB&#0;ERi", NotXml),
        (b"JVBERi", b"JVB&x;ERi", NotXml),
        (b"JVBERi", "JVBE\u0444Ri".encode(), DamagedAttachment),
        (b"JVBERi", b"JVBERi]]>", DamagedAttachment),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>&#xD800;", NotXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>&#0;", NotXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>&#x1;", NotXml),
        (b"<edXML:Subject>V/v", b"<edXML:Subject>V<!-- x -->/v", InvalidField),
        (b"<edXML:DocumentId>A", b"<edXML:DocumentId>A<!-- -->B", InvalidField),
        (b"<edXML:OrganId>B.1", b"<edXML:OrganId>B.1<!-- -->.evil", InvalidField),
        (b"<edXML:OrganId>B.1", b"<edXML:OrganId>C.1</edXML:OrganId><edXML:OrganId>B.1", InvalidField),
        (b"<edXML:OrganId>B.1", b"<edXML:ORGANID>C.1</edXML:ORGANID><edXML:OrganId>B.1", InvalidField),
        (b"<edXML:DocumentId>", b"<edXML:DocumentId>x</edXML:DocumentId><edXML:DocumentId>", InvalidField),
        (b"<edXML:Bussiness>", b"<edXML:Business><edXML:BussinessDocType>1</edXML:BussinessDocType></edXML:Business><edXML:Bussiness>", InvalidField),
        (b"</edXML:edXMLHeader>", b"</edXML:edXMLHeader><edXML:edXMLHeader/>", InvalidField),
        (b"<edXML:edXMLBody>", b"<edXML:edXMLBody/><edXML:edXMLBody>", InvalidField),
        (b"<AttachmentEncoded>", b"<AttachmentEncoded/><AttachmentEncoded>", InvalidField),
        (b"<ContentId>cid:att-1", b"<ContentId>cid:att-2", MissingAttachment),
        (b"<AttachmentName>", b"<AttachmentName>x.pdf</AttachmentName><AttachmentName>", InvalidField),
        (b"<edXML:AttachmentName>", b"<edXML:AttachmentName>x.pdf</edXML:AttachmentName><edXML:AttachmentName>", InvalidField),
        (b"<edXML:ContentTransferEncoded", b"<ContentTransferEncoded>QUJD</ContentTransferEncoded><edXML:ContentTransferEncoded", InvalidField),
        (b"<edXML:DocumentId>", b'<x:DocumentId xmlns:x="urn:x">', NotXml),
        (b"<edXML:Subject>V/v", b'<q:include xmlns:q="http://www.w3.org/2001/XInclude" href="x"/><edXML:Subject>', ForbiddenXml),
        (b"<edXML:Subject>V/v", b'<edXML:Subject xmlns="http://www.w3.org/2001/XInclude"><include href="x"/>', ForbiddenXml),
        (b"<edXML:To>", b"<edXML:Tox>", NotXml),
        (b"<edXML:OrganId>B.1</edXML:OrganId>", b"", MissingField),
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
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"<!--" + b"x" * 3_000_000 + b"--><edXML:Subject>", 1), TooLarge)
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b'<edXML:Subject a="' + b"x" * 3_000_000 + b'">', 1), TooLarge)
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"<" + b"x" * 3_000_000 + b"/><edXML:Subject>", 1), TooLarge)
    attributes = b"".join(b' a%d="%s"' % (n, b"x" * 1000) for n in range(500))
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"".join(b"<b%s/>" % attributes for _ in range(12)) + b"<edXML:Subject>", 1), TooLarge)
    refuse(tmp_path, good.replace(b"</AttachmentEncoded>", b"<Attachment><ContentTransferEncoded/></Attachment>" * 1001 + b"</AttachmentEncoded>"), TooLarge)


def test_a_million_elements_and_a_hundred_thousand_deep(tmp_path: Path, good: bytes) -> None:
    start = time.process_time()
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"<a/>" * 1_000_000 + b"<edXML:Subject>", 1), TooLarge)
    refuse(tmp_path, good.replace(b"<edXML:Subject>", b"<a>" * 100_000 + b"</a>" * 100_000 + b"<edXML:Subject>", 1), TooLarge)
    refuse(tmp_path, good.replace(b"    <Attachment>", b"<Attachment><Attachment>" * 50_000, 1), TooLarge)
    assert time.process_time() - start < 5


def accept(tmp_path: Path, data: bytes) -> Package:
    path = tmp_path / "good.edxml"
    path.write_bytes(data)
    return read_package(path, workdir=tmp_path)


def codes(package: Package) -> set[str]:
    return {f.code for f in package.findings}


def test_a_strangers_namespace_is_not_believed(tmp_path: Path, good: bytes) -> None:
    stranger = b'<x:DocumentId xmlns:x="urn:other">evil</x:DocumentId><x:To xmlns:x="urn:other"><OrganId>C.1</OrganId></x:To>'
    package = accept(tmp_path, good.replace(b"<edXML:Subject>", stranger + b"<edXML:Subject>", 1))
    assert package.header.document_id == "A,2026/11/20,1/QĐ" and [o.code for o in package.header.recipients] == ["B.1"]
    assert ("MessageHeader/DocumentId", "evil") in package.extensions and "edxml.foreign_element" in codes(package)
    # A field that only a stranger gives is absent.
    refuse(tmp_path, good.replace(b"<edXML:DocumentId>", b'<edXML:DocumentId xmlns:edXML="urn:x">', 1), MissingField)
    # Rebinding the usual prefix below does not make a stranger ours.
    refuse(tmp_path, good.replace(b"<edXML:MessageHeader>", b'<edXML:MessageHeader xmlns:edXML="urn:x">', 1), MissingField)


def test_undeclared_prefixes_and_schema_locations_are_only_noted(tmp_path: Path, good: bytes) -> None:
    odd = good.replace(b"<edXML:Reference>", b'<edXML:Reference xlink:href="">', 1).replace(b"<edXML:Subject>V/v</edXML:", b"<z:Subject>V/v</z:", 1)
    package = accept(tmp_path, odd)
    assert package.header.subject == "V/v" and "edxml.undeclared_prefix" in codes(package)
    location = b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd">'
    package = accept(tmp_path, good.replace(b'_2016">', b'_2016"' + location, 1))
    assert "edxml.schema_location" in codes(package)


def test_the_payload_is_the_same_whatever_way_it_is_written(tmp_path: Path, good: bytes) -> None:
    wanted = accept(tmp_path, good).attachments[0].sha256
    start, end = good.index(b"JVBERi"), good.index(b"</edXML:ContentTransferEncoded")
    text = good[start:end]
    ways = (
        b"\n" + b"\r\n".join(text[n : n + 76] for n in range(0, len(text), 76)) + b"\t ",
        b"&#13;\n".join(text[n : n + 76] for n in range(0, len(text), 76)),
        b"<![CDATA[" + text + b"]]>",
        text[:5] + b"<![CDATA[" + text[5:] + b"]]>",
        b"&#74;" + text[1:],
    )
    for way in ways:
        assert accept(tmp_path, good[:start] + way + good[end:]).attachments[0].sha256 == wanted
    # The element's name in other places does not open a payload.
    for odd in (b"<!-- <ContentTransferEncoded> -->", b'<odd a="ContentTransferEncoded>"/>', b"<odd>ContentTransferEncoded&gt;</odd>"):
        assert accept(tmp_path, good.replace(b"<edXML:Subject>", odd + b"<edXML:Subject>", 1)).attachments[0].sha256 == wanted
    for odd in (b'<edXML:ContentTransferEncoded a="x>y" xmlns', b"<edXML:ContentTransferEncoded\n xmlns"):
        assert accept(tmp_path, good.replace(b"<edXML:ContentTransferEncoded xmlns", odd, 1)).attachments[0].sha256 == wanted
    assert accept(tmp_path, b"\xef\xbb\xbf" + good).attachments[0].sha256 == wanted


def test_chunks_may_end_anywhere(tmp_path: Path, good: bytes) -> None:
    """Fed in pieces of every small size, and cut inside every tag, the same comes out."""
    (tmp_path / "w").mkdir()
    for size in (1, 2, 3, 5, 7, 11, 64, 1000):
        reader = Reader(Limits(), tmp_path / "w")
        for at in range(0, len(good), size):
            reader.feed(good[at : at + size], final=False)
        reader.feed(b"", final=True)
        package = package_of(reader, Limits())
        assert package.attachments[0].size == 9 + 256 * 20 and package.header.subject == "V/v"


def test_payloads_go_past_the_parser_wherever_a_chunk_ends(tmp_path: Path, good: bytes) -> None:
    start, end = good.index(b"JVBERi"), good.index(b"</edXML:ContentTransferEncoded")
    for cut in range(good.index(b"<edXML:ContentTransferEncoded") - 3, start + 3):
        reader = Reader(Limits(), tmp_path)
        reader.feed(good[:cut], final=False)
        reader.feed(good[cut:], final=False)
        reader.feed(b"", final=True)
        assert reader.parsed == len(good) - (end - start)


def test_nothing_may_follow_padding_in_a_later_piece(tmp_path: Path) -> None:
    decoder = Decoder(tmp_path / "d")
    for piece in (b"QU", b"I", b"=", b"QUJD"):
        decoder.feed(piece)
    assert decoder.close().damage == "base64 goes on after its padding"
    decoder = Decoder(tmp_path / "d")
    decoder.feed(b"QUJDQ")
    assert decoder.close().damage == "base64 is cut short"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1258", "utf-7"])
def test_other_encodings(tmp_path: Path, good: bytes, encoding: str) -> None:
    text = good.decode().replace("UTF-8", encoding)
    refuse(tmp_path, text.encode(encoding, errors="replace"), NotXml)


ENTRY = "0f8fad5b-d9cb-469f-a165-70867728950e.xlsx"


def with_file(good: bytes, body: bytes, name: str = "so lieu.xlsx") -> bytes:
    start, end = good.index(b"JVBERi"), good.index(b"</edXML:ContentTransferEncoded")
    return (good[:start] + base64.b64encode(body) + good[end:]).replace(b"f.pdf", name.encode())


def test_zip_bombs_are_not_opened(tmp_path: Path, good: bytes) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ENTRY, bytes(60_000_000))
    package = accept(tmp_path, with_file(good, bomb.getvalue()))
    assert "edxml.not_unwrapped" in codes(package) and not package.attachments[0].unwrapped
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 1_000_000
    small = accept(tmp_path, with_file(good, bomb.getvalue()[:-30] + bomb.getvalue()[-30:].replace(b"PK\x05\x06", b"PK\x05\x07")))
    assert not small.attachments[0].unwrapped
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(40_000):
            archive.writestr(f"{number}", b"")
    start = time.process_time()
    assert not accept(tmp_path, with_file(good, many.getvalue())).attachments[0].unwrapped
    assert time.process_time() - start < 0.2
    # The sizes in its directory are not believed either.
    lying = bytearray(bomb.getvalue())
    at = lying.index(b"PK\x01\x02")
    lying[at + 24 : at + 28] = (100).to_bytes(4, "little")
    assert "edxml.not_unwrapped" in codes(accept(tmp_path, with_file(good, bytes(lying))))
    for flag in (1, 0x2000):  # encrypted
        locked = bytearray(bomb.getvalue())
        locked[at + 8 : at + 10] = locked[6:8] = flag.to_bytes(2, "little")
        assert "edxml.not_unwrapped" in codes(accept(tmp_path, with_file(good, bytes(locked))))


NAMES = ["../../etc/passwd", "/etc/passwd", "..\\..\\x.pdf", "a\u202efdp.exe", "C:\\x.pdf", "..", " .. ", "a" * 400 + ".pdf", "&#10;x"]


def test_many_small_bombs_share_one_limit(tmp_path: Path, good: bytes) -> None:
    wrapped = io.BytesIO()
    with zipfile.ZipFile(wrapped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ENTRY, bytes(900_000))
    one = b"<Attachment><AttachmentName>x.xlsx</AttachmentName><ContentTransferEncoded>%s</ContentTransferEncoded></Attachment>"
    data = good.replace(b"  </AttachmentEncoded>", one % base64.b64encode(wrapped.getvalue()) * 10 + b"</AttachmentEncoded>")
    path = tmp_path / "many.edxml"
    path.write_bytes(data)
    package = read_package(path, workdir=tmp_path, limits=Limits(unwrapped=2_000_000))
    assert [a.unwrapped for a in package.attachments] == [False, True, True, *[False] * 8]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_never_paths(tmp_path: Path, good: bytes, name: str) -> None:
    (tmp_path / "work").mkdir()
    path = tmp_path / "named.edxml"
    path.write_bytes(good.replace(b"f.pdf", name.encode()))
    package = read_package(path, workdir=tmp_path / "work")
    safe = package.attachments[0].file_name
    assert "/" not in safe and "\\" not in safe and ":" not in safe and safe not in ("", ".", "..") and len(safe.encode()) <= 200
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == ["attachment-1"]
    assert safe == package.attachments[0].name or "edxml.unsafe_name" in codes(package)


SAMPLES = sorted((Path(__file__).resolve().parents[2].parent / "shared" / "samples" / "edxml").rglob("*.edxml"))
WRITTEN = [d.encode() if isinstance(d, str) else d for d in (dialects.D1, dialects.D2, dialects.D3, dialects.D4, dialects.D5, dialects.D6, dialects.swa())]


def test_cut_anywhere(tmp_path: Path, good: bytes) -> None:
    """Every file, every dialect and every sample, cut at every fiftieth: refused, or (only white space lost) read."""
    for data in (good, *WRITTEN, *(p.read_bytes() for p in SAMPLES)):
        path = tmp_path / "cut.edxml"
        for part in range(50):
            cut = data[: len(data) * part // 50]
            if cut.strip() != data.strip():
                path.write_bytes(cut)
                with pytest.raises(EnvelopeError):
                    read_any(path, workdir=tmp_path)


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


def grown(work: Callable[[], object]) -> float:
    """MB by which the peak of this process rises during `work`."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the peak of the process cannot be reset here")
    before = peak()
    work()
    return (peak() - before) / 1024


def peak() -> int:
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))


def test_memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    """200 MB in a single text node, written and read: the peak moves by far less than the document."""
    file, package = tmp_path / "big.bin", tmp_path / "p.edxml"
    with file.open("wb") as out:
        for _ in range(200):
            out.write(b"%PDF-" + b"\x01" * (1 << 20))
    header, outgoing = Header(Organ("A.1"), (Organ("B.1"),), "A,1"), [Outgoing("b.pdf", "", "application/pdf", file)]
    assert grown(lambda: write_package(package, header, outgoing)) < 20
    sizes: list[int] = []
    assert grown(lambda: sizes.append(read_package(package, workdir=tmp_path).attachments[0].size)) < 20
    assert sizes == [file.stat().st_size]
    package.unlink()


def test_memory_does_not_grow_with_what_is_refused(tmp_path: Path, good: bytes) -> None:
    """40 MB of one comment, one tag, one attribute, text, and base64 by way of the XML parser."""
    size = 40_000_000
    path = tmp_path / "x.edxml"
    inside = [b"<!--" + b"x" * size, b"<" + b"x" * size, b'<a b="' + b"x" * size, b"x" * size, b"<a/>" * (size // 4), b"<!DOCTYPE " + b"x" * size]
    for body in inside:
        path.write_bytes(good.replace(b"<edXML:Subject>", body, 1))

        def refused() -> None:
            with pytest.raises(EnvelopeError):
                read_package(path, workdir=tmp_path)

        assert grown(refused) < 20
    start, end = good.index(b"JVBERi"), good.index(b"</edXML:ContentTransferEncoded")
    path.write_bytes(good[:start] + b"&#74;VBERi0x" + b"QUJD" * (size // 4) + good[end:])
    assert grown(lambda: read_package(path, workdir=tmp_path)) < 20
    path.unlink()
