"""cli_simulate — `vanthu simulate`: a partner that misbehaves, for people who test their own system."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from exchange.conformance.criteria import Criterion, Outcome, run
from exchange.conformance.parties import Material, load_parties
from exchange.conformance.report_page import report_of, show_report, write_report
from exchange.simulate.bad_hub import BadHub
from exchange.simulate.bad_node import SCENARIOS as NODES
from exchange.simulate.bad_node import BadNode, NodeScenario, watch
from exchange.simulate.bad_sender import BadSender
from exchange.simulate.hub_scenarios import SCENARIOS as HUBS
from exchange.simulate.hub_scenarios import HubScenario
from exchange.simulate.observed import SUBMIT
from exchange.simulate.scenario import CONSENT, Scenario, check_target
from exchange.simulate.sender_scenarios import SCENARIOS as SENDERS
from exchange.simulate.speech import speech_of
from exchange.simulate.stage import PARTNER, UNDER_TEST, Stage
from signing.show import Screen, options

SETTLE = 3.0  # seconds after the last thing that was waited for, in which nothing more may come
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
ANYWHERE = click.option("--anywhere", default="", metavar="TEXT", help=f'Another machine than this one: write "{CONSENT}".')
OUTPUT = click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report: .html to print, .md, else JSON.")
HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
SETTLING = click.option("--settle", default=SETTLE, show_default=True, type=click.FloatRange(0, 60), help="Seconds in which nothing more may come.")
SECONDS = click.option("--seconds", default=120.0, show_default=True, type=click.FloatRange(1, 3600), help="Watch each scenario at most this long.")
TIMES = click.option("--times", default=3, show_default=True, type=click.IntRange(1, 100), help="Misbehave this often at each document.")


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@click.group()
def simulate() -> None:
    """Play a partner that misbehaves, against your own system.

    Numbered scenarios, each with its clause and what a sound system does. Only this machine
    is played with, unless you write that you take responsibility.
    """


@simulate.command("list")
@options
def list_scenarios(screen: Screen) -> None:
    """Show the scenarios of a bad sender (S), a bad hub (H) and a bad node (N)."""
    found: list[Scenario] = [*SENDERS.values(), *(s.scenario for s in HUBS.values()), *(s.scenario for s in NODES.values())]
    columns = (("Số", "No."), ("Làm gì", "What is done"), ("Hệ thống tốt", "A sound system"), ("Căn cứ", "Clause"))
    screen.value([{n: getattr(s, n) for n in ("number", "clause", "vi", "en", "sound_vi", "sound_en")} for s in found])
    screen.table(("Tình huống", "Scenarios"), columns, [(s.number, screen.word(s.vi, s.en), screen.word(s.sound_vi, s.sound_en), s.clause) for s in found])


@simulate.command()
@click.option("--against", "url", required=True, metavar="URL", help="Base address of the hub, with the profile's path (https://HUB:8443/vxp).")
@click.option("--profile", type=click.Choice(["native", "vxp", "lgsp"]), default="native", show_default=True, help="Which interface.")
@click.option("--parties", required=True, type=FILE, help="TOML with both sides; see docs/conformance.md.")
@click.option("--scenario", "chosen", multiple=True, type=click.Choice([s.number for s in SENDERS.values()]), help="Only this one; may be repeated.")
@click.option("--lines", default=20, show_default=True, type=click.IntRange(1, 200), help="Connections that trickle at the same time.")
@click.option("--patience", default=180.0, show_default=True, type=click.FloatRange(1, 600), help="Seconds to let go of a connection that trickles.")
@OUTPUT
@ANYWHERE
@options
def sender(
    url: str, profile: str, parties: Path, chosen: tuple[str, ...], lines: int, patience: float, output: Path | None, anywhere: str, screen: Screen
) -> None:
    """Misbehave as a sender against a hub. Exit 0: it is sound in all that was asked."""
    check_target(url, anywhere=anywhere)
    sides = load_parties(parties)
    player = BadSender(speech_of(profile, url, Material(sides, now)), patience=patience, lines=lines)
    started = now()
    outcomes = run(player.steps(chosen))
    _finish(outcomes, {"against": url, "profile": profile, "sender": sides.sender.agency, "recipient": sides.recipient.agency}, started, output, screen)


@simulate.command()
@click.option("--scenario", "numbers", required=True, multiple=True, type=click.Choice(list(HUBS)), help="How to misbehave; repeated: one after the other.")
@click.option("--folder", default="vanthu-simulate", show_default=True, type=click.Path(path_type=Path, file_okay=False), help="Keys and a hub, made here.")
@click.option("--port", default=9443, show_default=True, type=click.IntRange(0, 65535), help="Port to listen at.")
@HOST
@TIMES
@SECONDS
@SETTLING
@OUTPUT
@ANYWHERE
@options
def hub(
    numbers: tuple[str, ...], folder: Path, port: int, host: str, times: int, seconds: float, settle: float, output: Path | None, anywhere: str, screen: Screen
) -> None:
    """Misbehave as a hub, for a client or node under test.

    Makes keys, secrets and node.toml in the folder: start your system with them, and send or collect a document for each scenario.
    """
    check_target(f"https://{host}", anywhere=anywhere)
    stage, started = Stage(folder, now), now()

    async def play(scenario: HubScenario, at: int) -> tuple[int, list[Outcome]]:
        async with BadHub(stage, scenario, host=host, port=at, times=times) as bad:
            file = stage.configure(host, bad.port)
            if scenario.kind != SUBMIT:
                await asyncio.to_thread(stage.partner_sends, scenario.scenario.number)
            _ready(screen, bad.url, scenario.scenario, file)
            await watch(seconds, lambda: any((line.honest or (scenario.final and line.played)) and line.kind == scenario.kind for line in bad.book.lines))
            await asyncio.sleep(min(settle, seconds))
            return bad.port, _judged(scenario.scenario, bad.finding)

    async def all_of_them() -> list[Outcome]:
        found: list[Outcome] = []
        at = port  # the system under test finds every scenario at the same address
        for number in numbers:
            at, outcomes = await play(HUBS[number], at)
            found += outcomes
        return found

    try:
        outcomes = asyncio.run(all_of_them())
    finally:
        stage.close()
    facts = {"against": "client", "profile": "hub", "sender": UNDER_TEST, "recipient": PARTNER}
    _finish(outcomes, facts, started, output, screen)


@simulate.command()
@click.option("--scenario", "numbers", required=True, multiple=True, type=click.Choice(list(NODES)), help="How to misbehave; repeated: one after the other.")
@click.option("--tls-certificate", required=True, type=FILE, help="Certificate and key of the node (PEM), under the hub's authority.")
@click.option("--tls-ca", required=True, type=FILE, help="The authority of the hub's certificate (PEM).")
@click.option("--port", default=9444, show_default=True, type=click.IntRange(0, 65535), help="Port to listen at.")
@HOST
@TIMES
@SECONDS
@SETTLING
@OUTPUT
@ANYWHERE
@options
def node(
    numbers: tuple[str, ...],
    tls_certificate: Path,
    tls_ca: Path,
    port: int,
    host: str,
    times: int,
    seconds: float,
    settle: float,
    output: Path | None,
    anywhere: str,
    screen: Screen,
) -> None:
    """Misbehave as a recipient's node, for a hub under test that brings it documents: one for each scenario."""
    check_target(f"https://{host}", anywhere=anywhere)
    started = now()

    async def play(scenario: NodeScenario, at: int) -> tuple[int, list[Outcome]]:
        async with BadNode(scenario, tls_certificate=tls_certificate, tls_ca=tls_ca, host=host, port=at, times=times) as bad:
            _ready(screen, bad.url, scenario.scenario, None)
            await watch(seconds, lambda: any(line.honest or (scenario.final and line.played) for line in bad.book.lines))
            await asyncio.sleep(min(settle, seconds))
            return bad.port, _judged(scenario.scenario, bad.finding)

    async def all_of_them() -> list[Outcome]:
        found: list[Outcome] = []
        at = port
        for number in numbers:
            at, outcomes = await play(NODES[number], at)
            found += outcomes
        return found

    _finish(asyncio.run(all_of_them()), {"against": "hub", "profile": "push", "sender": "", "recipient": ""}, started, output, screen)


def _judged(scenario: Scenario, finding: Callable[[], str]) -> list[Outcome]:
    steps: list[tuple[Criterion, Callable[[], str]]] = [(scenario.criterion(), finding)]
    return run(steps)


def _ready(screen: Screen, url: str, scenario: Scenario, config: Path | None) -> None:
    screen.say(f"{scenario.number}: {scenario.vi}. Đang nghe tại {url}.", f"{scenario.number}: {scenario.en}. Listening at {url}.")
    if config is not None:
        screen.say(f"Cấu hình cho hệ thống được thử: {config}", f"Configuration for the system under test: {config}")


def _finish(outcomes: list[Outcome], facts: dict[str, str], started: datetime, output: Path | None, screen: Screen) -> None:
    report = report_of(outcomes, facts, form="vanthu-simulate/1", at=started)
    if output is not None:
        write_report(output, report, outcomes, "Báo cáo chịu đựng bên xử sự sai / Report on misbehaving partners")
    show_report(screen, report, outcomes, ("Bên xử sự sai", "Misbehaving partners"))
    failed = sum(o.verdict == "not met" for o in outcomes)
    screen.say(
        f"Vững {report['met']}/{report['of']} tình huống, {failed} không đạt.", f"Sound in {report['met']} of {report['of']} scenarios, {failed} not met."
    )
    sys.exit(1 if failed or not report["met"] else 0)


VERBS = (simulate,)
