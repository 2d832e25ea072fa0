"""Heads and their witnesses over HTTP: quorum, time-outs, wrong answers, restarts; clients that demand the quorum; the C2SP paths."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange import publishing
from exchange.asking import Round, Seat
from exchange.cli import cli
from exchange.client import Client
from exchange.config import load_node
from exchange.cosigning import Cosigning
from exchange.courier import client_tls
from exchange.custody import Entry, Event
from exchange.demo_house import free_ports
from exchange.errors import NotPublished, NotWitnessed
from exchange.node.agent import serve_witness
from exchange.node.witness import open_witness
from exchange.publishing import Publisher
from exchange.sealing import Sealer
from exchange.store import custody_log, heads
from exchange.store.engine import Store
from exchange.store.heads import LogState, PublishedHead
from signing.checkpoint import LogKey, parse_note, verify_note
from signing.cosignature import CosignerKey, Kind, verify_cosignatures
from signing.merkle import Edges, leaf_hash
from signing.seal import verify_seal
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy, check_witnessed_proof, parse_policy
from tests.house import ORIGIN, PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess
from tests.witness_row import Row


class Stage:
    """A house whose heads go to a row of witnesses."""

    def __init__(self, house: House, policy: WitnessPolicy, session: aiohttp.ClientSession, *, seconds: float = 10) -> None:
        self.house, self.policy, self.office = house, policy, house.hub.office
        self.publisher = Publisher(self.office, policy)
        self.sealer = Sealer(self.publisher, CosignerKey.generate(ORIGIN, Kind.ML_DSA_44), worker="one")
        self.cosigning = Cosigning(self.publisher, self.sealer, session, None, timeout_seconds=seconds)

    def log(self, count: int = 1) -> None:
        entries = [Entry(Event.OPERATOR, datetime.now(UTC), "operator:test", why="thử nghiệm") for _ in range(count)]
        self.office.store.write(lambda c: self.office.append(c, entries))

    def missing(self) -> list[str]:
        return [state.name for state in publishing.missing_witnesses(self.office, self.policy)]

    def why_missing(self) -> list[tuple[str, int, str]]:
        """Each missing one with what it cosigned last and what its last answer was."""
        return [(s.name, s.size, s.last_error) for s in publishing.missing_witnesses(self.office, self.policy)]


def vkey(pki: Pki) -> str:
    return (pki.folder / "trust" / "log.vkey").read_text().strip()


def test_five_of_seven(house: House, pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with Row(tmp_path, 7, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(), session, seconds=10)  # nobody is slow here but a busy machine
            first = await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            assert first is not None and first.witnessed
            assert stage.missing() == [], stage.why_missing()
            assert await stage.cosigning.publish_once() is None  # nothing new
            # Two go; the quorum holds, and it is seen who is missing.
            await asyncio.gather(row.posts[1].stop(), row.posts[4].stop())
            stage.log(300)
            second = await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            assert second is not None and second.witnessed and second.size == first.size + 300
            assert stage.missing() == ["w1", "w4"]
            # A third goes: published, and said to be unwitnessed.
            await row.posts[6].stop()
            stage.log()
            third = await stage.cosigning.publish_once()
            assert third is not None and not third.witnessed
            assert await stage.cosigning.publish_once() is None  # those who failed are left alone for a while
            state = publishing.log_state(stage.office, stage.policy)
            assert (state["published"], state["witnessed"], state["quorum"]) == (third.size, second.size, False)
            assert publishing.state_of(stage.office, third.size - 1) is LogState.SEQUENCED
            assert publishing.state_of(stage.office, second.size - 1) is LogState.PUBLISHED
            with pytest.raises(NotPublished):
                publishing.witnessed_proof(stage.office, third.size - 1)
            # It comes back: the same head is completed, without a new entry.
            await row.posts[6].start()
            for _ in range(200):
                await asyncio.sleep(0.1)  # it is left alone for a second after a failure
                again = await stage.cosigning.publish_once()
                if again is not None and again.witnessed:
                    break
            assert again is not None and again.witnessed and again.size == third.size
            with stage.office.store.read() as connection:
                leaf = custody_log.leaf(connection, third.size - 1)
            proof = publishing.witnessed_proof(stage.office, third.size - 1)
            assert check_witnessed_proof(proof, leaf, stage.policy)[0] == third.size - 1

    asyncio.run(story())


def test_one_that_is_slow_holds_up_nobody(house: House, pki: Pki, tmp_path: Path) -> None:
    async def slow(_request: web.Request) -> None:
        await asyncio.sleep(0.6)

    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(), session, seconds=5)
            row.posts[0].act = slow
            head = await stage.cosigning.publish_once()
            assert head is not None and head.witnessed and stage.missing() == ["w0"]
            stage.log()
            await stage.cosigning.publish_once()  # while it is still busy with the first, it is not asked again
            assert row.posts[0].asked == 1
            await stage.cosigning.settle()
            with stage.office.store.read() as connection:
                kept = heads.published_covering(connection, custody_log.current_epoch(connection).number, head.size - 1)
            assert kept is not None and stage.policy.judge(kept.note).missing == ()  # what came late was added

    asyncio.run(story())


class ComesLate(Publisher):
    """The last witness answers in the very moment between the making of the note and its storing."""

    def __init__(self, stage: Stage) -> None:
        self.go, self.taken, self._storing = threading.Event(), threading.Event(), threading.local()
        super().__init__(replace(stage.office, clock=self._clock), stage.policy)

    def publish(self, round_: Round) -> PublishedHead:
        self._storing.first = not self.go.is_set()
        return super().publish(round_)

    def take(self, seat: Seat, round_: Round, status: int, kind: str, body: bytes) -> bool:
        again = super().take(seat, round_, status, kind, body)
        if self.go.is_set():
            self.taken.set()
        return again

    def _clock(self) -> datetime:
        if getattr(self._storing, "first", False):  # asked by `publish`, which has its note by now
            self._storing.first = False
            self.go.set()
            assert self.taken.wait(10)
        return datetime.now(UTC)


def test_one_that_comes_while_the_head_is_stored_is_not_lost(house: House, pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(2), session, seconds=10)
            publisher = ComesLate(stage)
            stage.cosigning.publisher = publisher

            async def held(_request: web.Request) -> None:
                await asyncio.to_thread(publisher.go.wait, 10)

            row.posts[2].act = held
            head = await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            assert head is not None and head.witnessed
            assert stage.missing() == [], stage.why_missing()

    asyncio.run(story())


class Fails(Publisher):
    """A hub whose own part fails for one witness, as when its database answers "locked"."""

    def request(self, seat: Seat, round_: Round) -> bytes:
        if seat.names[0] == "w0":
            raise RuntimeError("database is locked")
        return super().request(seat, round_)


def test_what_fails_at_the_hub_is_said_and_holds_up_nobody(house: House, pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(2), session, seconds=10)
            stage.cosigning.publisher = Fails(stage.office, stage.policy)
            head = await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            assert head is not None and head.witnessed
            assert stage.why_missing() == [("w0", 0, "RuntimeError: database is locked")]
            stage.cosigning.publisher = stage.publisher  # the next round completes the same head
            assert await stage.cosigning.publish_once() is None
            await stage.cosigning.settle()
            assert stage.missing() == [], stage.why_missing()

    asyncio.run(story())


def test_a_hub_that_forgot_asks_from_the_witness_s_own_size(house: House, pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(3), session)
            await stage.cosigning.publish_once()
            stage.log(10)
            before = row.posts[0].asked
            # Another hub process: it has other sizes in mind than the witnesses have.
            other = Stage(house, row.policy(3), session)
            other.publisher._known.add(0)
            head = await other.cosigning.publish_once()
            assert head is not None and head.witnessed
            assert row.posts[0].asked == before + 2  # 409 with its size, then the proof from there

    asyncio.run(story())


@pytest.mark.parametrize("lie", ["other key", "another's line", "twice", "garbage", "500", "redirect", "long", "old head", "size loop", "ahead", "clock"])
def test_wrong_answers_count_nothing(house: House, pki: Pki, tmp_path: Path, lie: str) -> None:
    """Two of three must cosign; one honest witness and one liar are not two."""

    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            honest, liar, gone = row.posts
            stage = Stage(house, row.policy(2), session)
            await gone.stop()

            async def answer(request: web.Request) -> web.StreamResponse:
                note = (await request.read()).decode().partition("\n\n")[2]
                head, now = parse_note(note), datetime.now(UTC)
                earlier = parse_note(LogKey.load(pki.folder / "hub" / "log.key").sign_note(ORIGIN, 1, bytes(32)))
                impostor = CosignerKey(liar.keys[0].name, Ed25519PrivateKey.generate())
                texts = {
                    "other key": impostor.cosign(head, at=now),
                    "another's line": honest.keys[0].cosign(head, at=now),
                    "twice": honest.keys[0].cosign(head, at=now) + impostor.cosign(head, at=now),
                    "garbage": "\x00— x\n",
                    "long": liar.keys[0].cosign(head, at=now) * 17,
                    "old head": liar.keys[0].cosign(earlier, at=now),
                    "clock": liar.keys[0].cosign(head, at=now.replace(year=now.year - 1)),
                }
                if lie in texts:
                    return web.Response(text=texts[lie])
                if lie == "redirect":
                    raise web.HTTPTemporaryRedirect(f"{honest.url}/add-checkpoint")
                if lie == "500":
                    raise web.HTTPInternalServerError
                size = {"size loop": 0 if liar.asked % 2 else 1, "ahead": head.size + 5}[lie]
                return web.Response(status=409, body=f"{size}\n".encode(), headers={"Content-Type": "text/x.tlog.size"})

            liar.act = answer
            head = await stage.cosigning.publish_once()
            assert head is not None and not head.witnessed
            assert stage.missing() == ["w1", "w2"]
            told = {s.name: s.last_error for s in publishing.missing_witnesses(stage.office, stage.policy)}
            assert told["w1"] and told["w2"]
            assert liar.asked <= 2 and honest.asked == 1  # nobody is sent elsewhere
            # The truth later is enough.
            liar.act = None
            await asyncio.sleep(1.05)
            stage.log()
            again = await stage.cosigning.publish_once()
            assert again is not None and again.witnessed

    asyncio.run(story())


def test_a_hub_that_rewrites_gets_no_quorum(house: House, pki: Pki, tmp_path: Path) -> None:
    """Same key, another past: every witness refuses, keeps the head, and nothing is published as witnessed."""

    async def story() -> None:
        async with Row(tmp_path / "row", 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(), session)
            stage.log(20)
            good = await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            assert good is not None and good.witnessed
            rewritten = House(pki, tmp_path / "rewritten", sandbox=house.sandbox)
            try:
                forger = Stage(rewritten, row.policy(), session)
                forger.log(good.size + 10)
                head = await forger.cosigning.publish_once()
                assert head is not None and not head.witnessed
                assert len(forger.missing()) == 3
                for post in row.posts:
                    (kept,) = post.witness.refusals()
                    assert (kept.reason, kept.size) == ("inconsistent", head.size)
                    assert verify_note(kept.request.decode().partition("\n\n")[2], [vkey(pki)]).root == head.root
            finally:
                rewritten.close()

    asyncio.run(story())


def test_the_turn_of_the_year(house: House, pki: Pki, tmp_path: Path) -> None:
    """The old log's last head is witnessed, then the new one's first; nobody changes a file for it."""

    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(), session)
            await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            stage.log(3)  # the year's last entries, not yet published
            with stage.office.store.read() as connection:
                old = custody_log.current_epoch(connection)
            new = stage.office.begin_epoch(ORIGIN.replace("2026", "2027"))
            published = []
            for _ in range(4):
                published.append(await stage.cosigning.publish_once())
                await stage.cosigning.settle()
            found = [(h.epoch, h.witnessed) for h in published if h is not None]
            assert found == [(old.number, True), (new.number, True)]
            assert published[0] is not None and published[0].size == new.first - old.first
            sealed = await stage.cosigning.seal_once()
            assert sealed is not None and sealed.epoch == new.number
            assert publishing.log_state(stage.office, stage.policy)["quorum"]
            assert publishing.checkpoint(stage.office, publishing.epoch_called(stage.office, "2026")).startswith(ORIGIN)

    asyncio.run(story())


def test_sealed_heads_carry_ml_dsa_of_log_and_witnesses(house: House, pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(second=True), session)
            published = await stage.cosigning.publish_once()
            await stage.cosigning.settle()
            assert published is not None
            second = [post.keys[1].vkey() for post in row.posts]
            assert verify_cosignatures(published.note, second) == ()  # 3.3 KB each: not on every head
            sealed = await stage.cosigning.seal_once()
            assert sealed is not None and sealed.size == published.size
            assert len(verify_cosignatures(sealed.note, second)) == 3
            assert stage.sealer.second is not None
            assert len(verify_cosignatures(sealed.note, [stage.sealer.second.vkey()])) == 1
            assert stage.policy.check(sealed.note).satisfied
            verify_seal(hashlib.sha256(sealed.note.encode()).digest(), sealed.seal, Trust.load(pki.folder / "trust"), at=datetime.now(UTC))
            assert publishing.state_of(stage.office, sealed.size - 1) is LogState.SEALED
            assert await stage.cosigning.seal_once() is None

    asyncio.run(story())


def test_witnessed_soon_after_it_was_logged(house: House, pki: Pki, tmp_path: Path) -> None:
    """The loop itself, short: each of some entries is covered by a witnessed head after a tick or two."""

    async def story() -> None:
        async with Row(tmp_path, 7, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(), session)
            loop = asyncio.create_task(stage.cosigning.publishing(0.1))
            for _ in range(3):
                stage.log(5)
                with stage.office.store.read() as connection:
                    newest = custody_log.size(connection) - 1
                end = time.monotonic() + 20
                while publishing.state_of(stage.office, newest) is not LogState.PUBLISHED:
                    assert time.monotonic() < end
                    await asyncio.sleep(0.02)
            loop.cancel()
            await stage.cosigning.settle()

    asyncio.run(story())


@contextmanager
def running(row: Row) -> Iterator[None]:
    """The row's servers in a thread, so that the test may block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(row.__aenter__(), loop).result(10)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(row.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.xdist_group("processes")
def test_a_hub_process_with_witnesses(house: House, pki: Pki, tmp_path: Path) -> None:
    """A real hub asks two of three; a client demands them, another demands more and does not say "sent"."""
    row = Row(tmp_path / "row", 3, vkey(pki))
    with running(row):
        policy_file = tmp_path / "policy.txt"
        policy_file.write_text(row.policy_text(second=True))
        second = pki.folder / "hub" / "log-second.key"
        more = f'witness_policy = "{policy_file}"\nlog_key_second = "{second}"\npublish_seconds = 0.1\nauditors = ["{PULLER}"]\n'
        hub = HubProcess(pki, tmp_path / "process", more=more)
        hub.start()
        try:
            asyncio.run(submit(hub, house, row))
            asyncio.run(follow(hub, pki, row))
        finally:
            hub.stop()


def client_with(hub: HubProcess, policy: WitnessPolicy, wait: float) -> Client:
    trust = hub.pki.folder / "trust"
    return Client(
        hub.url,
        tls_certificate=hub.pki.folder / "tls" / f"{SENDER}.pem",
        tls_ca=hub.pki.folder / "tls" / "ca.pem",
        key=hub.pki.seal(SENDER),
        trust=Trust.load(trust),
        vkeys=(trust / "log.vkey").read_text().split(),
        policy=policy,
        witness_wait_seconds=wait,
    )


async def submit(hub: HubProcess, house: House, row: Row) -> None:
    async with client_with(hub, row.policy(), 20) as client:
        proven = await client.submit(house.package(), now=datetime.now(UTC))
        found = check_witnessed_proof(proven.witnessed_proof, proven.finding.leaf, row.policy())[1]
        assert len(found.present) >= 2
    stranger = Row(row.posts[0].folder / "stranger", 2, row.log_vkey)
    strict = parse_policy(stranger.policy_text(2))
    async with client_with(hub, strict, 0.6) as client:
        with pytest.raises(NotWitnessed, match="0 of 2"):
            await client.submit(house.package(), now=datetime.now(UTC))
    for post in stranger.posts:
        post.store.close()


async def follow(hub: HubProcess, pki: Pki, row: Row) -> None:
    """The paths of C2SP, as a monitor uses them."""
    context = ssl.create_default_context(cafile=str(pki.folder / "tls" / "ca.pem"))
    auditor = ssl.create_default_context(cafile=str(pki.folder / "tls" / "ca.pem"))
    auditor.load_cert_chain(str(pki.folder / "tls" / f"{PULLER}.pem"))
    async with aiohttp.ClientSession() as session:

        async def get(path: str, tls: ssl.SSLContext = context) -> tuple[int, bytes, str]:
            async with session.get(hub.url + path, ssl=tls) as answer:
                return answer.status, await answer.read(), answer.headers.get("Cache-Control", "")

        status, note, caching = await get("/custody/2026/checkpoint")
        assert status == 200 and "no-cache" in caching
        head = row.policy().check(note.decode()).checkpoint
        assert (await get("/custody/checkpoint"))[1] == note
        status, hashes, caching = await get(f"/custody/2026/tile/0/000.p/{head.size}", auditor)
        assert status == 200 and "immutable" in caching and len(hashes) == 32 * head.size
        edges = Edges()
        edges.append([hashes[i : i + 32] for i in range(0, len(hashes), 32)], 0)
        assert edges.root() == head.root
        status, bundle, _ = await get(f"/custody/2026/tile/entries/000.p/{head.size}", auditor)
        leaves = []
        while bundle:
            size = int.from_bytes(bundle[:2], "big")
            leaves.append(bundle[2 : 2 + size])
            bundle = bundle[2 + size :]
        assert [leaf_hash(leaf) for leaf in leaves] == [hashes[i : i + 32] for i in range(0, len(hashes), 32)]
        sender = ssl.create_default_context(cafile=str(pki.folder / "tls" / "ca.pem"))
        sender.load_cert_chain(str(pki.folder / "tls" / f"{SENDER}.pem"))
        assert (await get(f"/custody/tile/entries/000.p/{head.size}", sender))[0] == 403
        assert (await get("/custody/tile/0/000.p/1"))[0] == 401
        for path in (
            "0/000.p/0",
            "0/000.p/256",
            f"0/000.p/{head.size + 40}",
            "0/0",
            "0/x000/000",
            "00/000.p/1",
            "64/000.p/1",
            "0/001",
            "1/000.p/1",
            "0/000.p/01",
        ):
            assert (await get(f"/custody/tile/{path}", auditor))[0] == 404, path
        assert (await get("/custody/2025/checkpoint"))[0] == 404
        end = time.monotonic() + 20
        while not (items := await _items(get)) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        size = items[0]["size"]
        _, sealed, _ = await get(f"/custody/sealed/{size}")
        _, seal, _ = await get(f"/custody/sealed/{size}.p7s")
        verify_seal(hashlib.sha256(sealed).digest(), seal, Trust.load(pki.folder / "trust"), at=datetime.now(UTC))
        assert (await get(f"/custody/sealed/{size}.tst"))[0] == 404  # no authority is configured here
        assert (await get("/custody/sealed/999999"))[0] == 404
        status, text, _ = await get("/custody/v1/state")
        assert status == 200 and b'"quorum": true' in text
        assert b'"state": "' in (await get("/custody/v1/state/0"))[1]
        assert (await get("/custody/v1/proof/999999"))[0] == 404


async def _items(get: Callable[[str], Awaitable[tuple[int, bytes, str]]]) -> list[dict[str, int]]:
    return list(json.loads((await get("/custody/sealed"))[1])["items"])


def test_a_tick_a_minute_while_something_goes_on(house: House, pki: Pki, tmp_path: Path) -> None:
    def ticks() -> list[custody_log.LogEntry]:
        with house.hub.store.read() as connection:
            return custody_log.control_entries(connection, Event.LOG_TICK)

    async def story() -> None:
        async with Row(tmp_path, 3, vkey(pki)) as row, aiohttp.ClientSession() as session:
            stage = Stage(house, row.policy(), session)
            head = None
            for minutes in (0, 2, 2, 4):
                # Nothing is ticked at the start, one entry a minute at most, and none when only a tick came since.
                house.ahead = timedelta(minutes=minutes)
                stage.log()
                head = await stage.cosigning.publish_once()
                await stage.cosigning.settle()
            assert head is not None and len(ticks()) == 2
            assert hashlib.sha256(head.note.encode()).hexdigest().encode() in ticks()[1].leaf
            house.ahead = timedelta(minutes=6)
            await stage.cosigning.publish_once()
            assert len(ticks()) == 2

    asyncio.run(story())


def test_a_node_that_is_a_witness(house: House, pki: Pki, tmp_path: Path) -> None:
    """Keys of `keys dev`, the verb that begins, a port with TLS: as an agency runs it."""
    (port,) = free_ports(1)
    (tmp_path / "node.toml").write_text(
        f"""[node]
agency = "{PULLER}"
data = "data"
hub_url = "https://127.0.0.1:9"
trust = "{pki.folder}/trust"
tls_certificate = "{pki.folder}/tls/{PULLER}.pem"
tls_ca = "{pki.folder}/tls/ca.pem"
seal_key = "{pki.folder}/agencies/{PULLER}/seal.pem"
witness_key = "{pki.folder}/agencies/{PULLER}/witness.key"
witness_port = {port}
"""
    )
    config = ["--config", str(tmp_path / "node.toml")]
    done = CliRunner().invoke(cli, ["custody", "witness", "init", *config])
    assert done.exit_code == 0, done.output
    policy = parse_policy(f"log {vkey(pki)}\n{done.output}quorum {PULLER}\n")
    assert [w.name for w in policy.witnesses] == [PULLER, f"{PULLER}-ML-DSA-44"]
    settings = load_node(tmp_path / "node.toml", {})
    store = Store.open(settings.database_url, blobs=tmp_path / "blobs", schema="node")

    async def story() -> None:
        runner = await serve_witness(open_witness(settings, store, [vkey(pki)], lambda: datetime.now(UTC)), settings)
        tls = client_tls(pki.folder / "tls" / "hub.pem", pki.folder / "tls" / "ca.pem")
        async with aiohttp.ClientSession() as session:
            publisher = Publisher(house.hub.office, policy)
            cosigning = Cosigning(publisher, Sealer(publisher, None, worker="one"), session, tls)
            head = await cosigning.publish_once()
            assert head is not None and head.witnessed
            url = f"https://127.0.0.1:{port}/witness/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
            async with session.get(url, ssl=tls) as answer:
                assert policy.check(await answer.text()).checkpoint.size == head.size
            async with session.get(url.replace("checkpoint", "x"), ssl=tls) as answer:
                assert answer.status == 404
        await runner.cleanup()

    try:
        asyncio.run(story())
    finally:
        store.close()
    settings.witness_mark_file.unlink()
    recovered = CliRunner().invoke(cli, ["custody", "witness", "recover", "--yes", "--json", *config])
    assert recovered.exit_code == 0 and ORIGIN in json.loads(recovered.output)
    assert settings.witness_mark_file.exists()
