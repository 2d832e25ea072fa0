"""statements_api — an agency fetches its own daily statements."""

from __future__ import annotations

from datetime import date

from aiohttp import web

from exchange import statements
from exchange.errors import NotFound
from exchange.web.auth import HUB, caller, in_thread


def routes() -> list[web.RouteDef]:
    """Routes of the statements."""
    return [web.get("/v1/statements", listed), web.get("/v1/statements/{day}", statement)]


async def listed(request: web.Request) -> web.Response:
    """GET /v1/statements: those of the caller, newest first, without their entries."""
    code = await caller(request)
    items = await in_thread(request, statements.listed, request.app[HUB].office, code)
    return web.json_response({"items": items})


async def statement(request: web.Request) -> web.Response:
    """GET /v1/statements/YYYY-MM-DD: the sealed statement of a day with the entries it lists."""
    code = await caller(request)
    try:
        day = date.fromisoformat(request.match_info["day"]).isoformat()
    except ValueError as error:
        raise NotFound(request.match_info["day"][:20], place="day") from error
    data = await in_thread(request, statements.statement_of, request.app[HUB].office, code, day)
    return web.Response(body=data, content_type="application/json", headers={"Cache-Control": "private, max-age=31536000, immutable"})
