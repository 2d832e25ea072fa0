"""vxp_auth — who calls by the VXP and LGSP profiles: signed headers or a key, and the answers in the profile's own words.

These paths need no client certificate: the TLS layer asks for one and takes a
connection without (docs/profiles.md says why they share the port).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import web

from exchange.connector import Caller
from exchange.errors import BadRequest, DigestMismatch, ExchangeError, TooLarge, TooSlow
from exchange.profiles import vxp
from exchange.web.auth import HUB, in_thread
from exchange.web.native_api import body
from signing.errors import SigningError

log = structlog.get_logger()
MAX_JSON = 64 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def in_profile(handler: Handler, words: Callable[[ExchangeError], Mapping[str, Any]] | None) -> Handler:
    """The handler with every refusal told in the profile's `words`.

    A refusal is HTTP 200, as clients of these profiles read the body, unless trying
    again can help: then it is 503, on which all of them do. Without words it is an empty
    body under the error's own status: for calls whose client keeps any body as the file.
    """

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ExchangeError as error:
            failure = error
        except (web.HTTPRequestEntityTooLarge, web.HTTPBadRequest) as error:
            failure = TooLarge() if error.status == 413 else BadRequest(error.reason, place="request")
        except (ConnectionError, web.HTTPException):
            raise
        except (SigningError, OSError) as error:
            log.error("connector", action="connector_failed", kind=type(error).__name__, path=request.path)
            failure = ExchangeError(type(error).__name__)
        except Exception as error:
            log.exception("internal", action="internal_error", path=request.path, kind=type(error).__name__)
            failure = ExchangeError(type(error).__name__)
        return told(words(failure), error=failure) if words else nothing(failure)

    return answered


def nothing(error: ExchangeError) -> web.Response:
    """A refusal without a body."""
    return web.Response(status=error.status, headers={"Vanthu-Error": error.code})


def told(body: Mapping[str, Any], *, error: ExchangeError | None = None, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer of a profile."""
    again = error is not None and (error.status >= 500 or error.status == TooSlow.status)
    more = {"Vanthu-Error": error.code} if error is not None else {}
    more |= {"Retry-After": "2"} if again else {}
    # In ASCII: the SDK reads the answer to sendEdoc as US-ASCII, and a JSON escape is the same letter everywhere.
    text = json.dumps(body).encode()
    return web.Response(status=503 if again else 200, body=text, content_type="application/json", headers={**more, **(headers or {})})


def signed_call(request: web.Request) -> vxp.Call:
    """The signed call in the request's headers.

    Raises:
        BadRequest: malformed; nothing is authenticated yet.
    """
    return vxp.read_call(request.raw_headers)


async def caller_of(request: web.Request, call: vxp.Call) -> Caller:
    """The system whose HMAC the call carries.

    Raises:
        BadSecret, StaleRequest, ReplayedRequest: not authenticated.
    """
    return await in_thread(request, request.app[HUB].connector.authenticate_vxp, call)


async def small_body(request: web.Request, call: vxp.Call) -> bytes:
    """The body of a call that carries little; checked against ``hash-body`` when that was signed.

    Raises:
        TooLarge, DigestMismatch: too much, or not what was signed.
    """
    data = await small(request)
    declared = call.get("hash-body")
    if declared and not vxp.same_digest(declared, hashlib.sha256(data).digest()):
        raise DigestMismatch(place="XroadVnpt-hash-body")
    return data


async def small(request: web.Request) -> bytes:
    """A body of at most `MAX_JSON` bytes.

    Raises:
        TooLarge, TooSlow: more, or the caller trickles.
    """
    data = bytearray()
    async for chunk in body(request, 16 * 1024):
        data += chunk
        if len(data) > MAX_JSON:
            raise TooLarge(f"more than {MAX_JSON} bytes")
    return bytes(data)


def json_object(data: bytes) -> dict[str, Any]:
    """A body as a JSON object in which every name stands once, so that nobody reads another value out of it than we do.

    Raises:
        BadRequest: it is none.
    """
    try:
        value: Any = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadRequest("not JSON", place="body") from error
    if not isinstance(value, dict):
        raise BadRequest("not a JSON object", place="body")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadRequest("a name stands twice", place="body")
    return value


async def lgsp_caller(request: web.Request) -> Caller:
    """The system whose key the request carries.

    Raises:
        BadRequest, BadSecret: repeated, missing or wrong.
    """
    values = []
    for name in ("X-SystemId", "X-SecretKey"):
        found = request.headers.getall(name, [])
        if len(found) != 1 or not 0 < len(found[0]) <= 512:
            raise BadRequest("wanted exactly once", place=name)
        values.append(found[0])
    return await in_thread(request, request.app[HUB].connector.authenticate_lgsp, *values)
