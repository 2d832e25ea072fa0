"""A hub that shows two histories meets itself: heads travel with ordinary answers, and are held against each other."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.cli import cli
from exchange.client import Client
from exchange.courier import client_tls, server_tls
from exchange.custody import Event
from exchange.demo_house import free_ports
from exchange.gossip import HEADER, LARGEST, HeldHeads, from_header, to_header
from exchange.hearsay import Hearsay
from exchange.node.heads import Watch
from exchange.store import custody_log
from exchange.web.app import make_app
from signing.checkpoint import LogKey, parse_note, verify_note
from signing.cosignature import add_lines, make_keys
from signing.sandbox import Sandbox
from signing.tile_log import Fetch
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy
from tests.house import PULLER, SENDER, House, Pki
from tests.security.test_monitor import KEY, NOW, ORIGIN, LiveLog, monitor
from tests.witness_row import Row

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Reader:
    """One reader of a log from memory, with a clock that can be moved."""

    def __init__(self, folder: Path, *, vkeys: tuple[str, ...] = (KEY.vkey(),)) -> None:
        self.at = START
        self.heads = HeldHeads(folder, vkeys, lambda: self.at)

    def sees(self, log: LiveLog, *, size: int | None = None, tiles: Fetch | None = None) -> list[str]:
        """What it says after it was shown a head of `log`, with the tiles of `tiles`."""
        size = log.size if size is None else size
        at_once = self.heads.hear(log.key.sign_note(log.key.name, size, log.root(size)))
        later = self.heads.check(lambda _: tiles or log)
        return [alert.code for alert in ([at_once] if at_once is not None else []) + later]

    @property
    def size(self) -> int:
        head = self.heads.newest()
        return head.size if head is not None else 0


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def other_view(log: LiveLog, place: int = 3) -> LiveLog:
    """The same log with one entry changed, signed by the same key."""
    other = LiveLog(log.size)
    other.leaves[place] = b'{"v":1,"other":true}'
    return other


def test_an_honest_log_is_followed_and_survives_a_restart(reader: Reader, tmp_path: Path) -> None:
    log = LiveLog(300)
    for grown in (0, 1, 255, 700):
        log.grow(grown)
        assert reader.sees(log) == [] and reader.size == log.size
    # An answer that comes late carries an older head: that is no rollback.
    assert reader.sees(log, size=301) == [] and reader.size == log.size
    again = Reader(tmp_path)
    assert again.size == log.size and again.heads.alarms() == []
    assert parse_note(from_header(again.heads.say())).size == log.size


def test_two_heads_of_one_size_are_found_without_asking_anybody(reader: Reader) -> None:
    log = LiveLog(300)
    reader.sees(log)
    lie = other_view(log)
    assert reader.heads.hear(KEY.sign_note(ORIGIN, 300, lie.root(300))) is not None
    alarm = reader.heads.alarms()[0]
    assert alarm["code"] == "monitor.split_view" and alarm["vi"] and alarm["en"]
    shown = [verify_note((reader.heads.folder / name).read_text(), [KEY.vkey()]) for name in alarm["files"]]
    assert len(shown) == 2 and shown[0].size == shown[1].size and shown[0].root != shown[1].root
    # It stays, is not repeated, and goes back to the hub with the next calls: the held head and both proofs, in turn.
    reader.heads.hear(KEY.sign_note(ORIGIN, 300, lie.root(300)))
    assert len(reader.heads.alarms()) == 1
    reader.at += timedelta(seconds=2)
    assert {parse_note(from_header(reader.heads.say())).root for _ in range(6)} == {log.root(300), lie.root(300)}


def test_two_earlier_heads_of_one_size_contradict_each_other_whatever_is_held(reader: Reader) -> None:
    log = LiveLog(300)
    reader.sees(log)
    assert reader.heads.hear(KEY.sign_note(ORIGIN, 200, log.root(200))) is None
    alert = reader.heads.hear(KEY.sign_note(ORIGIN, 200, other_view(log).root(200)))
    assert alert is not None and alert.code == "split_view" and len(alert.files) == 2


def test_a_restart_forgets_no_head(reader: Reader, tmp_path: Path) -> None:
    log = LiveLog(300)
    reader.sees(log)
    again = Reader(tmp_path)
    alert = again.heads.hear(KEY.sign_note(ORIGIN, 300, other_view(log).root(300)))
    assert alert is not None and alert.code == "split_view" and len(alert.files) == 2


@pytest.mark.parametrize("tiles", ["the liar's", "the honest ones"])
def test_a_history_that_does_not_go_on(reader: Reader, tiles: str) -> None:
    log = LiveLog(300)
    reader.sees(log)
    lie = other_view(log)
    lie.grow(40)
    log.grow(40)
    assert reader.sees(lie, tiles=lie if tiles == "the liar's" else log) == ["inconsistent"]
    assert reader.size == 300  # the last one that held stays the measure
    assert reader.sees(log) == ["split_view"] and reader.size == 340  # the honest head against the lie of its size


def test_a_head_between_two_that_fit_is_compared_too(reader: Reader) -> None:
    log = LiveLog(300)
    reader.sees(log)
    lie = other_view(log)
    lie.grow(5)
    reader.heads.hear(KEY.sign_note(ORIGIN, 305, lie.root(305)))
    log.grow(40)
    assert reader.sees(log) == ["inconsistent"] and reader.size == 340


def test_a_truncated_log_is_given_ten_minutes(reader: Reader) -> None:
    log = LiveLog(300)
    reader.sees(log)
    log.shown = 250
    del log.leaves[250:]
    assert reader.sees(log) == []
    reader.at += timedelta(minutes=11)
    assert reader.sees(log) == ["rollback"]
    assert [parse_note((reader.heads.folder / n).read_text()).size for n in reader.heads.alarms()[0]["files"]] == [300, 250]


def test_silence_proves_nothing_and_nothing_is_forgotten(reader: Reader) -> None:
    log = LiveLog(300)
    reader.sees(log)
    log.grow(9)
    log.down = True
    assert reader.sees(log) == [] and reader.size == 300
    log.down = False
    assert reader.heads.check(lambda _: log) == [] and reader.size == 309


def test_tiles_of_neither_head_are_said_to_be_so(reader: Reader) -> None:
    log = LiveLog(300)
    reader.sees(log)
    log.grow(9)
    assert reader.sees(log, tiles=other_view(LiveLog(309))) == ["tiles"]


def test_a_head_of_another_key_says_nothing_of_this_log(reader: Reader, tmp_path: Path) -> None:
    reader.sees(LiveLog(300))
    stranger = LiveLog(300, key=LogKey.generate(ORIGIN))
    assert reader.sees(stranger) == ["signature"] and reader.size == 300
    stranger.grow(1)
    assert reader.sees(stranger) == [], "said once"
    assert reader.sees(LiveLog(300)) == []
    assert Reader(tmp_path / "none", vkeys=()).sees(stranger) == []


def test_the_header_holds_what_other_peoples_clients_take() -> None:
    note = KEY.sign_note(ORIGIN, 300, bytes(32))
    assert from_header(to_header(note)) == note
    keys = [make_keys(f"w{n}.example.vn") for n in range(7)]
    head = parse_note(note)
    full = add_lines(note, [key.cosign(head, at=NOW) for pair in keys for key in pair])
    short = from_header(to_header(full))
    # The ML-DSA-44 lines stay at home; the seven Ed25519 ones and the log's own travel.
    assert len(full) > 20_000 and len(to_header(full)) <= LARGEST and short.count("\n— ") == 8
    assert verify_note(short, [KEY.vkey()]).root == bytes(32)


@settings(max_examples=150)
@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("latin-1")))
def test_any_header_is_read_or_left(text: str) -> None:
    found = from_header(text)
    assert isinstance(found, str) and isinstance(to_header(text), str)


def test_a_monitor_hears_what_comes_with_the_tiles(tmp_path: Path) -> None:
    log = LiveLog(700)
    follower = monitor(log, tmp_path)
    assert follower.look(NOW).ok
    lie = other_view(log)
    assert [a.code for a in follower.look(NOW, heard=[KEY.sign_note(ORIGIN, 700, lie.root(700))]).alerts] == ["split_view"]
    # A head that is a little ahead is no alarm; one that stays ahead is a log that lost what it signed.
    log.grow(5)
    ahead = KEY.sign_note(ORIGIN, 705, log.root(705))
    del log.leaves[700:]
    assert follower.look(NOW, heard=[ahead]).ok
    assert [a.code for a in follower.look(NOW + timedelta(minutes=31), heard=[ahead]).alerts] == ["rollback"]


# -- a real hub that shows two histories ------------------------------------------


@dataclass
class TwoFaces:
    """A hub and a copy of it under the same keys; each has gone on in its own way."""

    honest: House
    liar: House
    pki: Pki

    def client(self, url: str, folder: Path) -> Client:
        trust = self.pki.folder / "trust"
        tls = self.pki.folder / "tls"
        keys = (trust / "log.vkey").read_text().split()
        return Client(
            url,
            tls_certificate=tls / f"{PULLER}.pem",
            tls_ca=tls / "ca.pem",
            key=self.pki.seal(PULLER),
            trust=Trust.load(trust),
            vkeys=keys,
            heads=HeldHeads(folder, keys, lambda: datetime.now(UTC)),
        )

    def watch(self, url: str, client: Client, policy: WitnessPolicy | None = None) -> Watch:
        assert client.heads is not None
        tls = client_tls(self.pki.folder / "tls" / f"{PULLER}.pem", self.pki.folder / "tls" / "ca.pem")
        return Watch(client.heads, url, tls, policy)


@pytest.fixture
def faces(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> Iterator[TwoFaces]:
    honest = House(pki, tmp_path / "a", sandbox=sandbox)
    honest.register()
    honest.submit(honest.package(recipients=(PULLER,)))
    honest.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    honest.open()
    liar = House(pki, tmp_path / "b", sandbox=sandbox)
    honest.submit(honest.package(f"{SENDER},2026/11/20,126/QĐ-UBND", recipients=(PULLER,), subject="Thật (mô phỏng)"))
    liar.submit(liar.package(f"{SENDER},2026/11/20,127/QĐ-UBND", recipients=(PULLER,), subject="Khác (mô phỏng)"))
    yield TwoFaces(honest, liar, pki)
    honest.close()
    liar.close()


@asynccontextmanager
async def served(house: House) -> AsyncIterator[str]:
    """The hub of `house` over mutual TLS; its address."""
    (port,) = free_ports(1)
    with ThreadPoolExecutor(4) as threads:
        runner = web.AppRunner(make_app(house.hub, threads, max_package_bytes=1 << 24, auditors=(PULLER,)), max_field_size=32768)
        await runner.setup()
        tls = house.pki.folder / "tls"
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_tls(tls / "hub.pem", tls / "ca.pem")).start()
        yield f"https://127.0.0.1:{port}"
        await runner.cleanup()


async def until(holds: Callable[[], Any]) -> Any:
    for _ in range(100):
        if value := await asyncio.to_thread(holds):
            return value
        await asyncio.sleep(0.05)
    raise AssertionError("never came to hold")


def contradictions(house: House) -> list[Any]:
    with house.hub.store.read() as connection:
        entries = [json.loads(e.leaf) for e in custody_log.control_entries(connection, Event.LOG_WITNESS)]
    return [e for e in entries if e["data"]["change"] == "contradicted"]


def test_a_node_that_is_fed_another_head_finds_it_by_gossip(faces: TwoFaces, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(faces.honest) as url, served(faces.liar) as other:
            async with faces.client(url, tmp_path / "heads") as client:
                await client.agencies()  # any ordinary call
                watch = faces.watch(url, client)
                assert await asyncio.to_thread(watch.look) == [] and watch.state()["held"] is not None
            # The same name and keys, another history behind them.
            async with faces.client(other, tmp_path / "heads") as client:
                await client.agencies()
                watch = faces.watch(other, client)
                alerts = await asyncio.to_thread(watch.look)
                state = watch.state()
                assert state["alarms"] and state["alarms"][0]["code"] in ("monitor.split_view", "monitor.inconsistent"), alerts
                notes = [verify_note((tmp_path / "heads" / n).read_text(), faces.honest.hub.office.vkeys()) for n in state["alarms"][0]["files"]]
                assert len({note.root for note in notes}) == 2
            # The next ordinary calls tell the honest hub, which enters in its own log what its key signed elsewhere.
            assert contradictions(faces.honest) == []
            async with faces.client(url, tmp_path / "heads") as client:
                for _ in range(3):
                    await client.agencies()
                    await asyncio.sleep(0.1)
                (entry,) = await until(lambda: contradictions(faces.honest))
                assert entry["data"]["name"] == PULLER and entry["data"]["root"] in {note.root.hex() for note in notes}
                assert faces.honest.hub.store.blobs.exists(entry["obj"]["sha256"])

    asyncio.run(story())


def test_a_node_that_only_ever_saw_the_lie_learns_from_the_witnesses(faces: TwoFaces, tmp_path: Path) -> None:
    async def story() -> None:
        office = faces.honest.hub.office
        async with Row(tmp_path / "row", 3, office.vkeys()[0]) as row, served(faces.liar) as other:
            note = await asyncio.to_thread(office.head)
            body = f"old 0\n\n{note}".encode()
            assert all(post.witness.add_checkpoint(body).status == 200 for post in row.posts)
            async with faces.client(other, tmp_path / "heads") as client:
                await client.agencies()
                blind = faces.watch(other, client)
                assert await asyncio.to_thread(blind.look) == []  # seen alone, the lie is consistent
                watch = faces.watch(other, client, row.policy())
                alerts = await asyncio.to_thread(watch.look)
                assert alerts and {a.code for a in alerts} <= {"split_view", "inconsistent"}
            # So does a stranger's monitor, which needs no more than addresses.
            (tmp_path / "policy.txt").write_text(row.policy_text(1))
            tls = faces.pki.folder / "tls"
            arguments = ["custody", "monitor", other, "--trust", str(faces.pki.folder / "trust"), "--state", str(tmp_path / "state"), "--once", "--json"]
            arguments += ["--tls-ca", str(tls / "ca.pem"), "--tls-certificate", str(tls / f"{SENDER}.pem")]
            first = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
            assert first.exit_code == 0, first.output
            arguments += ["--policy", str(tmp_path / "policy.txt"), "--ask-witnesses"]
            second = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
            assert second.exit_code == 1, second.output
            assert {"monitor.split_view"} <= {a["code"] for a in json.loads(second.stdout)["alerts"]}

    asyncio.run(story())


def test_every_answer_to_an_agency_carries_a_head_and_those_to_other_clients_do_not(faces: TwoFaces, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(faces.honest) as url, faces.client(url, tmp_path / "heads") as client:
            session = client._open()
            carrying = ("/v1/agencies", "/custody/checkpoint", "/custody/log.vkey", "/v1/documents/none/timeline")
            for path, carries in [*((path, True) for path in carrying), ("/health", False), ("/api/none", False)]:
                async with session.get(url + path) as answer:
                    assert (HEADER in answer.headers) is carries, path
                    if carries:
                        assert verify_note(from_header(answer.headers[HEADER]), faces.honest.hub.office.vkeys()).size > 0

    asyncio.run(story())


def test_documents_go_on_where_heads_cannot_be_kept(faces: TwoFaces, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    async def story() -> None:
        async with served(faces.honest) as url, faces.client(url, tmp_path / "file" / "heads") as client:
            assert len(await client.agencies()) == 3
            # Not even when there is something to say of them.
            assert client.heads is not None
            client._heard(faces.liar.hub.office.log_key.sign_note(ORIGIN, 1, bytes(32)))
            client._heard(LogKey.generate(ORIGIN).sign_note(ORIGIN, 1, bytes(32)))

    asyncio.run(story())


def test_what_an_agency_shows_the_hub_must_be_signed_by_the_log(faces: TwoFaces) -> None:
    hearsay = Hearsay(faces.honest.hub.office)
    forged = LogKey.generate(ORIGIN).sign_note(ORIGIN, 3, bytes(32))
    assert hearsay.hear(forged, PULLER) and hearsay.hear("nonsense", PULLER) and hearsay.hear(faces.honest.hub.office.head(), PULLER)
    assert contradictions(faces.honest) == []
    lie = faces.liar.hub.office.head()
    assert not hearsay.hear(lie, PULLER)
    assert len(contradictions(faces.honest)) == 1
    # Said once, however often it is shown; a hub on a restored copy sees heads above its own.
    assert not Hearsay(faces.honest.hub.office).hear(faces.honest.hub.office.log_key.sign_note(ORIGIN, 10_000, bytes(32)), PULLER)
    assert "where this database has" in contradictions(faces.honest)[-1]["why"]
