"""read — đọc gói tin: an edXML document package into values; attachments into files.

`inspect_package` reports: it raises only for what must not be parsed at all, and
names everything else as findings. `read_package` is the gate: the same, but the
first reason to refuse is raised (edxml.md 1.11, 5.4).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from exchange.edxml.attachments import read_attachments, sniff_type
from exchange.edxml.dialect import dialect_of
from exchange.edxml.findings import Findings, gate
from exchange.edxml.header import read_header
from exchange.edxml.mime_parts import is_multipart, parse_multipart
from exchange.edxml.parser import XMLDSIG, Limits, Node, Reader, parse_file, parts_of
from exchange.edxml.rules import check_header, check_names
from exchange.edxml.survey import Survey
from exchange.edxml.values import Values, parse_date
from exchange.envelope import Package
from exchange.errors import InvalidField

__all__ = ["inspect_package", "parse_date", "read_package", "read_tree", "sniff_type"]
_TOP = ("edXMLEnvelope", "edXMLHeader", "edXMLBody", "edXMLManifest", "AttachmentEncoded", "Header", "Body", "Manifest", "MessageHeader", "TraceHeaderList")


def read_package(source: Path, *, workdir: Path, limits: Limits | None = None) -> Package:
    """Gate: read a document package from `source`; attachments go to files in `workdir`.

    Raises:
        EnvelopeError: unsafe, malformed, incomplete or damaged; `place` says where.
    """
    package = inspect_package(source, workdir=workdir, limits=limits)
    gate(package.findings)
    return package


def inspect_package(source: Path, *, workdir: Path, limits: Limits | None = None, today: date | None = None) -> Package:
    """Report: everything a package says and everything that is wrong with it.

    Args:
        today: the day in Vietnam, to tell a date in the future; None: not told.

    Raises:
        NotXml, ForbiddenXml, TooLarge, NotEdxml, MissingField: nothing can be said of it.
    """
    limits = limits or Limits()
    return package_of(read_tree(source, limits, workdir), limits, today=today)


def read_tree(source: Path, limits: Limits, workdir: Path | None) -> Reader:
    """The element tree of a file: XML, or SOAP with attachments as MIME parts (CV 2803)."""
    with source.open("rb") as file:
        if is_multipart(file):
            return parse_multipart(file, limits, workdir)
    return parse_file(source, limits, workdir)


def package_of(reader: Reader, limits: Limits, *, today: date | None = None) -> Package:
    """The values of a parsed document package."""
    header_node, message = parts_of(reader)
    findings = Findings()
    traces = header_node.find("TraceHeaderList") or message.find("TraceHeaderList")
    survey = Survey(findings)
    _survey_top(reader, findings, survey)
    survey.walk(message, "MessageHeader")
    if traces is not None:
        survey.walk(traces, "TraceHeaderList")
    header = read_header(message, traces, Values(findings))
    attachments = read_attachments(reader, findings, limits)
    check_header(header, findings, today)
    check_names(attachments, findings)
    return Package(
        header,
        attachments,
        dialect_of(reader, header_node, message),
        _is_signed(header_node),
        findings.all(),
        tuple(survey.extensions),
    )


def note_prefixes(reader: Reader, findings: Findings) -> None:
    """What the reader met that a stricter one stumbles over."""
    for prefix, place in sorted(reader.undeclared.items()):
        findings.warn("edxml.undeclared_prefix", place, prefix)
    if reader.schema_location:
        findings.warn("edxml.schema_location", reader.schema_location)


def _survey_top(reader: Reader, findings: Findings, survey: Survey) -> None:
    note_prefixes(reader, findings)
    if reader.root is not None:
        _survey_group(reader.root, reader.root.name, findings, survey)


def _survey_group(node: Node, place: str, findings: Findings, survey: Survey) -> None:
    """The skeleton above the headers: each part once; strangers are kept."""
    keys = {name.lower() for name in _TOP}
    seen: set[str] = set()
    for child in node.children:
        path = f"{place}/{child.name}"
        if child.foreign:
            if child.key not in ("signature", "digitalsignature"):
                findings.warn("edxml.foreign_element", path)
                survey.keep(child, path)
            continue
        if child.key in seen and child.key in keys:
            findings.reject(InvalidField, path, "repeated")
        seen.add(child.key)
        if child.key in ("edxmlenvelope", "edxmlheader", "edxmlbody", "header", "body"):
            _survey_group(child, path, findings, survey)
        elif child.key in ("edxmlmanifest", "manifest", "attachmentencoded", "alldocument", "attach"):
            survey.walk(child, child.name)
        elif child.key not in keys and child.key not in ("signature", "digitalsignature", "alldocument", "attach", "errorlist"):
            findings.warn("edxml.unknown_element", path)
            survey.keep(child, path)


def _is_signed(header: Node) -> bool:
    return any(child.key == "signature" and (child.children or child.text.strip()) for child in header.children if not child.foreign or _is_xmldsig(child))


def _is_xmldsig(node: Node) -> bool:
    return XMLDSIG in node.attributes.values()


