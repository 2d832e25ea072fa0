"""write — ghi gói tin: values into the reference dialect (D1), byte-stable and streaming.

The emit rules are those of edxml.md 1.12: the order, prefix, line ends and indent of
the reference library, dates ``yyyy/MM/dd``, base64 on one line, ``cid:`` in both
places, always a Bussiness, no empty elements. The same values give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pybase64

from exchange.edxml.xml_text import NS, Lines, text_of
from exchange.envelope import Business, Header, Outgoing, Staff
from exchange.errors import InvalidField, Secret

_CHUNK = 3 * 256 * 1024  # a multiple of three: base64 of the chunks joins without padding


class _Out:
    """A file that is hashed as it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.hash = file, hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.hash.update(data)


def write_package(target: Path, header: Header, attachments: Sequence[Outgoing]) -> str:
    """Write a document package to `target`; lower-hex SHA-256 of its bytes.

    The first attachment is the main document.

    Raises:
        InvalidField: text that XML cannot carry, or two attachments of one content id.
        Secret: the header declares a secrecy level; there is no place for it on this exchange.
    """
    if header.secrecy:
        raise Secret(header.secrecy[:40], place="MessageHeader")
    identities = [a.content_id or f"att-{number}" for number, a in enumerate(attachments, 1)]
    if len(set(identities)) != len(identities):
        raise InvalidField("repeated", place="edXMLManifest/Reference/ContentId")
    with target.open("wb") as file:
        out = _Out(file)
        out.write(_envelope(header, attachments, identities))
        for attachment, identity in zip(attachments, identities, strict=True):
            _attachment(out, attachment, identity)
        out.write(b"  </AttachmentEncoded>\r\n</edXML>\r\n" if attachments else b"</edXML>\r\n")
        return out.hash.hexdigest()


def _envelope(header: Header, attachments: Sequence[Outgoing], identities: Sequence[str]) -> bytes:
    lines = Lines()
    lines.raw('<?xml version="1.0" encoding="UTF-8"?>')
    lines.raw(f'<edXML xmlns="{NS}">')
    lines.raw(f'  <edXML:edXMLEnvelope xmlns:edXML="{NS}">')
    with lines.element("edXMLHeader", 2):
        with lines.element("MessageHeader", 3):
            _message(lines, header)
        with lines.element("TraceHeaderList", 3):
            _business(lines, header.business)
            for trace in (t for t in header.traces if t.organ or t.timestamp):
                with lines.element("TraceHeader", 4):
                    lines.texts(5, OrganId=trace.organ, Timestamp=trace.timestamp)
    with lines.element("edXMLBody", 2), lines.element("edXMLManifest", 3, ' version="1.0"'):
        for attachment, identity in zip(attachments, identities, strict=True):
            with lines.element("Reference", 4):
                lines.texts(
                    5,
                    ContentId=f"cid:{identity}",
                    ContentType=attachment.media_type,
                    Description=attachment.description,
                    AttachmentName=attachment.name,
                )
    lines.raw("  </edXML:edXMLEnvelope>")
    if attachments:
        lines.raw("  <AttachmentEncoded>")
    return lines.bytes()


def _message(lines: Lines, h: Header) -> None:
    with lines.element("From", 4):
        lines.organ(h.sender, 5)
    for recipient in h.recipients:
        with lines.element("To", 4):
            lines.organ(recipient, 5)
    lines.texts(4, DocumentId=h.document_id)
    _group(lines, "Code", CodeNumber=h.code_number, CodeNotation=h.code_notation)
    _group(lines, "PromulgationInfo", Place=h.place, PromulgationDate=h.promulgation_date)
    _group(lines, "DocumentType", Type=h.type_group, TypeDetail=h.type_detail, TypeName=h.type_name)
    lines.texts(4, Subject=h.subject, Content=h.content)
    _group(lines, "SignerInfo", Competence=h.competence, Position=h.position, FullName=h.full_name)
    lines.texts(4, DueDate=h.due_date)
    with lines.element("OtherInfo", 4):
        lines.texts(5, Priority=int(h.priority), SphereOfPromulgation=h.sphere, TyperNotation=h.typer_notation)
        lines.texts(5, PromulgationAmount=h.amount, PageAmount=h.pages)
        _list(lines, "ReplyFors", "ReplyFor", h.reply_fors, 5)
        lines.texts(5, Direction=bool(h.direction))
        _list(lines, "ReferenceCodes", "ReferenceCode", h.reference_codes, 5)
        _list(lines, "Appendixes", "Appendix", h.appendixes, 5)
    for about in h.responses_for:
        _group(
            lines,
            "ResponseFor",
            OrganId=about.organ,
            Code=about.code,
            DocumentId=about.document_id,
            PromulgationDate=about.promulgation_date,
        )
    lines.texts(4, SteeringType=h.steering_type)
    _list(lines, "ResponseForTask", "TaskCode", h.task_codes, 4)
    lines.texts(4, ApplicationType=h.application_type)
    _list(lines, "ToPlaces", "Place", h.to_places, 4)


def _group(lines: Lines, name: str, **values: object) -> None:
    if any(v is not None and v != "" for v in values.values()):
        with lines.element(name, 4):
            lines.texts(5, **values)


def _list(lines: Lines, name: str, item: str, values: Sequence[str], depth: int) -> None:
    if values:
        with lines.element(name, depth):
            for value in values:
                lines.texts(depth + 1, **{item: value})


def _business(lines: Lines, b: Business) -> None:
    with lines.element("Bussiness", 4):
        lines.texts(5, DocumentId=b.document_id, BussinessDocType=int(b.kind), BussinessDocReason=b.reason, Paper=int(b.paper))
        if b.content_changed is not None or b.receivers_changed is not None or b.receivers:
            with lines.element("BussinessDocumentInfo", 5):
                lines.texts(6, DocumentInfo=_flag(b.content_changed), DocumentReceiver=_flag(b.receivers_changed))
                if b.receivers:
                    with lines.element("ReceiverList", 6):
                        for receiver in b.receivers:
                            with lines.element("Receiver", 7):
                                lines.texts(8, OrganId=receiver.organ, ReceiverType=int(receiver.added))
        if b.replacements:
            with lines.element("ReplacementInfoList", 5):
                for replacement in b.replacements:
                    with lines.element("ReplacementInfo", 6):
                        lines.texts(7, DocumentId=replacement.document_id)
                        _list(lines, "OrganIdList", "OrganId", replacement.organs, 7)
        if b.staff is not None and b.staff != Staff():
            with lines.element("StaffInfo", 5):
                s = b.staff
                lines.texts(6, Department=s.department, Staff=s.staff, Email=s.email, Mobile=s.mobile)


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _attachment(out: _Out, attachment: Outgoing, identity: str) -> None:
    lines = Lines()
    lines.raw("    <Attachment>")
    lines.texts(3, "", ContentId=f"cid:{identity}", AttachmentName=attachment.name, Description=attachment.description)
    lines.texts(3, "", ContentType=attachment.media_type)
    out.write(lines.bytes())
    out.write(f'      <edXML:ContentTransferEncoded xmlns:edXML="{text_of(NS, "")}">'.encode())
    with attachment.path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            out.write(pybase64.b64encode(chunk))
    out.write(b"</edXML:ContentTransferEncoded>\r\n    </Attachment>\r\n")
