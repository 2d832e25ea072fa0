"""status — thông báo trạng thái: read and write status messages (edxml.md 2.1)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from exchange.edxml.parser import Limits, header_of, parse_bytes
from exchange.edxml.read import nfc, organ, response_for, staff
from exchange.edxml.xml_text import NS, Lines, local_time
from exchange.envelope import StatusMessage
from exchange.errors import InvalidField, MissingField

VIETNAM = timezone(timedelta(hours=7))
_LIMITS = Limits(size=1_000_000, elements=500, text=200_000)
_FORMATS = ("%Y/%m/%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")


def read_status(data: bytes) -> StatusMessage:
    """Gate: read a status message.

    Raises:
        EnvelopeError: unsafe, malformed or incomplete.
    """
    reader = parse_bytes(data, _LIMITS)
    _, message = header_of(reader)
    for name in ("From", "ResponseFor", "StatusCode"):
        if sum(1 for _ in message.all(name)) > 1:
            raise InvalidField("repeated", place=f"MessageHeader/{name}")
        if message.find(name) is None:
            raise MissingField(name, place=f"MessageHeader/{name}")
    sender, about = message.find("From"), message.find("ResponseFor")
    if sender is None or about is None or not sender.value("OrganId"):
        raise MissingField("OrganId", place="MessageHeader/From/OrganId")
    raw = message.value("Timestamp")
    return StatusMessage(
        sender=organ(sender),
        response_for=response_for(about),
        code=message.value("StatusCode"),
        description=nfc(message.value("Description")),
        timestamp=parse_timestamp(raw),
        timestamp_raw=raw,
        staff=staff(message.find("StaffInfo")),
    )


def parse_timestamp(text: str) -> datetime | None:
    """A moment; without a zone it is Vietnam's (+07:00). None when it does not parse."""
    for form in _FORMATS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=VIETNAM)
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)


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
        with lines.element("ResponseFor", 4):
            lines.texts(5, OrganId=about.organ, Code=about.code, DocumentId=about.document_id, PromulgationDate=about.promulgation_date)
        if message.staff is not None:
            with lines.element("StaffInfo", 4):
                s = message.staff
                lines.texts(5, Department=s.department, Staff=s.staff, Email=s.email, Mobile=s.mobile)
        stamp = local_time(message.timestamp) if message.timestamp else message.timestamp_raw
        lines.texts(4, StatusCode=message.code, Description=message.description, Timestamp=stamp)
    lines.raw("  </edXML:edXMLEnvelope>")
    lines.raw("</edXML>")
    return lines.bytes()
