"""stamp_findings — dấu thời gian của tệp: the finding of one document time-stamp, as whole as a signature's.

Who stamped, by which certificate, on which path, how strong, revoked or not: nothing is said
to be good that was not looked at, and a stamp that fails says which step of it did.
"""

from __future__ import annotations

from cryptography.x509.oid import NameOID

from signing.algorithms import bits_of, strength
from signing.reasons import reason
from signing.report import Check, Level, Reason, Role, SignatureFinding, State, TimestampFact
from signing.verify_pdf.finding_parts import changes_level, facts_of, said, worst, worst_state
from signing.verify_pdf.reading import Signature, subject_text
from signing.verify_pdf.stamps import EXPIRED, DocumentStamp

_UNTRUSTED = "NO_CERTIFICATE_CHAIN_FOUND"
_CODES = {_UNTRUSTED: "signature.timestamp_untrusted", EXPIRED: "signature.timestamp_expired"}
# How a problem begins, and the EN 319 102-1 sub-indication that says so.
_SUBS = {
    _UNTRUSTED: _UNTRUSTED,
    EXPIRED: "OUT_OF_BOUNDS_NO_POE",
    "REVOKED": "REVOKED",
    "imprint": "HASH_FAILURE",
    "CmsBroken: message digest": "HASH_FAILURE",
    "CmsBroken": "SIG_CRYPTO_FAILURE",
    "later changes": "FORMAT_FAILURE",
}


def timestamp_finding(signature: Signature, stamped: DocumentStamp) -> SignatureFinding:
    """The finding of a document time-stamp (RFC 3161 over a revision)."""
    stamp, token = stamped.fact, stamped.token
    untrusted = stamp.problem.startswith((_UNTRUSTED, EXPIRED))
    checks = [*signature.checks, *_checks(stamped, untrusted)]
    indication, sub = worst(checks)
    certificate = stamped.certificate
    facts = facts_of(certificate) if certificate is not None else None
    chain = token.chain if token is not None else None
    revocations = chain.revocations if chain is not None else ()
    state = worst_state(revocations)
    signed = signature.signed
    bits = bits_of(certificate) if certificate is not None else 0
    return SignatureFinding(
        field=signature.field,
        role=Role.TIMESTAMP,
        signer=(subject_text(certificate, NameOID.COMMON_NAME) if certificate is not None else "") or stamp.authority,
        organisation=subject_text(certificate, NameOID.ORGANIZATION_NAME) if certificate is not None else "",
        certificate_sha256=facts.sha256 if facts is not None else "",
        serial=facts.serial if facts is not None else "",
        issuer=facts.issuer if facts is not None else "",
        anchor=chain.anchor if chain is not None else "",
        algorithm=f"{signed.scheme}-{signed.digest}",
        level=Level.B_LTA,
        best_time=stamp.time if stamp.holds else None,
        best_time_source="document_timestamp",
        revocation=state,
        revocation_source=next((f.source for f in revocations if f.state == state), ""),
        revision=signature.revision,
        revisions=signature.revisions,
        changes_after=changes_level(signature),
        changes=tuple(signature.changes),
        intact=stamp.holds or untrusted,
        trusted=stamp.holds,
        indication=indication,
        sub_indication=sub,
        reasons=_reasons(signature, stamp),
        certificate_kind=chain.scope if chain is not None else "",
        certificate=facts,
        chain=tuple(facts_of(c) for c in chain.chain) if chain is not None else (),
        digest=signed.digest,
        scheme=signed.scheme,
        key=facts.key if facts is not None else "",
        strength=strength(scheme=signed.scheme, digest=signed.digest, bits=bits, at=stamp.time),
        revocations=revocations,
        timestamps=(stamp,),
        byte_range=signature.byte_range,
        covers_whole_file=signature.covers_whole_file,
        checks=tuple(checks),
        signature_value=signed.signature,
        message_digest=signed.message_digest,
    )


def _checks(stamped: DocumentStamp, untrusted: bool) -> list[Check]:
    stamp, token = stamped.fact, stamped.token
    if not stamp.holds:
        state = State.INDETERMINATE if untrusted else State.FAILED
        return [Check("timestamp", state, _code(stamp), stamp.problem, sub_indication(stamp))]
    made = [Check("timestamp", State.PASSED)]
    if token is not None:
        made += [Check("chain", State.PASSED, detail=token.chain.anchor), Check("validity", State.PASSED), Check("key_usage", State.PASSED)]
        if worst_state(token.chain.revocations) == "good":
            made.append(Check("revocation", State.PASSED))
    return made


def _reasons(signature: Signature, stamp: TimestampFact) -> tuple[Reason, ...]:
    found = [*signature.reasons, *said(signature)]
    return (*found,) if stamp.holds else (*found, reason(_code(stamp), signature.field, stamp.problem))


def sub_indication(stamp: TimestampFact) -> str:
    """What a stamp that does not hold makes of its signature, "" for one that holds."""
    if stamp.holds:
        return ""
    return next((sub for start, sub in _SUBS.items() if stamp.problem.startswith(start)), "SIG_CONSTRAINTS_FAILURE")


def _code(stamp: TimestampFact) -> str:
    return next((code for start, code in _CODES.items() if stamp.problem.startswith(start)), "signature.timestamp_broken")
