"""sub_verdicts — kết luận thành phần: what each finding means in law, by the names that the law gives.

INTEGRITY, KEY-MATCH and CERT (CRY-04: made by the key of the certificate, content intact,
certificate valid), and under CERT the three of NĐ 68/2024 Art 31: VALIDITY, SCOPE and
STATUS (CRY-02). `outcome` and `standing` are the one place that says whether a signature
may be shown as good. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from signing import wording
from signing.report import Indication, PdfVerdict, Role, SignatureFinding, State
from signing.wording import common_name, day, local, words

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


@dataclass(frozen=True, slots=True)
class Answer:
    """One named sub-verdict on a signature: its code, outcome and one sentence in each language."""

    code: str
    state: State
    vi: str
    en: str


def worst(states: Iterable[State]) -> State:
    """The outcome that decides: failed before undetermined before passed."""
    present = set(states)
    return next((s for s in _WORST if s in present), State.INDETERMINATE)


def excused(verdict: PdfVerdict) -> frozenset[str]:
    """Codes of what was found and, under this policy, only warns."""
    return frozenset(r.code for r in verdict.warnings) - {r.code for r in verdict.reasons}


def answers(signature: SignatureFinding, lenient: frozenset[str] = frozenset()) -> tuple[Answer, ...]:
    """The six named sub-verdicts on one signature, in the order of `QUESTIONS` (CRY-02, CRY-04).

    `lenient` are the codes `excused` by the policy: later changes that it leaves to others.
    """
    validity, scope, status = _validity(signature), _scope(signature), _status(signature)
    return (_integrity(signature, lenient), _key_match(signature), _certificate(signature, (validity, scope, status)), validity, scope, status)


def _made(signature: SignatureFinding, question: str, lenient: frozenset[str] = frozenset()) -> State | None:
    """What the checks behind a question say; None when none of them was made."""
    made = [c for c in signature.checks if c.code in _CHECKS_OF[question] and c.state is not State.SKIPPED]
    states = [State.PASSED if c.reason in lenient else c.state for c in made]
    return worst(states) if states else None


def _integrity(signature: SignatureFinding, lenient: frozenset[str]) -> Answer:
    state = _made(signature, INTEGRITY, lenient) or (State.PASSED if signature.intact else State.FAILED)
    unlawful = any(not c.lawful for c in signature.changes) or any(r.code.startswith("pdf.tampered") for r in signature.reasons)
    if not signature.intact or unlawful:
        state = State.FAILED if signature.byte_range or signature.signature_value or unlawful or not signature.checks else worst((state, State.INDETERMINATE))
    if state is State.PASSED and any(c.state is State.FAILED and c.code in _CHECKS_OF[INTEGRITY] for c in signature.checks):
        vi = "Nội dung đã ký còn nguyên vẹn; có thay đổi sau đó mà chính sách chỉ lưu ý."
        return Answer(INTEGRITY, state, vi, "The signed content is intact; the policy only warns of later changes.")
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
    use_vi, use_en = ("đóng dấu thời gian", "time-stamp") if signature.role is Role.TIMESTAMP else ("ký", "sign")
    end_vi, end_en = {
        State.PASSED: (f"được dùng để {use_vi}", f"may be used to {use_en}"),
        State.FAILED: (f"không được dùng để {use_vi}", f"may not be used to {use_en}"),
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


def outcome(signature: SignatureFinding, lenient: frozenset[str] = frozenset()) -> State:
    """The outcome of one signature: its indication, and never better than its integrity.

    A validation process that looks at the CMS alone passes a signature whose document was
    changed afterwards (signing.md T2); the change decides. What failed only by codes that the
    policy excuses (`lenient`) is undetermined, neither passed nor failed.
    """
    state = {"TOTAL-FAILED": State.FAILED, "TOTAL-PASSED": State.PASSED}.get(signature.indication.value, State.INDETERMINATE)
    failed = {c.reason for c in signature.checks if c.state is State.FAILED}
    if state is State.FAILED and failed and failed <= lenient:
        state = State.INDETERMINATE
    return worst((state, State.FAILED)) if _integrity(signature, lenient).state is State.FAILED else state


def standing(verdict: PdfVerdict, signature: SignatureFinding) -> State:
    """The outcome of one signature within its file: none stands in a file that was tampered with."""
    if any(r.code.startswith("pdf.tampered") for r in (*verdict.reasons, *verdict.findings.reasons)):
        return State.FAILED
    return outcome(signature, excused(verdict))


def indication_of(state: State, signature: SignatureFinding) -> str:
    """The indication that goes with an outcome, and the sub-indication when it belongs to it."""
    shown = {State.PASSED: Indication.PASSED, State.FAILED: Indication.FAILED}.get(state, Indication.INDETERMINATE)
    same = shown is signature.indication and shown is not Indication.PASSED
    return f"{shown.value} / {signature.sub_indication}" if same and signature.sub_indication else shown.value
