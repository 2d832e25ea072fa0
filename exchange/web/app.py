"""app — the hub's web application: middleware, routes, health and the interface description."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Executor
from importlib.resources import files

from aiohttp import web

from exchange.hub import Hub
from exchange.web import custody_api, heads, lgsp_api, native_api, statements_api, vxp_api
from exchange.web.auth import HUB, THREADS, in_thread
from exchange.web.native_api import MAX_PACKAGE, PATIENCE
from exchange.web.problems import as_problems
from exchange.web.wake import WAKE, Wake


def make_app(hub: Hub, threads: Executor, *, max_package_bytes: int, auditors: Sequence[str] = (), patience_seconds: float = 30.0) -> web.Application:
    """The application over one hub.

    Args:
        auditors: agencies that may read every entry of the log.
        patience_seconds: how long the next piece of a body may take.
    """
    app = web.Application(middlewares=[as_problems], client_max_size=1 << 20)
    app[HUB], app[THREADS], app[WAKE], app[MAX_PACKAGE] = hub, threads, Wake(), max_package_bytes
    app[PATIENCE] = patience_seconds
    app[custody_api.AUDITORS] = frozenset(auditors)
    app.on_shutdown.append(app[WAKE].close)
    heads.join(app)
    app.add_routes([web.get("/health", health), web.get("/openapi.json", openapi)])
    app.add_routes(native_api.routes())
    app.add_routes(custody_api.routes())
    app.add_routes(statements_api.routes())
    app.add_routes(vxp_api.routes())
    app.add_routes(lgsp_api.routes())
    return app


async def health(request: web.Request) -> web.Response:
    """GET /health: answers when the store does."""
    entries = await in_thread(request, request.app[HUB].entries)
    return web.json_response({"status": "ok", "custody_entries": entries})


def description() -> dict[str, object]:
    """The OpenAPI document."""
    document: dict[str, object] = json.loads((files("schemas") / "openapi.json").read_text())
    return document


async def openapi(_request: web.Request) -> web.Response:
    """GET /openapi.json."""
    return web.json_response(description())
