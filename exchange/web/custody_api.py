"""custody_api — the log for everyone who follows it: heads, sealed heads, tiles (C2SP tlog-tiles paths).

Each log (yearly epoch) has its paths below the last part of its origin,
``/custody/2026/checkpoint``; without that part they are those of the present log.
Heads are public. Tiles are for agencies; entries, which name parties, for auditors.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from exchange import log_keys, publishing
from exchange.errors import AccessError, CustodyError, NotFound
from exchange.web.auth import HUB, caller, in_thread

IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "no-cache"}


AUDITORS: web.AppKey[frozenset[str]] = web.AppKey("auditors", frozenset)


def routes() -> list[web.RouteDef]:
    """Routes of the log."""
    found = [
        web.get("/custody/log.vkey", log_key),
        web.get("/custody/log.vkey.p7s", log_key),
        web.get("/custody/v1/state", state),
        web.get("/custody/v1/state/{seq:[0-9]{1,18}}", state_of),
        web.get("/custody/v1/proof/{index:[0-9]{1,18}}", proof),
    ]
    for stem in ("/custody", "/custody/{epoch}"):
        found += [
            web.get(f"{stem}/checkpoint", checkpoint),
            web.get(f"{stem}/sealed", sealed),
            web.get(stem + "/sealed/{size:[0-9]{1,18}}{part:(|\\.p7s|\\.tst)}", sealed_part),
            web.get(stem + "/tile/entries/{path:.+}", entries),
            web.get(stem + "/tile/{level}/{path:.+}", tile),
        ]
    return found


async def checkpoint(request: web.Request) -> web.Response:
    """GET /custody[/E]/checkpoint: the newest published head, with its cosignatures."""
    epoch = await _epoch(request)
    note = await in_thread(request, publishing.checkpoint, request.app[HUB].office, epoch)
    return web.Response(text=note, content_type="text/plain", headers=FRESH)


async def log_key(request: web.Request) -> web.Response:
    """GET /custody/log.vkey[.p7s]: the present log's verifier key, and the hub's seal over these bytes."""
    vkey, seal = await in_thread(request, log_keys.certificate, request.app[HUB].office)
    if request.path.endswith(".p7s"):
        return web.Response(body=seal, content_type="application/pkcs7-signature", headers=FRESH)
    return web.Response(text=vkey, content_type="text/plain", headers=FRESH)


async def sealed(request: web.Request) -> web.Response:
    """GET /custody[/E]/sealed: the sealed heads, newest first."""
    found = await in_thread(request, publishing.sealed_heads, request.app[HUB].office, await _epoch(request))
    items = [
        {
            "size": head.size,
            "slot": head.slot,
            "sealed_at": head.sealed_at.isoformat(),
            "stamped_at": head.stamped_at.isoformat() if head.stamped_at is not None else None,
        }
        for head in found
    ]
    return web.json_response({"items": items}, headers=FRESH)


async def sealed_part(request: web.Request) -> web.Response:
    """GET /custody[/E]/sealed/N[.p7s|.tst]: the sealed note, its CAdES seal, its RFC 3161 token."""
    size, part = int(request.match_info["size"]), request.match_info["part"]
    head = await in_thread(request, publishing.sealed_head, request.app[HUB].office, size, await _epoch(request))
    # Without a stamp it may yet get one.
    headers = IMMUTABLE if head.stamped_at is not None else FRESH
    if part == ".p7s":
        return web.Response(body=head.seal, content_type="application/pkcs7-signature", headers=headers)
    if part == ".tst":
        if head.token is None:
            raise NotFound(request.path, place="sealed")
        return web.Response(body=head.token, content_type="application/vnd.etsi.timestamp-token", headers=headers)
    return web.Response(text=head.note, content_type="text/plain", headers=headers)


async def tile(request: web.Request) -> web.Response:
    """GET /custody[/E]/tile/L/N[.p/W]: hashes of a tile."""
    await caller(request)
    level, index, width = parse_tile(request.match_info["level"], request.match_info["path"])
    return await _immutable(request, publishing.tile, level, index, width, await _epoch(request))


async def entries(request: web.Request) -> web.Response:
    """GET /custody[/E]/tile/entries/N[.p/W]: the entries below a tile of level 0; for auditors."""
    code = await caller(request)
    if code not in request.app[AUDITORS]:
        raise AccessError("entries name the parties of every document", place="auditors")
    _, index, width = parse_tile("0", request.match_info["path"])
    return await _immutable(request, publishing.entry_bundle, index, width, await _epoch(request))


async def state(request: web.Request) -> web.Response:
    """GET /custody/v1/state: how far the log is signed, published, sealed; and its witnesses."""
    value = await in_thread(request, publishing.log_state, request.app[HUB].office, request.app[HUB].policy)
    for witness in value["witnesses"]:
        del witness["last_error"]  # names addresses; for the operator
    return web.json_response(value, headers=FRESH)


async def state_of(request: web.Request) -> web.Response:
    """GET /custody/v1/state/S: how far the entry with running number S has come."""
    seq = int(request.match_info["seq"])
    value = await in_thread(request, publishing.state_of, request.app[HUB].office, seq)
    return web.json_response({"entry": seq, "state": value.value}, headers=FRESH)


async def proof(request: web.Request) -> web.Response:
    """GET /custody/v1/proof/I?origin=O: offline proof of entry I of the log O in a witnessed head; 404 while there is none."""
    index, origin = int(request.match_info["index"]), request.query.get("origin", "")
    text = await in_thread(request, publishing.witnessed_proof, request.app[HUB].office, index, origin)
    return web.Response(text=text, content_type="text/plain", headers=FRESH)


async def _epoch(request: web.Request) -> int | None:
    name = request.match_info.get("epoch")
    return None if name is None else await in_thread(request, publishing.epoch_called, request.app[HUB].office, name)


async def _immutable(request: web.Request, read: Any, *arguments: Any) -> web.Response:
    try:
        data = await in_thread(request, read, request.app[HUB].office, *arguments)
    except CustodyError as error:
        raise NotFound(request.path, place="tile") from error
    return web.Response(body=data, content_type="application/octet-stream", headers=IMMUTABLE)


def parse_tile(level: str, path: str) -> tuple[int, int, int]:
    """(level, index, width) of a tlog-tiles path such as ``x001/x234/067`` or ``000.p/17``.

    Raises:
        NotFound: not such a path.
    """
    name, partial, width = path.partition(".p/")
    groups = name.split("/")
    plain = [g.removeprefix("x") for g in groups]
    well_formed = all(len(g) == 3 and g.isascii() and g.isdigit() for g in plain)
    well_formed = well_formed and all(g.startswith("x") for g in groups[:-1]) and not groups[-1].startswith("x")
    if not well_formed or len(groups) > 5 or not _number(level) or int(level) > 63 or (len(groups) > 1 and groups[0] == "x000"):
        raise NotFound(path[:60], place="tile")
    if partial and (not _number(width) or not 0 < int(width) < 256):
        raise NotFound(path[:60], place="tile")
    return int(level), int("".join(plain)), int(width) if partial else 256


def _number(text: str) -> bool:
    """A decimal number of at most three digits without leading zeros: one address for one tile."""
    return text.isascii() and text.isdigit() and len(text) <= 3 and (text == "0" or text[0] != "0")
