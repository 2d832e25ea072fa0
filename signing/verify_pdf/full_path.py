"""verify_pdf — kiểm tra chữ ký: what holds in one PDF, as findings.

pyHanko's verdict is one of several: byte-level rules of our own come first
(signing.md 7, rules 3 and 4), later changes may only be validation data or the
filling of a signature field that was already there, and the path to an anchor
is checked by `trust`. Whatever is raised means "cannot be verified".
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import logging
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError, PdfStreamError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko_certvalidator import ValidationContext

from signing.report import Indication, PdfFindings, Reason, Role, SignatureFinding
from signing.trust import Trust
from signing.verify_pdf.byte_rules import TamperSigns, check_end, check_range, count_ranges, filled_fields

LONGEST_HEX = 8 * 1024 * 1024
MOST_SIGNATURES = 64
_SHA256 = hashes.SHA256()
_LEVELS = {
    ModificationLevel.NONE: "none",
    ModificationLevel.LTA_UPDATES: "lta_updates",
    ModificationLevel.FORM_FILLING: "form_filling",
    ModificationLevel.ANNOTATIONS: "annotations",
    ModificationLevel.OTHER: "other",
}
_CHANGED = Reason("pdf.tampered.changed", "Văn bản đã bị thay đổi sau khi ký.", "The document was changed after it was signed.")
_BROKEN = Reason("signature.broken", "Chữ ký số không khớp với nội dung.", "The digital signature does not match the content.")
_UNTRUSTED = Reason("signature.untrusted", "Chứng thư không dẫn tới gốc tin cậy.", "The certificate has no path to a trusted root.")
_REVOKED = Reason("signature.revoked", "Chứng thư đã bị thu hồi.", "The certificate was revoked.")
_EXPIRED = Reason("signature.expired", "Chứng thư không còn hiệu lực tại thời điểm kiểm tra.", "The certificate is outside its validity.")
_DEGRADED = Reason("pdf.degraded", "Cú pháp PDF không chuẩn; kết quả kém chắc chắn hơn.", "The PDF syntax is not regular; the result is less certain.")


def _bulk_hex(stream: Any) -> Any:
    """Reads a hex string in blocks; pyHanko's own makes one Python call per digit (signing.md T11)."""
    stream.read(1)
    start, parts, size = stream.tell(), [], 0
    block_size = 512
    while True:
        block = stream.read(block_size)
        if not block:
            raise PdfStreamError("Unexpected end of hex string")
        end = block.find(b">")
        part = block if end < 0 else block[:end]
        parts.append(part)
        size += len(part)
        if size > LONGEST_HEX:
            raise PdfStreamError("Hex string too long")
        if end >= 0:
            stream.seek(start + size + 1)
            break
        block_size = 65536
    digits = b"".join(parts).translate(None, b" \t\r\n\x0c\x00")
    try:
        return generic.pdf_string(binascii.unhexlify(digits + (b"0" if len(digits) % 2 else b"")))
    except binascii.Error as error:
        raise PdfStreamError("Unexpected token in hex string") from error


_slow_name_equality = asn1_x509.Name.__eq__


def _name_equality(self: Any, other: Any) -> bool:
    """Equal bytes are equal names; RFC 4518 preparation only where bytes differ."""
    if isinstance(other, asn1_x509.Name) and self.dump() == other.dump():
        return True
    return bool(_slow_name_equality(self, other))


_slow_preparation = asn1_x509.NameTypeAndValue._ldap_string_prep


@lru_cache(maxsize=4096)
def _prepared(text: str) -> str:
    """RFC 4518 preparation of a name's text; the same few names come again and again."""
    prepared: str = _slow_preparation(None, text)
    return prepared


# What pyHanko has to say comes back as findings; it should not also write to the terminal.
logging.getLogger("pyhanko").addHandler(logging.NullHandler())
logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())
setattr(generic, "read_hex_string_from_stream", _bulk_hex)  # noqa: B010
setattr(asn1_x509.NameTypeAndValue, "_ldap_string_prep", lambda _self, text: _prepared(text))  # noqa: B010
setattr(asn1_x509.Name, "__eq__", _name_equality)  # noqa: B010


def verify_pdf(path: Path, trust: Trust, *, at: datetime) -> PdfFindings:
    """Report: everything found about the signatures of `path`, judged at the moment `at`.

    Never raises; whatever went wrong is in `error`.
    """
    started = time.process_time()
    sha256, size = "", 0
    try:
        with path.open("rb") as file:
            sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            try:
                findings = _findings(file, trust, at, strict=True)
            except (PdfError, ValueError, KeyError):
                findings = _findings(file, trust, at, strict=False)
        signatures, revisions, reasons, degraded = findings
        error = ""
    except Exception as problem:  # anything raised is "cannot be verified"
        signatures, revisions, reasons, degraded = (), 0, (_unreadable(problem),), False
        error = f"{type(problem).__name__}: {problem}"[:300]
    elapsed = (time.process_time() - started) * 1000
    return PdfFindings(sha256, size, signatures, revisions, degraded, reasons, error, elapsed)


def _unreadable(problem: Exception) -> Reason:
    return Reason(
        "pdf.cannot_verify",
        "Không kiểm tra được chữ ký của tệp này.",
        "The signatures of this file cannot be verified.",
        type(problem).__name__,
    )


def _findings(file: IO[bytes], trust: Trust, at: datetime, *, strict: bool) -> tuple[tuple[SignatureFinding, ...], int, tuple[Reason, ...], bool]:
    signs = TamperSigns()
    check_end(file, signs)
    reader = PdfFileReader(file, strict=strict)
    if reader.encrypted:
        raise PdfError("encrypted")
    revisions = reader.xrefs.total_revisions
    embedded = list(reader.embedded_signatures)
    ranges = count_ranges(file)
    if len(embedded) > MOST_SIGNATURES or revisions > 4 * MOST_SIGNATURES:
        raise PdfError("too many signatures or revisions")
    filled = filled_fields(reader)
    if len(embedded) != len(filled) or ranges != len(embedded):
        if not embedded and not filled and not ranges:
            return (), revisions, (_DEGRADED,) if not strict else (), not strict
        signs.add("signature count differs from the signature dictionaries in the file")
    signatures = []
    for embedded_signature in embedded:
        check_range(file, reader, embedded_signature, signs)
        signatures.append(_signature(embedded_signature, trust, at, revisions))
    reasons = [Reason("pdf.tampered.bytes", _CHANGED.vi, _CHANGED.en, sign) for sign in signs.found] if embedded else []
    if signs.found and not embedded:
        raise PdfError("; ".join(signs.found))
    if not strict:
        reasons.append(_DEGRADED)
    return tuple(signatures), revisions, tuple(reasons), not strict


def _context(trust: Trust, at: datetime) -> ValidationContext:
    return ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(der) for der in trust.anchors],
        other_certs=[asn1_x509.Certificate.load(der) for der in trust.intermediates],
        allow_fetching=False,
        revocation_mode="soft-fail",
        moment=at,
    )


def _signature(embedded: EmbeddedPdfSignature, trust: Trust, at: datetime, revisions: int) -> SignatureFinding:
    if embedded.sig_object.get("/Type") == "/DocTimeStamp":
        return _document_timestamp(embedded, trust, at, revisions)
    context = _context(trust, at)
    status = asyncio.run(async_validate_pdf_signature(embedded, context, ts_validation_context=context))
    certificate = x509.load_der_x509_certificate(embedded.signer_cert.dump())
    best, source = _best_time(status, at)
    others = [x509.load_der_x509_certificate(c.dump()) for c in embedded.other_embedded_certs]
    path = trust.path(certificate, others, at=best)
    changes, allowed = _changes(embedded, status)
    intact = bool(status.intact and status.valid)
    problem, reasons = _problem(intact, allowed, path.problem)
    indication = Indication.FAILED if problem in ("HASH_FAILURE", "FORMAT_FAILURE", "REVOKED") else Indication.INDETERMINATE
    if not problem:
        indication = Indication.PASSED
        if not status.docmdp_ok or not status.seed_value_ok or not _timestamps_hold(status):
            indication, problem, reasons = Indication.FAILED, "SIG_CONSTRAINTS_FAILURE", (_CHANGED,)
    algorithm = embedded.signer_info["signature_algorithm"]
    return SignatureFinding(
        field=str(embedded.field_name),
        role=role_of(certificate, trust),
        signer=_text(certificate, NameOID.COMMON_NAME),
        organisation=_text(certificate, NameOID.ORGANIZATION_NAME),
        certificate_sha256=hashlib.sha256(embedded.signer_cert.dump()).hexdigest(),
        serial=f"{certificate.serial_number:x}",
        issuer=certificate.issuer.rfc4514_string(),
        anchor=path.anchor,
        algorithm=f"{algorithm.signature_algo}-{status.md_algorithm}",
        level=_level(embedded, status),
        claimed_time=_utc(status.signer_reported_dt),
        best_time=best,
        best_time_source=source,
        revocation=path.revocation.state,
        revocation_source=path.revocation.source,
        revision=embedded.signed_revision + 1,
        revisions=revisions,
        changes_after=changes,
        intact=intact,
        trusted=not path.problem,
        indication=indication,
        sub_indication=problem,
        reasons=tuple(Reason(r.code, r.vi, r.en, str(embedded.field_name)) for r in reasons),
    )


def _problem(intact: bool, allowed: bool, path: str) -> tuple[str, tuple[Reason, ...]]:
    if not intact:
        return "HASH_FAILURE", (_BROKEN,)
    if not allowed:
        return "FORMAT_FAILURE", (_CHANGED,)
    if path == "REVOKED":
        return path, (_REVOKED,)
    if path == "NO_CERTIFICATE_CHAIN_FOUND":
        return path, (_UNTRUSTED,)
    return (path, (_EXPIRED,)) if path else ("", ())


def _changes(embedded: EmbeddedPdfSignature, status: Any) -> tuple[str, bool]:
    """Kind of later changes, and whether they are lawful: validation data, or the
    filling of a signature field that the signed revision already had (T5, A6, A10)."""
    level = status.modification_level
    name = _LEVELS.get(level, "unknown")
    if name in ("none", "lta_updates"):
        return name, True
    if name != "form_filling":
        return name, False
    declared = {n for n, _, _ in _signature_fields(embedded)}
    changed = set(getattr(embedded.diff_result, "changed_form_fields", {"?"}))
    return name, changed <= declared


def _signature_fields(embedded: EmbeddedPdfSignature) -> Any:

    return enumerate_sig_fields(embedded.reader.get_historical_resolver(embedded.signed_revision))


def _document_timestamp(embedded: EmbeddedPdfSignature, trust: Trust, at: datetime, revisions: int) -> SignatureFinding:
    status = asyncio.run(async_validate_pdf_timestamp(embedded, _context(trust, at)))
    changes, allowed = _changes(embedded, status)
    good = bool(status.intact and status.valid and status.trusted and allowed)
    return SignatureFinding(
        field=str(embedded.field_name),
        role=Role.TIMESTAMP,
        signer=_asn1_name(embedded),
        best_time=_utc(status.timestamp),
        best_time_source="timestamp",
        revocation="good" if good else "unknown",
        revision=embedded.signed_revision + 1,
        revisions=revisions,
        changes_after=changes,
        intact=bool(status.intact and status.valid),
        trusted=bool(status.trusted),
        indication=Indication.PASSED if good else Indication.FAILED if not (status.intact and status.valid and allowed) else Indication.INDETERMINATE,
        sub_indication="" if good else "SIG_CONSTRAINTS_FAILURE",
    )


def _asn1_name(embedded: EmbeddedPdfSignature) -> str:
    return str(embedded.signer_cert.subject.human_friendly)


def _best_time(status: Any, at: datetime) -> tuple[datetime, str]:
    validity = status.timestamp_validity
    if validity is not None and validity.intact and validity.valid and validity.trusted:
        return validity.timestamp.astimezone(UTC), "timestamp"
    return at, "judged_at"


def _timestamps_hold(status: Any) -> bool:
    validity = status.timestamp_validity
    return validity is None or bool(validity.intact and validity.valid)


def _level(embedded: EmbeddedPdfSignature, status: Any) -> str:
    if "/DSS" in embedded.reader.root:
        return "B-LT"
    return "B-T" if status.timestamp_validity is not None else "B-B"


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None


def role_of(certificate: x509.Certificate, trust: Trust) -> Role:
    """Whose certificate: known to be an agency's, marked as an organisation's, or a natural person's."""
    subject = certificate.subject
    if certificate.fingerprint(_SHA256).hex() in trust.agency_certificates or subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER):
        return Role.AGENCY
    if subject.get_attributes_for_oid(NameOID.GIVEN_NAME) or subject.get_attributes_for_oid(NameOID.SURNAME):
        return Role.PERSON
    for attribute in subject.get_attributes_for_oid(NameOID.USER_ID):
        if str(attribute.value).upper().startswith(("CCCD", "CMND", "HC:")):
            return Role.PERSON
        if str(attribute.value).upper().startswith("MST"):
            return Role.AGENCY
    return Role.UNKNOWN


def _text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
