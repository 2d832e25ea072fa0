"""report_page — biên bản: outcomes as a report to hand in and as a table to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
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
    """To a file: .md to read, anything else JSON."""
    text = page(report, outcomes, title) if output.suffix == ".md" else json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    output.write_text(text)


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
