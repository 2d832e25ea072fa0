"""local_api — the node's interface for the agency's own systems, on loopback, by bearer token."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aiohttp import web

from exchange.client import Client
from exchange.errors import BadRequest, NotAuthenticated, NotFound
from exchange.node import recalls
from exchange.node.answers import as_problems
from exchange.node.changes_api import add_changes
from exchange.node.desk import Desk
from exchange.node.heads import Watch
from exchange.node.reconcile import Shelf
from exchange.store import journal, tombstones

DESK = web.AppKey("desk", Desk)
SHELF = web.AppKey("shelf", Shelf)
WATCH = web.AppKey("watch", Watch)
CHUNK = 256 * 1024


def local_app(desk: Desk, token: str, shelf: Shelf, watch: Watch, hub: Client | None = None) -> web.Application:
    """The application for local callers. `hub`: who tells what became of our documents; None: only the journal does."""

    @web.middleware
    async def by_token(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path != "/health" and not hmac.compare_digest(given.encode(), token.encode()):
            raise NotAuthenticated("bearer token", place="Authorization")
        return await handler(request)

    app = web.Application(middlewares=[as_problems, by_token], client_max_size=1 << 20)
    app[DESK], app[SHELF], app[WATCH] = desk, shelf, watch
    add_changes(app, desk, hub)
    app.add_routes(
        [
            web.get("/health", health),
            web.post("/outbox", send),
            web.get("/outbox", outbox),
            web.get("/outbox/receipt", receipt),
            web.get("/inbox", inbox),
            web.get("/inbox/{delivery}/package", package),
            web.post("/inbox/{delivery}/status", report),
            web.get("/statuses", statuses),
            web.get("/tombstones", tombs),
            web.get("/reconciliation", reconciliation),
            web.get("/heads", heads),
        ]
    )
    return app


async def health(_request: web.Request) -> web.Response:
    """GET /health."""
    return web.json_response({"status": "ok"})


async def send(request: web.Request) -> web.Response:
    """POST /outbox: body is an edXML package; it is sealed and submitted by the node."""
    desk = request.app[DESK]
    target = desk.store.blobs.temporary()
    try:
        with target.open("wb") as file:
            async for chunk in request.content.iter_chunked(CHUNK):
                file.write(chunk)
        row = await asyncio.to_thread(desk.send, target)
    finally:
        target.unlink(missing_ok=True)
    return web.json_response(plain(asdict(row)), status=202)


async def outbox(request: web.Request) -> web.Response:
    """GET /outbox."""
    return await _list(request, lambda c: journal.all_outbound(c, 500))


async def receipt(request: web.Request) -> web.Response:
    """GET /outbox/receipt?document_id=…&kind=…: the verified receipt of a package that was sent."""
    document_id, kind = request.query.get("document_id", ""), request.query.get("kind", "0")
    if not kind.isascii() or not kind.isdigit() or len(kind) > 4:
        raise BadRequest("kind must be a number", place="kind")
    store = request.app[DESK].store

    def read() -> bytes | None:
        with store.read() as connection:
            return journal.outbound_receipt(connection, document_id, int(kind))

    data = await asyncio.to_thread(read)
    if not data:
        raise NotFound(document_id[:200], place="document_id")
    return web.Response(body=data, content_type="application/json")


async def inbox(request: web.Request) -> web.Response:
    """GET /inbox."""
    return await _list(request, lambda c: journal.all_inbound(c, 500))


async def statuses(request: web.Request) -> web.Response:
    """GET /statuses: what recipients said about our documents."""
    return await _list(request, lambda c: journal.all_incoming_statuses(c, 2000))


async def tombs(request: web.Request) -> web.Response:
    """GET /tombstones: what was destroyed here, on whose word, when and why."""
    return await _list(request, lambda c: tombstones.all_tombstones(c, 2000))


async def reconciliation(request: web.Request) -> web.Response:
    """GET /reconciliation: what each day's statement of the hub and our journal have in common, newest first."""
    shelf = request.app[SHELF]
    return web.json_response({"items": await asyncio.to_thread(lambda: list(shelf.results()))})


async def heads(request: web.Request) -> web.Response:
    """GET /heads: the newest head of the log that held here, and every contradiction that was found."""
    return web.json_response(await asyncio.to_thread(request.app[WATCH].state))


async def package(request: web.Request) -> web.StreamResponse:
    """GET /inbox/{delivery}/package: the exact package."""
    desk = request.app[DESK]
    with desk.store.read() as connection:
        row = journal.inbound(connection, request.match_info["delivery"])
    if row is None:
        raise BadRequest(request.match_info["delivery"], place="delivery")
    if not desk.store.blobs.exists(row.package_sha256):
        raise NotFound(f"{row.delivery}: destroyed", place="delivery")
    return web.FileResponse(desk.store.blobs.path(row.package_sha256), headers={"Content-Type": "application/edxml+xml"})


async def report(request: web.Request) -> web.Response:
    """POST /inbox/{delivery}/status {code, description}: seal and send a status."""
    try:
        value = await request.json()
        code, description = str(value["code"]), str(value.get("description", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest("code and description are wanted", place="body") from error
    row = await asyncio.to_thread(recalls.report, request.app[DESK], request.match_info["delivery"], code, description)
    return web.json_response({"id": row.id if row is not None else "", "code": code}, status=202)


async def _list(request: web.Request, query: Callable[[Any], list[Any]]) -> web.Response:
    store = request.app[DESK].store

    def read() -> list[Any]:
        with store.read() as connection:
            return query(connection)

    return web.json_response({"items": [plain(asdict(row)) for row in await asyncio.to_thread(read)]})


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """JSON-able form: datetimes as ISO text."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in value.items()}
