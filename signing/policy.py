"""policy — thẩm định: findings into one verdict under a named policy. Pure.

``nd30``: person, then agency (NĐ 30/2020 Art 5.1, 32.2.d); an attachment wants
the agency's signature alone (Annex I-I-II.8.b). ``crypto-only``: every
signature holds, whoever signed.
"""

from __future__ import annotations

from signing.errors import SigningError
from signing.report import DualSignature, Indication, PdfFindings, PdfVerdict, Reason, Role, SignatureFinding, Verdict

POLICIES = ("nd30", "crypto-only")

_DUAL = {
    DualSignature.PERSON_MISSING: Reason(
        "signature.person_missing", "Thiếu chữ ký số của người có thẩm quyền.", "The authorised person's signature is missing."
    ),
    DualSignature.AGENCY_MISSING: Reason("signature.agency_missing", "Thiếu chữ ký số của cơ quan.", "The agency's signature is missing."),
    DualSignature.WRONG_ORDER: Reason(
        "signature.wrong_order",
        "Sai thứ tự: cơ quan ký trước người có thẩm quyền.",
        "Wrong order: the agency signed before the authorised person.",
    ),
    DualSignature.UNSIGNED: Reason("signature.none", "Văn bản không có chữ ký số.", "The document carries no digital signature."),
}
_REVOCATION_UNKNOWN = Reason(
    "signature.revocation_unknown",
    "Chưa kiểm tra được tình trạng thu hồi của chứng thư.",
    "The certificate's revocation status could not be checked.",
)


def judge(findings: PdfFindings, *, policy: str = "nd30", kind: str = "document") -> PdfVerdict:
    """The verdict on one PDF.

    Raises:
        SigningError: unknown policy name.
    """
    if policy not in POLICIES:
        raise SigningError(f"unknown policy {policy!r}", place="policy")
    dual = _dual(findings, kind) if policy == "nd30" else DualSignature.NOT_APPLICABLE
    reasons = list(findings.reasons)
    for signature in findings.signatures:
        reasons += signature.reasons
    if dual in _DUAL:
        reasons.append(_DUAL[dual])
    if findings.error:
        return PdfVerdict(policy, Verdict.UNDETERMINED, dual, Indication.INDETERMINATE, "FORMAT_FAILURE", tuple(reasons), findings)
    failed = next((s for s in findings.signatures if s.indication is Indication.FAILED), None)
    if failed is not None or any(r.code.startswith("pdf.tampered") for r in reasons) or dual is DualSignature.WRONG_ORDER:
        sub = failed.sub_indication if failed is not None else "FORMAT_FAILURE"
        return PdfVerdict(policy, Verdict.INVALID, dual, Indication.FAILED, sub, tuple(reasons), findings)
    if not findings.signatures:
        if dual not in _DUAL:
            reasons.append(_DUAL[DualSignature.UNSIGNED])
        return PdfVerdict(policy, Verdict.UNDETERMINED, dual, Indication.INDETERMINATE, "SIGNED_DATA_NOT_FOUND", tuple(reasons), findings)
    open_question = next((s for s in findings.signatures if s.indication is Indication.INDETERMINATE), None)
    unchecked = [s for s in findings.signatures if s.revocation == "unknown"]
    if unchecked:
        reasons.append(_REVOCATION_UNKNOWN)
    if open_question is not None or unchecked or dual not in (DualSignature.COMPLETE, DualSignature.NOT_APPLICABLE):
        sub = open_question.sub_indication if open_question is not None else "TRY_LATER" if unchecked else "SIG_CONSTRAINTS_FAILURE"
        return PdfVerdict(policy, Verdict.UNDETERMINED, dual, Indication.INDETERMINATE, sub, tuple(reasons), findings)
    return PdfVerdict(policy, Verdict.VALID, dual, Indication.PASSED, "", tuple(reasons), findings)


def has_valid_person(findings: PdfFindings) -> bool:
    """Does the document carry an intact person's signature and nothing broken?"""
    if findings.error or any(s.indication is Indication.FAILED for s in findings.signatures):
        return False
    return any(s.role is Role.PERSON and s.indication is not Indication.FAILED and s.intact and s.trusted for s in findings.signatures)


def _dual(findings: PdfFindings, kind: str) -> DualSignature:
    persons = _of(findings, Role.PERSON)
    agencies = _of(findings, Role.AGENCY)
    if kind != "document":
        return DualSignature.COMPLETE if agencies else DualSignature.AGENCY_MISSING
    if not persons and not agencies:
        return DualSignature.UNSIGNED
    if not persons:
        return DualSignature.PERSON_MISSING
    if not agencies:
        return DualSignature.AGENCY_MISSING
    in_order = max(a.revision for a in agencies) > min(p.revision for p in persons)
    return DualSignature.COMPLETE if in_order else DualSignature.WRONG_ORDER


def _of(findings: PdfFindings, role: Role) -> list[SignatureFinding]:
    return [s for s in findings.signatures if s.role is role]
