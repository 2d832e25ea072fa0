"""Reading and writing the reference dialect; samples are used when they are present."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from lxml import etree

from exchange.edxml.read import inspect_package, parse_date, read_package
from exchange.edxml.status import VIETNAM, read_status, write_status
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, Outgoing, ResponseFor, Staff, StatusMessage
from exchange.errors import ForbiddenXml, InvalidField, MissingAttachment, Secret

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "samples" / "edxml"
KINDS = {"new": Kind.NEW, "revocation": Kind.RECALL, "update": Kind.UPDATE, "replacement": Kind.REPLACE}


def samples(folder: str, pattern: str) -> list[Path]:
    return sorted((SAMPLES / folder).glob(pattern)) or [Path("absent")]


@pytest.mark.parametrize("path", samples("reference", "oracle_edoc_*.edxml"), ids=lambda p: p.stem)
def test_reference_documents(path: Path, tmp_path: Path) -> None:
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    package = read_package(path, workdir=tmp_path)
    header = package.header
    assert header.business.kind is KINDS[path.stem.rsplit("_", 1)[-1]]
    assert [o.code for o in header.recipients] == ["000.00.98.H56", "H56.97"]
    assert (header.code_number, header.code_notation, header.promulgation_date) == ("125", "QĐ-UBND", date(2026, 11, 20))
    assert header.subject == "V/v thử nghiệm <liên thông> & ký số"
    assert [a.media_type for a in package.attachments] == ["application/pdf", "text/plain", "text/plain"]
    assert [a.unwrapped for a in package.attachments] == [False, False, True]  # the library zips what it does not list
    # The library itself calls a text application/docx; nothing else is wrong with its output.
    assert {f.code for f in package.findings} == {"edxml.type_mismatch", "edxml.unwrapped"}
    assert not package.extensions and package.dialect == "D1"
    outgoing = [Outgoing(a.name, a.description, a.declared_type, a.stored_path, a.content_id) for a in package.attachments if a.stored_path]
    write_package(tmp_path / "ours.edxml", header, outgoing)
    ours, theirs = (tmp_path / "ours.edxml").read_bytes().split(b"\r\n"), path.read_bytes().split(b"\r\n")
    # The library's manifest says application/zip of everything; ours says what the attachment says.
    assert len(ours) == len(theirs)
    assert all(b"ContentType" in a for a, b in zip(ours, theirs, strict=True) if a != b)


@pytest.mark.parametrize("path", samples("reference", "oracle_edoc_*.edxml"), ids=lambda p: p.stem)
def test_reference_elements_one_by_one(path: Path, tmp_path: Path) -> None:
    """Every element, in order, with its name, namespace and text."""
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    package = read_package(path, workdir=tmp_path)
    outgoing = [Outgoing(a.name, a.description, a.declared_type, a.stored_path, a.content_id) for a in package.attachments if a.stored_path]
    write_package(tmp_path / "ours.edxml", package.header, outgoing)
    ours, theirs = (list(etree.parse(str(p)).iter()) for p in (tmp_path / "ours.edxml", path))
    assert [e.tag for e in ours] == [e.tag for e in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        inside_manifest = str(mine.tag).endswith("}ContentType") and str(mine.getparent().tag).endswith("}Reference")
        assert (mine.text or "").strip() == (other.text or "").strip() or inside_manifest, mine.tag
        assert dict(mine.attrib) == dict(other.attrib)


@pytest.mark.parametrize("path", samples("reference", "oracle_status_*.edxml"), ids=lambda p: p.stem)
def test_reference_statuses(path: Path) -> None:
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    message = read_status(path.read_bytes())
    assert message.code == path.stem[-2:]
    assert (message.sender.code, message.response_for.organ) == ("000.00.98.H56", "000.00.99.H56")
    assert write_status(message) == path.read_bytes()


DAY = "MessageHeader/PromulgationInfo/PromulgationDate"
VARIANTS: dict[str, tuple[str, set[str]]] = {  # dialect, and what is noticed beyond the reference
    "edoc_attenc_prefixed": ("D3", set()),
    "edoc_b64_wrapped": ("D1", set()),
    "edoc_bom": ("D1", set()),
    "edoc_business_spelling": ("D1", {"edxml.business_spelling"}),
    "edoc_ctype_pdf_notzip": ("D1", set()),
    "edoc_date_ddmmyyyy": ("D1", {"edxml.date_form"}),
    "edoc_date_empty": ("D1", {"edxml.empty", "edxml.absent"}),
    "edoc_date_iso": ("D1", {"edxml.date_form"}),
    "edoc_no_attachments": ("D1", {"envelope.missing_attachment"}),
    "edoc_no_prefix": ("D1", set()),
    "edoc_no_trace": ("D1", {"edxml.no_trace"}),
    "edoc_other_ns": ("D3", set()),
    "edoc_prefix_ed": ("D1", set()),
    "edoc_steering_empty": ("D1", {"edxml.empty"}),
    "edoc_ts_iso": ("D1", set()),
    "edoc_type_nonint": ("D1", {"edxml.value"}),
    "edoc_xlink_undeclared": ("D2", {"edxml.undeclared_prefix"}),
}


@pytest.mark.parametrize("path", samples("variants", "*.edxml"), ids=lambda p: p.stem)
def test_variants(path: Path, tmp_path: Path) -> None:
    if not path.exists():
        pytest.skip("the variant samples are not beside this checkout")
    if path.stem == "edoc_doctype":
        with pytest.raises(ForbiddenXml) as caught:
            inspect_package(path, workdir=tmp_path)
        assert caught.value.place.startswith("2:")
        return
    folder = tmp_path / "reference"
    folder.mkdir()
    wanted = read_package(SAMPLES / "reference" / "oracle_edoc_new.edxml", workdir=folder)
    package = inspect_package(path, workdir=tmp_path)
    dialect, noticed = VARIANTS[path.stem]
    assert package.dialect == dialect
    codes = {f.code for f in package.findings}
    if path.stem == "edoc_no_attachments":
        assert [f.place for f in package.rejects] == [*(f"edXMLManifest/Reference[{n}]" for n in (1, 2, 3)), "AttachmentEncoded"]
        with pytest.raises(MissingAttachment):
            read_package(path, workdir=tmp_path)
        assert codes == noticed and package.attachments == ()
    else:
        assert codes - {"edxml.type_mismatch", "edxml.unwrapped"} == noticed
        assert [(a.name, a.sha256, a.size, a.media_type) for a in package.attachments] == [
            (a.name, a.sha256, a.size, a.media_type) for a in wanted.attachments
        ]
    expected = {
        "edoc_date_empty": replace(wanted.header, promulgation_date=None),
        "edoc_steering_empty": replace(wanted.header, steering_type=None),
        "edoc_type_nonint": replace(wanted.header, type_group=None),
        "edoc_no_trace": replace(wanted.header, traces=(), business=Business()),
        "edoc_ts_iso": replace(wanted.header, traces=(replace(wanted.header.traces[0], timestamp="2026-11-20T08:30:00+07:00"),)),
    }.get(path.stem, wanted.header)
    assert package.header == expected
    if path.stem == "edoc_type_nonint":
        assert package.header.raw_text("MessageHeader/DocumentType/Type") == "B18"
    if path.stem == "edoc_date_ddmmyyyy":
        assert (package.header.raw_text(DAY), package.header.promulgation_date) == ("20/11/2026", date(2026, 11, 20))
    if path.stem == "edoc_ts_iso":
        assert package.header.traces[0].at == wanted.header.traces[0].at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026/11/20", date(2026, 11, 20)),
        ("20/11/2026", date(2026, 11, 20)),
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11-20T08:30:00+07:00", date(2026, 11, 20)),
        ("2026-11-19T18:00:00Z", date(2026, 11, 20)),
        ("20/11/2026 07:05", date(2026, 11, 20)),
        ("2026/1/2", date(2026, 1, 2)),
        ("2026-11-20+07:00", date(2026, 11, 20)),
        ("2026-11/20", None),
        ("1989/12/31", None),
        ("2026/11/20 nonsense", None),
        ("2026/11/20 25:00:00", None),
        ("2026-11-20T08:30:00+99:99", None),
        ("٢٠٢٦/11/20", None),
        ("2014/02/30", None),
        ("20/11/26", None),
        ("1212", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize("code", ["01", "02", "03", "04", "05", "06", "13", "15", "16"])
def test_every_status_is_read_as_written(code: str) -> None:
    message = StatusMessage(
        Organ("B", "Sở (mô phỏng)"),
        ResponseFor("A", "1/QĐ", "A,1", "2026/11/20"),
        code,
        "Sai địa chỉ & thiếu <tệp>",
        datetime(2026, 11, 20, 8, 30, tzinfo=VIETNAM),
        "2026/11/20 08:30:00",
        Staff("Văn thư", "B", "b@example.vn", "09"),
    )
    data = write_status(message)
    found = read_status(data)
    assert found == message and not found.findings
    assert write_status(found) == data


def test_what_must_not_be_written(tmp_path: Path) -> None:
    file = tmp_path / "f.pdf"
    file.write_bytes(b"%PDF-1.7")
    header = Header(Organ("A"), (Organ("B"),), "A,1")
    with pytest.raises(Secret):
        write_package(tmp_path / "p", replace(header, secrecy="Mật"), [])
    with pytest.raises(InvalidField):
        write_package(tmp_path / "p", header, [Outgoing("f.pdf", "", "application/pdf", file, "x")] * 2)
    with pytest.raises(InvalidField):
        write_package(tmp_path / "p", replace(header, subject="\x00"), [])


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "f.pdf"
    file.write_bytes(b"%PDF-1.7" + bytes(range(256)) * 4000)
    header = Header(Organ("A"), (Organ("B"),), "A,1", subject=unicodedata.normalize("NFD", "Về việc thử"), due_date=date(2026, 12, 1))
    outgoing = [Outgoing("f.pdf", "Văn bản", "application/pdf", file)]
    first = write_package(tmp_path / "1", header, outgoing)
    assert write_package(tmp_path / "2", replace(header, subject="Về việc thử"), outgoing) == first
    data = (tmp_path / "1").read_bytes()
    assert hashlib.sha256(data).hexdigest() == first
    # The emit rules, one by one (edxml.md 1.12).
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\r\n<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">\r\n')
    assert data.endswith(b"  </AttachmentEncoded>\r\n</edXML>\r\n") and data.count(b"\n") == data.count(b"\r\n")
    assert b"<edXML:DueDate>2026/12/01</edXML:DueDate>" in data and data.count(b">cid:att-1<") == 2
    assert b"<edXML:BussinessDocType>0</edXML:BussinessDocType>" in data and b"SteeringType" not in data
    assert b"></" not in data and b"/>" not in data
    assert base64.b64encode(file.read_bytes()) in data
