"""timeline — hình diễn biến: the revisions of a file, who signed which, and what came later, as inline SVG.

One row per revision from the top down. Each signature is a bar on the left that reaches
from the first revision to the last one it covers: what lies below a bar is not covered by it.
"""

from __future__ import annotations

from html import escape

from signing import wording
from signing.report import PdfFindings, PdfVerdict, Role, SignatureFinding
from signing.sub_verdicts import standing
from signing.wording import local, words

WIDTH, ROW, TOP = 400, 64, 10
MOST_ROWS, MOST_BARS = 24, 8
_LETTERS = 44


def timeline(verdict: PdfVerdict) -> str:
    """The picture; "" when no revision is known."""
    findings = verdict.findings
    total = max((findings.revisions, *(s.revision for s in findings.signatures), 0))
    if total < 1:
        return ""
    shown = _shown(findings, total)
    signatures = [s for s in findings.signatures if s.revision in shown][:MOST_BARS]
    left = 24 + 14 * max(1, len(signatures))
    height = TOP + ROW * len(shown) + 6
    place = {revision: TOP + ROW * row for row, revision in enumerate(shown)}
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="timeline-title timeline-text">'
        '<title id="timeline-title">Diễn biến của tệp / Timeline of the file</title>'
        f'<desc id="timeline-text">{escape(_told(findings, total))}</desc>'
    ]
    for revision in shown:
        parts.append(_row(findings, revision, total, left, place[revision]))
    for column, s in enumerate(signatures):
        x, end = 14 + 14 * column, place[s.revision] + ROW // 2 - 4
        parts.append(f'<g class="{standing(verdict, s).value}"><line class="bar" x1="{x}" x2="{x}" y1="{TOP + 4}" y2="{end}"/>')
        parts.append(f'<line stroke="currentColor" x1="{x}" x2="{left}" y1="{end}" y2="{end}" stroke-dasharray="2 3"/>')
        parts.append(f'<circle class="dot" cx="{x}" cy="{end}" r="5"/></g>')
    return "".join(parts) + "</svg>"


def _shown(findings: PdfFindings, total: int) -> list[int]:
    """The revisions that get a row: all, or the ends and those that were signed."""
    if total <= MOST_ROWS:
        return list(range(1, total + 1))
    wanted = {1, total, *(s.revision for s in findings.signatures if s.revision)}
    wanted |= {c.revision for s in findings.signatures for c in s.changes if not c.lawful}
    return sorted(wanted)[: MOST_ROWS - 1] + [total]


def _row(findings: PdfFindings, revision: int, total: int, left: int, y: int) -> str:
    held = [s for s in findings.signatures if s.revision == revision]
    unlawful = sorted({words(wording.CHANGES, c.kind) for s in findings.signatures for c in s.changes if c.revision == revision and not c.lawful})
    lawful = sorted({words(wording.CHANGES, c.kind) for s in findings.signatures for c in s.changes if c.revision == revision and c.lawful})
    title = f"Bản {revision}/{total}"
    lines: list[tuple[str, str]] = []
    for s in held[:1]:
        title += " · " + words(wording.ROLES, s.role.value)[0]
        lines.append(("strong", _cut(s.signer or s.field)))
        lines.append(("small", _when(s)))
    if len(held) > 1:
        title += f" · +{len(held) - 1}"
    if unlawful:
        lines.insert(min(1, len(lines)), ("bad", _cut("✗ " + "; ".join(vi for vi, _ in unlawful))))
    elif lawful and not held:
        lines.append(("", _cut("; ".join(vi for vi, _ in lawful))))
    if not lines:
        lines.append(("", "nội dung ban đầu / original content" if revision == 1 else "cập nhật / update"))
    out = [f'<rect class="box" x="{left}" y="{y}" width="{WIDTH - left - 4}" height="{ROW - 8}" rx="5"/>']
    out.append(f'<text class="small" x="{left + 10}" y="{y + 16}">{escape(_cut(title))}</text>')
    for number, (kind, text) in enumerate(lines[:2]):
        out.append(f'<text class="{kind}" x="{left + 10}" y="{y + 32 + 15 * number}">{escape(text)}</text>')
    return "".join(out)


def _when(s: SignatureFinding) -> str:
    """The time that is proven, else the one that is claimed, else the field."""
    if s.best_time is not None:
        return ("" if s.role is Role.TIMESTAMP else "chứng minh ") + local(s.best_time)
    return f"khai {local(s.claimed_time)}" if s.claimed_time is not None else s.field


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def _told(findings: PdfFindings, total: int) -> str:
    """The picture in words, for those who cannot see it."""
    return f"{total} bản / revisions. " + " ".join(_one(s) for s in findings.signatures)


def _one(s: SignatureFinding) -> str:
    role = words(wording.ROLES, s.role.value)
    changes = words(wording.CHANGES_AFTER, s.changes_after)
    return f"{s.signer or s.field} ({role[0]} / {role[1]}): bản {s.revision}, sau đó {changes[0]} / revision {s.revision}, then {changes[1]}."
