"""page — the report on one document: verdict, timeline, each signature, reasons with remedies, how to check the file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape

from signing import wording
from signing.explain import Explanation, explain
from signing.report import Change, PdfVerdict, Reason, Role, SignatureFinding, State, Verdict
from signing.report_html.markup import banner, both, facts, mark, section, table, time, whole_page
from signing.report_html.timeline import timeline
from signing.sub_verdicts import answers, excused, indication_of, standing
from signing.wording import Pair, common_name, day, safe, size_of, words

_DISPROVED: Pair = ("chưa có dấu thời gian chứng minh", "no time-stamp proves it")
_CLAIMED: Pair = (
    "Xét tại thời điểm người ký tự khai, không có bằng chứng độc lập về thời điểm đó. Kết luận này không thay cho kết luận tại thời điểm được chứng minh.",
    "Judged at the time that the signers claim, which nothing independent proves. It does not replace a verdict at the proven time.",
)


def html_report(name: str, verdict: PdfVerdict, *, made_at: datetime, claimed: bool = False) -> str:
    """The whole page for the file called `name`. `claimed`: it was judged at the claimed signing time."""
    name, verdict = safe(name), safe(verdict)
    findings = verdict.findings
    rows = [_headline(verdict)]
    if verdict.dual_signature.value != "not_applicable":
        rows.append(both(words(wording.DUAL, verdict.dual_signature.value)))
    body = banner(verdict.verdict, name, rows)
    if claimed:
        body += f'<div class="loud" role="note">{both(_CLAIMED, block=True)}</div>'
    why = ("Lưu ý", "Notes") if verdict.verdict is Verdict.VALID else ("Vì sao, và cần khác đi thế nào", "Why, and what would have to be different")
    body += section(why, _explanations(explain(verdict)), name="reasons")
    body += section(("Diễn biến của tệp", "Timeline of the file"), timeline(verdict), name="timeline")
    signatures = "".join(_signature(number, s, standing(verdict, s), excused(verdict)) for number, s in enumerate(findings.signatures, 1))
    body += section(("Chữ ký", "Signatures"), signatures, name="signatures")
    body += section(("Tệp và cách tự kiểm tra", "The file, and how to check it yourself"), _file(name, verdict), name="file")
    return whole_page(f"{verdict.verdict.vi} — {name}", body, made_at)


def _headline(verdict: PdfVerdict) -> str:
    count = sum(s.role is not Role.TIMESTAMP for s in verdict.findings.signatures)
    kind = words(wording.DOCUMENT_KINDS, verdict.kind)
    told = both(
        (
            f"{kind[0].capitalize()}, {count} chữ ký, chính sách {verdict.policy}",
            f"{kind[1]}, {count} {'signature' if count == 1 else 'signatures'}, policy {verdict.policy}",
        )
    )
    return f"{told} · <code>{escape(' / '.join(p for p in (verdict.indication.value, verdict.sub_indication) if p))}</code>"


def _explanations(found: Iterable[Explanation]) -> str:
    out = []
    for e in found:
        title = both(words(wording.CHECKS, e.check))
        state = State.INDETERMINATE if e.warning else e.state
        where = f"{escape(e.place)} · " if e.place else ""
        facts_ = "".join(f"<li>{both(f)}</li>" for f in e.facts)
        needed = f'<div class="needed">{both((e.needed_vi, e.needed_en), block=True)}</div>' if e.needed_vi else ""
        out.append(
            f'<div class="explain {state.value}"><h3>{mark(state, "!" if e.warning else "")}<span>{where}{title}</span></h3>'
            f"<p>{both((e.found_vi, e.found_en))} <code class='whole'>{escape(e.reason)}</code></p>"
            + (f"<ul>{facts_}</ul>" if facts_ else "")
            + needed
            + "</div>"
        )
    return "".join(out)


def _signature(number: int, s: SignatureFinding, state: State, lenient: frozenset[str]) -> str:
    role = both(words(wording.ROLES, s.role.value))
    head = f"<header><h3>{mark(state)}{number}. {escape(s.signer or s.field)}</h3><span>{role}</span></header>"
    parts = (_answers(s, lenient), _about(s, state), _chain(s), _revocations(s), _stamps(s), _changes(s.changes), _checks(s))
    return f'<article id="signature-{number}">{head}{"".join(parts)}</article>'


def _answers(s: SignatureFinding, lenient: frozenset[str]) -> str:
    items = []
    for a in answers(s, lenient):
        name = wording.QUESTIONS[a.code]
        text = f'<span class="text"><b lang="vi">{escape(name[0])} <span class="en" lang="en">{escape(name[1])}</span></b>'
        text += f'<span lang="vi">{escape(a.vi)}</span><span lang="en" class="en">{escape(a.en)}</span></span>'
        items.append(f'<li class="{a.state.value}">{mark(a.state)}{text}</li>')
    return f'<ul class="answers">{"".join(items)}</ul>'


def _about(s: SignatureFinding, state: State) -> str:
    proven = s.best_time_source in wording.PROVEN
    best = f"{time(s.best_time)} ({both(words(wording.PROOFS, s.best_time_source))})" if proven else both(_DISPROVED)
    algorithm = escape(wording.algorithm(s.scheme or s.algorithm, s.key, s.digest))
    strength = f" — {both(words(wording.STRENGTH, s.strength))}" if algorithm else ""
    covers = ("không có gì sau bản này", "nothing follows it") if s.covers_whole_file else ("còn bản sau", "later revisions follow")
    coverage = both((f"bản {s.revision}/{s.revisions}, {covers[0]}", f"revision {s.revision} of {s.revisions}, {covers[1]}")) if s.revisions else ""
    ranges = f"<code>[{' '.join(str(n) for n in s.byte_range)}]</code>" if s.byte_range else ""
    kind = both(words(wording.CERTIFICATE_KINDS, s.certificate_kind)) if s.certificate_kind else ""
    return facts(
        [
            (("Người ký", "Signer"), escape(s.signer)),
            (("Cơ quan", "Organisation"), escape(s.organisation)),
            (("Trường chữ ký", "Signature field"), f"<code>{escape(s.field)}</code>"),
            (("Loại chứng thư", "Kind of certificate"), kind),
            (("Thời điểm khai", "Claimed time"), time(s.claimed_time) if s.claimed_time else ""),
            (("Thời điểm chứng minh", "Proven time"), best),
            (("Mức PAdES", "PAdES level"), escape(s.level)),
            (("Thuật toán", "Algorithm"), algorithm + strength),
            (("Phạm vi đã ký", "Coverage"), " ".join(p for p in (coverage, ranges) if p)),
            (("Thay đổi sau khi ký", "Changes after signing"), both(words(wording.CHANGES_AFTER, s.changes_after))),
            (("Trên trang", "On the page"), _shown_mark(s)),
            (("Kết quả", "Result"), f"<code>{escape(indication_of(state, s))}</code>"),
        ]
    )


def _shown_mark(s: SignatureFinding) -> str:
    if s.mark is None:
        return ""
    m = s.mark
    box = f"{m.box[0]:.0f}, {m.box[1]:.0f} – {m.box[2]:.0f}, {m.box[3]:.0f} mm"
    parts = [both(words(wording.MARK_KINDS, m.kind)), escape(m.form), escape(m.number), escape(m.organisation)]
    parts += [both((f"trang {m.page}", f"page {m.page}")), escape(box)]
    return " · ".join(p for p in parts if p) + _reasons(m.problems)


def _reasons(reasons: Iterable[Reason]) -> str:
    items = "".join(f"<li>{both((r.vi, r.en))}</li>" for r in reasons)
    return f"<ul>{items}</ul>" if items else ""


def _chain(s: SignatureFinding) -> str:
    items = []
    for number, c in enumerate(s.chain):
        last = number == len(s.chain) - 1 and bool(s.anchor)
        label = both(("gốc tin cậy", "trust anchor")) if last else both(("chứng thư người ký", "signer's certificate")) if number == 0 else ""
        items.append(
            f"<li><b>{escape(common_name(c.subject))}</b> {label}<br>{day(c.not_before)} – {day(c.not_after)} · {escape(c.key)}"
            f"<br><code>{escape(c.subject)}</code><br><code>serial {escape(c.serial)} · SHA-256 {escape(c.sha256)}</code></li>"
        )
    if not items:
        return ""
    return f"<h4>{both(('Đường dẫn chứng thư', 'Certificate path'))}</h4><ol class='chain'>{''.join(items)}</ol>"


def _revocations(s: SignatureFinding) -> str:
    states = {"good": State.PASSED, "revoked": State.FAILED}
    rows = []
    for f in s.revocations:
        state = mark(states.get(f.state, State.INDETERMINATE)) + both(words(wording.REVOCATION, f.state))
        revoked = f"<br>{time(f.revoked_at)}" if f.revoked_at else ""
        source = both(words(wording.SOURCES, f.source)) if f.source else "—"
        rows.append((escape(common_name(f.subject)), state + revoked, source, time(f.produced_at), escape(f.detail) or "—"))
    columns = (("Chứng thư", "Certificate"), ("Tình trạng", "Status"), ("Nguồn", "Source"), ("Lập lúc", "Produced at"), ("Chi tiết", "Detail"))
    return table(("Tình trạng thu hồi", "Revocation"), columns, rows)


def _stamps(s: SignatureFinding) -> str:
    rows = []
    for t in s.timestamps:
        problem = f"<br>{escape(t.problem)}" if t.problem else ""
        shown = mark(State.PASSED if t.holds else State.FAILED) + time(t.time) + problem
        rows.append((shown, escape(common_name(t.authority)), both(words(wording.TIMESTAMPS, t.kind))))
    return table(("Dấu thời gian", "Time-stamps"), (("Thời điểm", "Time"), ("Nơi cấp", "Authority"), ("Loại", "Kind")), rows)


def _changes(changes: Iterable[Change]) -> str:
    rows = []
    for c in changes:
        verdict = ("được phép", "lawful") if c.lawful else ("không được phép", "not lawful")
        state = mark(State.PASSED if c.lawful else State.FAILED) + both(verdict)
        rows.append((str(c.revision), both(words(wording.CHANGES, c.kind)), f"<code>{escape(c.what)}</code>", state))
    columns = (("Bản", "Revision"), ("Thay đổi", "Change"), ("Đối tượng", "What"), ("Đánh giá", "Rating"))
    return table(("Thay đổi sau khi ký", "Changes after signing"), columns, rows)


def _checks(s: SignatureFinding) -> str:
    rows = []
    for c in s.checks:
        detail = " ".join(p for p in (f"<code>{escape(c.reason)}</code>" if c.reason else "", escape(c.detail)) if p) or "—"
        rows.append((both(words(wording.CHECKS, c.code)), mark(c.state) + both(words(wording.STATES, c.state.value)), detail))
    columns = (("Việc kiểm tra", "Check"), ("Kết quả", "Outcome"), ("Chi tiết", "Detail"))
    found = table(("Từng việc kiểm tra", "Each check"), columns, rows)
    return f"<details><summary>{both(('Từng việc kiểm tra', 'Each check'))} ({len(rows)})</summary>{found}</details>" if found else ""


def _file(name: str, verdict: PdfVerdict) -> str:
    f = verdict.findings
    syntax = ", ".join(both(words(wording.SYNTAX, code)) for code in f.syntax)
    path = both(("đường đầy đủ", "full path") if f.path == "full" else ("đường nhanh", "quick path"))
    about = facts(
        [
            (("Tên tệp", "File name"), escape(name)),
            (("SHA-256", "SHA-256"), f"<code>{escape(f.sha256)}</code>" if f.sha256 else ""),
            (("Độ dài", "Size"), both((f"{size_of(f.size)} byte, {f.revisions} bản", f"{f.size:,} bytes, {f.revisions} revisions"))),
            (("Trường chữ ký còn trống", "Empty signature fields"), ", ".join(f"<code>{escape(e)}</code>" for e in f.empty_fields)),
            (("Cú pháp", "Syntax"), syntax),
            (("Xét tại", "Judged at"), time(f.judged_at) if f.judged_at else ""),
            (("Cách kiểm tra", "Way of checking"), f"{path} · {f.elapsed_ms:.1f} ms"),
            (("Lỗi", "Error"), f"<code>{escape(f.error)}</code>" if f.error else ""),
        ]
    )
    told = (
        "Tệp đang có trong tay đúng là tệp của báo cáo này khi SHA-256 trùng khớp; sau đó ai cũng có thể kiểm tra lại chữ ký, không cần mạng:",
        "The file at hand is the file of this report when the SHA-256 is the same; then anybody can check the signatures again, offline:",
    )
    # The name is quoted for a shell, and nothing else in these lines comes from the file.
    quoted = "'" + name.replace("'", "'\\''") + "'"
    commands = f"sha256sum -- {quoted}\ncertutil -hashfile FILE SHA256\nvanthu verify --trust TRUST-FOLDER --policy {verdict.policy} -- {quoted}"
    return f"{about}{both(told, block=True)}<pre>{escape(commands)}</pre>"
