"""kill -9 in the middle of 200 submissions, and answers that get lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.client import Client, Proven
from exchange.demo_house import free_ports
from exchange.errors import HubUnreachable
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess

SUBMISSIONS = 200


def now() -> datetime:
    return datetime.now(UTC)


async def everything_arrived(hub: HubProcess, receipts: dict[Path, Proven], folder: Path) -> None:
    """Every receipted document is there, intact and once."""
    async with hub.client(PULLER) as recipient:
        items: list[dict[str, object]] = []
        cursor = 0
        while True:
            more, cursor = await recipient.inbox(after=cursor, limit=500)
            if not more:
                break
            items += more
        envelopes = [i["envelope"] for i in items]
        assert len(envelopes) == len(set(envelopes))
        by_envelope = {i["envelope"]: i for i in items}
        for package, receipt in receipts.items():
            line = by_envelope[receipt.finding.envelope]
            await recipient.fetch(str(line["delivery"]), folder / "got")
            assert (folder / "got").read_bytes() == package.read_bytes()


def test_kill_in_the_middle(pki: Pki, tmp_path: Path) -> None:
    maker = House(pki, tmp_path / "maker")
    packages = [maker.package(f"{SENDER},2026/11/22,{n}/QĐ-UBND", recipients=(PULLER,)) for n in range(SUBMISSIONS)]
    hub = HubProcess(pki, tmp_path / "hub")
    hub.start()
    receipts: dict[Path, Proven] = {}

    async def go() -> None:
        gate = asyncio.Semaphore(16)
        async with hub.client(SENDER) as sender:

            async def one(package: Path) -> None:
                async with gate:
                    with contextlib.suppress(HubUnreachable):
                        receipts[package] = await sender.submit(package, now=now())
                    if len(receipts) == SUBMISSIONS // 4 and hub.process is not None and hub.process.poll() is None:
                        hub.kill()

            await asyncio.gather(*(one(p) for p in packages))
        assert SUBMISSIONS // 4 <= len(receipts) < SUBMISSIONS
        before = {p: r.data for p, r in receipts.items()}
        await asyncio.to_thread(hub.start)
        await everything_arrived(hub, receipts, tmp_path)
        async with hub.client(SENDER) as sender:
            for package in packages:
                receipts[package] = await sender.submit(package, now=now())
        assert all(receipts[p].data == data for p, data in before.items())
        await everything_arrived(hub, receipts, tmp_path)

    try:
        asyncio.run(go())
        assert len(receipts) == SUBMISSIONS
        hub.stop()
        verified = subprocess.run([sys.executable, "-m", "exchange.cli", "custody", "verify", "--config", str(hub.config)], capture_output=True, text=True)
        assert verified.returncode == 0, verified.stderr
    finally:
        hub.stop()
        maker.close()


class DroppingProxy:
    """Forwards bytes to the hub; every tenth connection is cut before the answer comes back."""

    def __init__(self, port: int, target: int, chance: random.Random) -> None:
        self.port, self.target, self._chance, self.dropped = port, target, chance, 0

    async def __aenter__(self) -> DroppingProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        sent = 0

        async def forward() -> None:
            nonlocal sent
            while data := await reader.read(65536):
                sent += len(data)
                up_writer.write(data)
                await up_writer.drain()

        async def back() -> None:
            while data := await up_reader.read(65536):
                # Past the handshake and a whole body: this is an answer.
                if sent > 20_000 and self._chance.random() < 0.1:
                    self.dropped += 1
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(forward()), asyncio.create_task(back())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for one in (writer, up_writer):
            with contextlib.suppress(OSError):
                one.close()


@pytest.mark.parametrize("count", [60])
def test_a_tenth_of_the_answers_lost(pki: Pki, tmp_path: Path, count: int) -> None:
    maker = House(pki, tmp_path / "maker")
    packages = [maker.package(f"{SENDER},2026/11/23,{n}/QĐ-UBND", recipients=(PULLER,)) for n in range(count)]
    hub = HubProcess(pki, tmp_path / "hub")
    hub.start()
    (port,) = free_ports(1)

    async def go() -> None:
        trust = pki.folder / "trust"
        receipts: dict[Path, Proven] = {}
        async with DroppingProxy(port, hub.port, random.Random(7)) as proxy:
            for package in packages:
                for _ in range(20):
                    client = Client(
                        f"https://127.0.0.1:{port}",
                        tls_certificate=pki.folder / "tls" / f"{SENDER}.pem",
                        tls_ca=pki.folder / "tls" / "ca.pem",
                        key=pki.seal(SENDER),
                        trust=Trust.load(trust),
                        vkeys=(trust / "log.vkey").read_text().split(),
                    )
                    async with client:
                        try:
                            receipts[package] = await client.submit(package, now=now())
                            break
                        except HubUnreachable:
                            continue
            assert proxy.dropped >= 3
        assert len(receipts) == count
        async with hub.client(SENDER) as sender:
            for package, receipt in receipts.items():
                assert (await sender.submit(package, now=now())).data == receipt.data
        await everything_arrived(hub, receipts, tmp_path)

    try:
        asyncio.run(go())
    finally:
        hub.stop()
        maker.close()
