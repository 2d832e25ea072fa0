"""Findings and verdicts: frozen data that describes, never decides.

`signing.verify_pdf` fills `PdfFindings`; `signing.policy` turns findings into a
`PdfVerdict`. Both are picklable and JSON-able (`to_json`).
Indications follow ETSI EN 319 102-1 clause 5.1.3.
"""

from __future__ import annotations

import base64
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


# Sub-indications of TOTAL-FAILED, EN 319 102-1 table 6; every other one goes with INDETERMINATE, however certain it is.
TOTAL_FAILED = frozenset(["FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "REVOKED", "EXPIRED", "NOT_YET_VALID"])


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


class Level(StrEnum):
    """PAdES baseline level reached (EN 319 142-1)."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"


class State(StrEnum):
    """Outcome of one check."""

    PASSED = "passed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check that was made on a signature, by its stable `code`, with its outcome.

    Codes: ``format`` ``byte_range`` ``digest`` ``signature_value`` ``certificate_binding``
    ``chain`` ``validity`` ``key_usage`` ``revocation`` ``algorithms`` ``timestamp``
    ``later_changes`` ``docmdp`` ``ades`` ``status``. `reason` is a code of `signing.reasons` when it did not pass,
    `sub_indication` the EN 319 102-1 one that follows from it.
    """

    code: str
    state: State
    reason: str = ""
    detail: str = ""
    sub_indication: str = ""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate as shown to people. `der` is the whole certificate."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: datetime
    not_after: datetime
    key: str
    der: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class RevocationFact:
    """Status of one certificate of the path.

    `state` is ``good``, ``revoked`` or ``unknown``; `source` one of ``CRL``, ``OCSP``,
    ``embedded CRL``, ``embedded OCSP``, ``anchor``, "" when nothing answered.
    """

    subject: str
    state: str
    source: str = ""
    produced_at: datetime | None = None
    revoked_at: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TimestampFact:
    """A time-stamp: `kind` ``signature`` (in the CMS) or ``document`` (RFC 3161 over a revision)."""

    kind: str
    time: datetime
    authority: str
    holds: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change made after a signed revision.

    `kind`: ``signature`` (a declared field was filled), ``timestamp``, ``validation_data``,
    ``field`` (a field was added), ``form`` (a value or appearance), ``annotation``, ``page``,
    ``metadata``, ``catalog``, ``object``. `what` names the object or field; `revision` counts from 1.
    """

    kind: str
    what: str
    revision: int
    lawful: bool


@dataclass(frozen=True, slots=True)
class MarkFact:
    """What a signature shows on the page (NĐ 30/2020 Annex I-I-II.7.d, 8; I-II-I.3).

    `kind`: ``person_image``, ``agency_seal``, ``attachment``, ``copy`` or ``other``; `form` the
    form of a copy (SAO Y, SAO LỤC, TRÍCH SAO). `box` is (left, bottom, right, top) in
    millimetres from the lower left corner of the page; `number` the number and symbol read
    from the mark; `colour` ``red``, ``blue``, ``black``, ``other`` or "".
    """

    kind: str
    page: int
    box: tuple[float, float, float, float]
    text: str = ""
    form: str = ""
    number: str = ""
    organisation: str = ""
    time: datetime | None = None
    font: str = ""
    size_pt: float = 0.0
    colour: str = ""
    problems: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class SignatureFinding:
    """What was found about one signature field.

    Times are aware UTC. `revision` counts from 1; `revisions` is the file's total.
    `changes_after` is one of ``none``, ``lta_updates``, ``form_filling``,
    ``annotations``, ``other``, ``unknown``; `changes` lists each.
    `certificate_kind` is ``official`` (chuyên dùng công vụ), ``public``, ``foreign`` or "" by the
    scope of the anchor. `best_time_source`: ``timestamp``, ``document_timestamp``, ``custody``
    or ``judged_at``; a claimed time proves nothing. `strength`: ``strong``, ``legacy``
    (PKCS#1 v1.5), ``weak`` or ``unknown`` at the best time. `binding` is the digest by which a signed
    attribute names the certificate, "" without one. `covers_whole_file`: nothing
    follows the signed revision.
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
    certificate_kind: str = ""
    certificate: CertificateFacts | None = None
    chain: tuple[CertificateFacts, ...] = ()
    digest: str = ""
    scheme: str = ""
    key: str = ""
    key_bits: int = 0
    binding: str = ""
    strength: str = "unknown"
    revocations: tuple[RevocationFact, ...] = ()
    timestamps: tuple[TimestampFact, ...] = ()
    changes: tuple[Change, ...] = ()
    byte_range: tuple[int, ...] = ()
    covers_whole_file: bool = False
    checks: tuple[Check, ...] = ()
    mark: MarkFact | None = None
    signature_value: bytes = dataclasses.field(repr=False, default=b"")
    message_digest: bytes = dataclasses.field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class PdfFindings:
    """What was found in one PDF. `error` is set when anything was raised: then
    the file cannot be verified, which is never the same as "no signature".

    `syntax` lists facts about the file's form: ``trailing_bytes``, ``hybrid_xref``,
    ``clobbered_xref_stream``, ``duplicate_fields``, ``shared_signature``,
    ``overlapping_ranges``, ``timestamp_typed_sig``, ``not_strict``, ``not_der``, ``odd_key``,
    ``unknown_digest``, ``unsupported_subfilter``, ``direct_signature``.
    `path` is ``quick`` or ``full`` (docs/adr/0006). `judged_at` is the moment of judgement.
    """

    sha256: str
    size: int
    signatures: tuple[SignatureFinding, ...] = ()
    revisions: int = 0
    degraded: bool = False
    reasons: tuple[Reason, ...] = ()
    error: str = ""
    elapsed_ms: float = 0.0
    syntax: tuple[str, ...] = ()
    empty_fields: tuple[str, ...] = ()
    path: str = "full"
    judged_at: datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class PdfVerdict:
    """Findings judged under a named policy. `warnings` do not change the verdict."""

    policy: str
    verdict: Verdict
    dual_signature: DualSignature
    indication: Indication
    sub_indication: str
    reasons: tuple[Reason, ...]
    findings: PdfFindings = field(repr=False)
    warnings: tuple[Reason, ...] = ()
    kind: str = "document"


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


_PLAIN = (str, int, float, bool, type(None))


_names: dict[Any, tuple[str, ...]] = {}


def _field_names(kind: Any) -> tuple[str, ...]:
    """Names of a dataclass's fields, () for any other type; looked up once for each type."""
    if kind not in _names:
        _names[kind] = tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()
    return _names[kind]


def to_json(value: Any) -> Any:
    """Plain JSON-able form of any report value (dataclasses, enums, datetimes, tuples)."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if names := _field_names(kind):
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    return value
