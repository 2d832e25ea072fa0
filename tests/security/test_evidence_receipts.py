"""Never "sent" without a proof: what a lying hub may answer, and what a client and a node make of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from exchange.client import Client
from exchange.config import NodeSettings
from exchange.custody import Entry, Event
from exchange.delivery import Retry
from exchange.errors import ReceiptInvalid
from exchange.gossip import HeldHeads
from exchange.node.agent import Agent
from exchange.node.desk import Desk
from exchange.node.heads import Watch
from exchange.node.local_api import local_app
from exchange.node.reconcile import Shelf
from exchange.office import Subject
from exchange.receipt import from_bytes
from exchange.store import journal
from exchange.store.engine import Store
from signing.checkpoint import LogKey
from signing.evidence import check
from signing.keys import open_key
from signing.receipt_check import check_receipt
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki

Value = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


class Answering(Client):
    """A client whose hub answers with the bytes that it is given."""

    answer: bytes = b""

    async def _call(self, method: str, path: str, *, data: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        return 201, {}, self.answer


@dataclass
class Given:
    """Honest answers of a real hub about one package and its statuses."""

    house: House
    package: Path
    receipt: bytes
    refusal: bytes
    acknowledged: bytes
    registered: bytes
    consigned: bytes
    status: bytes
    status_seal: bytes

    def client(self, *, vkeys: list[str] | None = None, agency: str = SENDER) -> Answering:
        folder = self.house.pki.folder
        return Answering(
            "https://127.0.0.1:9",
            tls_certificate=folder / "tls" / f"{agency}.pem",
            tls_ca=folder / "tls" / "ca.pem",
            key=self.house.pki.seal(agency),
            trust=Trust.load(folder / "trust"),
            vkeys=self.house.hub.office.vkeys() if vkeys is None else vkeys,
        )


@pytest.fixture(scope="module")
def given(pki: Pki, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    house = House(pki, tmp_path_factory.mktemp("hub"), sandbox=sandbox)
    house.register()
    package = house.package(recipients=(PULLER,))
    receipt = house.submit(package)
    other = house.package(f"{SENDER},2026/11/20,126/QĐ-UBND", recipients=(PULLER,))
    refusal = house.submit(other)
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    status, seal = house.status("01")
    acknowledged = house.hub.acknowledge(PULLER, delivery, status, seal)
    registered = house.hub.report_status(PULLER, *house.status("03"))
    consigned = house.hub.receipt(SENDER, from_bytes(receipt).envelope, from_bytes(receipt).index + 1)
    yield Given(house, package, receipt, refusal, acknowledged, registered, consigned, status, seal)
    house.close()


def changed(receipt: bytes, change: Callable[[Value], None]) -> bytes:
    value: Value = json.loads(receipt)
    change(value)
    return json.dumps(value).encode()


def flip(name: str) -> Callable[[Value], None]:
    def change(value: Value) -> None:
        data = bytearray(base64.b64decode(value[name]))
        data[-3] ^= 1  # of a seal: its signature value; certificates that come along are not signed
        value[name] = base64.b64encode(data).decode()

    return change


LIES: dict[str, Callable[[Given], bytes]] = {
    "nothing": lambda g: b"",
    "a word": lambda g: b'{"status": "accepted"}',
    "not even JSON": lambda g: b"OK",
    "another package's": lambda g: g.refusal,
    "a status's": lambda g: g.acknowledged,
    "another event's, about the same package": lambda g: g.consigned,
    "evidence changed": lambda g: changed(g.receipt, flip("evidence")),
    "seal changed": lambda g: changed(g.receipt, flip("seal")),
    "entry changed": lambda g: changed(g.receipt, flip("leaf")),
    "no proof": lambda g: changed(g.receipt, lambda v: v.__setitem__("proof", "")),
    "a proof of another entry": lambda g: changed(g.receipt, lambda v: v.__setitem__("proof", from_bytes(g.refusal).proof)),
    "a head that nobody signed": lambda g: changed(g.receipt, lambda v: v.__setitem__("proof", v["proof"].rpartition("— ")[0])),
    "a promise for later": lambda g: changed(g.receipt, lambda v: v.pop("proof")),
    "another envelope": lambda g: changed(g.receipt, lambda v: v.__setitem__("envelope", "00000000-0000-4000-8000-000000000000")),
    "another place": lambda g: changed(g.receipt, lambda v: v.__setitem__("index", v["index"] + 1)),
}


def submit(given: Given, client: Answering, answer: bytes) -> bytes:
    async def go() -> bytes:
        client.answer = answer
        return (await client.submit(given.package, now=now())).data

    return asyncio.run(go())


def test_the_honest_receipt_is_taken(given: Given) -> None:
    assert submit(given, given.client(), given.receipt) == given.receipt


@pytest.mark.parametrize("lie", LIES)
def test_a_client_takes_no_lie(given: Given, lie: str) -> None:
    answer = LIES[lie](given)
    with pytest.raises(ReceiptInvalid) as caught:
        submit(given, given.client(), answer)
    assert caught.value.data == answer


def test_a_log_that_the_client_does_not_know(given: Given) -> None:
    for vkeys in ([], [LogKey.generate("hub.example.vn/custody/2026").vkey()], [LogKey.generate("other").vkey()]):
        with pytest.raises(ReceiptInvalid):
            submit(given, given.client(vkeys=vkeys), given.receipt)


def test_a_head_rewritten_by_another_key(given: Given) -> None:
    """Somebody who has the hub's seal but not the key of its log."""
    receipt = from_bytes(given.receipt)
    head, _, note = receipt.proof.partition("\n\n")
    origin, size, root = note.split("\n")[:3]
    forged = LogKey.generate(origin).sign_note(origin, int(size), base64.b64decode(root))
    with pytest.raises(ReceiptInvalid):
        submit(given, given.client(), changed(given.receipt, lambda v: v.__setitem__("proof", f"{head}\n\n{forged}")))


def test_evidence_sealed_anew_that_says_something_else(given: Given) -> None:
    """The hub's own key over evidence that names another recipient, time or event than the log entry."""
    key = open_key(given.house.pki.folder / "hub" / "seal.pem")
    evidence = from_bytes(given.registered).evidence
    for old, new in ((PULLER, SENDER), ("ConsignmentAcceptance", "ConsignmentRejection"), ("2026-", "2025-"), ("125/QĐ-UBND", "999/QĐ-UBND")):
        other = evidence.replace(old.encode(), new.encode())
        assert other != evidence

        def change(value: Value, other: bytes = other) -> None:
            value["evidence"] = base64.b64encode(other).decode()
            value["seal"] = base64.b64encode(sign_seal(hashlib.sha256(other).digest(), key)).decode()

        with pytest.raises(Exception, match="agree|digest|index|other"):
            check_receipt(
                changed(given.registered, change), trust=Trust.load(given.house.pki.folder / "trust"), vkeys=given.house.hub.office.vkeys(), at=now()
            )


def test_a_status_must_be_entered_as_it_was_said(given: Given) -> None:
    async def go(answer: bytes) -> bytes:
        client = given.client(agency=PULLER)
        client.answer = answer
        return (await client.acknowledge("d", given.status, now=now(), seal=given.status_seal)).data

    assert asyncio.run(go(given.acknowledged)) == given.acknowledged
    for answer in (given.registered, given.receipt):
        with pytest.raises(ReceiptInvalid):
            asyncio.run(go(answer))


@pytest.mark.parametrize(("by", "code"), [(PULLER, "03"), (SENDER, "01")])
def test_a_hub_that_enters_a_status_as_something_else(given: Given, by: str, code: str) -> None:
    """The entry names the digest of the agency's sealed status, but another code or agency."""
    office, envelope = given.house.hub.office, from_bytes(given.receipt).envelope
    digest = hashlib.sha256(given.status).hexdigest()
    said = json.loads(from_bytes(given.acknowledged).leaf)
    document = said["doc"]
    entry = Entry(
        event=Event.HANDED_OVER,
        at=now(),
        by=by,
        envelope=envelope,
        document_id=document["id"],
        document_sha256=document["sha256"],
        sender=SENDER,
        recipient=PULLER,
        object_sha256=digest,
        object_type="edxml-status+seal",
        status=code,
    )
    index = office.store.write(lambda c: office.append(c, [entry]))[0]
    subject = Subject(f"lie/{by}/{code}", envelope, entry.event, entry.at, index, SENDER, PULLER, document["id"], digest, len(given.status))
    lie = office.receipt(subject)

    async def go() -> None:
        client = given.client(agency=PULLER)
        client.answer = lie
        await client.acknowledge("d", given.status, now=now(), seal=given.status_seal)

    with pytest.raises(ReceiptInvalid, match="entered as"):
        asyncio.run(go())
    # The evidence file tells on it as well: what the agency sealed says something else.
    target = given.house.folder / f"lie-{code}-{by}.asice"
    given.house.hub.evidence(SENDER, envelope, target)
    report = check(target, trust=Trust.load(given.house.pki.folder / "trust"), vkeys=office.vkeys(), at=now())
    assert "evidence.other_status" in {r.code for r in report.reasons}


# -- the node --------------------------------------------------------------------


@dataclass
class Node:
    desk: Desk
    agent: Agent
    client: Answering

    def outbound(self) -> journal.Outbound:
        with self.desk.store.read() as connection:
            return journal.all_outbound(connection, 5)[0]

    def receipt(self) -> bytes | None:
        row = self.outbound()
        with self.desk.store.read() as connection:
            return journal.outbound_receipt(connection, row.document_id, row.kind)


@pytest.fixture
def node(given: Given, tmp_path: Path, sandbox: Sandbox) -> Iterator[Node]:
    pki: Pki = given.house.pki
    store = Store.open(f"sqlite:///{tmp_path / 'node.sqlite'}", blobs=tmp_path / "blobs", migrate=True, schema="node")
    trust = Trust.load(pki.folder / "trust")
    desk = Desk(SENDER, "Cơ quan gửi (mô phỏng)", store, pki.seal(SENDER), lambda: trust, sandbox, now)
    certificate, ca = pki.folder / "tls" / f"{SENDER}.pem", pki.folder / "tls" / "ca.pem"
    settings = NodeSettings(SENDER, tmp_path, "https://127.0.0.1:9", pki.folder / "trust", certificate, ca, pki.folder / "agencies" / SENDER / "seal.pem")
    client = given.client()
    desk.send(given.package)
    yield Node(desk, Agent(desk, client, Retry(first=timedelta(0), longest=timedelta(0)), settings), client)
    store.close()


@pytest.mark.parametrize("lie", LIES)
def test_a_node_never_shows_sent_without_a_proof(given: Given, node: Node, lie: str) -> None:
    node.client.answer = LIES[lie](given)
    asyncio.run(node.agent.submit())
    row = node.outbound()
    assert (row.state, row.envelope, node.receipt()) == ("waiting", "", None) and row.attempts == 1 and row.last_error
    if node.client.answer:
        kept = [p for p in node.desk.store.blobs.folder.rglob("*") if p.is_file() and p.read_bytes() == node.client.answer]
        assert kept, "what does not hold is kept"
    node.client.answer = given.receipt
    asyncio.run(node.agent.submit())
    assert node.outbound().state == "sent" and node.receipt() == given.receipt


def test_the_receipt_is_kept_and_given_out(given: Given, node: Node, tmp_path: Path) -> None:
    node.client.answer = given.receipt
    asyncio.run(node.agent.submit())
    assert node.receipt() == given.receipt
    with pytest.raises(ReceiptInvalid):
        node.desk.store.write(lambda c: journal.settle_outbound(c, node.outbound(), state="sent", receipt=b""))
    with pytest.raises(ReceiptInvalid):
        node.desk.store.write(lambda c: journal.settle_status(c, "x", state="sent"))

    watch = Watch(HeldHeads(tmp_path, [], now), "https://127.0.0.1:9", None, None)

    async def ask() -> tuple[bytes, int]:
        async with TestClient(TestServer(local_app(node.desk, "token", Shelf(tmp_path), watch))) as local:
            headers = {"Authorization": "Bearer token"}
            row = node.outbound()
            good = await local.get("/outbox/receipt", params={"document_id": row.document_id, "kind": str(row.kind)}, headers=headers)
            none = await local.get("/outbox/receipt", params={"document_id": "x"}, headers=headers)
            heads = await local.get("/heads", headers=headers)
            assert await heads.json() == {"held": None, "alarms": []} and (await local.get("/heads")).status == 401
            return await good.read(), none.status

    assert asyncio.run(ask()) == (given.receipt, 404)
