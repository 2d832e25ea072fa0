"""Findings and verdicts: frozen data that describes, never decides.

`signing.verify_pdf` fills `PdfFindings`; `signing.policy` turns findings into a
`PdfVerdict`. Both are picklable and JSON-able (`to_json`).
Indications follow ETSI EN 319 102-1 clause 5.1.3.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Indication(StrEnum):
    """Main indication, EN 319 102-1 table 5."""

    PASSED = "TOTAL-PASSED"
    FAILED = "TOTAL-FAILED"
    INDETERMINATE = "INDETERMINATE"


class Verdict(StrEnum):
    """The verdict shown to people."""

    VALID = "valid"
    INVALID = "invalid"
    UNDETERMINED = "undetermined"

    @property
    def vi(self) -> str:
        return {"valid": "HỢP LỆ", "invalid": "KHÔNG HỢP LỆ", "undetermined": "CHƯA ĐỦ CĂN CỨ"}[self.value]

    @property
    def en(self) -> str:
        return {"valid": "VALID", "invalid": "NOT VALID", "undetermined": "INSUFFICIENT EVIDENCE"}[self.value]


class Role(StrEnum):
    """Whose signature it is (NĐ 30/2020 Art 5.1)."""

    PERSON = "person"
    AGENCY = "agency"
    TIMESTAMP = "timestamp"
    UNKNOWN = "unknown"


class DualSignature(StrEnum):
    """State of the two-signature rule (NĐ 30/2020 Art 5.1, 32.2.d)."""

    COMPLETE = "complete"
    PERSON_MISSING = "person_missing"
    AGENCY_MISSING = "agency_missing"
    WRONG_ORDER = "wrong_order"
    UNSIGNED = "unsigned"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: stable code, one sentence in each language, place in the input."""

    code: str
    vi: str
    en: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class SignatureFinding:
    """What was found about one signature field.

    Times are aware UTC. `revision` counts from 1; `revisions` is the file's total.
    `changes_after` is one of ``none``, ``lta_updates``, ``form_filling``,
    ``annotations``, ``other``, ``unknown``.
    """

    field: str
    role: Role
    signer: str = ""
    organisation: str = ""
    certificate_sha256: str = ""
    serial: str = ""
    issuer: str = ""
    anchor: str = ""
    algorithm: str = ""
    level: str = "B-B"
    claimed_time: datetime | None = None
    best_time: datetime | None = None
    best_time_source: str = "claimed"
    revocation: str = "unknown"
    revocation_source: str = ""
    revision: int = 0
    revisions: int = 0
    changes_after: str = "unknown"
    intact: bool = False
    trusted: bool = False
    indication: Indication = Indication.INDETERMINATE
    sub_indication: str = ""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class PdfFindings:
    """What was found in one PDF. `error` is set when anything was raised: then
    the file cannot be verified, which is never the same as "no signature"."""

    sha256: str
    size: int
    signatures: tuple[SignatureFinding, ...] = ()
    revisions: int = 0
    degraded: bool = False
    reasons: tuple[Reason, ...] = ()
    error: str = ""
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class PdfVerdict:
    """Findings judged under a named policy."""

    policy: str
    verdict: Verdict
    dual_signature: DualSignature
    indication: Indication
    sub_indication: str
    reasons: tuple[Reason, ...]
    findings: PdfFindings = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealFinding:
    """A detached CAdES seal that verified.

    `signer` and `organisation` come from the certificate; `time` is the
    time-stamp's time when there is one, else the moment it was judged at.
    """

    signer: str
    organisation: str
    certificate_sha256: str
    issuer: str
    anchor: str
    algorithm: str
    digest_sha256: str
    time: datetime
    time_source: str = "judged_at"
    revocation: str = "unknown"


def to_json(value: Any) -> Any:
    """Plain JSON-able form of any report value (dataclasses, enums, datetimes, tuples)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    return value
