"""read — đọc gói tin: an edXML document package into values; attachments into files.

Strictly safe, otherwise tolerant (edxml.md 1.11): children in any order, both
spellings of Bussiness, three date forms; what did not parse is kept as raw text
with a warning. Types of attachments are told by magic bytes, never believed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from pathlib import Path

from exchange.edxml.parser import Limits, Node, Reader, header_of, parse_file
from exchange.envelope import (
    Attachment,
    Business,
    Finding,
    Header,
    Kind,
    Organ,
    Package,
    Priority,
    ReceiverChange,
    Replacement,
    ResponseFor,
    Severity,
    Staff,
    Trace,
)
from exchange.errors import DamagedAttachment, InvalidField, MissingAttachment, MissingField

_ONCE = ("From", "DocumentId", "Code", "PromulgationInfo", "DocumentType", "Subject", "SignerInfo", "OtherInfo")
_SECRECY = ("Secret", "SecretLevel", "Secrecy", "SecurityLevel", "DoMat", "Confidential")
_OPEN = ("", "0", "khong", "thuong", "none", "false", "normal", "không", "thường")
_FLOOD = 32  # that many U+FFFD in a binary file come from a text round trip, not from chance
_DATE = re.compile(r"(\d{1,4})[/-](\d{1,2})[/-](\d{1,4})(?:[ T].*)?")


class _Values:
    """Reads typed values and collects what did not parse."""

    def __init__(self) -> None:
        self.raw: list[tuple[str, str]] = []
        self.findings: list[Finding] = []

    def warn(self, code: str, vi: str, en: str, place: str) -> None:
        self.findings.append(Finding(Severity.WARNING, code, vi, en, place))

    def _bad(self, place: str, text: str) -> None:
        self.raw.append((place, text[:200]))
        self.warn("edxml.value", "Giá trị không đọc được; giữ nguyên văn.", "The value does not parse; its text is kept.", place)

    def integer(self, node: Node, path: str) -> int | None:
        text = node.value(path)
        if not text:
            return None
        if not re.fullmatch(r"\d{1,9}", text):
            self._bad(f"MessageHeader/{path}", text)
            return None
        return int(text)

    def day(self, node: Node, path: str) -> date | None:
        text = node.value(path)
        if not text:
            return None
        found = parse_date(text)
        if found is None:
            self._bad(f"MessageHeader/{path}", text)
        return found


def parse_date(text: str) -> date | None:
    """``yyyy/MM/dd``, ``dd/MM/yyyy`` or ISO; the four-digit group decides the order; 1990…2100."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    first, month, last = match.groups()
    if (len(first) == 4) == (len(last) == 4):
        return None
    year, day = (first, last) if len(first) == 4 else (last, first)
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if 1990 <= found.year <= 2100 else None


def read_package(source: Path, *, workdir: Path, limits: Limits | None = None) -> Package:
    """Gate: read a document package from `source`; attachments go to files in `workdir`.

    Raises:
        EnvelopeError: unsafe, malformed, incomplete or damaged; `place` says where.
    """
    reader = parse_file(source, limits or Limits(), workdir)
    header_node, message = header_of(reader)
    values = _Values()
    header = _header(header_node, message, values)
    attachments = _attachments(reader, values)
    signed = any(True for _ in header_node.all("Signature"))
    return Package(header, attachments, _dialect(reader), signed, tuple(values.findings))


def _dialect(reader: Reader) -> str:
    return "D1" if reader.namespace.endswith("QCVN_102_2016") else reader.namespace or "none"


def _header(header_node: Node, message: Node, values: _Values) -> Header:
    for name in _ONCE:
        if sum(1 for _ in message.all(name)) > 1:
            raise InvalidField("repeated", place=f"MessageHeader/{name}")
    sender = message.find("From")
    if sender is None or not sender.value("OrganId"):
        raise MissingField("OrganId", place="MessageHeader/From/OrganId")
    document_id = message.value("DocumentId")
    if not document_id:
        raise MissingField("DocumentId", place="MessageHeader/DocumentId")
    if len(document_id) > 500:
        raise InvalidField("longer than 500 characters", place="MessageHeader/DocumentId")
    priority = values.integer(message, "OtherInfo/Priority") or 0
    traces = header_node.find("TraceHeaderList")
    direction = message.value("OtherInfo/Direction").lower()
    return Header(
        sender=organ(sender),
        recipients=tuple(organ(node) for node in message.all("To")),
        document_id=nfc(document_id),
        subject=nfc(message.value("Subject")),
        code_number=nfc(message.value("Code/CodeNumber")),
        code_notation=nfc(message.value("Code/CodeNotation")),
        place=nfc(message.value("PromulgationInfo/Place")),
        promulgation_date=values.day(message, "PromulgationInfo/PromulgationDate"),
        type_group=values.integer(message, "DocumentType/Type"),
        type_detail=values.integer(message, "DocumentType/TypeDetail"),
        type_name=nfc(message.value("DocumentType/TypeName")),
        content=nfc(message.value("Content")),
        competence=nfc(message.value("SignerInfo/Competence")),
        position=nfc(message.value("SignerInfo/Position")),
        full_name=nfc(message.value("SignerInfo/FullName")),
        due_date=values.day(message, "DueDate"),
        priority=Priority(priority) if priority in tuple(Priority) else Priority.NORMAL,
        sphere=nfc(message.value("OtherInfo/SphereOfPromulgation")),
        typer_notation=nfc(message.value("OtherInfo/TyperNotation")),
        amount=values.integer(message, "OtherInfo/PromulgationAmount"),
        pages=values.integer(message, "OtherInfo/PageAmount"),
        direction=None if direction not in ("true", "false") else direction == "true",
        appendixes=_texts(message.find("OtherInfo/Appendixes"), "Appendix"),
        responses_for=tuple(r for r in map(response_for, message.all("ResponseFor")) if r != ResponseFor()),
        steering_type=values.integer(message, "SteeringType"),
        to_places=_texts(message.find("ToPlaces"), "Place"),
        business=_business(traces, values),
        traces=tuple(Trace(t.value("OrganId"), t.value("Timestamp")) for t in (traces.all("TraceHeader") if traces else ())),
        secrecy=_secrecy(message),
        raw=tuple(values.raw),
    )


def nfc(text: str) -> str:
    """Unicode NFC."""
    return unicodedata.normalize("NFC", text)


def organ(node: Node) -> Organ:
    """From or To."""
    return Organ(
        code=node.value("OrganId"),
        name=nfc(node.value("OrganName")),
        in_charge=nfc(node.value("OrganizationInCharge") or node.value("OrganInCharge")),
        address=nfc(node.value("OrganAdd")),
        email=node.value("Email"),
        telephone=node.value("Telephone"),
        fax=node.value("Fax"),
        website=node.value("Website"),
    )


def response_for(node: Node) -> ResponseFor:
    """ResponseFor of a document or a status."""
    return ResponseFor(node.value("OrganId"), nfc(node.value("Code")), nfc(node.value("DocumentId")), node.value("PromulgationDate"))


def staff(node: Node | None) -> Staff | None:
    """StaffInfo."""
    if node is None:
        return None
    return Staff(nfc(node.value("Department")), nfc(node.value("Staff")), node.value("Email"), node.value("Mobile"))


def _business(traces: Node | None, values: _Values) -> Business:
    node = (traces.find("Bussiness") or traces.find("Business")) if traces else None
    if node is None:
        values.warn("edxml.no_business", "Không có Bussiness; coi là văn bản mới.", "No Bussiness element; taken as a new document.", "TraceHeaderList")
        return Business()
    kind = node.value("BussinessDocType") or node.value("BusinessDocType") or "0"
    if kind not in ("0", "1", "2", "3"):
        raise InvalidField(kind[:20], place="TraceHeaderList/Bussiness/BussinessDocType")
    info = node.find("BussinessDocumentInfo") or node.find("BusinessDocumentInfo")
    receivers = info.find("ReceiverList") if info else None
    replacements = node.find("ReplacementInfoList")
    return Business(
        kind=Kind(int(kind)),
        document_id=nfc(node.value("DocumentId")),
        reason=nfc(node.value("BussinessDocReason") or node.value("BusinessDocReason")),
        paper=node.value("Paper") not in ("", "0"),
        content_changed=info.value("DocumentInfo") == "1" if info else None,
        receivers_changed=info.value("DocumentReceiver") == "1" if info else None,
        receivers=tuple(ReceiverChange(r.value("OrganId"), r.value("ReceiverType") == "1") for r in (receivers.all("Receiver") if receivers else ())),
        replacements=tuple(
            Replacement(nfc(r.value("DocumentId")), _texts(r.find("OrganIdList"), "OrganId"))
            for r in (replacements.all("ReplacementInfo") if replacements else ())
        ),
        staff=staff(node.find("StaffInfo")),
    )


def _texts(node: Node | None, name: str) -> tuple[str, ...]:
    return tuple(nfc(c.text.strip()) for c in node.all(name)) if node is not None else ()


def _secrecy(message: Node) -> str:
    other = message.find("OtherInfo")
    for parent in (message, other) if other is not None else (message,):
        for name in _SECRECY:
            for node in parent.all(name):
                if node.text.strip().lower() not in _OPEN:
                    return nfc(node.text.strip())
    return ""


def _attachments(reader: Reader, values: _Values) -> tuple[Attachment, ...]:
    root = reader.root
    if root is None:
        raise MissingField("root", place="/")
    body = root.find("edXMLEnvelope/edXMLBody/edXMLManifest") or root.find("edXMLBody/edXMLManifest")
    references = list(body.all("Reference")) if body else []
    listed = [_content_id(node) for node in references]
    encoded = root.find("AttachmentEncoded") or root.find("edXMLEnvelope/AttachmentEncoded")
    found = list(encoded.all("Attachment")) if encoded else []
    by_id = {_content_id(node): node for node in found}
    for number, (identity, node) in enumerate(zip(listed, references, strict=True), 1):
        if identity and identity not in by_id:
            raise MissingAttachment(nfc(node.value("AttachmentName")) or identity, place=f"edXMLManifest/Reference[{number}]")
    if len(references) > len(found):
        raise MissingAttachment(f"{len(found)} of {len(references)}", place="AttachmentEncoded")
    # The manifest's order says which is the main document.
    ordered = [by_id[i] for i in listed if i in by_id] if listed else found
    ordered += [node for node in found if not any(node is known for known in ordered)]
    if len(ordered) > len(listed):
        values.warn("edxml.unlisted", "Có tệp không được khai báo trong danh mục.", "A file is not listed in the manifest.", "edXMLManifest")
    return tuple(_attachment(position, node) for position, node in enumerate(ordered))


def _content_id(node: Node) -> str:
    return node.value("ContentId").removeprefix("cid:")


def _attachment(position: int, node: Node) -> Attachment:
    place = f"AttachmentEncoded/Attachment[{position + 1}]"
    holder = node.find("ContentTransferEncoded")
    payload = holder.payload if holder is not None else None
    if payload is None or payload.size == 0:
        raise MissingAttachment("empty", place=place)
    media_type = sniff_type(payload.head)
    if payload.replacements >= _FLOOD and media_type != "text/plain":
        raise DamagedAttachment(f"{payload.replacements} × U+FFFD", place=place)
    return Attachment(
        position=position,
        content_id=_content_id(node),
        name=nfc(node.value("AttachmentName")),
        description=nfc(node.value("Description")),
        declared_type=node.value("ContentType"),
        media_type=media_type,
        size=payload.size,
        sha256=payload.sha256,
        path=payload.path,
    )


def sniff_type(head: bytes) -> str:
    """Media type by magic bytes of the first 512."""
    if b"%PDF-" in head:
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return "application/zip"
    if head.startswith(b"\x89PNG"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return "application/x-ole-storage"
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<?xml"):
        return "application/xml"
    return "text/plain" if not any(b < 9 for b in head) and _is_text(head) else "application/octet-stream"


def _is_text(head: bytes) -> bool:
    try:
        head[:500].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head[:500]) - 4
    return True
