"""finding_parts — what the findings of signatures and of time-stamps have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.algorithms import key_of
from signing.reasons import reason
from signing.report import CertificateFacts, Check, Indication, Reason, RevocationFact, State
from signing.verify_pdf.reading import Signature

_DER = Encoding.DER
_LAWFUL_LEVEL = {"signature": "form_filling", "timestamp": "lta_updates", "validation_data": "lta_updates", "metadata": "lta_updates"}


def said(signature: Signature) -> list[Reason]:
    """Reasons of the checks that a path made itself."""
    return [reason(c.reason, signature.field, c.detail) for c in signature.checks if c.reason]


def changes_level(signature: Signature) -> str:
    """The kinds of later changes as one word."""
    if signature.changes_after:
        return signature.changes_after
    if any(not c.lawful for c in signature.changes):
        return "other"
    levels = {_LAWFUL_LEVEL.get(c.kind, "other") for c in signature.changes}
    return next((level for level in ("other", "form_filling", "lta_updates") if level in levels), "none")


def worst(checks: Sequence[Check]) -> tuple[Indication, str]:
    """Indication and sub-indication that follow from `checks`: a failure counts before a doubt."""
    for state, indication in ((State.FAILED, Indication.FAILED), (State.INDETERMINATE, Indication.INDETERMINATE)):
        for item in checks:
            if item.state is state:
                return indication, item.sub_indication
    return Indication.PASSED, ""


def worst_state(revocations: Sequence[RevocationFact]) -> str:
    """The revocation state of a path: revoked before unknown before good; unknown where nobody was asked."""
    return next((s for s in ("revoked", "unknown") if any(f.state == s for f in revocations)), "good" if revocations else "unknown")


_facts: dict[bytes, CertificateFacts] = {}


def facts_of(certificate: x509.Certificate, der: bytes = b"") -> CertificateFacts:
    """A certificate as shown; the few that come again and again are kept."""
    der = der or certificate.public_bytes(_DER)
    known = _facts.get(der)
    if known is None:
        if len(_facts) > 1024:
            _facts.clear()
        known = _facts[der] = CertificateFacts(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            sha256=hashlib.sha256(der).hexdigest(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            key=key_of(certificate),
            der=der,
        )
    return known
