"""vxp_api — the verbs of the national connector at ``/vxp/…``: routes only, no decisions."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from exchange.agency import Agency, AgencyStatus
from exchange.connector import Caller
from exchange.delivery import State
from exchange.edxml.xml_text import local_time
from exchange.errors import BadRequest, DigestMismatch, NotFound, TooLarge
from exchange.profiles import lgsp, vxp
from exchange.store.connectors import Waiting
from exchange.web.auth import HUB, in_thread
from exchange.web.native_api import CHUNK, MAX_PACKAGE, MAX_STATUS, body
from exchange.web.vxp_auth import caller_of, in_profile, json_object, signed_call, small_body, told
from exchange.web.wake import WAKE

BASE64_CHUNK = 3 * 64 * 1024  # a multiple of three: pieces join without padding
Answer = web.StreamResponse


def routes() -> list[web.RouteDef]:
    """One route: the verb is the last path segment, whatever slashes the caller's service.endpoint ends with."""
    return [web.route("*", "/vxp{verb:/.*}", answered)]


async def answered(request: web.Request) -> Answer:
    """The verb's answer, or its refusal in the words that its caller reads."""
    verb = request.match_info["verb"].strip("/")
    if verb == "downloadEdoc":
        return await in_profile(download if request.method == "GET" else unknown, None)(request)
    handler = _POST.get(verb, unknown) if request.method == "POST" else unknown
    return await in_profile(handler, vxp.failed_send if verb == "sendEdoc" else vxp.failed)(request)


async def unknown(request: web.Request) -> Answer:
    """Whatever is no verb of this profile."""
    raise NotFound(request.method, place="verb")


async def begin(request: web.Request, *, once: bool = False) -> tuple[vxp.Call, Caller, bytes]:
    """(call, caller, body) of a verb with a small body."""
    call = signed_call(request)
    caller = await caller_of(request, call)
    data = await small_body(request, call)
    if once:
        await in_thread(request, request.app[HUB].connector.take_once, call, data)
    return call, caller, data


async def send(request: web.Request) -> Answer:
    """POST sendEdoc: a document package or a status message, by ``messagetype``."""
    call = signed_call(request)
    caller = await caller_of(request, call)
    hub, kind = request.app[HUB], message_type(call)
    sender, to = call.need("from"), vxp.recipients(call.get("to"))
    target = hub.store.blobs.temporary()
    try:
        sha256 = await receive(request, call, target, limit=MAX_STATUS if kind == "status" else request.app[MAX_PACKAGE])
        if kind == "status":
            data = await in_thread(request, target.read_bytes)
            identity = await in_thread(request, hub.connector.send_status, caller, data, sender=sender, to=to)
        else:
            identity = await in_thread(request, hub.connector.send, caller, target, sha256, sender=sender, to=to)
    finally:
        target.unlink(missing_ok=True)
    await request.app[WAKE].wake()
    return told(vxp.succeeded(DocId=identity))


async def receive(request: web.Request, call: vxp.Call, target: Path, *, limit: int) -> str:
    """Stream the file to `target`; its digest. The CRLF that the SDK adds behind the file is taken off.

    Raises:
        TooLarge, DigestMismatch: over the limit, or neither with nor without CRLF what was signed.
    """
    declared, whole = call.need("hash-file"), hashlib.sha256()
    size, tail, without = 0, b"", hashlib.sha256()
    if (request.content_length or 0) > limit + 2:
        raise TooLarge(f"{request.content_length} > {limit} bytes")
    with target.open("wb") as file:
        async for chunk in body(request):
            size += len(chunk)
            if size > limit + 2:
                raise TooLarge(f"more than {limit} bytes")
            whole.update(chunk)
            without.update(tail + chunk[:-2] if len(chunk) >= 2 else (tail + chunk)[:-2])
            tail = chunk[-2:] if len(chunk) >= 2 else (tail + chunk)[-2:]
            file.write(chunk)
        signed_body = call.get("hash-body")
        if signed_body and not vxp.same_digest(signed_body, whole.digest()):
            raise DigestMismatch(place="XroadVnpt-hash-body")
        if vxp.same_digest(declared, whole.digest()):
            return whole.hexdigest()
        if tail == b"\r\n" and vxp.same_digest(declared, without.digest()):
            file.truncate(size - 2)
            return without.hexdigest()
    raise DigestMismatch(place="XroadVnpt-hash-file")


def message_type(call: vxp.Call) -> str:
    """``edoc`` or ``status``.

    Raises:
        BadRequest: neither, or another service.
    """
    if call.get("servicetype").lower() not in ("", "edoc"):
        raise BadRequest(call.get("servicetype")[:40], place="XroadVnpt-servicetype")
    kind = call.need("messagetype").lower()
    if kind not in ("edoc", "status"):
        raise BadRequest(kind[:40], place="XroadVnpt-messagetype")
    return kind


def span(call: vxp.Call) -> dict[str, datetime | None]:
    """The optional fromDate and toDate."""
    since, until = lgsp.period(call.get("fromDate"), call.get("toDate"))
    return {"since": since, "until": until}


async def received(request: web.Request) -> Answer:
    """POST getReceivedEdocList: what waits for the caller's agencies."""
    call, caller, _ = await begin(request)
    found = await in_thread(request, request.app[HUB].connector.received, caller, message_type(call), **span(call))
    return told(vxp.succeeded(data=[waiting_line(item) for item in found]))


def waiting_line(item: Waiting) -> dict[str, str]:
    """One line of getReceivedEdocList."""
    state = vxp.state_of(item.state, item.told)
    return {
        "docId": item.ref,
        "serviceType": "eDoc",
        "messageType": item.kind,
        "created_time": local_time(item.at),
        "updated_time": local_time(item.changed),
        "from": item.sender,
        "to": item.recipient,
        "status": state,
        "status_desc": vxp.STATE_TEXTS[state],
    }


async def sent(request: web.Request) -> Answer:
    """POST getSentEdocList: where are the documents that the caller's agencies sent?"""
    call, caller, _ = await begin(request)
    kind = message_type(call)
    found = await in_thread(request, request.app[HUB].connector.sent, caller, kind, call.get("docId"), **span(call))
    return told(vxp.succeeded(data=[sent_line(item, kind) for item in found]))


def sent_line(item: Mapping[str, Any], kind: str) -> dict[str, str]:
    """One line of getSentEdocList: the hub has it (sent: done), and what its recipient said."""
    document = kind == "edoc"
    state = vxp.state_of(State(item["state"]), item["told"], item["status"]) if document else item["told"] or "initial"
    words = vxp.text_of(State(item["state"]), state, superseded=bool(item["superseded"])) if document else vxp.STATE_TEXTS[state]
    return {
        "senderDocId": item["envelope"] if document else item["id"],
        "receiverDocId": item["delivery"] if document else item["id"],
        "fromCode": item["sender"] if document else item["agency"],
        "toCode": item["recipient"] if document else item["to_agency"],
        "title": item["subject"],
        "notation": item["code"],
        "sentTime": local_time(item["accepted_at"] if document else item["received_at"]),
        "receivedTime": local_time(item["updated_at"]) if document and state == "done" else "",
        "sendStatus": "done",
        "sendStatusDesc": vxp.STATE_TEXTS["done"],
        "receiveStatus": state,
        "receiveStatusDesc": words,
        "serviceType": "eDoc",
        "messageType": kind,
    }


async def fetch(request: web.Request) -> Answer:
    """POST getEdoc: the exact package as base64 in JSON, streamed."""
    call, caller, _ = await begin(request)
    file = await in_thread(request, request.app[HUB].connector.fetch, caller, call.need("docId"))
    head = json.dumps(vxp.succeeded(docId=file.ref))[:-1].encode() + b', "data": "'
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Vanthu-Sha256": file.sha256})
    response.content_length = len(head) + (file.size + 2) // 3 * 4 + 2
    await response.prepare(request)
    await response.write(head)
    with file.path.open("rb") as opened:
        while chunk := opened.read(BASE64_CHUNK):
            await response.write(base64.b64encode(chunk))
    await response.write(b'"}')
    await response.write_eof()
    return response


async def download(request: web.Request) -> Answer:
    """GET downloadEdoc: the exact package, raw."""
    call, caller, _ = await begin(request)
    file = await in_thread(request, request.app[HUB].connector.fetch, caller, call.need("docId"))
    return web.FileResponse(file.path, chunk_size=CHUNK, headers={"Content-Type": "application/octet-stream", "Vanthu-Sha256": file.sha256})


async def receipt(request: web.Request) -> Answer:
    """POST getReceipt (ours): the sealed receipt of what sendEdoc answered with this DocId."""
    call, caller, _ = await begin(request)
    data = await in_thread(request, request.app[HUB].connector.receipt, caller, call.need("docId"))
    return web.Response(body=data, content_type="application/json")


async def update_status(request: web.Request) -> Answer:
    """POST updateStatus: the recipient's transport state."""
    call, caller, _ = await begin(request)
    await in_thread(request, request.app[HUB].connector.tell, caller, call.need("docid"), call.need("status").lower())
    return told(vxp.succeeded())


async def count_documents(request: web.Request) -> Answer:
    """POST countReceiveEdoc."""
    return await _count(request, "edoc")


async def count_statuses(request: web.Request) -> Answer:
    """POST countReceiveStatus."""
    return await _count(request, "status")


async def _count(request: web.Request, kind: str) -> Answer:
    _, caller, _ = await begin(request)
    found = await in_thread(request, request.app[HUB].connector.received, caller, kind)
    return told(vxp.succeeded(count=len(found)))


async def agencies(request: web.Request) -> Answer:
    """POST getAgenciesList."""
    await begin(request)
    return await _listed(request, lambda a: None if a.status is AgencyStatus.CLOSED else agency_line(a))


async def agencies_by_level(request: web.Request) -> Answer:
    """POST getAgenciesListQD20: ``code`` by QĐ 20/2020, ``code102`` by QCVN 102."""
    call, _, _ = await begin(request)
    level = call.get("level")

    def line(agency: Agency) -> dict[str, Any] | None:
        wanted = agency.status is not AgencyStatus.CLOSED and (not level or str(level_of(agency)) == level)
        return {**agency_line(agency), "code102": agency.legacy_code} if wanted else None

    return await _listed(request, line)


async def units(request: web.Request) -> Answer:
    """POST getSynchronizeUnit: the directory with what was closed."""
    await begin(request)
    return await _listed(request, unit_line)


async def _listed(request: web.Request, line: Callable[[Agency], dict[str, Any] | None]) -> Answer:
    """The directory as the answer's data. A whole country's takes a second: in a thread."""
    directory = request.app[HUB].connector.directory
    return await in_thread(request, lambda: told(vxp.succeeded(data=[text for a in directory() if (text := line(a)) is not None])))


def agency_line(agency: Agency) -> dict[str, str]:
    """One line of getAgenciesList."""
    return {"id": agency.code, "pid": agency.parent, "code": agency.code, "name": agency.name, "mail": "", "oldCode": agency.legacy_code}


def unit_line(agency: Agency) -> dict[str, Any]:
    """One line of getSynchronizeUnit; centerCode is the hub of record (edxml.md 4.4)."""
    deleted = agency.status is AgencyStatus.CLOSED
    return {**agency_line(agency), "version": 1, "centerCode": agency.hub, "deleted": deleted, "modifyDate": "", "isAgency": True}


def level_of(agency: Agency) -> int:
    """Level of a code by QĐ 20/2020: ``H56`` is 1, ``H56.12`` is 2."""
    return agency.code.count(".") + 1


async def register(request: web.Request) -> Answer:
    """POST registerAgency: a unit below one of the caller's agencies."""
    _, caller, data = await begin(request, once=True)
    value = json_object(data)
    fields = {name: str(value.get(key, "")) for name, key in (("code", "code"), ("name", "name"), ("parent", "pcode"))}
    await in_thread(request, request.app[HUB].connector.register, caller, **fields)
    return told(vxp.succeeded())


async def unregister(request: web.Request) -> Answer:
    """POST deleteAgency: close a unit below one of the caller's agencies."""
    call, caller, _ = await begin(request, once=True)
    await in_thread(request, request.app[HUB].connector.unregister, caller, call.need("AgencyCode"))
    return told(vxp.succeeded())


_POST = {
    "getAgenciesList": agencies,
    "getAgenciesListQD20": agencies_by_level,
    "getSynchronizeUnit": units,
    "registerAgency": register,
    "deleteAgency": unregister,
    "sendEdoc": send,
    "getReceivedEdocList": received,
    "getSentEdocList": sent,
    "getEdoc": fetch,
    "updateStatus": update_status,
    "countReceiveEdoc": count_documents,
    "countReceiveStatus": count_statuses,
    "getReceipt": receipt,
}
