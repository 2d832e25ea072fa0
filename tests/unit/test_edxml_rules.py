"""Each accept rule, each mark of a dialect and each emit rule of edXML by itself (edxml.md 1.10–1.12), so that losing one is seen."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from exchange.edxml.parser import EDOC, Limits
from exchange.edxml.read import inspect_package, parse_date, read_package
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, Outgoing, Package, ResponseFor
from exchange.errors import NotEdxml, NotXml, TooLarge
from tests.unit.test_edxml_dialects import B64, D1, D2, D3, D4, D6, PDF, QCVN, read

TRACE = "<edXML:TraceHeader><edXML:OrganId>000.00.99.H56</edXML:OrganId>"
NO_TRACE = re.sub("<edXML:TraceHeaderList.*</edXML:TraceHeaderList>", "", D1, flags=re.DOTALL)
OTHER = "<edXML:OtherInfo>%s</edXML:OtherInfo><edXML:Subject>"
SECOND = f"<Attachment><ContentId>2</ContentId><AttachmentName>phu luc.pdf</AttachmentName><ContentTransferEncoded>{B64}</ContentTransferEncoded></Attachment>"


def told(tmp_path: Path, data: str) -> set[str]:
    """Codes of the findings of a package that may be refused."""
    path = tmp_path / "told.edxml"
    path.write_text(data)
    return {f.code for f in inspect_package(path, workdir=tmp_path).findings}


def test_utf_16_is_refused_without_a_declaration_too(tmp_path: Path) -> None:
    bare = D1.partition("?>")[2].lstrip()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(NotXml):
            read(tmp_path, bare.encode(encoding))


@pytest.mark.parametrize("limits", [Limits(depth=5), Limits(elements=20), Limits(text=300), Limits(size=1000)], ids=["depth", "elements", "text", "size"])
def test_each_limit_is_one(limits: Limits, tmp_path: Path) -> None:
    path = tmp_path / "in.edxml"
    path.write_text(D1)
    with pytest.raises(TooLarge):
        read_package(path, workdir=tmp_path, limits=limits)
    assert read_package(path, workdir=tmp_path, limits=Limits(depth=7, elements=60, text=3000, size=8000))


def test_undeclared_prefixes_of_elements_and_of_attributes_are_each_told(tmp_path: Path) -> None:
    for old, new in (("<edXML:Subject>V/v thử</edXML:Subject>", "<z:Subject>V/v thử</z:Subject>"), ("<edXML:Reference>", '<edXML:Reference q:role="x">')):
        package = read(tmp_path, D1.replace(old, new))
        assert package.header.subject == "V/v thử" and "edxml.undeclared_prefix" in {f.code for f in package.findings}


@pytest.mark.parametrize("namespace", [EDOC, EDOC.rstrip("/"), "http://www.go.vn/eDoc", ""])
def test_every_namespace_in_use_is_read(namespace: str, tmp_path: Path) -> None:
    data = re.sub(' xmlns:edXML="[^"]*"', "", D1).replace("edXML:", "").replace(f' xmlns="{QCVN}"', f' xmlns="{namespace}"' if namespace else "")
    if namespace.endswith("go.vn/eDoc"):
        data = data.replace("ContentTransferEncoded>", "Content>")
    package = read(tmp_path, data)
    assert package.header.subject == "V/v thử" and package.attachments[0].size == len(PDF)


def test_both_soap_namespaces_are_read_and_no_other_root(tmp_path: Path) -> None:
    assert read(tmp_path, D4.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")).dialect == "D4"
    for wrong in (D4.replace("http://schemas.xmlsoap.org/soap/envelope/", "urn:x"), re.sub("(</?)edXML(?=[ >])", r"\1other", D1)):
        with pytest.raises(NotEdxml):
            read(tmp_path, wrong)


def test_names_count_whatever_their_case(tmp_path: Path) -> None:
    package = read(tmp_path, D1.replace("edXML:Subject>", "edXML:SUBJECT>").replace("edXML:CodeNumber>", "edXML:codenumber>"))
    assert (package.header.subject, package.header.code_number) == ("V/v thử", "125")


def test_business_in_its_right_spelling(tmp_path: Path) -> None:
    more = "<edXML:BussinessDocReason>Ban hành nhầm</edXML:BussinessDocReason>"
    more += "<edXML:BussinessDocumentInfo><edXML:DocumentInfo>1</edXML:DocumentInfo></edXML:BussinessDocumentInfo>"
    data = D1.replace("DocType>0</edXML:BussinessDocType>", f"DocType>2</edXML:BussinessDocType>{more}")
    wrong, right = read(tmp_path, data), read(tmp_path, data.replace("Bussiness", "Business"))
    assert right.header.business == wrong.header.business
    assert (right.header.business.kind, right.header.business.reason, right.header.business.content_changed) == (Kind(2), "Ban hành nhầm", True)
    assert {f.code for f in right.findings} - {f.code for f in wrong.findings} == {"edxml.business_spelling"}


def test_dates_at_the_edges() -> None:
    assert parse_date("2026-11-19T12:00:00-07:00") == date(2026, 11, 20)
    assert parse_date("2100/12/31") == date(2100, 12, 31) and parse_date("2101/01/01") is None
    assert parse_date("2026/11/20 23:30") == date(2026, 11, 20)  # without a zone it is Vietnam's


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "raw"),
    [
        ("<edXML:Type>18<", "<edXML:Type>B18<", "edxml.value", "MessageHeader/DocumentType/Type", "B18"),
        ("<edXML:Type>18<", "<edXML:Type>70000<", "edxml.value", "MessageHeader/DocumentType/Type", "70000"),
        ("<edXML:Type>18<", "<edXML:Type>-1<", "edxml.value", "MessageHeader/DocumentType/Type", "-1"),
        ("<edXML:Type>18<", "<edXML:Type><", "edxml.empty", "MessageHeader/DocumentType/Type", ""),
        ("Date>2026/11/20<", "Date>20/11/2026<", "edxml.date_form", "MessageHeader/PromulgationInfo/PromulgationDate", "20/11/2026"),
        ("Date>2026/11/20<", "Date>hôm nay<", "edxml.value", "MessageHeader/PromulgationInfo/PromulgationDate", "hôm nay"),
        ("<edXML:Subject>", OTHER % "<edXML:Direction>maybe</edXML:Direction>", "edxml.value", "MessageHeader/OtherInfo/Direction", "maybe"),
        ("Timestamp>2026/11/20 08:30:00<", "Timestamp>sáng nay<", "edxml.value", "TraceHeaderList/TraceHeader[1]/Timestamp", "sáng nay"),
    ],
)
def test_what_does_not_parse_is_told_and_its_text_is_kept(old: str, new: str, code: str, place: str, raw: str, tmp_path: Path) -> None:
    assert old in D1
    package = read(tmp_path, D1.replace(old, new, 1))
    assert (code, place) in {(f.code, f.place) for f in package.findings} and (place, raw) in package.header.raw
    assert package.header.promulgation_date == (None if "hôm nay" in new else date(2026, 11, 20))
    assert package.header.type_group == (None if "Type" in old else 18)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    assert "edxml.no_trace" in told(tmp_path, NO_TRACE)
    assert "edxml.no_business" in told(tmp_path, re.sub("<edXML:Bussiness>.*</edXML:Bussiness>", "", D1))
    no_id = D1.replace("<edXML:ContentId>cid:209</edXML:ContentId>", "<edXML:AttachmentName>125.pdf</edXML:AttachmentName>").replace(
        "<ContentId>209</ContentId>", ""
    )
    assert "edxml.no_content_id" in told(tmp_path, no_id)
    two = no_id.replace("</edXML:edXMLManifest>", "<edXML:Reference><edXML:AttachmentName>b.pdf</edXML:AttachmentName></edXML:Reference></edXML:edXMLManifest>")
    assert "envelope.missing_attachment" in told(tmp_path, two)
    gone = D1.replace("</edXML:edXMLManifest>", "<edXML:Reference><edXML:ContentId>cid:7</edXML:ContentId></edXML:Reference></edXML:edXMLManifest>")
    package = inspect_of(tmp_path, gone.replace("</AttachmentEncoded>", SECOND + "</AttachmentEncoded>"))
    assert [(f.code, f.place) for f in package.rejects] == [("envelope.missing_attachment", "edXMLManifest/Reference[2]")]


def inspect_of(tmp_path: Path, data: str) -> Package:
    path = tmp_path / "inspected.edxml"
    path.write_text(data)
    return inspect_package(path, workdir=tmp_path)


def test_unknown_elements_are_kept_and_told_at_the_top_too(tmp_path: Path) -> None:
    package = read(tmp_path, D1.replace("<AttachmentEncoded>", "<HopThu>kho 7</HopThu><AttachmentEncoded>", 1))
    assert ("edXML/HopThu", "kho 7") in package.extensions and "edxml.unknown_element" in {f.code for f in package.findings}


def test_types_are_those_of_the_bytes(tmp_path: Path) -> None:
    package = read(tmp_path, D1.replace("<ContentType>application/pdf<", "<ContentType>application/zip<"))
    assert (package.attachments[0].declared_type, package.attachments[0].media_type) == ("application/zip", "application/pdf")
    assert "edxml.type_mismatch" in {f.code for f in package.findings} and "edxml.type_mismatch" not in told(tmp_path, D1)


XSI, XSD = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"', 'xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
PREFIXED = re.sub("(</?)(AttachmentEncoded|Attachment)>", r"\1e:\2>", D1)
MARKS = {
    "D1 has none": (D1, "D1"),
    "D2 xsi and xsd": (D1.replace("<edXML ", f"<edXML {XSI} {XSD} ", 1), "D2"),
    "D2 needs both": (D1.replace("<edXML ", f"<edXML {XSI} ", 1), "D1"),
    "D2 DigitalSignature": (D1.replace("</edXML:edXMLHeader>", "<edXML:DigitalSignature/></edXML:edXMLHeader>"), "D2"),
    "D2 mustUnderstand": (D1.replace('<edXML:TraceHeaderList id="1"', '<edXML:TraceHeaderList mustUnderstand="1"'), "D2"),
    "D2 actor": (D1.replace('<edXML:TraceHeaderList id="1"', '<edXML:TraceHeaderList actor="x"'), "D2"),
    "D2 href": (D1.replace("<edXML:Reference>", '<edXML:Reference xlink:href="cid:209">'), "D2"),
    "D3 OrganInCharge": (D1.replace("OrganizationInCharge>", "OrganInCharge>"), "D3"),
    "D3 prefixed attachments": (PREFIXED.replace("<e:AttachmentEncoded>", f'<e:AttachmentEncoded xmlns:e="{QCVN}">'), "D3"),
    "D3 namespace": (D1.replace(QCVN, EDOC), "D3"),
    "D6 ApplicationType": (D1.replace("<edXML:Subject>", "<edXML:ApplicationType>MCDT_DT</edXML:ApplicationType><edXML:Subject>"), "D6"),
    "D6 ReferenceCodes in OtherInfo": (D1.replace("<edXML:Subject>", OTHER % "<edXML:ReferenceCodes>HS-01</edXML:ReferenceCodes>"), "D6"),
    "D6 ReferenceCodes in the header": (D1.replace("<edXML:Subject>", "<edXML:ReferenceCodes>HS-01</edXML:ReferenceCodes><edXML:Subject>"), "D6"),
    "D7 null": (D1.replace(TRACE, TRACE.replace("000.00.99.H56", "null")).replace("</AttachmentEncoded>", SECOND + "</AttachmentEncoded>"), "D7"),
    "D7 missing": (D1.replace(TRACE, "<edXML:TraceHeader>").replace("</AttachmentEncoded>", SECOND + "</AttachmentEncoded>"), "D7"),
    "D7 needs several files": (D1.replace(TRACE, TRACE.replace("000.00.99.H56", "null")), "D1"),
}


@pytest.mark.parametrize("mark", MARKS)
def test_each_mark_alone_tells_the_dialect(mark: str, tmp_path: Path) -> None:
    data, dialect = MARKS[mark]
    assert mark == "D1 has none" or data != D1
    package = read(tmp_path, data)
    assert package.dialect == dialect and package.header.subject == "V/v thử" and package.attachments[0].size == len(PDF)
    if "ReferenceCodes" in mark:
        assert package.header.reference_codes == ("HS-01",)
    if mark in ("D7 null", "D7 missing", "D7 needs several files"):
        assert "edxml.trace_organ" in {f.code for f in package.findings}


def test_d2_the_manifest_orders_files_by_href_alone(tmp_path: Path) -> None:
    hrefs = '<edXML:Reference xlink:href="cid:2"/><edXML:Reference xlink:href="cid:209"/>'
    data = re.sub("<edXML:Reference .*</edXML:Reference>", hrefs, D2).replace("</AttachmentEncoded>", SECOND + "</AttachmentEncoded>")
    assert [a.name for a in read(tmp_path, data).attachments] == ["phu luc.pdf", "125.pdf"]


def test_d3_the_document_answered_is_not_the_document(tmp_path: Path) -> None:
    about = "<edXML:ResponseFor><edXML:OrganId>A</edXML:OrganId><edXML:Code>9/CV</edXML:Code><edXML:DocumentId>other</edXML:DocumentId></edXML:ResponseFor>"
    header = read(tmp_path, D3.replace("<edXML:Subject>", about + "<edXML:Subject>")).header
    assert (header.document_id, header.code_number, header.responses_for) == ("d3", "125", (ResponseFor("A", "9/CV", "other"),))


def test_d4_names_in_attributes_and_secrecy(tmp_path: Path) -> None:
    data = D4.replace("<eDoc:name>125.pdf</eDoc:name>", "").replace('ContentId="cid:209">', 'ContentId="cid:209" name="125.pdf">')
    assert read(tmp_path, data).attachments[0].name == "125.pdf"
    # The hub refuses what a package says to be secret; it must first be read, wherever it is said.
    for level, said in (("Mật", "Mật"), ("Tuyệt mật", "Tuyệt mật"), ("Thường", ""), ("0", "")):
        assert read(tmp_path, D4.replace("<eDoc:Subject>", f"<eDoc:Secret>{level}</eDoc:Secret><eDoc:Subject>")).header.secrecy == said
    assert read(tmp_path, D6.replace("<edXML:OtherInfo>", "<edXML:OtherInfo><edXML:SecretLevel>Mật</edXML:SecretLevel>")).header.secrecy == "Mật"


ORDER = """edXML edXMLEnvelope edXMLHeader MessageHeader From OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website To OrganId
DocumentId Code CodeNumber CodeNotation PromulgationInfo Place PromulgationDate DocumentType Type TypeDetail TypeName Subject Content
SignerInfo Competence Position FullName DueDate OtherInfo Priority SphereOfPromulgation TyperNotation PromulgationAmount PageAmount
Direction ResponseFor OrganId Code DocumentId PromulgationDate SteeringType ToPlaces Place TraceHeaderList Bussiness BussinessDocType Paper
TraceHeader OrganId Timestamp edXMLBody edXMLManifest Reference ContentId ContentType Description AttachmentName AttachmentEncoded
Attachment ContentId AttachmentName Description ContentType ContentTransferEncoded"""


def written(tmp_path: Path, header: Header) -> str:
    file = tmp_path / "f.pdf"
    file.write_bytes(PDF * 100)
    write_package(tmp_path / "w.edxml", header, [Outgoing("f.pdf", "Văn bản", "application/pdf", file)])
    return (tmp_path / "w.edxml").read_bytes().decode()


def test_emitted_elements_stand_in_the_reference_order_and_parse_strictly(tmp_path: Path) -> None:
    wanted = read(tmp_path, D1).header
    organ = Organ("A", "Sở A (mô phỏng)", "UBND", "Phố", "a@example.vn", "1", "2", "https://example.vn")
    about = ResponseFor("B", "9/CV", "x", "2026/11/01")
    header = replace(wanted, sender=organ, place="Huế", type_detail=1, content="c", competence="TM.", position="Chủ tịch", full_name="A", sphere="s")
    header = replace(header, typer_notation="t", amount=1, pages=2, responses_for=(about,), steering_type=1, to_places=("Lưu",), due_date=date(2026, 12, 1))
    text = written(tmp_path, header)
    root = ElementTree.fromstring(text)
    assert [e.tag.rpartition("}")[2] for e in root.iter()] == ORDER.split()
    assert {e.tag.rpartition("}")[0] for e in root.iter()} == {"{" + QCVN}


def test_emitted_text_follows_each_rule(tmp_path: Path) -> None:
    text = written(tmp_path, Header(Organ("A"), (Organ("B"),), "A,1", subject="a\r\nb & <c>", content="", due_date=date(2026, 12, 1), business=Business()))
    assert text.startswith("<?xml") and "<edXML:Subject>a&#13;\nb &amp; &lt;c&gt;</edXML:Subject>" in text
    assert text.count(">cid:att-1<") == 2 and text.count(">application/pdf<") == 2 and text.count(">f.pdf<") == 2
    assert "<edXML:Bussiness>\r\n          <edXML:BussinessDocType>0<" in text and "<edXML:DueDate>2026/12/01<" in text
    assert base64.b64encode(PDF * 100).decode() in text and "Content>" not in text and "Type>" in text
