"""answers — errors of the node's interfaces as RFC 9457 problem documents."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from exchange.errors import ExchangeError

log = structlog.get_logger()


@web.middleware
async def as_problems(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Turn whatever is raised into a problem document."""
    try:
        return await handler(request)
    except ExchangeError as error:
        return problem(error)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:
        log.exception("internal", action="internal_error", path=request.path, kind=type(error).__name__)
        return problem(ExchangeError())


def problem(error: ExchangeError) -> web.Response:
    """The problem document of an error."""
    value = {
        "type": f"urn:vanthu:error:{error.code}",
        "title": error.en,
        "title_vi": error.vi,
        "status": error.status,
        "code": error.code,
        "place": error.place,
        "detail": error.detail,
        "retry": error.retry,
    }
    body = json.dumps(value, ensure_ascii=False).encode()
    return web.Response(status=error.status, body=body, content_type="application/problem+json")
