"""bad_answers — trả lời sai: what a partner that misbehaves gives instead of an honest answer."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exchange.simulate.observed import Seen
from signing.keys import SigningKey
from signing.seal import sign_seal

DRIP = 0.2
CHUNK = bytes(256 * 1024)


@dataclass(frozen=True, slots=True)
class Means:
    """What the bad answers are made with: a genuine receipt of another document, a key that is not the hub's, seconds to be late."""

    decoy: bytes = b""
    key: SigningKey | None = None
    late: float = 3.0
    endless: int = 300_000_000  # bytes after which even an answer without end is over


Bad = Callable[[web.Request, bytes, Seen, Means], Awaitable[web.StreamResponse]]


async def cut(request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """The connection is cut before the answer."""
    _cut(request)
    return web.Response(body=body)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def late(request: web.Request, body: bytes, seen: Seen, means: Means) -> web.StreamResponse:
    """The honest answer, late."""
    await asyncio.sleep(means.late)
    seen.honest = not _gone(request)
    return web.Response(body=body, content_type="application/json")


async def unavailable(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """503 from whatever stands in front."""
    return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html", headers={"Retry-After": "1"})


async def garbage(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """200 and a page that is no answer."""
    return web.Response(text='<html>"ok": true, [[[[[', content_type="application/json")


async def nothing(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """200 and not a byte."""
    return web.Response(body=b"", content_type="application/json")


async def truncated(request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """Half of the answer, then the connection is cut."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _cut(request)
    return response


async def drip(request: web.Request, body: bytes, seen: Seen, _means: Means) -> web.StreamResponse:
    """The honest answer, a byte at a time, until the other side has had enough."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    try:
        await response.prepare(request)
        for n in range(len(body)):
            if _gone(request):
                break
            await response.write(body[n : n + 1])
            seen.taken = n + 1
            await asyncio.sleep(DRIP)
    except ConnectionError:
        pass  # it has gone: that is what is to be seen
    return response


async def endless(request: web.Request, _body: bytes, seen: Seen, means: Means) -> web.StreamResponse:
    """An answer without end."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        await response.write(b'{"v": "')
        while seen.taken < means.endless and not _gone(request):
            await response.write(CHUNK)
            seen.taken += len(CHUNK)
            await asyncio.sleep(0)  # a closed connection is told by the loop, and a write to one need not wait
    except ConnectionError:
        pass  # it has gone: that is what is to be seen
    return response


async def folded(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """An answer compressed a thousandfold."""
    body = await asyncio.to_thread(gzip.compress, bytes(100_000_000), 1)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"}, content_type="application/json")


async def redirect(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """Sent elsewhere."""
    return web.Response(status=307, headers={"Location": "/elsewhere"})


async def twice_named(_request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """The honest answer, with a name that stands twice."""
    name = next(iter(json.loads(body)))
    return _json(b"{" + json.dumps(name).encode() + b": 7, " + body[1:])


async def other_receipt(_request: web.Request, _body: bytes, _seen: Seen, means: Means) -> web.StreamResponse:
    """A genuine receipt, of another document."""
    return _json(means.decoy)


async def wrong_signer(_request: web.Request, body: bytes, _seen: Seen, means: Means) -> web.StreamResponse:
    """The receipt, sealed by somebody who is not the hub."""
    value = json.loads(body)
    if means.key is not None:
        digest = hashlib.sha256(base64.b64decode(value["evidence"])).digest()
        value["seal"] = base64.b64encode(sign_seal(digest, means.key)).decode()
    return _json(json.dumps(value).encode())


async def wrong_hash(_request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """The receipt, whose evidence names another package."""
    value = json.loads(body)
    evidence = base64.b64decode(value["evidence"])
    mark = b"DigestValue>"
    at = evidence.find(mark) + len(mark)
    forged = evidence[:at] + bytes([evidence[at] ^ 1 if 65 < evidence[at] < 90 else 66]) + evidence[at + 1 :]
    return _json(json.dumps({**value, "evidence": base64.b64encode(forged).decode()}).encode())


async def stale_proof(_request: web.Request, body: bytes, _seen: Seen, means: Means) -> web.StreamResponse:
    """The receipt with the log proof of another one."""
    return _json(json.dumps({**json.loads(body), "proof": json.loads(means.decoy)["proof"]}).encode())


async def forged_proof(_request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    """The receipt with a head that the log never signed."""
    value = json.loads(body)
    lines = value["proof"].split("\n")
    place = next(n for n, line in enumerate(lines) if line.startswith("\u2014 "))
    name, _, signature = lines[place].rpartition(" ")
    data = bytearray(base64.b64decode(signature))
    data[-1] ^= 1
    lines[place] = f"{name} {base64.b64encode(data).decode()}"
    return _json(json.dumps({**value, "proof": "\n".join(lines)}).encode())


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
