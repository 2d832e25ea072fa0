"""Verdicts made by hand, one of every kind, for the tests of screens and reports. All names are fictitious."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from signing.reasons import reason
from signing.report import (
    CertificateFacts,
    Change,
    Check,
    DualSignature,
    Indication,
    MarkFact,
    PdfFindings,
    PdfVerdict,
    RevocationFact,
    Role,
    SignatureFinding,
    State,
    TimestampFact,
    Verdict,
)

NOW = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)
HOSTILE = "</td><script>alert(1)</script>\x1b[2J\u202egnp.exe &amp; \"quoted\" 'x'\nHỢP LỆ"
_DAY = timedelta(days=1)
CODES = (
    "format",
    "byte_range",
    "digest",
    "signature_value",
    "certificate_binding",
    "chain",
    "validity",
    "key_usage",
    "revocation",
    "algorithms",
    "timestamp",
    "later_changes",
    "docmdp",
    "ades",
    "status",
)


def certificate(subject: str, issuer: str, serial: str) -> CertificateFacts:
    """Facts of a made-up certificate, valid for two years around `NOW`."""
    return CertificateFacts(
        subject=f"CN={subject},O=Sở Khoa học và Công nghệ (mô phỏng),C=VN",
        issuer=f"CN={issuer},C=VN",
        serial=serial,
        sha256=(serial * 64)[:64],
        not_before=NOW - 365 * _DAY,
        not_after=NOW + 365 * _DAY,
        key="RSA-3072",
        der=b"0\x03\x02\x01" + serial.encode(),
    )


ROOT = certificate("CA gốc chuyên dùng (mô phỏng)", "CA gốc chuyên dùng (mô phỏng)", "1")
CA = certificate("CA phục vụ cơ quan nhà nước (mô phỏng)", "CA gốc chuyên dùng (mô phỏng)", "2")
PERSON = certificate("Nguyễn Văn A (mô phỏng)", "CA phục vụ cơ quan nhà nước (mô phỏng)", "a1")
AGENCY = certificate("Sở Khoa học và Công nghệ (mô phỏng)", "CA phục vụ cơ quan nhà nước (mô phỏng)", "b2")


def checks(**outcomes: tuple[State, str]) -> tuple[Check, ...]:
    """Every check passed, except those named: ``later_changes=(State.FAILED, "pdf.tampered.changed")``."""
    return tuple(Check(code, *outcomes.get(code, (State.PASSED, ""))) for code in CODES)


def signature(role: Role, leaf: CertificateFacts, field: str, revision: int, **changes: object) -> SignatureFinding:
    """A signature for which everything holds, with `changes`."""
    begin = 20_000 * revision
    holding = SignatureFinding(
        field=field,
        role=role,
        signer=leaf.subject.split(",")[0].removeprefix("CN="),
        organisation="Sở Khoa học và Công nghệ (mô phỏng)",
        certificate_sha256=leaf.sha256,
        serial=leaf.serial,
        issuer=leaf.issuer,
        anchor=ROOT.subject,
        algorithm="rsa-pss-sha256",
        level="B-LT",
        claimed_time=NOW - timedelta(hours=4 - revision),
        best_time=NOW - timedelta(hours=4 - revision) + timedelta(seconds=3),
        best_time_source="timestamp",
        revocation="good",
        revocation_source="embedded CRL",
        revision=revision,
        revisions=3,
        changes_after="none" if revision == 3 else "form_filling",
        intact=True,
        trusted=True,
        indication=Indication.PASSED,
        certificate_kind="official",
        certificate=leaf,
        chain=(leaf, CA, ROOT),
        digest="sha256",
        scheme="RSASSA-PSS",
        key="RSA-3072",
        strength="strong",
        revocations=(
            RevocationFact(leaf.subject, "good", "embedded CRL", NOW - _DAY),
            RevocationFact(CA.subject, "good", "CRL", NOW - 10 * _DAY),
        ),
        timestamps=(TimestampFact("signature", NOW - timedelta(hours=4 - revision) + timedelta(seconds=3), "TSA (mô phỏng)", True),),
        changes=() if revision == 3 else (Change("signature", "CoQuan", revision + 1, True),),
        byte_range=(0, begin, begin + 16_386, 3_000),
        covers_whole_file=revision == 3,
        checks=checks(),
        signature_value=b"\x01" * 384,
        message_digest=b"\x02" * 32,
    )
    return dataclasses.replace(holding, **changes)  # type: ignore[arg-type]


def findings(*signatures: SignatureFinding, **changes: object) -> PdfFindings:
    """Findings about one file."""
    whole = PdfFindings(
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        size=79_386,
        signatures=signatures,
        revisions=3,
        elapsed_ms=6.4,
        path="quick",
        judged_at=NOW,
        name="125-qd-skhcn.pdf",
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def valid() -> PdfVerdict:
    """Two signatures in order, with a warning."""
    mark = MarkFact("agency_seal", 1, (90.0, 40.0, 126.0, 76.0), number="125/QĐ-SKHCN", organisation="Sở Khoa học và Công nghệ (mô phỏng)", colour="red")
    file = findings(signature(Role.PERSON, PERSON, "NguoiKy", 2), signature(Role.AGENCY, AGENCY, "CoQuan", 3, mark=mark))
    warning = reason("signature.legacy_algorithm", "NguoiKy")
    return PdfVerdict("nd30", Verdict.VALID, DualSignature.COMPLETE, Indication.PASSED, "", (), file, (warning,))


def tampered() -> PdfVerdict:
    """The person's signature is followed by a page that was changed; pyHanko's AdES process alone would pass it."""
    changed = reason("pdf.tampered.changed", "NguoiKy")
    broken = signature(
        Role.PERSON,
        PERSON,
        "NguoiKy",
        2,
        changes_after="other",
        changes=(Change("page", "trang 1", 3, False), Change("annotation", "FreeText 14 0", 3, False), Change("validation_data", "DSS", 3, True)),
        checks=checks(later_changes=(State.FAILED, "pdf.tampered.changed")),
        reasons=(changed,),
    )
    file = findings(broken, syntax=("trailing_bytes",))
    missing = reason("signature.agency_missing")
    return PdfVerdict("nd30", Verdict.INVALID, DualSignature.AGENCY_MISSING, Indication.FAILED, "HASH_FAILURE", (changed, missing), file)


def revoked() -> PdfVerdict:
    """The agency's certificate was revoked before the proven time."""
    why = reason("signature.revoked", "CoQuan")
    bad = signature(
        Role.AGENCY,
        AGENCY,
        "CoQuan",
        3,
        revocation="revoked",
        trusted=False,
        indication=Indication.FAILED,
        sub_indication="REVOKED",
        revocations=(RevocationFact(AGENCY.subject, "revoked", "OCSP", NOW - _DAY, NOW - 30 * _DAY, "keyCompromise"),),
        checks=checks(revocation=(State.FAILED, "signature.revoked")),
        reasons=(why,),
    )
    return PdfVerdict("crypto-only", Verdict.INVALID, DualSignature.NOT_APPLICABLE, Indication.FAILED, "REVOKED", (why,), findings(bad))


def undetermined() -> PdfVerdict:
    """No revocation answer, no time-stamp, an expired certificate: nothing is proven."""
    expired, unknown = reason("signature.expired", "CoQuan"), reason("signature.revocation_unknown", "CoQuan")
    old = dataclasses.replace(AGENCY, not_after=NOW - 3 * _DAY)
    open_question = signature(
        Role.AGENCY,
        old,
        "CoQuan",
        1,
        revisions=1,
        best_time=NOW,
        best_time_source="judged_at",
        level="B-B",
        revocation="unknown",
        revocation_source="",
        revocations=(RevocationFact(old.subject, "unknown"),),
        timestamps=(),
        changes=(),
        changes_after="none",
        covers_whole_file=True,
        indication=Indication.INDETERMINATE,
        sub_indication="OUT_OF_BOUNDS_NO_POE",
        checks=checks(
            validity=(State.INDETERMINATE, "signature.expired"),
            revocation=(State.INDETERMINATE, "signature.revocation_unknown"),
            timestamp=(State.SKIPPED, ""),
        ),
        reasons=(expired, unknown),
    )
    file = findings(open_question, revisions=1, degraded=True, syntax=("hybrid_xref", "not_strict"), reasons=(reason("pdf.degraded"),))
    return PdfVerdict(
        "nd30",
        Verdict.UNDETERMINED,
        DualSignature.COMPLETE,
        Indication.INDETERMINATE,
        "OUT_OF_BOUNDS_NO_POE",
        (expired, unknown),
        file,
        (reason("pdf.degraded"),),
        "attachment",
    )


def timestamped() -> PdfVerdict:
    """A signature and a document time-stamp, with the least that an older verifier fills in."""
    bare = SignatureFinding("Sig1", Role.UNKNOWN, signer="Trần Thị B (mô phỏng)", intact=True, indication=Indication.INDETERMINATE, revision=1, revisions=2)
    stamp = SignatureFinding("Dts", Role.TIMESTAMP, signer="TSA (mô phỏng)", intact=True, best_time=NOW, revision=2, revisions=2, changes_after="none")
    return PdfVerdict(
        "crypto-only", Verdict.UNDETERMINED, DualSignature.NOT_APPLICABLE, Indication.INDETERMINATE, "TRY_LATER", (), findings(bare, stamp, revisions=2)
    )


def unsigned() -> PdfVerdict:
    """No signature at all."""
    why = reason("signature.none")
    file = findings(revisions=1, empty_fields=("NguoiKy", "CoQuan"))
    return PdfVerdict("nd30", Verdict.UNDETERMINED, DualSignature.UNSIGNED, Indication.INDETERMINATE, "SIGNED_DATA_NOT_FOUND", (why,), file)


def unreadable() -> PdfVerdict:
    """The limits were reached: not even the digest is known."""
    why = reason("pdf.limit", "TimeoutError")
    file = PdfFindings("", 0, reasons=(why,), error="TimeoutError: wall clock")
    return PdfVerdict("nd30", Verdict.UNDETERMINED, DualSignature.NOT_APPLICABLE, Indication.INDETERMINATE, "GENERIC", (why,), file)


def hostile() -> PdfVerdict:
    """Every text that comes from the file tries to break out."""
    leaf = dataclasses.replace(PERSON, subject=f"CN={HOSTILE}", issuer=f"CN={HOSTILE}", serial=HOSTILE)
    evil = signature(
        Role.PERSON,
        leaf,
        HOSTILE,
        2,
        signer=HOSTILE,
        organisation=HOSTILE,
        scheme=HOSTILE,
        anchor=f"CN={HOSTILE}",
        changes=(Change("object", HOSTILE, 3, False),),
        timestamps=(TimestampFact("signature", NOW, HOSTILE, False, HOSTILE),),
        revocations=(RevocationFact(HOSTILE, "unknown", HOSTILE, None, None, HOSTILE),),
        indication=Indication.FAILED,
        sub_indication="HASH_FAILURE",
        checks=checks(later_changes=(State.FAILED, "pdf.tampered.changed")),
        mark=MarkFact("other", 1, (0, 0, 1, 1), text=HOSTILE, number=HOSTILE, organisation=HOSTILE),
    )
    file = findings(evil, syntax=(HOSTILE,), empty_fields=(HOSTILE,), name=HOSTILE)
    why = reason("pdf.tampered.changed", HOSTILE, HOSTILE)
    return PdfVerdict("nd30", Verdict.INVALID, DualSignature.AGENCY_MISSING, Indication.FAILED, "HASH_FAILURE", (why,), file)


EVERY = (valid, tampered, revoked, undetermined, timestamped, unsigned, unreadable, hostile)
