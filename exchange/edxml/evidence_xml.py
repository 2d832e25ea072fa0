"""evidence_xml — chứng cứ: the XML the hub seals for each event (EN 319 522-3 element names)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

from exchange.edxml.xml_text import text_of

NS = "http://uri.etsi.org/19522/v1#"


def write_evidence(
    *,
    event_uri: str,
    identifier: str,
    at: datetime,
    issuer: str,
    sender: str,
    recipient: str,
    document_id: str,
    package_sha256: str,
    size: int,
    leaf_sha256: str,
    index: int,
    origin: str,
    reasons: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Evidence of one event, byte-stable.

    Args:
        package_sha256: lower hex of the exact bytes the event is about; `size` in bytes.
        leaf_sha256: lower hex of the custody leaf hash at `index` of the log `origin`.
        reasons: (code, text); wanted on every negative event.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<Evidence xmlns="{NS}" version="1.2.1">']

    def text(depth: int, name: str, value: object) -> None:
        if value != "":
            lines.append(f"{'  ' * depth}<{name}>{text_of(value, name)}</{name}>")

    text(1, "EvidenceIdentifier", identifier)
    text(1, "ERDSEventId", event_uri)
    lines += _reasons(reasons)
    text(1, "EventTime", at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"))
    for group, name, value in (
        ("EvidenceIssuerDetails", "Name", issuer),
        ("SenderDetails", "Identifier", sender),
        ("RecipientDetails", "Identifier", recipient),
    ):
        if value:
            lines.append(f"  <{group}>")
            text(2, name, value)
            lines.append(f"  </{group}>")
    text(1, "MessageIdentifier", document_id)
    lines.append("  <UserContentInfo>")
    lines.append("    <PartInfo>")
    text(3, "Identifier", document_id)
    text(3, "DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256")
    text(3, "DigestValue", base64.b64encode(bytes.fromhex(package_sha256)).decode())
    text(3, "Size", size)
    lines.append("    </PartInfo>")
    lines.append("  </UserContentInfo>")
    lines.append("  <CustodyLog>")
    text(2, "Origin", origin)
    text(2, "Index", index)
    text(2, "LeafHash", leaf_sha256)
    lines.append("  </CustodyLog>")
    lines.append("</Evidence>")
    return ("\n".join(lines) + "\n").encode()


def _reasons(reasons: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for code, detail in reasons:
        lines += ["    <EventReason>", f"      <Code>{text_of(code, 'Code')}</Code>"]
        lines += [f"      <Details>{text_of(detail, 'Details')}</Details>", "    </EventReason>"]
    return ["  <EventReasons>", *lines, "  </EventReasons>"] if lines else []
