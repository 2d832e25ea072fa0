"""explain — giải thích: what each finding means in law, and what would have to be different.

`answers` gives the named sub-verdicts that the law asks for: INTEGRITY, KEY-MATCH and CERT
(CRY-04), and under CERT the three of NĐ 68/2024 Art 31: VALIDITY, SCOPE and STATUS
(CRY-02). `explain` goes through every check that did not pass, with the facts of this
file: which certificate, which time, which bytes. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from signing import wording
from signing.reasons import CATALOGUE
from signing.report import CertificateFacts, Check, PdfVerdict, Reason, Role, SignatureFinding, State
from signing.wording import Pair, common_name, day, local, size_of, words

_WORST = (State.FAILED, State.INDETERMINATE, State.PASSED, State.SKIPPED)
INTEGRITY, KEY_MATCH, CERT = "INTEGRITY", "KEY-MATCH", "CERT"
VALIDITY, SCOPE, STATUS = "VALIDITY", "SCOPE", "STATUS"
QUESTIONS = (INTEGRITY, KEY_MATCH, CERT, VALIDITY, SCOPE, STATUS)
_CHECKS_OF = {
    INTEGRITY: ("format", "byte_range", "digest", "later_changes", "docmdp"),
    KEY_MATCH: ("signature_value", "certificate_binding"),
    VALIDITY: ("validity",),
    SCOPE: ("key_usage",),
    STATUS: ("revocation",),
}
_REASON_CHECK = {
    "pdf.tampered.bytes": "byte_range",
    "pdf.tampered.changed": "later_changes",
    "pdf.cannot_verify": "document",
    "pdf.limit": "document",
    "pdf.degraded": "document",
    "pdf.encrypted": "document",
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
    "signature.weak_algorithm": "algorithms",
    "signature.not_allowed": "algorithms",
    "signature.legacy_algorithm": "algorithms",
    "signature.certificate_kind": "key_usage",
    "signature.docmdp": "docmdp",
    "signature.undeclared_field": "later_changes",
    "signature.long_term_unknown": "ades",
    "signature.ades": "ades",
    "signature.person_missing": "dual",
    "signature.agency_missing": "dual",
    "signature.wrong_order": "dual",
    "signature.none": "dual",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One named sub-verdict on a signature: its code, outcome and one sentence in each language."""

    code: str
    state: State
    vi: str
    en: str


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


def worst(states: Iterable[State]) -> State:
    """The outcome that decides: failed before undetermined before passed."""
    present = set(states)
    return next((s for s in _WORST if s in present), State.INDETERMINATE)


def answers(signature: SignatureFinding) -> tuple[Answer, ...]:
    """The six named sub-verdicts on one signature, in the order of `QUESTIONS` (CRY-02, CRY-04)."""
    validity, scope, status = _validity(signature), _scope(signature), _status(signature)
    return (_integrity(signature), _key_match(signature), _certificate(signature, (validity, scope, status)), validity, scope, status)


def _made(signature: SignatureFinding, question: str) -> State | None:
    """What the checks behind a question say; None when none of them was made."""
    states = [c.state for c in signature.checks if c.code in _CHECKS_OF[question] and c.state is not State.SKIPPED]
    return worst(states) if states else None


def _integrity(signature: SignatureFinding) -> Answer:
    state = _made(signature, INTEGRITY) or (State.PASSED if signature.intact else State.FAILED)
    unlawful = any(not c.lawful for c in signature.changes) or any(r.code.startswith("pdf.tampered") for r in signature.reasons)
    if not signature.intact or unlawful:
        state = State.FAILED if signature.byte_range or signature.signature_value or unlawful or not signature.checks else worst((state, State.INDETERMINATE))
    if state is State.PASSED:
        return Answer(INTEGRITY, state, "Nội dung đã ký còn nguyên vẹn.", "The signed content is intact.")
    if state is State.FAILED:
        return Answer(INTEGRITY, state, "Nội dung đã bị thay đổi hoặc không khớp chữ ký.", "The content was changed or does not match the signature.")
    return Answer(INTEGRITY, state, "Chưa xác định được tính toàn vẹn.", "Integrity could not be determined.")


def _key_match(signature: SignatureFinding) -> Answer:
    state = _made(signature, KEY_MATCH) or (State.PASSED if signature.intact else State.INDETERMINATE)
    sentences = {
        State.PASSED: ("Chữ ký được tạo bằng khóa bí mật ứng với chứng thư.", "Made by the private key that belongs to the certificate."),
        State.FAILED: ("Chữ ký không được tạo bằng khóa ứng với chứng thư.", "Not made by the key that belongs to the certificate."),
    }
    return Answer(KEY_MATCH, state, *sentences.get(state, ("Chưa xác định được khóa đã ký.", "Which key signed could not be determined.")))


def _validity(signature: SignatureFinding) -> Answer:
    certificate, at = signature.certificate, signature.best_time
    state = _made(signature, VALIDITY)
    codes = {r.code for r in signature.reasons}
    if state is None and codes & {"signature.expired", "signature.not_yet_valid"}:
        state = State.INDETERMINATE
    if certificate is None or at is None:
        state = state or (State.PASSED if signature.trusted else State.INDETERMINATE)
        vi, en = words(wording.STATES, state.value)
        return Answer(VALIDITY, state, f"Thời hạn chứng thư: {vi}.", f"Validity period: {en}.")
    within = certificate.not_before <= at <= certificate.not_after
    state = state or (State.PASSED if within else State.INDETERMINATE)
    period = f"{day(certificate.not_before)} – {day(certificate.not_after)}"
    how_vi, how_en = words(wording.PROOFS, signature.best_time_source)
    inside = ("trong thời hạn", "within its period") if within else ("ngoài thời hạn", "outside its period")
    return Answer(VALIDITY, state, f"{period}; {inside[0]} lúc {local(at)} ({how_vi}).", f"{period}; {inside[1]} at {local(at)} ({how_en}).")


def _scope(signature: SignatureFinding) -> Answer:
    state = _made(signature, SCOPE)
    codes = {r.code for r in signature.reasons}
    if state is None:
        state = State.FAILED if "signature.key_usage" in codes else State.PASSED if signature.trusted else State.INDETERMINATE
    if "signature.certificate_kind" in codes and state is State.PASSED:
        state = State.INDETERMINATE
    kind_vi, kind_en = words(wording.CERTIFICATE_KINDS, signature.certificate_kind) if signature.certificate_kind else wording.CERTIFICATE_KINDS[""]
    end_vi, end_en = {
        State.PASSED: ("được dùng để ký", "may be used to sign"),
        State.FAILED: ("không được dùng để ký", "may not be used to sign"),
    }.get(state, ("chưa xác định phạm vi sử dụng", "scope of use not determined"))
    return Answer(SCOPE, state, f"Chứng thư {kind_vi}, {end_vi}.", f"Certificate {kind_en}, {end_en}.")


def _status(signature: SignatureFinding) -> Answer:
    state = {"good": State.PASSED, "revoked": State.FAILED}.get(signature.revocation, State.INDETERMINATE)
    state = worst(s for s in (_made(signature, STATUS), state) if s is not None)
    what_vi, what_en = words(wording.REVOCATION, signature.revocation)
    by_vi, by_en = words(wording.SOURCES, signature.revocation_source) if signature.revocation_source else ("chưa có nguồn trả lời", "no source answered")
    produced = next((f.produced_at for f in signature.revocations if f.produced_at is not None), None)
    when = f", {local(produced)}" if produced else ""
    return Answer(STATUS, state, f"{what_vi.capitalize()} ({by_vi}{when}).", f"{what_en.capitalize()} ({by_en}{when}).")


def _certificate(signature: SignatureFinding, parts: Sequence[Answer]) -> Answer:
    chain = [c.state for c in signature.checks if c.code == "chain"] or [State.PASSED if signature.anchor else State.INDETERMINATE]
    state = worst((*chain, *(p.state for p in parts)))
    if signature.anchor:
        anchor = common_name(signature.anchor)
        path = ("Dẫn tới gốc tin cậy " + anchor, "Leads to the trusted root " + anchor)
    else:
        path = ("Không dẫn tới gốc tin cậy", "No path to a trusted root")
    open_vi = ", ".join(wording.QUESTIONS[p.code][0].lower() for p in parts if p.state is not State.PASSED)
    open_en = ", ".join(wording.QUESTIONS[p.code][1].lower() for p in parts if p.state is not State.PASSED)
    if state is State.PASSED or not open_vi:
        return Answer(CERT, state, path[0] + ".", path[1] + ".")
    return Answer(CERT, state, f"{path[0]}; chưa đạt: {open_vi}.", f"{path[1]}; not met: {open_en}.")


def remedy(code: str) -> Pair:
    """What would have to be different for the reason `code` not to arise; empty when the catalogue lacks it."""
    text = CATALOGUE.get(code)
    return (text.remedy_vi, text.remedy_en) if text is not None else ("", "")


def explain(verdict: PdfVerdict) -> tuple[Explanation, ...]:
    """One explanation for each check that did not pass and each reason, signatures first, nothing said twice."""
    found: list[Explanation] = []
    said: set[tuple[str, str]] = set()
    for signature in verdict.findings.signatures:
        reasons = {r.code: r for r in (*signature.reasons, *(signature.mark.problems if signature.mark else ()))}
        for check in signature.checks:
            if check.state in (State.FAILED, State.INDETERMINATE):
                code = check.reason or next((c for c in reasons if _REASON_CHECK.get(c) == check.code), "")
                found.append(_of_check(signature, check, code, reasons.get(code)))
                said.add((signature.field, code))
        for code, reason in reasons.items():
            if (signature.field, code) not in said:
                made = Check(check_of(code), outcome(signature), code)
                found.append(_of_check(signature, made, code, reason))
                said.add((signature.field, code))
    codes = {code for _, code in said}
    for reason in (*verdict.reasons, *verdict.warnings):
        if ("", reason.code) not in said and not (reason.code in codes and _is_of_a_signature(reason, verdict)):
            found.append(_of_document(verdict, reason))
            said.add(("", reason.code))
    return tuple(found)


def _is_of_a_signature(reason: Reason, verdict: PdfVerdict) -> bool:
    """Was this reason copied up from a signature, or is it the summary of one?"""
    return any(r.code == reason.code for s in verdict.findings.signatures for r in s.reasons) or any(
        c.reason == reason.code for s in verdict.findings.signatures for c in s.checks
    )


def check_of(code: str) -> str:
    """The check that a reason belongs to: a code of `Check`, ``dual``, ``mark`` or ``document``."""
    return _REASON_CHECK.get(code, "mark" if code.startswith("mark.") else "status" if code.startswith("signature.") else "document")


def outcome(signature: SignatureFinding) -> State:
    """The outcome of one signature: its indication, and never better than its integrity.

    A validation process that looks at the CMS alone passes a signature whose document was
    changed afterwards (signing.md T2); the change decides.
    """
    state = {"TOTAL-FAILED": State.FAILED, "TOTAL-PASSED": State.PASSED}.get(signature.indication.value, State.INDETERMINATE)
    return worst((state, State.FAILED)) if _integrity(signature).state is State.FAILED else state


def _of_check(signature: SignatureFinding, check: Check, code: str, reason: Reason | None) -> Explanation:
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
    return Explanation(signature.field, check.code, check.state, code, found_vi, found_en, needed_vi, needed_en, tuple(facts))


def _of_document(verdict: PdfVerdict, reason: Reason) -> Explanation:
    warning = reason in verdict.warnings and reason not in verdict.reasons
    state = State.PASSED if warning else {"TOTAL-FAILED": State.FAILED}.get(verdict.indication.value, State.INDETERMINATE)
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
    how = words(wording.PROOFS, signature.best_time_source)
    facts.append((f"thời điểm được chứng minh: {local(at)} ({how[0]})", f"proven time: {local(at)} ({how[1]})"))
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
            facts.append((f"{stamp.authority}, {local(stamp.time)}: {stamp.problem}", f"{stamp.authority}, {local(stamp.time)}: {stamp.problem}"))
    return facts
