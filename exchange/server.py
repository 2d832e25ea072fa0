"""server — wiring and life cycle of a hub process: web, dispatch, clock; orderly stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import aiohttp
import structlog
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exchange.carrying import Carrying
from exchange.clocks import Limits
from exchange.config import HubSettings, password
from exchange.connector import Connector
from exchange.cosigning import Cosigning
from exchange.courier import HttpsPush, client_tls, server_tls
from exchange.delivery import Retry
from exchange.directory import Directory
from exchange.errors import CustodyError
from exchange.hub import Hub
from exchange.live_trust import LiveTrust, keep_fresh
from exchange.office import Office
from exchange.publishing import Publisher
from exchange.sealing import Sealer
from exchange.store.custody_log import HighWater
from exchange.store.engine import Store
from exchange.store.heads import SealedHead
from exchange.store.secret_box import SecretBox
from exchange.web.app import make_app
from signing.checkpoint import LogKey
from signing.cosignature import CosignerKey
from signing.keys import open_key
from signing.sandbox import Sandbox
from signing.timestamps import http_timestamper
from signing.witness_policy import load_policy

log = structlog.get_logger()
MAX_FIELD = 32 * 1024  # a seal with its chain is 3 to 5 KB of base64
SOURCES_SECONDS = 60.0
TICK_SECONDS = 1.0


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def _limits(settings: HubSettings) -> Limits:
    return Limits(
        relay=timedelta(hours=settings.evidence_relay_hours),
        consignment=timedelta(hours=settings.evidence_delivery_hours),
        retrieval=timedelta(hours=settings.evidence_retrieval_hours),
        decision=timedelta(hours=settings.evidence_decision_hours),
        warning=timedelta(hours=settings.evidence_warning_hours),
    )


def open_hub(settings: HubSettings, *, migrate: bool = False) -> Hub:
    """A hub over the settings; the caller closes it.

    Raises:
        ConfigError, KeyUnusable, TrustUnusable: it cannot start, and says why.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    store = Store.open(settings.database_url, blobs=settings.blob_folder, migrate=migrate)
    try:
        trust = LiveTrust(settings, store)
        stamp = http_timestamper(settings.tsa_urls, post, trust, now=now) if settings.tsa_urls else None
        office = Office(
            store=store,
            origin=settings.origin,
            seal_key=open_key(settings.seal_key, password=password(settings.seal_password_file)),
            log_key=LogKey.load(settings.log_key),
            high_water=HighWater(settings.high_water_file),
            sandbox=Sandbox(workers=settings.verifier_workers),
            trust=trust,
            clock=now,
            timestamp=stamp,
            hub_codes=settings.hub_codes,
        )
        retry = Retry(
            first=timedelta(seconds=settings.retry_first_seconds),
            longest=timedelta(seconds=settings.retry_longest_seconds),
            give_up=timedelta(hours=settings.give_up_hours),
        )
        policy = load_policy(settings.witness_policy) if settings.witness_policy is not None else None
        hub = Hub(
            office,
            retry=retry,
            worker=f"{os.uname().nodename}:{os.getpid()}",
            limits=_limits(settings),
            ca_policies=settings.trust / "policies",
            policy=policy,
            policy_file=settings.witness_policy,
        )
        hub.directory = Directory(office, signers=frozenset(s.lower() for s in settings.directory_signers))
        window = timedelta(seconds=settings.connector_window_seconds)
        hub.connector = Connector(office, SecretBox(settings.connector_key_file), window=window, always=settings.connector_window_always)
        return hub
    except BaseException:
        store.close()
        raise


def post(url: str, body: bytes, content_type: str) -> bytes:
    """POST to a time-stamp authority; OSError when it does not answer in 10 s."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        data: bytes = answer.read(1 << 20)
        return data


def run_hub(settings: HubSettings) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order. Blocks.

    Raises:
        WitnessesUndecided, HighWater: it must not serve, and says why.
    """
    settings.decide_witnesses()
    configure_logs()
    hub = open_hub(settings, migrate=True)
    try:
        hub.office.head()  # refuses to start on a database behind the last signed head
        uvloop.run(_serve(hub, settings))
    finally:
        hub.close()


def configure_logs() -> None:
    """JSON lines on standard error: a machine key beside the human sentence."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("aiohttp.server").addFilter(_without_traces)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _without_traces(record: logging.LogRecord) -> bool:
    """What is no HTTP, or was cut, is one line of the log, not twenty: strangers must not fill the disk with them."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (HttpProcessingError, ConnectionError)):
        record.exc_info, record.msg, record.args, record.levelno = None, "no whole request: %s", (type(error).__name__,), logging.WARNING
    return True


async def _serve(hub: Hub, settings: HubSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    threads = ThreadPoolExecutor(settings.request_threads, thread_name_prefix="request")
    app = make_app(hub, threads, max_package_bytes=settings.max_package_bytes, auditors=settings.auditors, patience_seconds=settings.patience_seconds)
    # The idle time also ends a head that trickles in; a compressed body is not unfolded: it would be larger than what was signed.
    runner = web.AppRunner(app, access_log=None, max_field_size=MAX_FIELD, shutdown_timeout=20, keepalive_timeout=settings.idle_seconds, auto_decompress=False)
    await runner.setup()
    tls = server_tls(settings.tls_certificate, settings.tls_ca)
    await web.TCPSite(runner, settings.host, settings.port, ssl_context=tls, reuse_port=True).start()
    log.info("serving", action="serving", host=settings.host, port=settings.port)
    if hub.policy is None:
        said = {"vi": "Không ai chứng kiến: không bên nào khác giữ đầu sổ của trục này.", "en": "No witnesses: nobody else holds heads of this log."}
        log.warning("witnesses", action="no_witnesses", **said)
    async with aiohttp.ClientSession() as session:
        push = HttpsPush(session, client_tls(settings.tls_certificate, settings.tls_ca))
        cosigning = make_cosigning(hub, settings, session)
        loops = [
            asyncio.create_task(Carrying(hub, push, settings.push_workers).forever()),
            asyncio.create_task(_clock(hub)),
            asyncio.create_task(cosigning.publishing(settings.publish_seconds)),
            asyncio.create_task(cosigning.sealing()),
            asyncio.create_task(_sources(hub, settings)),
        ]
        await stop.wait()
        log.info("stopping", action="stopping")
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await runner.cleanup()
    threads.shutdown(wait=True)


def make_cosigning(hub: Hub, settings: HubSettings, session: aiohttp.ClientSession) -> Cosigning:
    """The loops that publish and seal heads.

    Raises:
        KeyUnusable: the log's second key.
    """
    second = CosignerKey.load_all(settings.log_key_second)[0] if settings.log_key_second is not None else None
    publisher = Publisher(hub.office, hub.policy)
    tls = client_tls(settings.tls_certificate, settings.tls_ca)
    return Cosigning(publisher, Sealer(publisher, second, worker=hub.worker), session, tls, timeout_seconds=settings.witness_timeout_seconds)


async def seal_now(hub: Hub, settings: HubSettings) -> SealedHead | None:
    """Publish, seal and time-stamp the newest head at once, beside a hub that may be running; None when no authority answered.

    Raises:
        CustodyError: the log must not be signed now.
    """
    async with aiohttp.ClientSession() as session:
        cosigning = make_cosigning(hub, settings, session)
        await cosigning.publish_once()
        head = await cosigning.seal_once(f"now {hub.office.clock().isoformat()}")
        await cosigning.settle()
        return head


async def _clock(hub: Hub) -> None:
    """What time brings, once a second; never in the way of messages."""
    while True:
        try:
            await asyncio.to_thread(hub.tick)
        except CustodyError as error:
            log.critical("custody", action="custody_stopped", code=error.code, detail=error.detail)
        except Exception as error:
            log.exception("tick", action="tick_failed", kind=type(error).__name__)
        await asyncio.sleep(TICK_SECONDS)


async def _sources(hub: Hub, settings: HubSettings) -> None:
    """Keep revocation data fresh, once a minute; an outage degrades verdicts and heals by itself."""
    while True:
        try:
            await asyncio.to_thread(keep_fresh, settings.trust, hub.store, now)
        except Exception as error:  # the loop outlives any failure of one round
            log.exception("sources", action="sources_failed", kind=type(error).__name__)
        await asyncio.sleep(SOURCES_SECONDS)
