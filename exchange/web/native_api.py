"""native_api — the hub's own HTTP interface for agency systems. Described by openapi.json."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from exchange.errors import BadRequest, DigestMismatch, NotFound, TooLarge
from exchange.patience import pieces
from exchange.web.auth import HUB, caller, in_thread
from exchange.web.wake import WAKE

CHUNK = 256 * 1024
LONGEST_WAIT = 30.0
MAX_PACKAGE = web.AppKey("max_package", int)
PATIENCE = web.AppKey("patience", float)  # seconds for the next piece of a body
MAX_STATUS = 1_000_000


def routes() -> list[web.RouteDef]:
    """All routes of the native interface."""
    return [
        web.post("/v1/packages", submit),
        web.get("/v1/inbox", inbox),
        web.get("/v1/deliveries/{id}/package", package),
        web.post("/v1/deliveries/{id}/acknowledgement", acknowledge),
        web.post("/v1/statuses", report_status),
        web.get("/v1/statuses/{id}", status),
        web.get("/v1/documents", find),
        web.get("/v1/documents/{envelope}/timeline", timeline),
        web.get("/v1/documents/{envelope}/receipt", receipt),
        web.get("/v1/documents/{envelope}/proof", proof),
        web.get("/v1/documents/{envelope}/evidence", evidence),
        web.get("/v1/agencies", agencies),
        web.get("/v1/agencies/{code}", agency),
    ]


async def submit(request: web.Request) -> web.Response:
    """POST /v1/packages: body is the package, Vanthu-Seal its detached seal."""
    code = await caller(request)
    seal = sealed(request)
    hub = request.app[HUB]
    target = hub.store.blobs.temporary()
    try:
        sha256 = await receive(request, target)
        data, replayed = await in_thread(request, hub.submit, code, target, sha256, seal)
    finally:
        target.unlink(missing_ok=True)
    await request.app[WAKE].wake()
    headers = {"Vanthu-Replay": "true"} if replayed else {}
    return web.Response(status=200 if replayed else 201, body=data, content_type="application/json", headers=headers)


def body(request: web.Request, size: int = CHUNK) -> AsyncIterator[bytes]:
    """The body in pieces of at most `size` bytes; `TooSlow` when the caller trickles.

    Raises:
        BadRequest: it is compressed; digests and seals are over the bytes themselves, and nothing here unpacks.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise BadRequest("a body is sent as it is, not compressed", place="Content-Encoding")
    return pieces(lambda: request.content.read(size), request.app[PATIENCE])


async def receive(request: web.Request, target: Path) -> str:
    """Stream the body to `target` while hashing; lower-hex SHA-256.

    Raises:
        TooLarge, DigestMismatch: over the limit, or not what Repr-Digest declares.
    """
    digest, size, limit = hashlib.sha256(), 0, request.app[MAX_PACKAGE]
    if (request.content_length or 0) > limit:
        raise TooLarge(f"{request.content_length} > {limit} bytes")
    with target.open("wb") as file:
        async for chunk in body(request):
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"more than {limit} bytes")
            digest.update(chunk)
            file.write(chunk)
    declared = request.headers.get("Repr-Digest", "")
    if declared and declared != digest_header(digest.digest()):
        raise DigestMismatch(place="Repr-Digest")
    return digest.hexdigest()


def digest_header(digest: bytes) -> str:
    """Repr-Digest of RFC 9530."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def sealed(request: web.Request) -> bytes:
    """The seal of the request, b"" when there is none.

    Raises:
        BadRequest: not base64.
    """
    try:
        return base64.b64decode(request.headers.get("Vanthu-Seal", ""), validate=True)
    except binascii.Error as error:
        raise BadRequest("not base64", place="Vanthu-Seal") from error


async def inbox(request: web.Request) -> web.Response:
    """GET /v1/inbox: lines above the cursor; waits up to `wait` seconds for the first."""
    code = await caller(request)
    after, limit = number(request, "after", 0, 2**62), number(request, "limit", 50, 500)
    wait = min(float(number(request, "wait", 0, 3600)), LONGEST_WAIT)
    hub, loop = request.app[HUB], asyncio.get_running_loop()
    end = loop.time() + wait
    while True:
        ticket = request.app[WAKE].ticket()
        items = await in_thread(request, hub.inbox, code, after=after, limit=limit)
        left = end - loop.time()
        if items or left <= 0 or request.app[WAKE].closed:
            return web.json_response({"items": items, "next": items[-1]["cursor"] if items else after})
        # Other hub processes cannot wake us, so look again once a second as well.
        await request.app[WAKE].wait(ticket, min(left, 1.0))


def number(request: web.Request, name: str, default: int, largest: int) -> int:
    """A whole-number query parameter.

    Raises:
        BadRequest: not a number from 0 to `largest`.
    """
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > largest:
        raise BadRequest(f"{name} must be a whole number up to {largest}", place=name)
    return int(text)


async def package(request: web.Request) -> web.StreamResponse:
    """GET /v1/deliveries/{id}/package: the exact bytes the sender submitted."""
    code = await caller(request)
    file = await in_thread(request, request.app[HUB].package_of, code, request.match_info["id"])
    headers = {
        "Vanthu-Seal": base64.b64encode(file.seal).decode(),
        "Vanthu-Envelope": file.envelope,
        "Vanthu-Delivery": file.delivery,
        "Repr-Digest": digest_header(bytes.fromhex(file.sha256)),
        "Content-Type": "application/edxml+xml",
    }
    return web.FileResponse(file.path, chunk_size=CHUNK, headers=headers)


async def _status_body(request: web.Request) -> bytes:
    data = bytearray()
    async for chunk in body(request):
        data += chunk
        if len(data) > MAX_STATUS:
            raise TooLarge(f"more than {MAX_STATUS} bytes")
    return bytes(data)


async def acknowledge(request: web.Request) -> web.Response:
    """POST /v1/deliveries/{id}/acknowledgement: the recipient's sealed status 01."""
    code = await caller(request)
    body, seal = await _status_body(request), sealed(request)
    data = await in_thread(request, request.app[HUB].acknowledge, code, request.match_info["id"], body, seal)
    await request.app[WAKE].wake()
    return web.Response(body=data, content_type="application/json")


async def report_status(request: web.Request) -> web.Response:
    """POST /v1/statuses: a sealed status message."""
    code = await caller(request)
    body, seal = await _status_body(request), sealed(request)
    data = await in_thread(request, request.app[HUB].report_status, code, body, seal)
    await request.app[WAKE].wake()
    return web.Response(body=data, content_type="application/json")


async def status(request: web.Request) -> web.Response:
    """GET /v1/statuses/{id}: the sealed status message."""
    code = await caller(request)
    file = await in_thread(request, request.app[HUB].status_of, code, request.match_info["id"])
    headers = {"Vanthu-Seal": base64.b64encode(file.seal).decode(), "Vanthu-Envelope": file.envelope}
    return web.Response(body=file.data, content_type="application/edxml+xml", headers=headers)


async def find(request: web.Request) -> web.Response:
    """GET /v1/documents?document_id=…: envelopes of a document."""
    code = await caller(request)
    document_id = request.query.get("document_id", "")
    if not document_id:
        raise BadRequest("document_id is wanted", place="document_id")
    return web.json_response({"items": await in_thread(request, request.app[HUB].find, code, document_id=document_id)})


async def timeline(request: web.Request) -> web.Response:
    """GET …/timeline: facts, deliveries and events."""
    code = await caller(request)
    return web.json_response(await in_thread(request, request.app[HUB].timeline, code, _envelope(request)))


async def receipt(request: web.Request) -> web.Response:
    """GET …/receipt?index=…: sealed evidence of an event, byte-identical each time; of the acceptance by default."""
    code = await caller(request)
    index = number(request, "index", 0, 2**62) if "index" in request.query else None
    data = await in_thread(request, request.app[HUB].receipt, code, _envelope(request), index)
    return web.Response(body=data, content_type="application/json")


async def proof(request: web.Request) -> web.Response:
    """GET …/proof?index=…: an offline inclusion proof."""
    code = await caller(request)
    index = number(request, "index", 0, 2**62) if "index" in request.query else None
    text = await in_thread(request, request.app[HUB].proof, code, _envelope(request), index)
    return web.Response(text=text, content_type="text/plain")


async def evidence(request: web.Request) -> web.StreamResponse:
    """GET …/evidence?content=0|1: the evidence file."""
    code = await caller(request)
    hub, envelope = request.app[HUB], _envelope(request)
    content = request.query.get("content", "1") != "0"
    with tempfile.TemporaryDirectory(dir=hub.store.blobs.temporary().parent) as folder:
        target = Path(folder) / "evidence.asice"
        await in_thread(request, hub.evidence, code, envelope, target, content=content)
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.etsi.asic-e+zip"})
        response.content_length = target.stat().st_size
        await response.prepare(request)
        with target.open("rb") as file:
            while chunk := file.read(CHUNK):
                await response.write(chunk)
        await response.write_eof()
        return response


def _envelope(request: web.Request) -> str:
    text = request.match_info["envelope"]
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFound(text[:60], place="envelope") from error


async def agencies(request: web.Request) -> web.Response:
    """GET /v1/agencies?q=…: the directory."""
    await caller(request)
    return web.json_response({"items": await in_thread(request, request.app[HUB].agencies, request.query.get("q", ""))})


async def agency(request: web.Request) -> web.Response:
    """GET /v1/agencies/{code}: one agency."""
    await caller(request)
    return web.json_response(await in_thread(request, request.app[HUB].agency, request.match_info["code"]))
