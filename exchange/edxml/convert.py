"""convert — what is done with a whole file of any dialect: tell what it is, check it, write it in the reference dialect."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from exchange.edxml.findings import Findings, gate
from exchange.edxml.parser import Limits
from exchange.edxml.read import package_of, read_tree
from exchange.edxml.schema_check import check_schema
from exchange.edxml.status import is_status, status_of, write_status
from exchange.edxml.write import write_package
from exchange.envelope import Attachment, Finding, Outgoing, Package, Severity, StatusMessage
from exchange.errors import EnvelopeError, NoDocument, Secret


def read_any(source: Path, *, workdir: Path, limits: Limits | None = None) -> Package | StatusMessage:
    """Report: a document package or a status message, whichever the file is.

    Raises:
        NotXml, ForbiddenXml, TooLarge, NotEdxml, MissingField: nothing can be said of it.
    """
    limits = limits or Limits()
    reader = read_tree(source, limits, workdir)
    return status_of(reader) if is_status(reader) else package_of(reader, limits)


def convert(source: Path, target: Path, *, workdir: Path, limits: Limits | None = None) -> tuple[Package | StatusMessage, tuple[Finding, ...]]:
    """Write `source` to `target` in the reference dialect: (what was read, what was left out).

    A PDF goes in raw as ``application/pdf``, a builder's ZIP around anything else stays
    that ZIP (edxml.md 1.12); the decoded bytes of every file are those of the source.

    Raises:
        EnvelopeError: it would be refused, so it is not converted.
    """
    found = read_any(source, workdir=workdir, limits=limits)
    gate(found.findings)
    left_out = Findings()
    for place, text in found.extensions:
        left_out.warn("edxml.left_out", place, text)
    if isinstance(found, StatusMessage):
        target.write_bytes(write_status(found))
    else:
        if found.has_xml_signature:
            left_out.warn("edxml.left_out", "edXMLHeader/Signature")
        write_package(target, found.header, [o for o in map(_outgoing, found.attachments) if o is not None])
    return found, left_out.all()


def _outgoing(attachment: Attachment) -> Outgoing | None:
    raw = not attachment.unwrapped or attachment.media_type == "application/pdf"
    path = attachment.path if raw else attachment.stored_path
    if path is None:
        return None
    return Outgoing(attachment.name, attachment.description, attachment.media_type if raw else "application/zip", path, attachment.content_id)


def lint(source: Path, *, workdir: Path, today: date | None = None, limits: Limits | None = None) -> tuple[Finding, ...]:
    """Everything that is wrong with a file: what cannot be read at all is one finding as well.

    A package that claims the reference form (D1) is also checked against its schema.
    """
    limits = limits or Limits()
    findings = Findings()
    try:
        reader = read_tree(source, limits, workdir)
        status = is_status(reader)
        found = status_of(reader) if status else package_of(reader, limits, today=today)
    except EnvelopeError as error:
        findings.reject(type(error), error.place, error.detail)
        return findings.all()
    if found.dialect == "D1":
        check_schema(reader, "status" if status else "edxml", findings)
    rejects = tuple(f for f in found.findings if f.severity is Severity.REJECT)
    if isinstance(found, Package) and not found.attachments and not rejects:
        findings.reject(NoDocument, "AttachmentEncoded")
    if isinstance(found, Package) and found.header.secrecy:
        findings.reject(Secret, "MessageHeader", found.header.secrecy)
    own = findings.all()
    return (*rejects, *(f for f in own if f.severity is Severity.REJECT), *(f for f in (*found.findings, *own) if f.severity is Severity.WARNING))
