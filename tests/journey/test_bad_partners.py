"""Our own hub survives every misbehaving sender and node, our own node every misbehaving hub; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from http.server import ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from exchange.agency import Agency, Mode
from exchange.carrying import Carrying
from exchange.cli import cli
from exchange.client import Client
from exchange.config import NodeSettings, load_node
from exchange.conformance.criteria import NotAsked, NotMet, run
from exchange.conformance.parties import Material, load_parties
from exchange.courier import HttpsPush, client_tls
from exchange.delivery import Retry
from exchange.errors import HubUnreachable, NotHere, ReceiptInvalid
from exchange.node.agent import Agent, open_desk, vkeys
from exchange.node.desk import Desk
from exchange.receipt import from_bytes
from exchange.simulate.bad_answers import Means, drip
from exchange.simulate.bad_hub import BadHub
from exchange.simulate.bad_node import SCENARIOS as NODES
from exchange.simulate.bad_node import BadNode
from exchange.simulate.bad_sender import BadSender
from exchange.simulate.hub_scenarios import SCENARIOS as HUB
from exchange.simulate.observed import ELSEWHERE, FETCH, LIST, SUBMIT, TELL, Book
from exchange.simulate.scenario import CONSENT, check_target
from exchange.simulate.sender_scenarios import SCENARIOS as SENDERS
from exchange.simulate.speech import speech_of
from exchange.simulate.stage import PARTNER, UNDER_TEST, Stage
from exchange.store import agencies, journal
from signing.keys import open_key
from signing.trust import Trust
from tests.connectors import give_secrets
from tests.house import PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess
from tests.journey.test_conformance import Yes, parties

ALL = bool(os.environ.get("VANTHU_ALL_SCENARIOS"))
OWN = [f"S-{n:02d}" for n in (1, 3, 8, 9, 10, 12, 14, 16, 17, 20, 21, 22)]  # go through each profile's own code


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("bad-senders"), more="patience_seconds = 0.5\nidle_seconds = 1.0")
    give_secrets(process)
    process.start()
    yield process
    process.stop()


def peak_mb(process: HubProcess) -> int:
    assert process.process is not None
    lines = Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


@pytest.mark.parametrize(("profile", "path", "unasked"), [("native", "", {"S-20"}), ("vxp", "/vxp", set()), ("lgsp", "/lgsp", {"S-08", "S-21"})])
def test_our_hub_survives_every_bad_sender(hub: HubProcess, pki: Pki, tmp_path: Path, profile: str, path: str, unasked: set[str]) -> None:
    speech = speech_of(profile, hub.url + path, Material(load_parties(parties(pki, tmp_path)), now))
    chosen = () if profile == "native" or ALL else OWN
    outcomes = run(BadSender(speech, wait=10, alive=10, patience=20, lines=5).steps(chosen))
    assert [(o.criterion.number, o.detail) for o in outcomes if o.verdict == "not met"] == []
    assert {o.criterion.number for o in outcomes if o.verdict == "not asked"} == unasked
    assert len(outcomes) == (len(chosen) or len(SENDERS)) and len(SENDERS) == 22
    assert hub.process is not None and hub.process.poll() is None
    assert peak_mb(hub) < 250, "one process, whatever was sent to it"
    log = (hub.folder / "hub.log").read_text()
    assert "internal_error" not in log and "Traceback" not in log
    assert [p.name for p in (hub.folder / "data" / "blobs").rglob("*") if p.is_file() and "tmp" in p.parent.name] == []


@pytest.mark.parametrize("number", list(NODES))
def test_our_hub_survives_every_bad_node(house: House, number: str) -> None:
    """The real loop and the real courier; only the process around them is the test's."""
    tls = house.pki.folder / "tls"

    async def story() -> str:
        bad = BadNode(NODES[number], tls_certificate=tls / f"{PUSHER}.pem", tls_ca=tls / "ca.pem", times=2, means=Means(late=0.5))
        async with bad, aiohttp.ClientSession() as session:
            agency = Agency(code=PUSHER, name="Cơ quan (mô phỏng)", mode=Mode.PUSH, endpoint=bad.url)
            await asyncio.to_thread(house.hub.store.write, lambda c: agencies.put(c, agency))
            house.hub.retry = Retry(first=timedelta(seconds=0.1), longest=timedelta(seconds=0.2))
            receipt = await asyncio.to_thread(house.submit, house.package(recipients=(PUSHER,)))
            push = HttpsPush(session, client_tls(tls / "hub.pem", tls / "ca.pem"), timeout_seconds=60)
            loop = asyncio.create_task(Carrying(house.hub, push, 4).forever())

            def state() -> str:
                (delivery,) = house.hub.timeline(SENDER, from_bytes(receipt).envelope)["deliveries"]
                return str(delivery["state"])

            await until(lambda: state() in ("delivered", "failed"))
            await asyncio.sleep(0.4)  # in which it would be brought once more
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            assert state() == ("failed" if number == "N-07" else "delivered")
            return bad.finding()

    assert asyncio.run(story())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage") / "s", now)
    yield made
    made.forget()


@pytest.fixture(scope="module")
def desk(stage: Stage) -> Iterator[Desk]:
    """One node under test through all scenarios."""
    made = open_desk(load_node(stage.configure("127.0.0.1", 1), {}))
    yield made
    made.sandbox.close()
    made.store.close()


@pytest.fixture(scope="module")
def means(stage: Stage) -> Means:
    return Means(stage.partner_sends("DECOY"), open_key(stage.pki / "agencies" / PARTNER / "seal.pem"), late=1.0)


def settings(stage: Stage, port: int) -> NodeSettings:
    return load_node(stage.configure("127.0.0.1", port), {})


def client(config: NodeSettings, *, seconds: float = 60) -> Client:
    """Our real client; impatient only where its impatience is what is looked at."""
    return Client(
        config.hub_url,
        tls_certificate=config.tls_certificate,
        tls_ca=config.tls_ca,
        key=open_key(config.seal_key),
        trust=Trust.load(config.trust),
        vkeys=vkeys(config.trust),
        timeout_seconds=seconds,
    )


@asynccontextmanager
async def agent(stage: Stage, desk: Desk, port: int) -> AsyncIterator[Agent]:
    """Our real node's loops against `port`."""
    config = replace(settings(stage, port), poll_wait_seconds=0)
    async with client(config) as ours:
        yield Agent(desk, ours, Retry(first=timedelta(seconds=0.3), longest=timedelta(seconds=0.5)), config)


def sent(desk: Desk, document_id: str) -> journal.Outbound:
    with desk.store.read() as connection:
        row = journal.outbound(connection, document_id, 0)
    assert row is not None
    return row


SUBMITS = [number for number, scenario in HUB.items() if scenario.kind == SUBMIT]


def test_our_client_survives_every_bad_hub(stage: Stage, means: Means) -> None:
    """All at the same time, each at a hub of its own: a verified receipt comes in the end, and the same document once."""

    async def one(number: str) -> tuple[str, str]:
        package = stage.package(number)
        async with BadHub(stage, HUB[number], times=2, means=means) as bad:
            for _ in range(20):
                # An answer that trickles ends by the client's impatience only; an honest one is waited for on any machine.
                trickles = HUB[number].bad is drip and sum(line.played for line in bad.book.lines) < bad.times
                async with client(settings(stage, bad.port), seconds=3 if trickles else 60) as ours:
                    try:
                        proven = await ours.submit(package, now=now())
                        break
                    except (HubUnreachable, ReceiptInvalid):
                        await asyncio.sleep(0.3)  # as its caller is told to
            assert proven.finding.package_sha256 == hashlib.sha256(package.read_bytes()).hexdigest()
            return number, bad.finding()

    async def story() -> list[tuple[str, str]]:
        return await asyncio.gather(*map(one, SUBMITS))

    assert [number for number, detail in asyncio.run(story()) if detail] == SUBMITS


def test_our_node_asks_again_until_an_honest_receipt(stage: Stage, desk: Desk, means: Means) -> None:
    async def story() -> str:
        async with BadHub(stage, HUB["H-01"], times=2, means=means) as bad, agent(stage, desk, bad.port) as ours:
            row = await asyncio.to_thread(desk.send, stage.package("NODE"))
            async with loops(ours, "submit") as rounds:
                await until(lambda: sent(desk, row.document_id).state == "sent")
                await quiet(rounds)
            return bad.finding()

    assert asyncio.run(story())


@pytest.mark.parametrize("number", [n for n in HUB if n not in SUBMITS])
def test_our_node_survives_every_bad_hub(stage: Stage, desk: Desk, means: Means, number: str) -> None:
    async def story() -> str:
        async with BadHub(stage, HUB[number], times=1, means=means) as bad, agent(stage, desk, bad.port) as ours:
            receipt = await asyncio.to_thread(stage.partner_sends, number)

            def this_one() -> tuple[str, str]:
                (delivery,) = stage.hub.timeline(PARTNER, from_bytes(receipt).envelope)["deliveries"]
                assert delivery["recipient"] == UNDER_TEST
                return str(delivery["delivery"]), str(delivery["state"])

            def settled() -> bool:
                """This very document is through, and nothing that was begun is without its honest answer, others' leftovers included."""
                lines, (delivery, state) = list(bad.book.lines), this_one()
                if number == "H-20":  # refused for good, and never acknowledged: the hub's operator sees it
                    return any(line.kind == FETCH and line.played and line.what == delivery for line in lines)
                asked = {(line.kind, line.what) for line in lines}
                honest = {(line.kind, line.what) for line in lines if line.honest}
                return state == "acknowledged" and asked <= honest and {LIST, FETCH, TELL} <= {kind for kind, _ in honest}

            async with loops(ours, "collect", "acknowledge", "report") as rounds:
                await until(settled)
                await quiet(rounds)
            assert this_one()[1] == ("queued" if number == "H-20" else "acknowledged")
            return bad.finding()

    assert asyncio.run(story())


async def until(done: Callable[[], bool]) -> None:
    """Wait for a state; the end of it is for a run that fails, and far off on any machine."""
    end = time.monotonic() + 120
    while not await asyncio.to_thread(done):
        assert time.monotonic() < end, "it never came to that"
        await asyncio.sleep(0.05)


async def quiet(rounds: Counter[str]) -> None:
    """What would be asked once more is asked by now: the longest pause between attempts is over, and every loop went round after it."""
    await asyncio.sleep(0.6)
    before = dict(rounds)
    await until(lambda: all(rounds[step] >= count + 2 for step, count in before.items()))  # one was perhaps under way


@asynccontextmanager
async def loops(ours: Agent, *steps: str) -> AsyncIterator[Counter[str]]:
    """The node's loops by name, and how often each has gone round."""
    rounds = Counter(dict.fromkeys(steps, 0))

    def counted(name: str) -> Callable[[], Awaitable[bool]]:
        step = getattr(ours, name)

        @wraps(step)
        async def round_() -> bool:
            try:
                return bool(await step())
            finally:
                rounds[name] += 1

        return round_

    tasks = [asyncio.create_task(ours.forever(counted(step))) for step in steps]
    try:
        yield rounds
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_misbehaving_client_is_found_out() -> None:
    """The verdicts themselves: each can fail."""
    book = Book()
    with pytest.raises(NotAsked):
        book.repeated_until_honest(SUBMIT)
    first = book.enter(SUBMIT, "a", "1")
    first.played = True
    with pytest.raises(NotMet, match="given up"):
        book.repeated_until_honest(SUBMIT)
    book.enter(SUBMIT, "a", "1").honest = True
    assert book.repeated_until_honest(SUBMIT)
    with pytest.raises(NotMet, match="beside"):
        book.one_at_a_time(SUBMIT)
    first.ended = first.at
    with pytest.raises(NotMet, match="pauses"):
        book.not_hammering(SUBMIT, 5)
    book.enter(SUBMIT, "a", "1")
    with pytest.raises(NotMet, match="more after"):
        book.repeated_until_honest(SUBMIT)
    book.enter(SUBMIT, "a", "2")
    with pytest.raises(NotMet, match="other bytes"):
        book.repeated_until_honest(SUBMIT)
    book.enter(TELL, "d", "1")
    book.enter(FETCH, "d")
    with pytest.raises(NotMet, match="without its exact bytes"):
        book.told_after_honest_fetch()
    book.enter(TELL, "d", "2")
    with pytest.raises(NotMet, match="different"):
        book.told_once()
    book.enter(ELSEWHERE)
    with pytest.raises(NotMet, match="where it was sent"):
        book.nobody_went_elsewhere(SUBMIT)
    first.taken = 10
    with pytest.raises(NotMet, match="without end"):
        book.stopped_taking(SUBMIT, 9)


REFUSALS = ("S-08", "S-09", "S-16", "S-20", "S-21")


def test_a_hub_that_says_yes_to_everything_does_not_survive(pki: Pki, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        file, url = str(parties(pki, tmp_path)), f"http://127.0.0.1:{server.server_port}"
        chosen = [f"--scenario={number}" for number in REFUSALS]
        done = CliRunner().invoke(
            cli, ["simulate", "sender", "--against", url, "--profile", "vxp", "--parties", file, *chosen, "--json", "-o", str(tmp_path / "r.md")]
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.exit_code == 1
    verdicts = {c["number"]: c["verdict"] for c in json.loads(done.stdout)["criteria"]}
    assert verdicts == dict.fromkeys(REFUSALS, "not met")
    assert "KHÔNG ĐẠT" in (tmp_path / "r.md").read_text()


@pytest.mark.parametrize("host", ["https://10.0.0.1:8443", "https://hub.example.vn", "https://127.0.0.1.example.vn", "http://0.0.0.0", "nonsense"])
def test_only_this_machine_unless_responsibility_is_taken(host: str) -> None:
    with pytest.raises(NotHere):
        check_target(host)
    with pytest.raises(NotHere):
        check_target(host, anywhere="yes")
    check_target(host, anywhere=CONSENT)
    for near in ("https://127.0.0.1:8443/vxp", "http://localhost:1", "https://[::1]:1"):
        check_target(near)


def test_every_scenario_is_described() -> None:
    found = json.loads(CliRunner().invoke(cli, ["simulate", "list", "--json"]).stdout)
    assert len(found) == len({s["number"] for s in found}) == len(SENDERS) + len(HUB) + len(NODES)
    assert all(s[part] for s in found for part in ("clause", "vi", "en", "sound_vi", "sound_en"))
