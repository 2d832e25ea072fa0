"""report_pdf — báo cáo để chuyển đi: the report on one document as a PDF, made with typst and then signed.

Typst is an extra of its own (``report``), because it brings its fonts and weighs 80 MB.
Everything goes to it as data, never as typst source, so a name in a hostile file is
only ever text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from signing import wording
from signing.errors import ReportUnavailable
from signing.explain import explain
from signing.keys import SigningKey
from signing.report import PdfVerdict, Role, SignatureFinding, State, Verdict
from signing.report_json import tool
from signing.sign_pdf import AGENCY_FIELD, sign_pdf
from signing.sub_verdicts import answers, excused, indication_of, standing
from signing.wording import MARKS, Pair, common_name, day, local, safe, size_of, words

typst: ModuleType | None
try:
    import typst
except ImportError:  # the extra is not installed
    typst = None

_CLAIMED: Pair = (
    "Xét tại thời điểm người ký tự khai, không có bằng chứng độc lập về thời điểm đó.",
    "Judged at the time that the signers claim, which nothing independent proves.",
)


def pdf_report(name: str, verdict: PdfVerdict, *, made_at: datetime, claimed: bool = False) -> bytes:
    """The report as an unsigned PDF.

    Raises:
        ReportUnavailable: the extra ``report`` is not installed.
    """
    if typst is None:
        raise ReportUnavailable
    source = files(__package__).joinpath("report.typ").read_bytes()
    data = json.dumps(_data(safe(name), safe(verdict), made_at, claimed), ensure_ascii=False)
    made: bytes = typst.compile(source, sys_inputs={"data": data}, ignore_system_fonts=True)
    return made


def write_pdf_report(
    target: Path,
    name: str,
    verdict: PdfVerdict,
    *,
    made_at: datetime,
    claimed: bool = False,
    key: SigningKey | None = None,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> None:
    """Write the report to `target`, signed with `key` when there is one (PAdES, as an attachment: the agency alone signs).

    Raises:
        ReportUnavailable: the extra ``report`` is not installed.
        SigningError: the key may not sign now.
    """
    made = pdf_report(name, verdict, made_at=made_at, claimed=claimed)
    if key is None:
        target.write_bytes(made)
        return
    with TemporaryDirectory(dir=target.parent) as folder:
        draft = Path(folder) / "report.pdf"
        draft.write_bytes(made)
        sign_pdf(draft, target, key, now=made_at, role=Role.AGENCY, field=AGENCY_FIELD, kind="attachment", timestamp=timestamp)


def _data(name: str, verdict: PdfVerdict, made_at: datetime, claimed: bool) -> dict[str, Any]:
    findings, used = verdict.findings, tool()
    explanations = [
        {
            "mark": "!" if e.warning else MARKS[e.state.value],
            "state": "indeterminate" if e.warning else e.state.value,
            "title": _joined(e.place, words(wording.CHECKS, e.check)),
            "found": (e.found_vi, e.found_en),
            "facts": e.facts,
            "needed": (e.needed_vi, e.needed_en),
            "code": e.reason,
        }
        for e in explain(verdict)
    ]
    kind, dual = words(wording.DOCUMENT_KINDS, verdict.kind), words(wording.DUAL, verdict.dual_signature.value)
    return {
        "name": name,
        "state": {Verdict.VALID: "passed", Verdict.INVALID: "failed"}.get(verdict.verdict, "indeterminate"),
        "verdict": wording.VERDICTS[verdict.verdict],
        "indication": " / ".join(p for p in (verdict.indication.value, verdict.sub_indication) if p),
        "about": (f"{kind[0].capitalize()} · chính sách {verdict.policy} · {dual[0]}", f"{kind[1].capitalize()} · policy {verdict.policy} · {dual[1]}"),
        "claimed": _CLAIMED if claimed else None,
        "explanations": explanations,
        "signatures": [_signature(number, s, standing(verdict, s), excused(verdict)) for number, s in enumerate(findings.signatures, 1)],
        "file": [
            (*label, value)
            for label, value in (
                (("SHA-256", ""), findings.sha256),
                (("Độ dài", "Size"), f"{size_of(findings.size)} byte"),
                (("Số bản", "Revisions"), str(findings.revisions)),
                (("Xét tại", "Judged at"), local(findings.judged_at) if findings.judged_at else ""),
                (("Lỗi", "Error"), findings.error),
            )
            if value
        ],
        "made": local(made_at),
        "tool": f"{used.name} {used.version} · " + " · ".join(f"{n} {v}" for n, v in used.libraries.items()),
    }


def _joined(place: str, pair: Pair) -> Pair:
    return (f"{place} · {pair[0]}", pair[1]) if place else pair


def _signature(number: int, s: SignatureFinding, state: State, lenient: frozenset[str]) -> dict[str, Any]:
    return {
        "title": f"{number}. {s.signer or s.field}",
        "role": words(wording.ROLES, s.role.value),
        "mark": MARKS[state.value],
        "state": state.value,
        "answers": [
            {"mark": MARKS[a.state.value], "state": a.state.value, "name": wording.QUESTIONS[a.code], "text": (a.vi, a.en)} for a in answers(s, lenient)
        ],
        "facts": [(*label, value) for label, value in _facts(s, state) if value],
        "chain": [f"{common_name(c.subject)} ({day(c.not_before)} – {day(c.not_after)}, serial {c.serial})" for c in s.chain],
        "revocation": [
            (common_name(f.subject), words(wording.REVOCATION, f.state), words(wording.SOURCES, f.source)[0] if f.source else "—", local(f.produced_at))
            for f in s.revocations
        ],
        "changes": [
            {"mark": MARKS["passed" if c.lawful else "failed"], "state": "passed" if c.lawful else "failed", "revision": c.revision, "what": c.what}
            | {"text": words(wording.CHANGES, c.kind)}
            for c in s.changes
        ],
    }


def _facts(s: SignatureFinding, state: State) -> list[tuple[Pair, str]]:
    proven = s.best_time_source in wording.PROVEN
    proof = words(wording.PROOFS, s.best_time_source)
    strength = words(wording.STRENGTH, s.strength)
    algorithm = wording.algorithm(s.scheme or s.algorithm, s.key, s.digest)
    return [
        (("Cơ quan", "Organisation"), s.organisation),
        (("Trường", "Field"), s.field),
        (("Loại chứng thư", "Certificate"), " / ".join(words(wording.CERTIFICATE_KINDS, s.certificate_kind)) if s.certificate_kind else ""),
        (("Thời điểm khai", "Claimed time"), local(s.claimed_time) if s.claimed_time else ""),
        (("Thời điểm chứng minh", "Proven time"), f"{local(s.best_time)} ({proof[0]})" if proven else "chưa có / none"),
        (("Mức PAdES", "PAdES level"), s.level),
        (("Thuật toán", "Algorithm"), f"{algorithm} — {strength[0]} / {strength[1]}" if algorithm else ""),
        (("Bản đã ký", "Signed revision"), f"{s.revision}/{s.revisions}" if s.revisions else ""),
        (("Thay đổi sau đó", "Later changes"), " / ".join(words(wording.CHANGES_AFTER, s.changes_after))),
        (("Kết quả", "Result"), indication_of(state, s)),
    ]
