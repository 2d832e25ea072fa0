"""lgsp_api — the provincial connector at ``/lgsp/v1/…`` (guide v2.2): routes only, no decisions."""

from __future__ import annotations

import asyncio
import base64
import codecs
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import BodyPartReader, web

from exchange.agency import Agency
from exchange.connector import Fetched
from exchange.edxml.read import read_package
from exchange.edxml.xml_text import local_time
from exchange.envelope import Attachment
from exchange.errors import BadRequest, EnvelopeError, TooLarge
from exchange.patience import pieces, within
from exchange.profiles import lgsp, vxp
from exchange.status_numbers import number_of, report
from exchange.tickets import give_token, read_token
from exchange.web.auth import HUB, in_thread
from exchange.web.native_api import CHUNK, MAX_PACKAGE, MAX_STATUS, PATIENCE
from exchange.web.vxp_api import BASE64_CHUNK
from exchange.web.vxp_auth import in_profile, json_object, lgsp_caller, small, told
from exchange.web.wake import WAKE

PARTS = 8
Answer = web.StreamResponse


def routes() -> list[web.RouteDef]:
    """All calls of the profile."""
    return [
        web.post("/lgsp/v1/sendEdoc", in_profile(send, lgsp.failed)),
        web.get("/lgsp/v1/syncReceivedEdocList", in_profile(received, lgsp.failed)),
        web.get("/lgsp/v1/getEdoc", in_profile(fetch, lgsp.failed)),
        web.post("/lgsp/v1/updateStatus", in_profile(update_status, lgsp.failed)),
        web.get("/lgsp/v1/getReceipt", in_profile(receipt, lgsp.failed)),
        web.post("/lgsp/v1/auth/login", in_profile(login, lgsp.failed)),
        web.get("/lgsp/v1/getAgenciesList", in_profile(organizations, lgsp.failed)),
        web.get("/lgsp/api/lgspedoc/organizations", in_profile(organizations, lgsp.failed)),
    ]


async def send(request: web.Request) -> Answer:
    """POST sendEdoc: multipart ``edocFile`` and ``messageType``."""
    caller = await lgsp_caller(request)
    hub = request.app[HUB]
    target = hub.store.blobs.temporary()
    try:
        sha256, kind = await _parts(request, target)
        if kind == "status":
            if target.stat().st_size > MAX_STATUS:
                raise TooLarge(f"more than {MAX_STATUS} bytes")
            identity = await in_thread(request, hub.connector.send_status, caller, await in_thread(request, target.read_bytes))
        else:
            identity = await in_thread(request, hub.connector.send, caller, target, sha256)
    finally:
        target.unlink(missing_ok=True)
    await request.app[WAKE].wake()
    data = {"docId": identity, "status": "INITIAL", "errorCode": "0", "errorDesc": ""}
    return told(lgsp.succeeded(data, docId=identity))


async def _parts(request: web.Request, target: Path) -> tuple[str, str]:
    """(digest of the file, message type) of a multipart body; the file goes to `target`."""
    if not request.content_type.startswith("multipart/"):
        raise BadRequest("multipart/form-data is wanted", place="Content-Type")
    sha256, kind = "", request.query.get("messageType", "")
    try:
        reader = await request.multipart()
        for _ in range(PARTS):
            part = await within(request.app[PATIENCE], reader.next())
            if part is None:
                break
            if not isinstance(part, BodyPartReader):
                raise BadRequest("nested multipart", place="body")
            if part.name == "edocFile" and not sha256:
                sha256 = await _file(request, part, target)
            elif part.name == "messageType":
                kind = (await within(request.app[PATIENCE], part.read_chunk(64))).decode("ascii", "replace").strip()
            else:
                raise BadRequest("unknown or repeated part", place=(part.name or "")[:40])
    except (ValueError, AssertionError) as error:
        raise BadRequest("not a multipart body", place="body") from error
    if not sha256:
        raise BadRequest("missing", place="edocFile")
    if kind.lower() not in ("edoc", "status"):
        raise BadRequest("edoc/status", place="messageType")
    return sha256, kind.lower()


async def _file(request: web.Request, part: BodyPartReader, target: Path) -> str:
    digest, size, limit = hashlib.sha256(), 0, request.app[MAX_PACKAGE]
    with target.open("wb") as file:
        async for chunk in pieces(lambda: part.read_chunk(CHUNK), request.app[PATIENCE]):
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"more than {limit} bytes")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


async def received(request: web.Request) -> Answer:
    """GET syncReceivedEdocList: what waits, of the days asked for."""
    caller = await lgsp_caller(request)
    kind = request.query.get("messageType", "edoc").lower()
    if kind not in ("edoc", "status"):
        raise BadRequest("edoc/status", place="messageType")
    since, until = lgsp.period(request.query.get("fromDate", ""), request.query.get("toDate", ""))
    found = await in_thread(request, request.app[HUB].connector.received, caller, kind, since=since, until=until)
    lines = [
        {
            "docId": item.ref,
            "serviceType": "eDoc",
            "messageType": item.kind,
            "from": item.sender,
            "to": item.recipient,
            "status": (state := vxp.state_of(item.state, item.told)).upper(),
            "statusDesc": vxp.STATE_TEXTS[state],
            "createdTime": local_time(item.at),
            "updatedTime": local_time(item.changed),
        }
        for item in found
    ]
    return told(lgsp.succeeded(lines, count=len(lines)))


async def fetch(request: web.Request) -> Answer:
    """GET getEdoc: facts, the package as text and as base64, and its files as base64; streamed."""
    caller = await lgsp_caller(request)
    hub = request.app[HUB]
    file: Fetched = await in_thread(request, hub.connector.fetch, caller, _needed(request.query.get("docId", ""), "docId"))
    with tempfile.TemporaryDirectory(dir=hub.store.blobs.temporary().parent) as folder:
        attachments = await asyncio.to_thread(_unpack, file, Path(folder)) if file.kind == "edoc" else []
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Vanthu-Sha256": file.sha256})
        await response.prepare(request)
        async for piece in _whole(file, attachments):
            await response.write(piece)
        await response.write_eof()
        return response


def _unpack(file: Fetched, folder: Path) -> list[Attachment]:
    try:
        return list(read_package(file.path, workdir=folder).attachments)
    except EnvelopeError:
        return []  # what was accepted once is handed over as it is, even if a stricter reader came since


async def _whole(file: Fetched, attachments: list[Attachment]) -> AsyncIterator[bytes]:
    told_of = file.facts
    facts = {"docId": file.ref, "from": told_of["from"], "fromName": told_of["name"], "edocCode": told_of["code"], "edocAbstract": told_of["subject"]}
    yield (json.dumps({"success": True, "code": 200, "message": lgsp.OK}, ensure_ascii=False)[:-1] + ', "data": ').encode()
    # The guide's clients read `edxml`; those of the live server read the whole package as base64 in `data`.
    yield json.dumps(facts, ensure_ascii=False)[:-1].encode() + b', "data": "'
    async for piece in _base64(file.path):
        yield piece
    yield b'", "edxml": "'
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with file.path.open("rb") as opened:
        while chunk := await asyncio.to_thread(opened.read, CHUNK):
            yield json.dumps(decoder.decode(chunk), ensure_ascii=False)[1:-1].encode()
    yield json.dumps(decoder.decode(b"", final=True))[1:-1].encode() + b'", "attachments": ['
    for number, attachment in enumerate(attachments):
        if attachment.path is None:
            continue
        yield (", " if number else "").encode() + json.dumps({"fileName": attachment.name}, ensure_ascii=False)[:-1].encode() + b', "fileContent": "'
        async for piece in _base64(attachment.path):
            yield piece
        yield b'"}'
    yield b"]}}"


async def _base64(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as opened:
        while chunk := await asyncio.to_thread(opened.read, BASE64_CHUNK):
            yield base64.b64encode(chunk)


async def update_status(request: web.Request) -> Answer:
    """POST updateStatus: {docId, status}; the status is a transport state, or a number of QĐ 28 (then `description` may say why)."""
    caller = await lgsp_caller(request)
    value = json_object(await small(request))
    identity, state = _needed(str(value.get("docId", "")), "docId"), str(value.get("status", "")).lower()
    connector, number = request.app[HUB].connector, number_of(state)
    if number is None:
        await in_thread(request, connector.tell, caller, identity, state)
    else:
        await in_thread(request, report, connector, caller, identity, number, str(value.get("description") or ""))
        await request.app[WAKE].wake()
    return told(lgsp.succeeded({"docId": identity, "status": state.upper(), "errorCode": "0", "errorDesc": ""}, docId=identity))


def _needed(value: str, place: str) -> str:
    if not 0 < len(value) <= 200:
        raise BadRequest("missing", place=place)
    return value


async def receipt(request: web.Request) -> Answer:
    """GET getReceipt (ours): the sealed receipt of what sendEdoc answered with this docId."""
    caller = await lgsp_caller(request)
    data = await in_thread(request, request.app[HUB].connector.receipt, caller, _needed(request.query.get("docId", ""), "docId"))
    return web.Response(body=data, content_type="application/json")


async def login(request: web.Request) -> Answer:
    """POST auth/login: {username, password} are the system and its key; a token for half an hour, which opens the directory only."""
    value = json_object(await small(request))
    name, key = (_needed(str(value.get(part) or ""), part) for part in ("username", "password"))
    connector = request.app[HUB].connector
    caller = await in_thread(request, connector.authenticate_lgsp, name, key)
    token = await in_thread(request, lambda: give_token(connector.box, caller.system, now=connector.office.clock()))
    return told(lgsp.succeeded({"id": name, "username": name, "name": name, "token": token}))


async def organizations(request: web.Request) -> Answer:
    """GET organizations, getAgenciesList: the directory, for a key or for a token of login."""
    connector = request.app[HUB].connector
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if "X-SecretKey" not in request.headers and kind.lower() == "bearer":
        await in_thread(request, lambda: read_token(connector.box, token.strip(), now=connector.office.clock()))
    else:
        await lgsp_caller(request)
    found = await in_thread(request, connector.directory)
    return await in_thread(request, lambda: told(lgsp.succeeded([organization(a) for a in found], count=len(found))))


def organization(agency: Agency) -> dict[str, str]:
    """One line of the directory, under the names of the guide and of the live server."""
    return {
        "code": agency.code,
        "name": agency.name,
        "parent": agency.parent,
        "oldCode": agency.legacy_code,
        "status": agency.status.value,
        "orgCode": agency.code,
        "orgName": agency.name,
        "parentCode": agency.parent,
        "address": "",
        "email": "",
        "phone": "",
    }
