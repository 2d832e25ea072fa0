"""explain — giải thích: for every check that did not pass, what would have to be different.

With the facts of this file: which certificate, which time, which bytes, until when. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from signing import wording
from signing.reasons import CATALOGUE
from signing.report import CertificateFacts, Check, PdfVerdict, Reason, Role, SignatureFinding, State, Verdict
from signing.sub_verdicts import excused, outcome
from signing.wording import Pair, common_name, local, size_of, words

_REASON_CHECK = {
    "pdf.tampered.bytes": "byte_range",
    "pdf.tampered.changed": "later_changes",
    "pdf.cannot_verify": "document",
    "pdf.limit": "document",
    "pdf.changed_meanwhile": "document",
    "pdf.degraded": "document",
    "pdf.encrypted": "document",
    "pdf.unreachable": "later_changes",
    "signature.broken": "digest",
    "signature.malformed": "format",
    "signature.unsupported": "format",
    "signature.certificate_unreadable": "certificate_binding",
    "signature.untrusted": "chain",
    "signature.revoked": "revocation",
    "signature.revocation_unknown": "revocation",
    "signature.expired": "validity",
    "signature.not_yet_valid": "validity",
    "signature.key_usage": "key_usage",
    "signature.timestamp_broken": "timestamp",
    "signature.timestamp_type": "timestamp",
    "signature.timestamp_untrusted": "timestamp",
    "signature.weak_algorithm": "algorithms",
    "signature.not_allowed": "algorithms",
    "signature.weak_binding": "algorithms",
    "signature.legacy_algorithm": "algorithms",
    "signature.certificate_kind": "key_usage",
    "signature.docmdp": "docmdp",
    "signature.undeclared_field": "later_changes",
    "signature.form_filled": "later_changes",
    "signature.long_term_unknown": "ades",
    "signature.ades": "ades",
    "signature.person_missing": "dual",
    "signature.agency_missing": "dual",
    "signature.wrong_order": "dual",
    "signature.none": "dual",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One check that did not pass: where, what was found, what would have to be different, and the facts.

    `place` is a field name, or "" for the whole document; `check` a code of `Check` or ``document``;
    `facts` are pairs of sentences (vi, en); a `warning` does not change the verdict.
    """

    place: str
    check: str
    state: State
    reason: str
    found_vi: str
    found_en: str
    needed_vi: str
    needed_en: str
    facts: tuple[Pair, ...] = ()
    warning: bool = False


def remedy(code: str) -> Pair:
    """What would have to be different for the reason `code` not to arise; empty when the catalogue lacks it."""
    text = CATALOGUE.get(code)
    return (text.remedy_vi, text.remedy_en) if text is not None else ("", "")


def explain(verdict: PdfVerdict) -> tuple[Explanation, ...]:
    """One explanation for each check that did not pass and each reason, signatures first, nothing said twice."""
    found: list[Explanation] = []
    for signature in verdict.findings.signatures:
        found += _of_signature(signature, excused(verdict))
    said = {(e.place, e.reason) for e in found}
    codes = {code for _, code in said}
    for reason in (*verdict.reasons, *verdict.warnings):
        if ("", reason.code) not in said and not (reason.code in codes and _is_of_a_signature(reason, verdict)):
            found.append(_of_document(verdict, reason))
            said.add(("", reason.code))
    return tuple(found)


def explain_reasons(reasons: Sequence[Reason], state: State) -> tuple[Explanation, ...]:
    """One explanation for each reason about a file that is no PDF."""
    return tuple(Explanation(r.place, "document", state, r.code, r.vi, r.en, *remedy(r.code)) for r in dict.fromkeys(reasons))


def _of_signature(signature: SignatureFinding, lenient: frozenset[str]) -> list[Explanation]:
    reasons = {r.code: r for r in (*signature.reasons, *(signature.mark.problems if signature.mark else ()))}
    found: dict[str, Explanation] = {}
    for check in signature.checks:
        if check.state not in (State.FAILED, State.INDETERMINATE):
            continue
        code = check.reason or next((c for c in reasons if _REASON_CHECK.get(c) == check.code), "")
        shown = replace(check, code=check_of(code)) if check.code == "status" and code else check
        if code not in found or not code:
            found[code or check.code] = _of_check(signature, shown, code, reasons.get(code), code in lenient)
        elif check.detail and not any(check.detail in vi for vi, _ in found[code].facts):
            # Another check failed for the same reason: its detail joins the first.
            found[code] = replace(found[code], facts=(*found[code].facts, (f"chi tiết: {check.detail}", f"detail: {check.detail}")))
    for code, reason in reasons.items():
        if code not in found:
            made = Check(check_of(code), outcome(signature, lenient), code)
            found[code] = _of_check(signature, made, code, reason, code in lenient)
    return list(found.values())


def _is_of_a_signature(reason: Reason, verdict: PdfVerdict) -> bool:
    """Was this reason copied up from a signature, or is it the summary of one?"""
    return any(r.code == reason.code for s in verdict.findings.signatures for r in s.reasons) or any(
        c.reason == reason.code for s in verdict.findings.signatures for c in s.checks
    )


def check_of(code: str) -> str:
    """The check that a reason belongs to: a code of `Check`, ``dual``, ``mark`` or ``document``."""
    return _REASON_CHECK.get(code, "mark" if code.startswith("mark.") else "status" if code.startswith("signature.") else "document")


def _of_check(signature: SignatureFinding, check: Check, code: str, reason: Reason | None, warning: bool) -> Explanation:
    text = CATALOGUE.get(code)
    name_vi, name_en = words(wording.CHECKS, check.code)
    found_vi = reason.vi if reason else f"{text.vi}." if text else f"{name_vi}: {words(wording.STATES, check.state.value)[0]}."
    found_en = reason.en if reason else f"{text.en}." if text else f"{name_en}: {words(wording.STATES, check.state.value)[1]}."
    needed_vi, needed_en = remedy(code)
    facts = [*facts_of(signature, check.code)]
    if check.detail:
        facts.append((f"chi tiết: {check.detail}", f"detail: {check.detail}"))
    if reason is not None and reason.place and reason.place != signature.field:
        facts.append((f"tại: {reason.place}", f"at: {reason.place}"))
    return Explanation(signature.field, check.code, check.state, code, found_vi, found_en, needed_vi, needed_en, tuple(facts), warning)


def _of_document(verdict: PdfVerdict, reason: Reason) -> Explanation:
    warning = reason in verdict.warnings and reason not in verdict.reasons
    state = State.PASSED if warning else State.FAILED if verdict.verdict is Verdict.INVALID else State.INDETERMINATE
    needed_vi, needed_en = remedy(reason.code)
    check = check_of(reason.code)
    facts: list[Pair] = []
    if reason.place:
        facts.append((f"tại: {reason.place}", f"at: {reason.place}"))
    if verdict.findings.error and check == "document":
        facts.append((f"chi tiết: {verdict.findings.error}", f"detail: {verdict.findings.error}"))
    if check == "byte_range" and verdict.findings.signatures:
        facts += _bytes_of_file(verdict)
    if check == "dual":
        facts += _who_signed(verdict)
    return Explanation("", check, state, reason.code, reason.vi, reason.en, needed_vi, needed_en, tuple(facts), warning)


def _who_signed(verdict: PdfVerdict) -> list[Pair]:
    facts = []
    for s in verdict.findings.signatures:
        if s.role is not Role.TIMESTAMP:
            role = words(wording.ROLES, s.role.value)
            facts.append((f"bản {s.revision}: {s.signer or s.field} ({role[0]})", f"revision {s.revision}: {s.signer or s.field} ({role[1]})"))
    return facts


def _bytes_of_file(verdict: PdfVerdict) -> list[Pair]:
    ends = [s.byte_range[2] + s.byte_range[3] for s in verdict.findings.signatures if len(s.byte_range) == 4]
    if not ends:
        return []
    end, size = max(ends), verdict.findings.size
    return [
        (
            f"chữ ký cuối cùng bao phủ tới byte {size_of(end)}; tệp dài {size_of(size)} byte",
            f"the last signature covers up to byte {size_of(end)}; the file has {size_of(size)} bytes",
        )
    ]


def facts_of(signature: SignatureFinding, check: str) -> tuple[Pair, ...]:
    """The facts of this signature that bear on a check: certificate, times, bytes, changes."""
    gather = {
        "validity": _facts_of_time,
        "revocation": _facts_of_revocation,
        "byte_range": _facts_of_bytes,
        "digest": _facts_of_bytes,
        "later_changes": _facts_of_changes,
        "docmdp": _facts_of_changes,
        "chain": _facts_of_chain,
        "algorithms": _facts_of_algorithms,
        "timestamp": _facts_of_timestamps,
        "key_usage": _facts_of_certificate,
        "signature_value": _facts_of_certificate,
        "certificate_binding": _facts_of_certificate,
    }.get(check)
    return tuple(gather(signature)) if gather else ()


def _named(certificate: CertificateFacts) -> str:
    return f"{common_name(certificate.subject)} (serial {certificate.serial})"


def _facts_of_certificate(signature: SignatureFinding) -> list[Pair]:
    name = _named(signature.certificate) if signature.certificate else f"{signature.signer} (serial {signature.serial})"
    return [(f"chứng thư: {name}, SHA-256 {signature.certificate_sha256}", f"certificate: {name}, SHA-256 {signature.certificate_sha256}")]


def _facts_of_time(signature: SignatureFinding) -> list[Pair]:
    facts: list[Pair] = []
    at = signature.best_time
    for c in signature.chain or ((signature.certificate,) if signature.certificate else ()):
        if at is None or not c.not_before <= at <= c.not_after:
            period = f"{local(c.not_before)} – {local(c.not_after)}"
            facts.append((f"{_named(c)} có hiệu lực {period}", f"{_named(c)} is valid {period}"))
    if signature.best_time_source in wording.PROVEN:
        how = words(wording.PROOFS, signature.best_time_source)
        facts.append((f"thời điểm được chứng minh: {local(at)} ({how[0]})", f"proven time: {local(at)} ({how[1]})"))
    else:
        facts.append((f"không có thời điểm được chứng minh nên xét lúc {local(at)}", f"no time is proven, so it is judged at {local(at)}"))
    if signature.claimed_time is not None:
        claimed = local(signature.claimed_time)
        facts.append((f"người ký khai {claimed}: chỉ có giá trị khi có dấu thời gian", f"the signer claims {claimed}: it counts only with a time-stamp"))
    if signature.certificate is not None:
        until = local(signature.certificate.not_after)
        facts.append((f"cần dấu thời gian không muộn hơn {until}", f"a time-stamp not later than {until} is wanted"))
    return facts


def _facts_of_revocation(signature: SignatureFinding) -> list[Pair]:
    facts: list[Pair] = []
    for f in signature.revocations:
        if f.state == "revoked":
            when = local(f.revoked_at)
            vi = f"{common_name(f.subject)} bị thu hồi {when}; cần bằng chứng đã ký trước lúc đó"
            facts.append((vi, f"{common_name(f.subject)} was revoked {when}; proof of signing before that is wanted"))
        elif f.state != "good":
            facts.append((f"chưa có trả lời về {common_name(f.subject)}", f"no answer about {common_name(f.subject)}"))
        if f.state != "good" and f.detail:
            facts.append((f"chi tiết: {f.detail}", f"detail: {f.detail}"))
    issuer = common_name(signature.issuer)
    if signature.revocation == "unknown" and issuer:
        at = local(signature.best_time)
        facts.append((f"cần CRL hoặc OCSP của {issuer} có giá trị lúc {at}", f"a CRL or OCSP answer of {issuer} that counts at {at} is wanted"))
    return facts


def _facts_of_bytes(signature: SignatureFinding) -> list[Pair]:
    if len(signature.byte_range) != 4:
        numbers = " ".join(str(n) for n in signature.byte_range) or "—"
        return [(f"ByteRange: [{numbers}], cần đúng bốn số", f"ByteRange: [{numbers}], exactly four numbers are wanted")]
    a, b, c, d = signature.byte_range
    whole = ("không còn byte nào sau bản đã ký", "nothing follows the signed revision") if signature.covers_whole_file else ("còn byte sau đó", "bytes follow")
    return [
        (
            f"đã ký byte {size_of(a)}–{size_of(a + b)} và {size_of(c)}–{size_of(c + d)}; {whole[0]}",
            f"signed bytes {size_of(a)}–{size_of(a + b)} and {size_of(c)}–{size_of(c + d)}; {whole[1]}",
        )
    ]


def _facts_of_changes(signature: SignatureFinding) -> list[Pair]:
    facts: list[Pair] = []
    for change in signature.changes:
        if not change.lawful:
            vi, en = words(wording.CHANGES, change.kind)
            facts.append((f"bản {change.revision}: {vi} ({change.what})", f"revision {change.revision}: {en} ({change.what})"))
    return facts or _facts_of_bytes(signature)


def _facts_of_chain(signature: SignatureFinding) -> list[Pair]:
    top = signature.chain[-1] if signature.chain else signature.certificate
    issuer = top.issuer if top is not None else signature.issuer
    return [(f"thiếu trong thư mục tin cậy: {issuer}", f"missing from the trust folder: {issuer}")] if issuer else []


def _facts_of_algorithms(signature: SignatureFinding) -> list[Pair]:
    used = wording.algorithm(signature.scheme or signature.algorithm, signature.key, signature.digest)
    vi, en = words(wording.STRENGTH, signature.strength)
    return [(f"đã dùng: {used} ({vi})", f"used: {used} ({en})")] if used else []


def _facts_of_timestamps(signature: SignatureFinding) -> list[Pair]:
    facts: list[Pair] = []
    for stamp in signature.timestamps:
        if not stamp.holds:
            named = ", ".join(part for part in (common_name(stamp.authority), local(stamp.time)) if part)
            facts.append((f"{named}: {stamp.problem}", f"{named}: {stamp.problem}"))
    return facts
