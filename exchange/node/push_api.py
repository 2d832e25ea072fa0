"""push_api — the hub brings a delivery: taken only when verified and on disk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

from aiohttp import web

from exchange.errors import BadRequest, DigestMismatch, NotAuthenticated
from exchange.node.answers import as_problems
from exchange.node.desk import Desk
from exchange.patience import pieces

DESK = web.AppKey("desk", Desk)
CHUNK = 256 * 1024
PATIENCE = 30.0  # seconds for the next piece


def push_app(desk: Desk) -> web.Application:
    """The application that the hub pushes to."""
    app = web.Application(middlewares=[as_problems])
    app[DESK] = desk
    app.add_routes([web.get("/health", health), web.post("/v1/deliveries", deliver)])
    return app


async def health(_request: web.Request) -> web.Response:
    """GET /health."""
    return web.json_response({"status": "ok"})


def _check_hub(request: web.Request) -> None:
    # The TLS authority signs agencies too; only the hub's own certificate may push.
    tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    certificate = tls.getpeercert() if tls is not None else None
    names = [value for group in (certificate or {}).get("subject", ()) for key, value in group if key == "commonName"]
    if names != ["hub"]:
        raise NotAuthenticated("only the hub delivers", place="TLS")


async def deliver(request: web.Request) -> web.Response:
    """POST /v1/deliveries: a package with its seal; 200 when it is entered."""
    _check_hub(request)
    desk = request.app[DESK]
    try:
        seal = base64.b64decode(request.headers["Vanthu-Seal"], validate=True)
        facts: dict[str, Any] = dict(json.loads(base64.b64decode(request.headers.get("Vanthu-Facts", "e30="), validate=True)))
        delivery, envelope = request.headers["Vanthu-Delivery"], request.headers["Vanthu-Envelope"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise BadRequest(str(error), place="headers") from error
    digest = hashlib.sha256()
    target = desk.store.blobs.temporary()
    try:
        with target.open("wb") as file:
            async for chunk in pieces(lambda: request.content.read(CHUNK), PATIENCE):
                digest.update(chunk)
                file.write(chunk)
        if request.headers.get("Repr-Digest") != f"sha-256=:{base64.b64encode(digest.digest()).decode()}:":
            raise DigestMismatch(place="Repr-Digest")
        row = await asyncio.to_thread(
            lambda: desk.receive(delivery=delivery, envelope=envelope, package=target, sha256=digest.hexdigest(), seal=seal, facts=facts)
        )
    finally:
        target.unlink(missing_ok=True)
    return web.json_response({"delivery": row.delivery, "arrival_number": row.arrival_number})
