"""policy — thẩm định: findings into one verdict under a named policy. Pure.

Exactly one verdict, with every reason: what failed is KHÔNG HỢP LỆ, what could not be
established is CHƯA ĐỦ CĂN CỨ, and only what holds in full is HỢP LỆ. Indications follow
EN 319 102-1; what each policy demands is data (`policy_rules`).
"""

from __future__ import annotations

from collections.abc import Iterator

from signing.marks import numbers_equal, pair_problem
from signing.policy_rules import POLICIES, Policy, policy
from signing.reasons import reason
from signing.report import TOTAL_FAILED, Check, DualSignature, Indication, PdfFindings, PdfVerdict, Reason, Role, SignatureFinding, State, Verdict

__all__ = ["POLICIES", "has_valid_person", "judge"]

_DUAL = {
    DualSignature.PERSON_MISSING: "signature.person_missing",
    DualSignature.AGENCY_MISSING: "signature.agency_missing",
    DualSignature.WRONG_ORDER: "signature.wrong_order",
    DualSignature.UNSIGNED: "signature.none",
}
# Without a path nothing is known of the certificate; a policy that asks for none does not miss it.
_PATH_UNKNOWN = {"NO_CERTIFICATE_CHAIN_FOUND"}
_STATUS_UNKNOWN = {"TRY_LATER"}


class _Judgement:
    """Collects what fails, what is in doubt and what is only worth a warning."""

    def __init__(self, rules: Policy) -> None:
        self.rules = rules
        self.failed: list[str] = []
        self.doubts: list[str] = []
        self.reasons: list[Reason] = []
        self.warnings: list[Reason] = []

    def fail(self, sub: str, *reasons: Reason) -> None:
        self.failed.append(sub)
        self.reasons += reasons

    def doubt(self, sub: str, *reasons: Reason) -> None:
        self.doubts.append(sub)
        self.reasons += reasons


def judge(findings: PdfFindings, *, policy: str = "nd30", kind: str = "document", number: str = "") -> PdfVerdict:
    """The verdict on one PDF.

    Args:
        policy: a name in `POLICIES` or the path of a policy file.
        kind: ``document``, ``attachment`` or ``copy``.
        number: number and symbol of the document, which an attachment's mark must show; "" when unknown.

    Raises:
        PolicyUnusable: no such policy.
    """
    rules = _rules(policy)
    judgement = _Judgement(rules)
    dual = _dual(findings, kind) if rules.two_signatures and not findings.error else DualSignature.NOT_APPLICABLE
    _judge_file(findings, judgement)
    tolerated = _tolerated(findings, rules)
    for signature in findings.signatures:
        _judge_signature(signature, judgement, tolerated)
    if not findings.error:
        _judge_presence(findings, dual, judgement)
        if rules.attachment_mark:
            _judge_marks(findings, kind, number, judgement)
    verdict, indication, sub = _conclude(findings, judgement)
    reasons = tuple(dict.fromkeys(judgement.reasons))
    return PdfVerdict(rules.id, verdict, dual, indication, sub, reasons, findings, tuple(dict.fromkeys(judgement.warnings)), kind)


def _rules(name: str) -> Policy:
    return policy(name)


def _conclude(findings: PdfFindings, judgement: _Judgement) -> tuple[Verdict, Indication, str]:
    if judgement.failed and not findings.error:
        certain = [sub for sub in judgement.failed if sub in TOTAL_FAILED]
        if certain:
            return Verdict.INVALID, Indication.FAILED, certain[0]
        # Refused all the same, but for a reason that the standard does not count as a failed signature: order, number, another certificate named.
        return Verdict.INVALID, Indication.INDETERMINATE, judgement.failed[0]
    if findings.error:
        return Verdict.UNDETERMINED, Indication.INDETERMINATE, "FORMAT_FAILURE"
    if judgement.doubts:
        return Verdict.UNDETERMINED, Indication.INDETERMINATE, judgement.doubts[0]
    return Verdict.VALID, Indication.PASSED, ""


def _judge_file(findings: PdfFindings, judgement: _Judgement) -> None:
    for found in findings.reasons:
        if found.code.startswith("pdf.tampered"):
            judgement.fail("FORMAT_FAILURE", found)
        elif found.code == "pdf.degraded" or (found.code == "pdf.unreachable" and judgement.rules.unreachable):
            judgement.warnings.append(found)
        elif found.code == "pdf.unreachable":
            judgement.doubt("FORMAT_FAILURE", found)
        else:
            judgement.reasons.append(found)


def _tolerated(findings: PdfFindings, rules: Policy) -> tuple[str, ...]:
    """Reasons about later changes that only warn: as the policy says, when everybody who signed is known."""
    return rules.later if all(s.trusted for s in findings.signatures) else ()


def _judge_signature(signature: SignatureFinding, judgement: _Judgement, tolerated: tuple[str, ...]) -> None:
    rules = judgement.rules
    by_code = {r.code: r for r in signature.reasons}
    used: set[str] = set()
    for check in signature.checks:
        found = by_code.get(check.reason)
        said = (found,) if found is not None else ()
        if check.state is State.FAILED and check.reason not in tolerated:
            judgement.fail(check.sub_indication, *said)
        elif check.state is State.INDETERMINATE and not _excused(check, rules):
            judgement.doubt(check.sub_indication, *said)
        elif found is not None:
            judgement.warnings.append(found)
        used.add(check.reason)
    judgement.reasons += [r for r in signature.reasons if r.code not in used and signature.indication is not Indication.PASSED]
    if signature.indication is Indication.INDETERMINATE and not signature.checks:
        judgement.doubt(signature.sub_indication)
    if signature.role is not Role.TIMESTAMP:
        _judge_algorithms(signature, judgement)
        if rules.kinds and signature.certificate_kind and signature.certificate_kind not in rules.kinds:
            judgement.warnings.append(reason("signature.certificate_kind", signature.field, signature.certificate_kind))


def _excused(check: Check, rules: Policy) -> bool:
    if check.sub_indication in _PATH_UNKNOWN:
        return not rules.chain
    return check.sub_indication in _STATUS_UNKNOWN and not rules.revocation


def _judge_algorithms(signature: SignatureFinding, judgement: _Judgement) -> None:
    rules = judgement.rules
    if not signature.scheme:
        return
    kind, _, size = signature.key.partition("-")
    bits = signature.key_bits or (int(size) if size.isdigit() else 0)
    allowed = signature.scheme in (*rules.schemes, *rules.tolerated) and signature.digest in rules.digests
    if not allowed or (kind == "RSA" and bits < rules.rsa_bits) or (kind == "EC" and 0 < bits < rules.ec_bits):
        detail = f"{signature.scheme} {signature.digest} {signature.key}"
        judgement.doubt("CRYPTO_CONSTRAINTS_FAILURE", reason("signature.not_allowed", signature.field, detail))
    elif signature.scheme in rules.tolerated:
        judgement.warnings.append(reason("signature.legacy_algorithm", signature.field))
    if signature.binding and signature.binding not in rules.digests:
        found = reason("signature.weak_binding", signature.field, signature.binding)
        if signature.binding in rules.bindings:
            judgement.warnings.append(found)
        else:
            judgement.doubt("CRYPTO_CONSTRAINTS_FAILURE", found)


def _judge_presence(findings: PdfFindings, dual: DualSignature, judgement: _Judgement) -> None:
    if not findings.signatures:
        judgement.doubt("SIGNED_DATA_NOT_FOUND", reason("signature.none"))
    elif dual is DualSignature.WRONG_ORDER:
        judgement.fail("SIG_CONSTRAINTS_FAILURE", reason(_DUAL[dual]))
    elif dual in _DUAL:
        judgement.doubt("SIG_CONSTRAINTS_FAILURE", reason(_DUAL[dual]))
    elif all(s.role is Role.TIMESTAMP and s.indication is Indication.PASSED for s in findings.signatures):
        judgement.doubt("SIG_CONSTRAINTS_FAILURE", reason("signature.none"))


def _judge_marks(findings: PdfFindings, kind: str, number: str, judgement: _Judgement) -> None:
    """An attachment's mark shows the document's number (SIG-05); what is off in form is a warning."""
    for signature in findings.signatures:
        if signature.mark is not None:
            judgement.warnings += signature.mark.problems
    if kind == "document":
        shown = {role: next((s.mark for s in _of(findings, role) if s.mark is not None), None) for role in (Role.PERSON, Role.AGENCY)}
        off = pair_problem(shown[Role.PERSON], shown[Role.AGENCY])
        judgement.warnings += [off] if off is not None else []
    if kind == "document":
        return
    marks = [s.mark for s in _of(findings, Role.AGENCY) if s.mark is not None and s.mark.kind == kind]
    if kind == "copy":
        # Without the form of the copy (Annex I-II-I.3) it is only a document that no person signed.
        if not marks:
            judgement.doubt("SIG_CONSTRAINTS_FAILURE", reason("mark.copy_missing"))
    elif not marks:
        judgement.doubt("SIG_CONSTRAINTS_FAILURE", reason("mark.missing"))
    elif number and not any(numbers_equal(m.number, number) for m in marks):
        judgement.fail("SIG_CONSTRAINTS_FAILURE", reason("mark.number_differs", "", f"{marks[0].number} ≠ {number}"))


def has_valid_person(findings: PdfFindings) -> bool:
    """Does the document carry an intact person's signature and nothing broken?"""
    if findings.error or any(s.indication is Indication.FAILED for s in findings.signatures) or list(_tampered(findings)):
        return False
    return any(s.role is Role.PERSON and s.intact and s.trusted for s in findings.signatures)


def _tampered(findings: PdfFindings) -> Iterator[Reason]:
    return (r for r in findings.reasons if r.code.startswith("pdf.tampered"))


def _dual(findings: PdfFindings, kind: str) -> DualSignature:
    persons = _of(findings, Role.PERSON)
    agencies = _of(findings, Role.AGENCY)
    if kind != "document":
        return DualSignature.COMPLETE if agencies else DualSignature.AGENCY_MISSING
    if not persons and not agencies:
        # Somebody signed, whoever it was: that is not "no signature".
        return DualSignature.PERSON_MISSING if findings.signatures else DualSignature.UNSIGNED
    if not persons:
        return DualSignature.PERSON_MISSING
    if not agencies:
        return DualSignature.AGENCY_MISSING
    in_order = max(a.revision for a in agencies) > min(p.revision for p in persons)
    return DualSignature.COMPLETE if in_order else DualSignature.WRONG_ORDER


def _of(findings: PdfFindings, role: Role) -> list[SignatureFinding]:
    return [s for s in findings.signatures if s.role is role]
