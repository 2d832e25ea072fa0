"""status — thông báo trạng thái: read and write status messages (edxml.md 2.1)."""

from __future__ import annotations

from dataclasses import replace

from exchange.edxml.dialect import dialect_of
from exchange.edxml.findings import Findings, gate
from exchange.edxml.header import M, organ, response_for, staff, text
from exchange.edxml.parser import Limits, Reader, parse_bytes, parts_of
from exchange.edxml.read import note_prefixes
from exchange.edxml.rules import check_status
from exchange.edxml.survey import Survey
from exchange.edxml.values import VIETNAM, Values, parse_timestamp
from exchange.edxml.xml_text import NS, Lines, local_time
from exchange.envelope import Organ, ResponseFor, Staff, StatusMessage
from exchange.errors import InvalidField, MissingField

__all__ = ["VIETNAM", "inspect_status", "is_status", "parse_timestamp", "read_status", "status_of", "write_status"]
LIMITS = Limits(size=1_000_000, elements=500, text=200_000)


def read_status(data: bytes) -> StatusMessage:
    """Gate: read a status message.

    Raises:
        EnvelopeError: unsafe, malformed or incomplete.
    """
    message = inspect_status(data)
    gate(message.findings)
    return message


def inspect_status(data: bytes) -> StatusMessage:
    """Report: what a status message says and what is wrong with it.

    Raises:
        NotXml, ForbiddenXml, TooLarge, NotEdxml, MissingField: nothing can be said of it.
    """
    return status_of(parse_bytes(data, LIMITS))


def is_status(reader: Reader) -> bool:
    """Whether a parsed document is a status message, not a document package."""
    return parts_of(reader)[1].find("StatusCode") is not None


def status_of(reader: Reader) -> StatusMessage:
    """The values of a parsed status message."""
    header, node = parts_of(reader)
    findings = Findings()
    note_prefixes(reader, findings)
    survey = Survey(findings)
    survey.walk(node, M)
    values = Values(findings)
    sender, about = node.find("From"), node.find("ResponseFor")
    for name in ("From", "ResponseFor", "StatusCode"):
        if not any(True for _ in node.all(name)):
            findings.reject(MissingField, f"{M}/{name}", name)
    if sum(1 for _ in node.all("ResponseFor")) > 1:
        findings.reject(InvalidField, f"{M}/ResponseFor", "repeated")
    if sender is not None and not sender.value("OrganId"):
        findings.reject(MissingField, f"{M}/From/OrganId", "OrganId")
    message = StatusMessage(
        sender=organ(sender) if sender is not None else Organ(""),
        response_for=response_for(about) if about is not None else ResponseFor(),
        code=node.value("StatusCode"),
        description=text(node, "Description"),
        timestamp=values.moment(node, "Timestamp", f"{M}/Timestamp"),
        timestamp_raw=node.value("Timestamp"),
        staff=staff(node.find("StaffInfo")),
        dialect=dialect_of(reader, header, node),
    )
    check_status(message, findings)
    return replace(message, findings=findings.all(), extensions=tuple(survey.extensions))


def write_status(message: StatusMessage) -> bytes:
    """The message in the reference dialect, byte-stable."""
    lines = Lines()
    lines.raw('<?xml version="1.0" encoding="UTF-8"?>')
    lines.raw(f'<edXML xmlns="{NS}">')
    lines.raw(f'  <edXML:edXMLEnvelope xmlns:edXML="{NS}">')
    with lines.element("edXMLHeader", 2), lines.element("MessageHeader", 3):
        with lines.element("From", 4):
            lines.organ(message.sender, 5)
        about = message.response_for
        # Status 13 swaps the parties: From is the document's sender, ResponseFor/OrganId the receiver (edxml.md 2.1).
        with lines.element("ResponseFor", 4):
            lines.texts(5, OrganId=about.organ, Code=about.code, DocumentId=about.document_id, PromulgationDate=about.promulgation_date)
        if message.staff is not None and message.staff != Staff():
            with lines.element("StaffInfo", 4):
                s = message.staff
                lines.texts(5, Department=s.department, Staff=s.staff, Email=s.email, Mobile=s.mobile)
        stamp = local_time(message.timestamp) if message.timestamp else message.timestamp_raw
        lines.texts(4, StatusCode=message.code, Description=message.description, Timestamp=stamp)
    lines.raw("  </edXML:edXMLEnvelope>")
    lines.raw("</edXML>")
    return lines.bytes()
