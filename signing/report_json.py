"""report_json — báo cáo cho máy: the JSON report of ``vanthu verify``, and the schema that describes it.

The report is made of frozen data (`Report`), so that its schema
(``schemas/report.schema.json``, JSON Schema draft 2020-12) is generated from the same
types and cannot differ from what is written. `FORMAT` changes when a field changes its
meaning or goes away; new fields may be added without that.
"""

from __future__ import annotations

import dataclasses
import platform
import types
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Union, get_args, get_origin, get_type_hints

from signing import __version__
from signing.evidence import EvidenceReport
from signing.explain import Explanation, explain, remedy
from signing.report import (
    DualSignature,
    Indication,
    PdfFindings,
    PdfVerdict,
    Reason,
    SignatureFinding,
    Verdict,
    to_json,
)
from signing.sub_verdicts import Answer, answers, excused

FORMAT = "vanthu-report/1"
LIBRARIES = ("pyhanko", "pyhanko-certvalidator", "cryptography", "asn1crypto", "lxml")
_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Tool:
    """What made the report."""

    name: str
    version: str
    python: str
    libraries: dict[str, str]


@dataclass(frozen=True, slots=True)
class ReasonShown:
    """A reason with what would have to be different, in both languages."""

    code: str
    vi: str
    en: str
    place: str
    remedy_vi: str
    remedy_en: str


@dataclass(frozen=True, slots=True)
class SignatureShown:
    """One signature: its six named sub-verdicts (NĐ 68/2024 Art 31; CRY-02, CRY-04), and everything found about it."""

    answers: tuple[Answer, ...]
    finding: SignatureFinding


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """The report on one PDF. `findings` holds the facts about the file; its signatures are under `signatures`.

    `judged_at` is the moment of judgement; `judged_at_claimed` says that this was the signers' own claim.
    """

    file: str
    sha256: str
    size: int
    policy: str
    kind: str
    verdict: Verdict
    verdict_vi: str
    verdict_en: str
    indication: Indication
    sub_indication: str
    dual_signature: DualSignature
    judged_at: datetime | None
    judged_at_claimed: bool
    reasons: tuple[ReasonShown, ...]
    warnings: tuple[ReasonShown, ...]
    signatures: tuple[SignatureShown, ...]
    explanations: tuple[Explanation, ...]
    findings: PdfFindings


@dataclass(frozen=True, slots=True)
class EvidenceShown:
    """The report on one evidence file (.asice): what it proves."""

    file: str
    verdict: Verdict
    verdict_vi: str
    verdict_en: str
    evidence: EvidenceReport


@dataclass(frozen=True, slots=True)
class RefusedShown:
    """A file that could not be opened as what it says it is."""

    file: str
    verdict: Verdict
    verdict_vi: str
    verdict_en: str
    reason: ReasonShown


Shown = DocumentReport | EvidenceShown | RefusedShown


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over all files."""

    files: int
    valid: int
    invalid: int
    undetermined: int
    elapsed_seconds: float
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """A run of ``vanthu verify --json``: the tool, every file, and a summary."""

    format: str
    tool: Tool
    made_at: datetime
    documents: tuple[Shown, ...]
    summary: Summary


@lru_cache(maxsize=1)
def tool() -> Tool:
    """This program and the libraries that it stands on, with versions."""
    return Tool("vanthu", __version__, platform.python_version(), {name: _version(name) for name in LIBRARIES})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"


def shown(reasons: Iterable[Reason]) -> tuple[ReasonShown, ...]:
    """Reasons with their remedies."""
    return tuple(ReasonShown(r.code, r.vi, r.en, r.place, *remedy(r.code)) for r in reasons)


def document_report(file: str, verdict: PdfVerdict, *, judged_at: datetime | None = None, claimed: bool = False) -> DocumentReport:
    """The report on one PDF. `file` is the name to show; `claimed` tells that it was judged at the claimed time."""
    findings = verdict.findings
    return DocumentReport(
        file=file,
        sha256=findings.sha256,
        size=findings.size,
        policy=verdict.policy,
        kind=verdict.kind,
        verdict=verdict.verdict,
        verdict_vi=verdict.verdict.vi,
        verdict_en=verdict.verdict.en,
        indication=verdict.indication,
        sub_indication=verdict.sub_indication,
        dual_signature=verdict.dual_signature,
        judged_at=judged_at or findings.judged_at,
        judged_at_claimed=claimed,
        reasons=shown(verdict.reasons),
        warnings=shown(verdict.warnings),
        signatures=tuple(SignatureShown(answers(s, excused(verdict)), s) for s in findings.signatures),
        explanations=explain(verdict),
        findings=dataclasses.replace(findings, signatures=()),
    )


def evidence_report(file: str, report: EvidenceReport) -> EvidenceShown:
    """The report on one evidence file."""
    verdict = Verdict.VALID if report.ok else Verdict.INVALID
    return EvidenceShown(file, verdict, verdict.vi, verdict.en, report)


def refused_report(file: str, reason: Reason, verdict: Verdict = Verdict.INVALID) -> RefusedShown:
    """The report on a file that could not be opened."""
    return RefusedShown(file, verdict, verdict.vi, verdict.en, shown([reason])[0])


def report(documents: Iterable[Shown], summary: Summary, *, made_at: datetime) -> dict[str, Any]:
    """The JSON-able report of a run."""
    value: dict[str, Any] = to_json(Report(FORMAT, tool(), made_at, tuple(documents), summary))
    return value


def line(document: Shown, *, made_at: datetime) -> dict[str, Any]:
    """One line of ``--jsonl``: a document with format, tool and time."""
    return {"format": FORMAT, "tool": to_json(tool()), "made_at": made_at.isoformat(), "document": to_json(document)}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Report`, generated from the types."""
    definitions: dict[str, Any] = {}
    top = _describe(Report, definitions)
    definitions["Line"] = {
        "type": "object",
        "description": "One line of --jsonl.",
        "properties": {
            "format": {"const": FORMAT},
            "tool": {"$ref": "#/$defs/Tool"},
            "made_at": {"type": "string", "format": "date-time"},
            "document": _describe(Shown, definitions),
        },
        "required": ["format", "tool", "made_at", "document"],
        "additionalProperties": False,
    }
    return {"$schema": _SCHEMA, "$id": f"urn:{FORMAT.replace('/', ':')}", "title": FORMAT, **top, "$defs": dict(sorted(definitions.items()))}


_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
    type(None): {"type": "null"},
    Any: {},
}


def _describe(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_describe(a, definitions) for a in inner]}
    if origin is tuple and inner[-1] is ...:
        return {"type": "array", "items": _describe(inner[0], definitions)}
    if origin is tuple:
        return {"type": "array", "prefixItems": [_describe(a, definitions) for a in inner], "minItems": len(inner), "maxItems": len(inner)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _describe(inner[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [m.value for m in kind]}
    return _described_class(kind, definitions)


def _described_class(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}
        hints = get_type_hints(kind)
        fields = [f.name for f in dataclasses.fields(kind)]
        definitions[kind.__name__] = {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": {name: _describe(hints[name], definitions) for name in fields},
            "required": fields,
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}
