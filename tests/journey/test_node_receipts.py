"""What a node keeps of the answers to what it sent: proofs to witnessed heads, and receipts that do not hold."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from exchange.client import Client, Proven
from exchange.errors import ReceiptInvalid
from exchange.store import journal, witness_log
from signing.sandbox import Sandbox
from tests.house import PULLER, SENDER, House
from tests.journey.processes import HubProcess
from tests.journey.test_node_recalls import nodes

INSTEAD = b"what the hub gave instead"
PROOF = "c2sp.org/tlog-proof@v1\nindex 7\n"


class Through:
    """A client's calls, each passed on; kinds of it change some answers."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


class Witnessed(Through):
    """True answers, as if each came with a proof to a witnessed head."""

    async def submit(self, package: Path, **more: Any) -> Proven:
        return replace(await self.client.submit(package, **more), witnessed_proof=PROOF + "s")

    async def acknowledge(self, delivery: str, status: bytes, **more: Any) -> Proven:
        return replace(await self.client.acknowledge(delivery, status, **more), witnessed_proof=PROOF + "a")


class Untrue(Through):
    """Receipts that do not hold."""

    async def submit(self, package: Path, **more: Any) -> Proven:
        error = ReceiptInvalid("the proof is about another entry", place="receipt")
        error.data = INSTEAD
        raise error


def test_proofs_to_witnessed_heads_are_kept_by_what_they_are_about(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,p1/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient):
            for node in (sender, recipient):
                node.agent.client = Witnessed(node.agent.client)
            sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            envelope = sender.read(lambda c: journal.outbound(c, document, 0)).envelope
            assert sender.read(lambda c: witness_log.proof_of(c, envelope)) == PROOF + "s"
            (line,) = recipient.inbox(document)
            (status,) = recipient.read(lambda c: journal.statuses_of(c, line.delivery))
            assert recipient.read(lambda c: witness_log.proof_of(c, status.id)) == PROOF + "a"

    asyncio.run(go())


def test_a_receipt_that_does_not_hold_is_kept_and_nothing_is_called_sent(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,p2/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER) as (sender,):
            honest = sender.agent.client
            sender.agent.client = Untrue(honest)
            sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.agent.submit()
            row = sender.read(lambda c: journal.outbound(c, document, 0))
            assert row.state == "waiting" and row.last_error.startswith("client.receipt_invalid")
            kept = sender.desk.store.blobs.path(hashlib.sha256(INSTEAD).hexdigest())
            assert kept.read_bytes() == INSTEAD
            sender.agent.client = honest
            await sender.agent.submit()
            assert sender.read(lambda c: journal.outbound(c, document, 0)).state == "sent"

    asyncio.run(go())
