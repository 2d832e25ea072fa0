"""cli_conformance — `vanthu conformance`: ask anybody's hub the numbered criteria and write the report."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from exchange.conformance.criteria import run
from exchange.conformance.lgsp_kit import LgspKit
from exchange.conformance.native_kit import NativeKit
from exchange.conformance.parties import Material, load_parties
from exchange.conformance.report_page import report_of, show_report, write_report
from exchange.conformance.vxp_kit import VxpKit
from exchange.conformance.wire import Wire
from signing.show import Screen, options


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@click.command()
@click.option("--against", "url", required=True, metavar="URL", help="Base address of the hub, with the profile's path (https://HUB:8443/vxp).")
@click.option("--profile", type=click.Choice(["native", "vxp", "lgsp"]), default="native", show_default=True, help="Which interface.")
@click.option("--parties", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML with both sides; see docs/conformance.md.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report: .html to print, .md to read, anything else JSON.")
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
    facts = {"against": url, "profile": profile, "sender": sides.sender.agency, "recipient": sides.recipient.agency}
    report = report_of(outcomes, facts, form="vanthu-conformance/1", at=started)
    if output is not None:
        write_report(output, report, outcomes, "Báo cáo kiểm tra sự phù hợp / Conformance report")
    show_report(screen, report, outcomes, ("Kiểm tra sự phù hợp", "Conformance"))
    screen.say(f"Đạt {report['met']}/{report['of']} tiêu chí.", f"{report['met']} of {report['of']} criteria are met.")
    sys.exit(0 if report["met"] == report["of"] else 1)


VERBS = (conformance,)
