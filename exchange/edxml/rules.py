"""rules — what the standard and the strictest receiver ask of a header (edxml.md 3.6, 5.1); broken ones are warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from exchange.edxml.codes import ORGAN_CODE, is_known_type, longest, status_codes
from exchange.edxml.findings import Findings
from exchange.envelope import Attachment, Header, Organ, StatusMessage

M = "MessageHeader"
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")
_NAME = 500  # AttachmentName: the longer of the two limits in use


def check_header(h: Header, findings: Findings, today: date | None) -> None:
    """Lengths, shapes, code lists and what is absent. `today` (Vietnam) allows to say that a date is in the future."""
    for place, name, text in _lengths(h):
        limit = longest(name)
        if len(text) > limit:
            findings.warn("edxml.length", place, f"{len(text)} > {limit}")
    _check_organ(h.sender, f"{M}/From", findings)
    seen: set[str] = set()
    for number, recipient in enumerate(h.recipients, 1):
        place = f"{M}/To[{number}]"
        _check_organ(recipient, place, findings)
        if recipient.code in seen:
            findings.warn("edxml.repeated_recipient", f"{place}/OrganId", recipient.code)
        seen.add(recipient.code)
    wanted = (
        (h.subject, "Subject"),
        (h.code_number, "Code/CodeNumber"),
        (h.code_notation, "Code/CodeNotation"),
        (h.raw_text(f"{M}/PromulgationInfo/PromulgationDate") or h.promulgation_date, "PromulgationInfo/PromulgationDate"),
        (h.type_name, "DocumentType/TypeName"),
    )
    for value, path in wanted:
        if not value:
            findings.warn("edxml.absent", f"{M}/{path}")
    if today is not None and h.promulgation_date is not None and h.promulgation_date > today:
        findings.warn("edxml.future_date", f"{M}/PromulgationInfo/PromulgationDate", h.promulgation_date.isoformat())
    if h.type_group not in (None, 1, 2):
        findings.warn("edxml.code_list", f"{M}/DocumentType/Type", str(h.type_group))
    if h.type_name and not is_known_type(h.type_name):
        findings.warn("edxml.code_list", f"{M}/DocumentType/TypeName", h.type_name)


def _lengths(h: Header) -> Iterator[tuple[str, str, str]]:
    yield from (
        (f"{M}/Subject", "Subject", h.subject),
        (f"{M}/Content", "Content", h.content),
        (f"{M}/Code/CodeNumber", "CodeNumber", h.code_number),
        (f"{M}/Code/CodeNotation", "CodeNotation", h.code_notation),
        (f"{M}/PromulgationInfo/Place", "Place", h.place),
        (f"{M}/DocumentType/TypeName", "TypeName", h.type_name),
        (f"{M}/SignerInfo/Competence", "Competence", h.competence),
        (f"{M}/SignerInfo/Position", "Position", h.position),
        (f"{M}/SignerInfo/FullName", "FullName", h.full_name),
        (f"{M}/OtherInfo/SphereOfPromulgation", "SphereOfPromulgation", h.sphere),
        (f"{M}/OtherInfo/TyperNotation", "TyperNotation", h.typer_notation),
    )
    for number, place in enumerate(h.to_places, 1):
        yield f"{M}/ToPlaces/Place[{number}]", "ToPlaces.Place", place
    for number, appendix in enumerate(h.appendixes, 1):
        yield f"{M}/OtherInfo/Appendixes/Appendix[{number}]", "Appendix", appendix


def _check_organ(o: Organ, place: str, findings: Findings) -> None:
    fields = (
        ("OrganName", o.name),
        ("OrganizationInCharge", o.in_charge),
        ("OrganAdd", o.address),
        ("Email", o.email),
        ("Telephone", o.telephone),
        ("Fax", o.fax),
        ("Website", o.website),
    )
    for name, text in fields:
        if len(text) > longest(name):
            findings.warn("edxml.length", f"{place}/{name}", f"{len(text)} > {longest(name)}")
    if o.code and not ORGAN_CODE.fullmatch(o.code):
        findings.warn("edxml.organ_code", f"{place}/OrganId", o.code)
    if o.email and not _EMAIL.fullmatch(o.email):
        findings.warn("edxml.email", f"{place}/Email", o.email)


def check_names(attachments: tuple[Attachment, ...], findings: Findings) -> None:
    """Names of files: there, and not too long."""
    for number, attachment in enumerate(attachments, 1):
        place = f"AttachmentEncoded/Attachment[{number}]/AttachmentName"
        if not attachment.name:
            findings.warn("edxml.absent", place)
        elif len(attachment.name) > _NAME:
            findings.warn("edxml.length", place, f"{len(attachment.name)} > {_NAME}")


def check_status(message: StatusMessage, findings: Findings) -> None:
    """What a status message should say."""
    _check_organ(message.sender, f"{M}/From", findings)
    about = message.response_for
    for value, path in ((about.organ, "OrganId"), (about.code, "Code"), (about.document_id, "DocumentId")):
        if not value:
            findings.warn("edxml.absent", f"{M}/ResponseFor/{path}")
    if message.code not in status_codes():
        findings.warn("edxml.code_list", f"{M}/StatusCode", message.code)
    if not message.timestamp_raw:
        findings.warn("edxml.absent", f"{M}/Timestamp")
