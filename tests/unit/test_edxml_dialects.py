"""The dialects D2…D7 as their senders write them (edxml.md 1.10): the same facts come out of each."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from exchange.edxml.attachments import sniff_type
from exchange.edxml.convert import convert, read_any
from exchange.edxml.read import inspect_package, read_package
from exchange.edxml.status import inspect_status, read_status
from exchange.envelope import Attachment, Kind, Package, StatusMessage
from exchange.errors import DamagedAttachment, EnvelopeError, MissingField, NotXml, TooLarge

QCVN = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
PDF = b"%PDF-1.7 van ban so 125"
B64 = base64.b64encode(PDF).decode()
FROM = "<OrganId>000.00.99.H56</OrganId><{0}>UBND tỉnh (mô phỏng)</{0}><OrganName>Sở A (mô phỏng)</OrganName>"

D2 = f"""<?xml version="1.0" encoding="utf-8"?>
<edXML xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="{QCVN}">
<edXML:edXMLEnvelope xmlns:edXML="{QCVN}" xmlns:xlink="http://www.w3.org/1999/xlink"><edXML:edXMLHeader><edXML:MessageHeader>
<edXML:From>{FROM.format("OrganizationInCharge")}</edXML:From><edXML:To><edXML:OrganId>H56.97</edXML:OrganId></edXML:To>
<edXML:Code><edXML:CodeNumber>125</edXML:CodeNumber><edXML:CodeNotation>QĐ-UBND</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:DocumentType><edXML:Type>18</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>V/v thử</edXML:Subject><edXML:ResponseFor/><edXML:DocumentId>d2,2026/11/20,125/QĐ-UBND</edXML:DocumentId>
</edXML:MessageHeader>
<edXML:TraceHeaderList id="1" version="1.0" mustUnderstand="1" actor="http://schemas.xmlsoap.org/soap/actor/next">
<edXML:TraceHeader><edXML:OrganId>000.00.99.H56</edXML:OrganId><edXML:Timestamp>2026/11/20 08:30:00</edXML:Timestamp></edXML:TraceHeader>
<edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType></edXML:Bussiness></edXML:TraceHeaderList>
<edXML:DigitalSignature/></edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest version="1.0">
<edXML:Reference xlink:href="cid:209" xlink:role="XLinkRole" xlink:type="simple"><edXML:ContentId>cid:209</edXML:ContentId></edXML:Reference>
</edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<AttachmentEncoded><Attachment><ContentType>application/pdf</ContentType><ContentId>209</ContentId><Description>Văn bản</Description>
<ContentTransferEncoded>{B64}</ContentTransferEncoded><AttachmentName>125.pdf</AttachmentName></Attachment></AttachmentEncoded></edXML>"""

D1 = (
    D2.replace(' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"', "")
    .replace(' mustUnderstand="1" actor="http://schemas.xmlsoap.org/soap/actor/next"', "")
    .replace(' xlink:href="cid:209" xlink:role="XLinkRole" xlink:type="simple"', "")
    .replace("<edXML:DigitalSignature/>", "")
)

D3 = f"""<edXML:edXML xmlns:edXML="{QCVN}"><edXML:edXMLEnvelope><edXML:edXMLHeader><edXML:MessageHeader>
<edXML:From><edXML:OrganName>Sở A (mô phỏng)</edXML:OrganName><edXML:OrganInCharge>UBND tỉnh (mô phỏng)</edXML:OrganInCharge>
<edXML:OrganId>000.00.99.H56</edXML:OrganId></edXML:From>
<edXML:To><edXML:OrganId>H56.97</edXML:OrganId></edXML:To><edXML:DocumentId>d3</edXML:DocumentId>
<edXML:Code><edXML:CodeNumber>125</edXML:CodeNumber><edXML:CodeNotation>QĐ-UBND</edXML:CodeNotation></edXML:Code>
<edXML:PromulgationInfo><edXML:PromulgationDate>20/11/2026</edXML:PromulgationDate></edXML:PromulgationInfo>
<edXML:Subject>V/v thử</edXML:Subject><edXML:DueDate>2026/12/01</edXML:DueDate>
<edXML:SignerInfo><edXML:FullName>Nguyễn Văn A</edXML:FullName><edXML:Position>Chủ tịch</edXML:Position></edXML:SignerInfo>
</edXML:MessageHeader><edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>000.00.99.H56</edXML:OrganId></edXML:TraceHeader>
<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType></edXML:Bussiness></edXML:TraceHeaderList>
<Signature xmlns=""><SignedInfo/></Signature></edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest>
<edXML:Reference><edXML:ContentId>cid:1</edXML:ContentId></edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<edXML:AttachmentEncoded><edXML:Attachment><edXML:ContentId>cid:1</edXML:ContentId><edXML:AttachmentName>125.pdf</edXML:AttachmentName>
<edXML:ContentType>application/pdf</edXML:ContentType><edXML:ContentTransferEncoded>{B64}</edXML:ContentTransferEncoded>
</edXML:Attachment></edXML:AttachmentEncoded></edXML:edXML>"""

SOAP_HEADER = """<eDoc:MessageHeader>
<eDoc:From><eDoc:OrganId>000.00.99.H56</eDoc:OrganId><eDoc:OrganInCharge>UBND tỉnh (mô phỏng)</eDoc:OrganInCharge>
<eDoc:OrganName>Sở A (mô phỏng)</eDoc:OrganName></eDoc:From>
<eDoc:To><eDoc:OrganId>H56.97</eDoc:OrganId></eDoc:To><eDoc:DocumentId>d4</eDoc:DocumentId>
<eDoc:Code><eDoc:CodeNumber>125</eDoc:CodeNumber><eDoc:CodeNotation>QĐ-UBND</eDoc:CodeNotation></eDoc:Code>
<eDoc:PromulgationInfo><eDoc:PromulgationDate>20/11/2026</eDoc:PromulgationDate></eDoc:PromulgationInfo>
<eDoc:Subject>V/v thử</eDoc:Subject>
<eDoc:Author><eDoc:FullName>Nguyễn Văn A</eDoc:FullName><eDoc:Function>Chủ tịch</eDoc:Function></eDoc:Author></eDoc:MessageHeader>"""
SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:eDoc="http://www.e-doc.vn/Schema/" xmlns:xlink="http://www.w3.org/1999/xlink"><SOAP-ENV:Header>' + SOAP_HEADER + "</SOAP-ENV:Header>"
    '<SOAP-ENV:Body><eDoc:Manifest><eDoc:Reference xlink:href="cid:209"/></eDoc:Manifest>%s</SOAP-ENV:Body></SOAP-ENV:Envelope>'
)
D4 = SOAP % (
    "<eDoc:AllDocument><eDoc:Document><eDoc:Attach>"
    '<eDoc:Attachment Content-Type="application/pdf" Content-Transfer-Encoding="base64" ContentId="cid:209">'
    f"<eDoc:name>125.pdf</eDoc:name><eDoc:value>{B64}</eDoc:value></eDoc:Attachment></eDoc:Attach></eDoc:Document></eDoc:AllDocument>"
)
D5 = f"""<EdXMLEnvelope xmlns="http://www.go.vn/eDoc"><MessageHeader><From>{FROM.format("OrganizationInCharge")}</From>
<To><OrganId>H56.97</OrganId></To><DocumentId>d5</DocumentId><Code><CodeNumber>125</CodeNumber><CodeNotation>QĐ-UBND</CodeNotation></Code>
<PromulgationInfo><PromulgationDate>2026-11-20T00:00:00</PromulgationDate></PromulgationInfo><Subject>V/v thử</Subject><Content>Nội dung</Content>
</MessageHeader><Manifest><Attachment><Content>{B64}</Content><FileName>125.pdf</FileName><FileType>application/pdf</FileType></Attachment></Manifest>
</EdXMLEnvelope>"""
D6 = D2.replace("<edXML:Subject>", "<edXML:ApplicationType>MCDT_DT</edXML:ApplicationType><edXML:Subject>").replace(
    "<edXML:ResponseFor/>",
    "<edXML:OtherInfo><edXML:ReferenceCodes><edXML:ReferenceCode>HS-01</edXML:ReferenceCode></edXML:ReferenceCodes></edXML:OtherInfo>",
)


def swa(*, encoding: str = "binary", end: bytes = b"--", body: bytes = PDF) -> bytes:
    return (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b1"; type="text/xml"\r\n\r\n'
        b"--b1\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-ID: <root>\r\n\r\n" + (SOAP % "").encode() + b"\r\n--b1\r\n"
        b'Content-Type: application/pdf; name="125.pdf"\r\nContent-Transfer-Encoding: ' + encoding.encode() + b"\r\nContent-ID: <209>\r\n\r\n"
        b"" + body + b"\r\n--b1" + end + b"\r\n"
    )


def read(tmp_path: Path, data: str | bytes, name: str = "in") -> Package:
    path = tmp_path / f"{name}.edxml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_package(path, workdir=tmp_path)


@pytest.mark.parametrize(
    ("dialect", "data"),
    [("D1", D1), ("D2", D2), ("D3", D3), ("D4", D4), ("D4", swa()), ("D4", swa(encoding="base64", body=base64.encodebytes(PDF))), ("D5", D5), ("D6", D6)],
    ids=["D1", "D2", "D3", "D4-inline", "D4-mime", "D4-mime-base64", "D5", "D6"],
)
def test_the_same_facts(dialect: str, data: str | bytes, tmp_path: Path) -> None:
    package = read(tmp_path, data)
    assert package.dialect == dialect
    h = package.header
    assert (h.sender.code, h.sender.name, h.sender.in_charge) == ("000.00.99.H56", "Sở A (mô phỏng)", "UBND tỉnh (mô phỏng)")
    assert [o.code for o in h.recipients] == ["H56.97"]
    assert (h.code_number, h.code_notation, h.subject, h.promulgation_date) == ("125", "QĐ-UBND", "V/v thử", date(2026, 11, 20))
    (file,) = package.attachments
    assert (file.name, file.media_type, file.size) == ("125.pdf", "application/pdf", len(PDF))
    assert file.path is not None and file.path.read_bytes() == PDF
    assert file.declared_type == "application/pdf" and not file.unwrapped
    assert not package.extensions
    # And each goes out in the reference form with the same facts.
    _, left_out = convert(tmp_path / "in.edxml", tmp_path / "out.edxml", workdir=tmp_path)
    assert [f.place for f in left_out] == (["edXMLHeader/Signature"] if dialect == "D3" else [])
    again = read(tmp_path, (tmp_path / "out.edxml").read_bytes(), "again")
    assert again.header == h and again.attachments[0].sha256 == file.sha256


def test_what_only_one_dialect_says(tmp_path: Path) -> None:
    d3, d4, d6 = read(tmp_path, D3), read(tmp_path, D4), read(tmp_path, D6)
    assert d3.header.business.kind is Kind.RECALL and d3.has_xml_signature
    assert (d3.header.full_name, d3.header.position, d3.header.due_date) == ("Nguyễn Văn A", "Chủ tịch", date(2026, 12, 1))
    assert (d4.header.full_name, d4.header.position) == ("Nguyễn Văn A", "Chủ tịch")
    assert (d6.header.application_type, d6.header.reference_codes) == ("MCDT_DT", ("HS-01",))
    assert "edxml.empty_response" in {f.code for f in read(tmp_path, D2).findings}


def test_gateway_packages(tmp_path: Path) -> None:
    name = "<AttachmentName>phu luc.pdf</AttachmentName>"
    second = f"<Attachment><ContentId>2</ContentId>{name}<ContentTransferEncoded>{B64}</ContentTransferEncoded></Attachment>"
    data = D1.replace("<edXML:OrganId>000.00.99.H56</edXML:OrganId><edXML:Timestamp>", "<edXML:OrganId>null</edXML:OrganId><edXML:Timestamp>")
    data = data.replace("</AttachmentEncoded>", second + "</AttachmentEncoded>")
    package = read(tmp_path, data)
    assert package.dialect == "D7" and [a.name for a in package.attachments] == ["125.pdf", "phu luc.pdf"]
    assert {"edxml.trace_organ", "edxml.unlisted"} <= {f.code for f in package.findings}


def test_the_least_that_was_ever_sent(tmp_path: Path) -> None:
    """From, To, DocumentId and Subject only, a UUID for an id, no Bussiness (edxml.md 1.2, 1.6)."""
    data = f"""<edXML xmlns="{QCVN}"><edXMLEnvelope><edXMLHeader><MessageHeader><From><OrganId>vxp.saas.03</OrganId></From><To><OrganId>H56</OrganId></To>
    <DocumentId>6c1f0b9e-0000-4000-8000-000000000001</DocumentId><Subject>Thử</Subject></MessageHeader></edXMLHeader></edXMLEnvelope>
    <AttachmentEncoded><Attachment><ContentTransferEncoded>{B64}</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>"""
    package = read(tmp_path, data)
    assert package.header.business.kind is Kind.NEW and package.attachments[0].file_name == "attachment-1"
    assert not package.rejects


def zipped(entry: str, body: bytes, *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(entry, body)
    return out.getvalue()


ENTRY = "0f8fad5b-d9cb-469f-a165-70867728950e.xlsx"


def with_file(tmp_path: Path, body: bytes, name: str = "so lieu.xlsx") -> Attachment:
    data = D3.replace(B64, base64.b64encode(body).decode()).replace("125.pdf", name)
    return read(tmp_path, data).attachments[0]


def test_the_builders_zip_is_unwrapped(tmp_path: Path) -> None:
    wrapped = zipped(ENTRY, PDF)
    file = with_file(tmp_path, wrapped)
    assert file.unwrapped and file.media_type == "application/pdf" and file.path is not None and file.path.read_bytes() == PDF
    assert file.stored_path is not None and file.stored_path.read_bytes() == wrapped and file.stored_size == len(wrapped)
    assert file.sha256 != file.stored_sha256
    # A PDF that was wrapped leaves unwrapped; anything else leaves in its ZIP (emit rules).
    convert(tmp_path / "in.edxml", tmp_path / "out.edxml", workdir=tmp_path)
    assert B64.encode() in (tmp_path / "out.edxml").read_bytes()
    body = zipped(ENTRY, b"du lieu")
    with_file(tmp_path, body)
    convert(tmp_path / "in.edxml", tmp_path / "out.edxml", workdir=tmp_path)
    assert base64.b64encode(body) in (tmp_path / "out.edxml").read_bytes()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (zipped(ENTRY, PDF), "goc.zip"),  # sent as a ZIP on purpose
        (zipped("bao cao.xlsx", PDF), "so lieu.xlsx"),  # not the builder's name
        (zipped("../../" + ENTRY, PDF), "so lieu.xlsx"),
        (zipped("/etc/" + ENTRY, PDF), "so lieu.xlsx"),
        (b"PK\x03\x04 not a zip at all", "so lieu.xlsx"),
    ],
)
def test_other_zips_stay(tmp_path: Path, body: bytes, name: str) -> None:
    file = with_file(tmp_path, body, name)
    assert not file.unwrapped and file.path is not None and file.path.read_bytes() == body


def test_types_by_their_bytes() -> None:
    assert sniff_type(zipped("a.pdf", PDF, method=zipfile.ZIP_STORED)[:512]) == "application/zip"
    assert sniff_type(b"junk %PDF-1.4") == "application/pdf"
    assert sniff_type(b"PK\x03\x04" + bytes(60) + b"%PDF-1.4") == "application/pdf"  # a viewer may open it as one
    assert sniff_type(b"\xef\xbb\xbf<?xml version") == "application/xml"
    assert sniff_type("Công văn".encode() + b"\xc3") == "text/plain"
    assert sniff_type(b"\x00\x01\x02") == "application/octet-stream"


def test_mime_that_is_broken(tmp_path: Path) -> None:
    for cut in range(1, 40):
        data = swa()
        with pytest.raises(EnvelopeError):
            read(tmp_path, data[: len(data) * cut // 41])
    with pytest.raises(NotXml):
        read(tmp_path, swa(end=b""))
    with pytest.raises(DamagedAttachment):
        read(tmp_path, swa(encoding="quoted-printable"))
    with pytest.raises(TooLarge):
        read(tmp_path, b"--b\r\n" + b"X: " + b"a" * 40_000)
    with pytest.raises(NotXml):
        read(tmp_path, b"--b\r\n\r\n<edXML>\r\n--b--\r\n")


def test_a_status_in_other_dialects(tmp_path: Path) -> None:
    status = SOAP_HEADER.replace("<eDoc:To><eDoc:OrganId>H56.97</eDoc:OrganId></eDoc:To>", "")
    status = status.replace(
        "<eDoc:Subject>V/v thử</eDoc:Subject>",
        "<eDoc:ResponseFor><eDoc:Code>1/QĐ</eDoc:Code><eDoc:PromulgationDate>20/11/2026</eDoc:PromulgationDate><eDoc:DocumentId>x</eDoc:DocumentId>"
        "<eDoc:OrganId>A</eDoc:OrganId></eDoc:ResponseFor><eDoc:StatusCode>03</eDoc:StatusCode><eDoc:Timestamp>20/11/2026 09:00:00</eDoc:Timestamp>",
    )
    data = SOAP.replace(SOAP_HEADER, status).replace("%s", "")
    found = read_status(data.encode())
    assert (found.code, found.response_for.organ, found.response_for.document_id, found.dialect) == ("03", "A", "x", "D4")
    assert found.timestamp is not None and found.timestamp.isoformat() == "2026-11-20T09:00:00+07:00"
    path = tmp_path / "s.edxml"
    path.write_text(data)
    assert isinstance(read_any(path, workdir=tmp_path), StatusMessage)
    odd = inspect_status(data.replace("03</eDoc:StatusCode>", "44</eDoc:StatusCode>").encode())
    assert "edxml.code_list" in {f.code for f in odd.findings}
    with pytest.raises(MissingField):
        read_status(data.replace("ResponseFor", "Odd").encode())


def test_reports_name_everything_at_once(tmp_path: Path) -> None:
    data = D3.replace("<edXML:To><edXML:OrganId>H56.97</edXML:OrganId></edXML:To>", "").replace(">d3<", "><")
    data = data.replace(B64, "JVB!").replace("DocType>1", "DocType>7")
    (tmp_path / "in.edxml").write_text(data)
    package = inspect_package(tmp_path / "in.edxml", workdir=tmp_path)
    assert [(f.code, f.place) for f in package.rejects] == [
        ("envelope.missing_field", "MessageHeader/DocumentId"),
        ("envelope.missing_field", "MessageHeader/To"),
        ("envelope.invalid_field", "TraceHeaderList/Bussiness/BussinessDocType"),
        ("envelope.damaged_attachment", "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"),
    ]
    assert package.header.raw_text("TraceHeaderList/Bussiness/BussinessDocType") == "7"
