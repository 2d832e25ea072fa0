"""Our own hub survives every misbehaving sender and node, our own node every misbehaving hub; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from exchange.agency import Agency, Mode
from exchange.carrying import Carrying
from exchange.client import Client
from exchange.config import NodeSettings, load_node
from exchange.conformance.criteria import run
from exchange.conformance.parties import Material, load_parties
from exchange.courier import HttpsPush, client_tls
from exchange.delivery import Retry
from exchange.node.agent import Agent, open_desk, vkeys
from exchange.node.desk import Desk
from exchange.receipt import from_bytes
from exchange.simulate.bad_answers import Means
from exchange.simulate.bad_hub import BadHub
from exchange.simulate.bad_node import SCENARIOS as NODES
from exchange.simulate.bad_node import BadNode
from exchange.simulate.bad_sender import BadSender
from exchange.simulate.hub_scenarios import SCENARIOS as HUB
from exchange.simulate.observed import FETCH, LIST, SUBMIT, TELL
from exchange.simulate.sender_scenarios import SCENARIOS as SENDERS
from exchange.simulate.speech import speech_of
from exchange.simulate.stage import PARTNER, Stage
from exchange.store import agencies, journal
from signing.keys import open_key
from signing.trust import Trust
from tests.connectors import give_secrets
from tests.house import PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess
from tests.journey.test_conformance import parties


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
    outcomes = run(BadSender(speech, wait=10, alive=10, patience=20, lines=5).steps())
    assert [(o.criterion.number, o.detail) for o in outcomes if o.verdict == "not met"] == []
    assert {o.criterion.number for o in outcomes if o.verdict == "not asked"} == unasked
    assert len(outcomes) == len(SENDERS) == 22
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
            push = HttpsPush(session, client_tls(tls / "hub.pem", tls / "ca.pem"), timeout_seconds=5)
            loop = asyncio.create_task(Carrying(house.hub, push, 4).forever())
            state = ""
            for _ in range(150):
                await asyncio.sleep(0.1)
                (delivery,) = (await asyncio.to_thread(house.hub.timeline, SENDER, from_bytes(receipt).envelope))["deliveries"]
                state = delivery["state"]
                if state in ("delivered", "failed"):
                    break
            await asyncio.sleep(0.4)
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            assert state == ("failed" if number == "N-07" else "delivered")
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


@asynccontextmanager
async def agent(stage: Stage, desk: Desk, port: int) -> AsyncIterator[Agent]:
    """Our real node's loops against `port`, impatient, as a test has no two minutes."""
    config = settings(stage, port)
    client = Client(
        config.hub_url,
        tls_certificate=config.tls_certificate,
        tls_ca=config.tls_ca,
        key=open_key(config.seal_key),
        trust=Trust.load(config.trust),
        vkeys=vkeys(config.trust),
        timeout_seconds=1.5,
    )
    async with client:
        yield Agent(desk, client, Retry(first=timedelta(seconds=0.3), longest=timedelta(seconds=0.5)), config)


def sent(desk: Desk, document_id: str) -> journal.Outbound:
    with desk.store.read() as connection:
        row = journal.outbound(connection, document_id, 0)
    assert row is not None
    return row


@pytest.mark.parametrize("number", list(HUB))
def test_our_node_survives_every_bad_hub(stage: Stage, desk: Desk, means: Means, number: str) -> None:
    scenario = HUB[number]

    async def story() -> str:
        async with BadHub(stage, scenario, times=2, means=means) as bad, agent(stage, desk, bad.port) as ours:
            steps = [ours.submit] if scenario.kind == SUBMIT else [ours.collect, ours.acknowledge, ours.report]
            if scenario.kind == SUBMIT:
                row = await asyncio.to_thread(desk.send, stage.package(number))
            else:
                await asyncio.to_thread(stage.partner_sends, number)
            tasks = [asyncio.create_task(ours.forever(step)) for step in steps]
            try:
                for _ in range(200):
                    await asyncio.sleep(0.1)
                    if scenario.kind == SUBMIT:
                        done = sent(desk, row.document_id).state == "sent"
                    else:
                        kinds = {line.kind for line in bad.book.lines if line.honest}
                        done = kinds >= {LIST, FETCH, TELL} or number == "H-20" and bool(bad.book.lines) and any(x.kind == FETCH for x in bad.book.lines)
                    if done:
                        break
                await asyncio.sleep(0.7)
                return bad.finding()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    assert asyncio.run(story())
