"""report_page — biên bản: outcomes as a report to hand in and as a table to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from exchange.conformance.criteria import Outcome
from signing.show import Screen
from signing.wording import VIETNAM

WORDS = {"met": ("ĐẠT", "met"), "not met": ("KHÔNG ĐẠT", "not met"), "not asked": ("CHƯA HỎI ĐƯỢC", "not asked")}
MARKS = {"met": "✓", "not met": "✗", "not asked": "?"}
COLUMNS = (("Số", "No."), ("", ""), ("Tiêu chí", "Criterion"), ("Căn cứ", "Clause"), ("Ghi chú", "Note"))


def report_of(outcomes: Sequence[Outcome], facts: Mapping[str, str], *, form: str, at: datetime) -> dict[str, object]:
    """The report as a value; `facts` (against, profile, sender, recipient …) stand before the outcomes."""
    counted = {"met": sum(o.verdict == "met" for o in outcomes), "of": len(outcomes)}
    stamp = at.astimezone(VIETNAM).isoformat(timespec="seconds")
    return {"format": form, **facts, "at": stamp, **counted, "criteria": [o.row() for o in outcomes]}


def write_report(output: Path, report: Mapping[str, object], outcomes: Sequence[Outcome], title: str) -> None:
    """To a file: .html to print and hand in, .md to read, anything else JSON."""
    made = {".md": page, ".html": printed}.get(output.suffix.lower())
    output.write_text(made(report, outcomes, title) if made else json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def show_report(screen: Screen, report: Mapping[str, object], outcomes: Sequence[Outcome], title: tuple[str, str]) -> None:
    """To the screen."""
    screen.value(report)
    rows = [
        (o.criterion.number, MARKS[o.verdict], screen.word(o.criterion.vi, o.criterion.en), o.criterion.clause, "" if o.verdict == "met" else o.detail)
        for o in outcomes
    ]
    screen.table(title, COLUMNS, rows)


def page(report: Mapping[str, object], outcomes: Sequence[Outcome], title: str) -> str:
    """The report to hand in, in both languages."""
    lines = [
        f"# {title}",
        "",
        f"* Hệ thống / hub: `{report['against']}`, `{report['profile']}`",
        f"* Bên gửi, bên nhận / sender, recipient: `{report['sender']}`, `{report['recipient']}`",
        f"* Thời điểm / at: {report['at']}",
        f"* Đạt / met: **{report['met']}/{report['of']}**",
        "",
        "| Số | Kết quả | Tiêu chí | Căn cứ | Ghi chú |",
        "|---|---|---|---|---|",
    ]
    for o in outcomes:
        vi, en = WORDS[o.verdict]
        detail = o.detail.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {o.criterion.number} | {vi} / {en} | {o.criterion.vi} / {o.criterion.en} | {o.criterion.clause} | {detail} |")
    return "\n".join(lines) + "\n"


_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #bbb;padding:.35rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
thead{display:table-header-group}tr{break-inside:avoid}.n{white-space:nowrap}.met{color:#0a6b2d}.not{color:#a40000;font-weight:600}small{color:#555;display:block}
@media print{body{margin:0;max-width:none;font-size:11pt}}"""


def printed(report: Mapping[str, object], outcomes: Sequence[Outcome], title: str) -> str:
    """The same as a page of its own that prints well: no script, nothing from elsewhere."""

    def row(o: Outcome) -> str:
        vi, en = WORDS[o.verdict]
        cells = (
            f'<td class="n">{escape(o.criterion.number)}',
            f'<td class="{"met" if o.verdict == "met" else "not"}">{MARKS[o.verdict]} {vi}<small>{en}</small>',
            f"<td>{escape(o.criterion.vi)}<small>{escape(o.criterion.en)}</small>",
            f"<td>{escape(o.criterion.clause)}",
            f"<td>{escape(o.detail)}",
        )
        return "<tr>" + "".join(f"{cell}</td>" for cell in cells) + "</tr>"

    facts = (
        ("Hệ thống / hub", f"{report['against']} ({report['profile']})"),
        ("Bên gửi / sender", report["sender"]),
        ("Bên nhận / recipient", report["recipient"]),
        ("Thời điểm / at", report["at"]),
        ("Đạt / met", f"{report['met']}/{report['of']}"),
    )
    head = "".join(f'<tr><th class="n">{name}</th><td>{escape(str(value))}</td></tr>' for name, value in facts if value)
    names = "".join(f"<th>{name}</th>" for name in ("Số", "Kết quả", "Tiêu chí", "Căn cứ", "Ghi chú"))
    return (
        f'<!doctype html><html lang="vi"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1><table>{head}</table><p></p>"
        f"<table><thead><tr>{names}</tr></thead>{''.join(map(row, outcomes))}</table></html>\n"
    )
