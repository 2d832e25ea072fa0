"""cli_conformance — `vanthu conformance`: ask anybody's hub the numbered criteria and write the report."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from exchange.conformance.criteria import Outcome, run
from exchange.conformance.lgsp_kit import LgspKit
from exchange.conformance.native_kit import NativeKit
from exchange.conformance.parties import Material, load_parties
from exchange.conformance.vxp_kit import VxpKit
from exchange.conformance.wire import Wire
from signing.show import Screen, options
from signing.wording import VIETNAM

WORDS = {"met": ("ĐẠT", "met"), "not met": ("KHÔNG ĐẠT", "not met"), "not asked": ("CHƯA HỎI ĐƯỢC", "not asked")}
MARKS = {"met": "✓", "not met": "✗", "not asked": "?"}


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@click.command()
@click.option("--against", "url", required=True, metavar="URL", help="Base address of the hub, with the profile's path (https://HUB:8443/vxp).")
@click.option("--profile", type=click.Choice(["native", "vxp", "lgsp"]), default="native", show_default=True, help="Which interface.")
@click.option(
    "--parties", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML with both sides; see docs/conformance.md."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report: .md to read, anything else JSON.")
@click.option("--wait", default=10.0, show_default=True, type=click.FloatRange(0, 600), help="Seconds for a document to reach its recipient.")
@options
def conformance(url: str, profile: str, parties: Path, output: Path | None, wait: float, screen: Screen) -> None:
    """Ask a hub the numbered criteria of an interface.

    Sends real, visibly fictitious documents: use a test hub, or agencies kept for tests. Exit 0: all are met.
    """
    sides = load_parties(parties)
    material = Material(sides, now)
    if profile == "native":
        steps = NativeKit(url, material, wait=wait).steps()
    else:
        wire = Wire(url, ca=sides.tls_ca)
        steps = VxpKit(wire, material, wait=wait).steps() if profile == "vxp" else LgspKit(wire, material, wait=wait).steps()
    started = now()
    outcomes = run(steps)
    report = {
        "format": "vanthu-conformance/1",
        "against": url,
        "profile": profile,
        "sender": sides.sender.agency,
        "recipient": sides.recipient.agency,
        "at": started.astimezone(VIETNAM).isoformat(timespec="seconds"),
        "met": sum(o.verdict == "met" for o in outcomes),
        "of": len(outcomes),
        "criteria": [o.row() for o in outcomes],
    }
    if output is not None:
        output.write_text(page(report, outcomes) if output.suffix == ".md" else json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    screen.value(report)
    columns = (("Số", "No."), ("", ""), ("Tiêu chí", "Criterion"), ("Căn cứ", "Clause"), ("Ghi chú", "Note"))
    rows = [
        (o.criterion.number, MARKS[o.verdict], screen.word(o.criterion.vi, o.criterion.en), o.criterion.clause, "" if o.verdict == "met" else o.detail)
        for o in outcomes
    ]
    screen.table(("Kiểm tra sự phù hợp", "Conformance"), columns, rows)
    screen.say(f"Đạt {report['met']}/{report['of']} tiêu chí.", f"{report['met']} of {report['of']} criteria are met.")
    sys.exit(0 if report["met"] == report["of"] else 1)


def page(report: dict[str, object], outcomes: Sequence[Outcome]) -> str:
    """The report to hand in, in both languages."""
    lines = [
        "# Báo cáo kiểm tra sự phù hợp / Conformance report",
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


VERBS = (conformance,)
