"""agent — nút cơ quan: the process at an agency. Journal first, then act.

Loops: submit what is in the outbox, collect the mailbox, send statuses. With
mode "push" it also takes deliveries from the hub over mutual TLS.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiohttp import web

from exchange.change_errors import DocumentNotSent
from exchange.client import Client, Proven, Refused
from exchange.config import NodeSettings, password
from exchange.courier import client_tls, server_tls
from exchange.delivery import Retry
from exchange.errors import EnvelopeError, ExchangeError, NotFound, ReceiptInvalid
from exchange.gossip import HeldHeads
from exchange.mirror import http_log
from exchange.node import recalls
from exchange.node.daily import Daily
from exchange.node.desk import Desk
from exchange.node.heads import Watch
from exchange.node.local_api import local_app
from exchange.node.push_api import push_app
from exchange.node.reconcile import Shelf
from exchange.node.witness import Witness, open_witness, witness_app
from exchange.store import journal, take_backs, witness_log
from exchange.store.engine import Store
from signing.keys import open_key
from signing.sandbox import Sandbox
from signing.trust import Trust
from signing.witness_policy import load_policy

log = structlog.get_logger()
MAX_FIELD = 32 * 1024
IDLE_SECONDS = 0.3


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def open_desk(settings: NodeSettings) -> Desk:
    """The agency's desk over its settings; the caller closes its store and sandbox."""
    settings.data.mkdir(parents=True, exist_ok=True)
    store = Store.open(settings.database_url, blobs=settings.data / "blobs", migrate=True, schema="node")
    trust = Trust.load(settings.trust)
    key = open_key(settings.seal_key, password=password(settings.seal_password_file))
    sandbox = Sandbox(workers=settings.verifier_workers)
    return Desk(settings.agency, settings.name, store, key, lambda: trust, sandbox, now, settings.other_codes)


def vkeys(trust: Path) -> list[str]:
    """Verifier keys of the log from the trust folder."""
    file = trust / "log.vkey"
    return file.read_text().split() if file.exists() else []


def make_client(settings: NodeSettings, heads: HeldHeads | None = None) -> Client:
    """A client of the hub by the node's settings; the heads it hears are kept with the node's."""
    return Client(
        settings.hub_url,
        tls_certificate=settings.tls_certificate,
        tls_ca=settings.tls_ca,
        key=open_key(settings.seal_key, password=password(settings.seal_password_file)),
        trust=Trust.load(settings.trust),
        vkeys=vkeys(settings.trust),
        policy=load_policy(settings.witness_policy) if settings.witness_policy is not None else None,
        witness_wait_seconds=settings.witness_wait_seconds,
        heads=heads or held_heads(settings),
    )


def held_heads(settings: NodeSettings) -> HeldHeads:
    """The heads of the log that this agency holds; its node and its command line share them."""
    return HeldHeads(settings.data / "heads", vkeys(settings.trust), now)


def make_watch(settings: NodeSettings, heads: HeldHeads) -> Watch:
    """What compares the node's heads, by its settings."""
    policy = load_policy(settings.witness_policy) if settings.witness_policy is not None else None
    return Watch(heads, settings.hub_url, client_tls(settings.tls_certificate, settings.tls_ca), policy)


def token(settings: NodeSettings) -> str:
    """The bearer token of the local interface, made at first start, readable by the owner only."""
    file = settings.data / "token"
    if not file.exists():
        settings.data.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text().strip()


def run_node(settings: NodeSettings) -> None:
    """Run the node until SIGTERM or SIGINT. Blocks."""
    desk = open_desk(settings)
    try:
        uvloop.run(_run(desk, settings))
    finally:
        desk.sandbox.close()
        desk.store.close()


async def _run(desk: Desk, settings: NodeSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    threads = ThreadPoolExecutor(8, thread_name_prefix="desk")
    loop.set_default_executor(threads)
    shelf = Shelf(settings.data / "reconciliation")
    heads = held_heads(settings)
    watch = make_watch(settings, heads)
    runners = []
    if settings.mode == "push":
        runners.append(await _push(desk, settings))
    if settings.witness_key is not None and settings.witness_port:
        runners.append(await serve_witness(open_witness(settings, desk.store, vkeys(settings.trust), now), settings))
    retry = Retry(first=timedelta(seconds=settings.retry_first_seconds), longest=timedelta(seconds=settings.retry_longest_seconds))
    async with make_client(settings, heads) as client:
        runners.append(await _local(desk, settings, shelf, watch, client))
        agent = Agent(desk, client, retry, settings)
        fetch = http_log(settings.hub_url, client_tls(settings.tls_certificate, settings.tls_ca))
        daily = Daily(desk, client, shelf, vkeys=vkeys(settings.trust), fetch=fetch, clock=now)
        steps = (agent.submit, agent.collect, agent.acknowledge, agent.settle, agent.report, agent.ask_back, daily.reconcile, watch.gossip)
        tasks = [asyncio.create_task(agent.forever(step)) for step in steps]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for runner in runners:
        await runner.cleanup()


async def _local(desk: Desk, settings: NodeSettings, shelf: Shelf, watch: Watch, client: Client) -> web.AppRunner:
    runner = web.AppRunner(local_app(desk, token(settings), shelf, watch, client), access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.local_port).start()
    return runner


async def _push(desk: Desk, settings: NodeSettings) -> web.AppRunner:
    runner = web.AppRunner(push_app(desk), access_log=None, max_field_size=MAX_FIELD, shutdown_timeout=5, keepalive_timeout=75, auto_decompress=False)
    await runner.setup()
    tls = server_tls(settings.tls_certificate, settings.tls_ca)
    await web.TCPSite(runner, settings.host, settings.push_port, ssl_context=tls).start()
    return runner


async def serve_witness(witness: Witness, settings: NodeSettings) -> web.AppRunner:
    """Serve the witness on its own port with TLS; the caller cleans up."""
    runner = web.AppRunner(witness_app(witness), access_log=None, shutdown_timeout=5)
    await runner.setup()
    tls = server_tls(settings.tls_certificate, settings.tls_ca)
    await web.TCPSite(runner, settings.host, settings.witness_port, ssl_context=tls).start()
    return runner


class Agent:
    """The loops of a node. Each step says whether it did something."""

    def __init__(self, desk: Desk, client: Client, retry: Retry, settings: NodeSettings) -> None:
        self.desk, self.client, self.retry, self.settings = desk, client, retry, settings

    async def forever(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Repeat a step; a failure is logged and the step tried again."""
        while True:
            try:
                busy = await step()
            except ExchangeError as error:
                log.warning("step", action="step_failed", step=step.__name__, code=error.code, detail=error.detail)
                busy = False
                await asyncio.sleep(1)
            except Exception as error:  # the loop outlives any failure of one round
                log.exception("step", action="step_failed", step=step.__name__, kind=type(error).__name__)
                busy = False
                await asyncio.sleep(1)
            if not busy:
                await asyncio.sleep(IDLE_SECONDS)

    async def submit(self) -> bool:
        """Submit what is due; a receipt is verified by the client and kept."""
        store, blobs = self.desk.store, self.desk.store.blobs
        due = await asyncio.to_thread(_read, store, lambda c: journal.due_outbound(c, now(), 10))
        for row in due:
            seal = blobs.path(row.seal_sha256).read_bytes()
            values, proven = await self._tried(row.attempts, self.client.submit(blobs.path(row.package_sha256), now=now(), seal=seal))
            if proven is not None:
                values["envelope"] = proven.finding.envelope
            job = lambda c, row=row, values=values: journal.settle_outbound(c, row, attempts=row.attempts + 1, **values)  # noqa: E731
            await asyncio.to_thread(store.write, job)
        return bool(due)

    async def collect(self) -> bool:
        """Long-poll the mailbox; fetch, verify, enter; then move the cursor."""
        store = self.desk.store
        after = await asyncio.to_thread(_read, store, lambda c: journal.cursor(c, "inbox"))
        items, following = await self.client.inbox(after=after, wait=self.settings.poll_wait_seconds)
        for item in items:
            if item["kind"] == "status":
                data, seal = await self.client.status_message(item["status_id"])
                known = {"status_id": item["status_id"], "envelope": item["envelope"], "sender": str(item.get("from", ""))}
                await self._taken(self.desk.take_status, data=data, seal=seal, **known)
            else:
                await self._fetch(item)
            cursor = int(item["cursor"])
            await asyncio.to_thread(store.write, lambda c, cursor=cursor: journal.save_cursor(c, "inbox", cursor))
        return bool(items)

    async def _fetch(self, item: dict[str, Any]) -> None:
        blobs = self.desk.store.blobs
        target = blobs.temporary()
        try:
            got = await self.client.fetch(item["delivery"], target)
            await self._taken(
                self.desk.receive,
                delivery=item["delivery"],
                envelope=item["envelope"],
                package=target,
                sha256=got.sha256,
                seal=got.seal,
                facts=item,
            )
        except Refused as refusal:
            if refusal.hub_code != NotFound.code:
                raise
            # Recalled or held since it was listed, and not to be had any more; what is released gets a new line. The mailbox goes on.
            log.warning("gone", action="line_without_package", delivery=item["delivery"], document_id=item["document_id"])
        finally:
            target.unlink(missing_ok=True)

    async def _taken(self, take: Callable[..., Any], **values: Any) -> None:
        try:
            await asyncio.to_thread(lambda: take(**values))
        except EnvelopeError as error:
            # Not acknowledged, so the hub's operator sees it; the rest of the mailbox goes on.
            log.error("refused", action="inbound_refused", code=error.code, detail=error.detail)

    async def acknowledge(self) -> bool:
        """Say 01 for everything that is entered and not yet acknowledged."""
        if not self.settings.auto_acknowledge:
            return False
        rows = await asyncio.to_thread(_read, self.desk.store, lambda c: [r for r in journal.all_inbound(c, 500) if not r.status])
        for row in rows:
            await asyncio.to_thread(self.desk.arrived, row.delivery)
        return bool(rows)

    async def settle(self) -> bool:
        """Answer recalls, take-backs and updates, and destroy what is to go."""
        return await asyncio.to_thread(recalls.settle, self.desk, answer_by_itself=self.settings.auto_recall)

    async def report(self) -> bool:
        """Send sealed statuses in order, each until its receipt is here."""
        store, blobs = self.desk.store, self.desk.store.blobs
        due = await asyncio.to_thread(_read, store, lambda c: journal.due_statuses(c, now(), 20))
        for row in due:
            data, seal = blobs.path(row.sha256).read_bytes(), blobs.path(row.seal_sha256).read_bytes()
            first = row.code == "01"
            sending = self.client.acknowledge(row.delivery, data, now=now(), seal=seal) if first else self.client.send_status(data, now=now(), seal=seal)
            values, _ = await self._tried(row.attempts, sending, subject=row.id)
            job = lambda c, row=row, values=values: journal.settle_status(c, row.id, attempts=row.attempts + 1, **values)  # noqa: E731
            await asyncio.to_thread(store.write, job)
        return bool(due)

    async def ask_back(self) -> bool:
        """Send sealed take-backs, each after its document and until its receipt is here."""
        store, blobs = self.desk.store, self.desk.store.blobs
        due = await asyncio.to_thread(_read, store, lambda c: take_backs.due(c, now(), 20))
        for row, there in due:
            data, seal = blobs.path(row.sha256).read_bytes(), blobs.path(row.seal_sha256).read_bytes()
            if there:
                values, proven = await self._tried(row.attempts, self.client.send_status(data, now=now(), seal=seal), subject=row.id)
            else:
                values, proven = self._failed(row.attempts, DocumentNotSent(row.document_id[:200], place="document_id")), None
            if proven is not None:
                values["agency"] = proven.finding.recipient
            job = lambda c, row=row, values=values: take_backs.settle(c, row.id, attempts=row.attempts + 1, **values)  # noqa: E731
            await asyncio.to_thread(store.write, job)
        return bool(due)

    async def _tried(self, attempts: int, sending: Awaitable[Proven], *, subject: str = "") -> tuple[dict[str, Any], Proven | None]:
        """What sending something sealed came to, as its line in the journal says it, and the verified receipt if there is one.

        Args:
            attempts: those before this one.
            subject: what the proof to a witnessed head is kept under; "" for the receipt's envelope.
        """
        try:
            proven = await sending
            await self._keep_proof(subject or proven.finding.envelope, proven.witnessed_proof)
        except ExchangeError as error:
            await self._keep_false(error)
            return self._failed(attempts, error), None
        return {"state": "sent", "receipt": proven.data, "last_error": ""}, proven

    async def _keep_proof(self, subject: str, proof: str) -> None:
        if proof:
            await asyncio.to_thread(self.desk.store.write, lambda c: witness_log.keep_proof(c, subject, proof, now()))

    async def _keep_false(self, error: ExchangeError) -> None:
        """Keep a receipt that does not hold: signed by the hub or not, it may be needed as proof."""
        if isinstance(error, ReceiptInvalid) and error.data:
            sha256 = await asyncio.to_thread(self.desk.store.blobs.put_bytes, error.data)
            log.error("receipt", action="receipt_invalid", sha256=sha256, detail=error.detail)

    def _failed(self, attempts: int, error: ExchangeError) -> dict[str, Any]:
        code = error.hub_code if isinstance(error, Refused) else error.code
        final = isinstance(error, DocumentNotSent) or (isinstance(error, Refused) and not error.hub_retry)
        text = f"{code}: {error.detail}"[:400]
        log.warning("failed", action="refused" if final else "retry", code=code, detail=error.detail)
        return {"state": "refused" if final else "waiting", "last_error": text, "next_at": now() + self.retry.wait(attempts + 1)}


def _read(store: Store, query: Callable[[Any], Any]) -> Any:
    with store.read() as connection:
        return query(connection)
