"""stamps — dấu thời gian: which time-stamps of a file hold, and the best time they prove for a signature."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from signing.errors import CmsBroken, NotDer, TimestampInvalid
from signing.report import TimestampFact
from signing.signed_data import SignedData, imprint_algorithm, signer_certificate
from signing.timestamps import Token, read_token, stated_time
from signing.trust import Trust
from signing.verify_pdf.reading import Material, Signature, subject_text

CLOCKS_APART = timedelta(days=1)  # a signer's claimed time may stand for the moment of judgement
UNREADABLE_TIME = datetime.min.replace(tzinfo=UTC)  # a token that does not even name a time
EXPIRED = "past its authority's life"


@dataclass(frozen=True, slots=True)
class DocumentStamp:
    """A document time-stamp: the fact, the token when it could be read and is over the file, the authority's certificate when it can be decoded."""

    fact: TimestampFact
    token: Token | None = None
    certificate: x509.Certificate | None = None


def best_time_of(signature: Signature, signatures: Sequence[Signature], material: Material, trust: Trust, at: datetime) -> datetime:
    """The best proven time of one signature, `at` when nothing proves one (EN 319 102-1 5.5.4)."""
    covering = covering_stamps(signature, document_stamps(signatures, material, trust, at))
    return earliest([*own_stamps(signature.signed, material, trust, at, covering), *covering], at)[0]


def document_stamps(signatures: Sequence[Signature], material: Material, trust: Trust, at: datetime) -> dict[int, DocumentStamp]:
    """Document time-stamps by revision, newest first, so that a newer one vouches for an older one."""
    found: dict[int, DocumentStamp] = {}
    later: datetime | None = None
    for signature in sorted((s for s in signatures if s.is_timestamp), key=lambda s: -s.revision):
        found[signature.revision] = stamp = _document_stamp(signature, material, trust, at, later)
        later = stamp.fact.time if stamp.fact.holds else later
    return found


def covering_stamps(signature: Signature, stamps: dict[int, DocumentStamp]) -> list[TimestampFact]:
    """Document time-stamps of later revisions: they cover the signature."""
    return [stamp.fact for revision, stamp in stamps.items() if revision > signature.revision]


def _document_stamp(signature: Signature, material: Material, trust: Trust, at: datetime, later: datetime | None) -> DocumentStamp:
    algorithm = imprint_algorithm(signature.signed)
    certificate = _certificate(signature.signed)
    try:
        token = read_token(
            signature.signed.der,
            {algorithm: signature.digest},
            trust,
            crls=material.crls,
            ocsps=material.ocsps,
            extra=material.certificates,
            seen_at=later,
        )
    except (TimestampInvalid, ValueError) as error:
        problem = error.detail if isinstance(error, TimestampInvalid) else str(error)
        authority = subject_text(certificate, NameOID.COMMON_NAME) if certificate is not None else ""
        stated = stated_time(signature.signed.der) or UNREADABLE_TIME
        return DocumentStamp(TimestampFact("document", stated, authority, holds=False, problem=problem), None, certificate)
    problem = "" if all(c.lawful for c in signature.changes) else "later changes"
    problem = problem or _out_of_time(token, at, later)
    fact = TimestampFact("document", token.time.astimezone(UTC), token.authority, holds=not problem, problem=problem)
    return DocumentStamp(fact, token, certificate)


def _out_of_time(token: Token, at: datetime, later: datetime | None) -> str:
    """A token proves nothing when it is from the future, or when its authority's certificate
    ran out before the next proof (EN 319 102-1 5.6.2.4: no proof of existence within bounds)."""
    if token.time > at + CLOCKS_APART:
        return "the time lies in the future"
    until = x509.load_der_x509_certificate(token.certificate).not_valid_after_utc
    return f"{EXPIRED} {until.isoformat()}" if (later or at) > until else ""


def own_stamps(signed: SignedData, material: Material, trust: Trust, at: datetime, covering: Sequence[TimestampFact]) -> list[TimestampFact]:
    """Time-stamps over the signature value; a document time-stamp of `covering` vouches for them later."""
    found = []
    later = min((s.time for s in covering if s.holds), default=None)
    for token in signed.tokens:
        try:
            read = read_token(token, lambda name: hashlib.new(name, signed.signature).digest(), trust, crls=material.crls, ocsps=material.ocsps, seen_at=later)
            problem = _out_of_time(read, at, later)
            found.append(TimestampFact("signature", read.time.astimezone(UTC), read.authority, holds=not problem, problem=problem))
        except TimestampInvalid as error:
            found.append(TimestampFact("signature", stated_time(token) or UNREADABLE_TIME, error.place, holds=False, problem=error.detail))
    return found


def earliest(stamps: Sequence[TimestampFact], at: datetime) -> tuple[datetime, str]:
    """The earliest proven time and what proves it; `at` and ``judged_at`` when nothing does."""
    proven = [s for s in stamps if s.holds]
    if not proven:
        return at, "judged_at"
    first = min(proven, key=lambda s: s.time)
    return first.time, "timestamp" if first.kind == "signature" else "document_timestamp"


def _certificate(signed: SignedData) -> x509.Certificate | None:
    """The authority's certificate, None when it cannot be used at all."""
    try:
        certificate = x509.load_der_x509_certificate(signer_certificate(signed))
        certificate.public_key()
    except (CmsBroken, NotDer, ValueError, UnsupportedAlgorithm):
        return None
    return certificate
