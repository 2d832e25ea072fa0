"""bad_hub — trục xử sự sai: a real hub whose answers are played with, for clients and nodes under test."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from exchange.courier import server_tls
from exchange.simulate.bad_answers import Means
from exchange.simulate.hub_scenarios import HubScenario
from exchange.simulate.observed import ELSEWHERE, FETCH, LIST, SUBMIT, TELL, Book, Seen
from exchange.simulate.stage import PARTNER, Stage
from exchange.web.app import make_app
from exchange.web.auth import caller, in_thread
from signing.keys import open_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_FIELD = 32 * 1024
TIMES = 3


class BadHub:
    """A hub over `stage` that misbehaves by one scenario, `times` times at each subject. An async context manager."""

    def __init__(self, stage: Stage, scenario: HubScenario, *, host: str = "127.0.0.1", port: int = 0, times: int = TIMES, means: Means | None = None) -> None:
        self.stage, self.scenario, self.times = stage, scenario, times
        self.host, self.port = host, port
        self.book = Book()
        self._count: Counter[str] = Counter()
        self._means = means or Means(stage.partner_sends("M"), open_key(stage.pki / "agencies" / PARTNER / "seal.pem"))
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="simulate")
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> BadHub:
        app = make_app(self.stage.hub, self._threads, max_package_bytes=1 << 30)

        @web.middleware
        async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._front(request, handler)

        app.middlewares.insert(0, front)
        app.add_routes([web.route("*", "/elsewhere", self._elsewhere)])
        self._runner = web.AppRunner(app, access_log=None, max_field_size=MAX_FIELD, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        tls = server_tls(self.stage.pki / "tls" / "hub.pem", self.stage.pki / "tls" / "ca.pem")
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._threads.shutdown(wait=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://{self.host}:{self.port}"

    def finding(self) -> str:
        """What the system under test did, if it was right.

        Raises:
            NotMet, NotAsked: it was not, or there was nothing to see.
        """
        return self.scenario.verdict(self.book)

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        self.book.enter(ELSEWHERE)
        return web.json_response({})

    async def _front(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        kind = _kind(request)
        if not kind:
            return await handler(request)
        start = time.monotonic()
        response = await handler(request)
        if response.status >= 300 or not isinstance(response, web.Response if kind != FETCH else web.StreamResponse):
            return response  # a refusal is honest
        body = await self._bytes(request) if kind == FETCH else _body(response)
        what = request.match_info.get("id", "") or _subject(body) if kind != LIST else "list"
        if not what:
            return response
        seen = self.book.enter(kind, what, hashlib.sha256(body).hexdigest() if kind in (SUBMIT, TELL) else "")
        seen.at = start
        seen.played = kind == self.scenario.kind and self._count[what] < self.times
        self._count[what] += seen.played
        return await self._answer(request, response, body, seen)

    async def _answer(self, request: web.Request, response: web.StreamResponse, body: bytes, seen: Seen) -> web.StreamResponse:
        try:
            if seen.played:
                request["headers"] = response.headers
                return await self.scenario.bad(request, body, seen, self._means)
            seen.honest = True
            return response
        finally:
            seen.ended = time.monotonic()

    async def _bytes(self, request: web.Request) -> bytes:
        file = await in_thread(request, self.stage.hub.package_of, await caller(request), request.match_info["id"])
        return await asyncio.to_thread(file.path.read_bytes)


def _kind(request: web.Request) -> str:
    """What a request is about; "" for what is let pass."""
    path, post = request.path, request.method == "POST"
    sent_by_vxp = path == "/vxp/sendEdoc" and request.headers.get("XroadVnpt-messagetype", "").lower() == "edoc"
    if post and (path in ("/v1/packages", "/lgsp/v1/sendEdoc") or sent_by_vxp):
        return SUBMIT
    if path == "/v1/inbox":
        return LIST
    if path.startswith("/v1/deliveries/"):
        return TELL if post else FETCH
    return ""


def _body(response: web.StreamResponse) -> bytes:
    return bytes(response.body) if isinstance(response, web.Response) and isinstance(response.body, (bytes, bytearray)) else b""


def _subject(body: bytes) -> str:
    """The document that an answer to a submission is about."""
    try:
        value: Any = json.loads(body)
        data = value.get("data") or {}
        return str(value.get("envelope") or value.get("DocId") or value.get("docId") or data.get("docId") or "")
    except (ValueError, AttributeError):
        return ""
