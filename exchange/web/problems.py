"""problems — errors as RFC 9457 problem documents, in two languages, with retry or not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from exchange.directory_errors import AgencyElsewhere
from exchange.errors import BadRequest, ExchangeError, SucceededAgency, TooLarge
from signing.errors import SigningError

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def document(error: ExchangeError) -> dict[str, Any]:
    """The problem document of an error. What it says of an unknown failure leaks nothing."""
    internal = error.code == "internal"
    said = {
        "type": f"urn:vanthu:error:{error.code}",
        "title": error.en,
        "title_vi": error.vi,
        "status": error.status,
        "code": error.code,
        "place": error.place,
        "detail": "" if internal else error.detail,
        "retry": error.retry,
    }
    if isinstance(error, SucceededAgency):
        said["successor"] = error.successor
    if isinstance(error, AgencyElsewhere):
        said["hub"] = error.hub
    return said


def answer(error: ExchangeError) -> web.Response:
    """The HTTP answer to an error."""
    headers = {"Retry-After": "2"} if error.status == 503 else {}
    body = json.dumps(document(error), ensure_ascii=False).encode()
    return web.Response(status=error.status, body=body, content_type="application/problem+json", headers=headers)


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever is raised into a problem document."""
    try:
        return await handler(request)
    except ExchangeError as error:
        if error.status >= 500:
            log.warning("refused", action="refused", code=error.code, detail=error.detail, path=request.path)
        return answer(error)
    except SigningError as error:
        log.error("signing", action="signing_failed", code=error.code, detail=error.detail, path=request.path)
        return answer(ExchangeError(error.code))
    except web.HTTPRequestEntityTooLarge:
        return answer(TooLarge())
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return answer(_http(error))
    except ConnectionError:
        raise
    except Exception as error:
        log.exception("internal", action="internal_error", path=request.path, kind=type(error).__name__)
        return answer(ExchangeError(type(error).__name__))


def _http(error: web.HTTPException) -> ExchangeError:
    problem = BadRequest(error.reason, place="request")
    problem.status = error.status  # type: ignore[misc]
    return problem
