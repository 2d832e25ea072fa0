"""custody_api — the log for everyone who follows it: head and tiles (C2SP tlog-tiles paths)."""

from __future__ import annotations

from aiohttp import web

from exchange.errors import CustodyError, NotFound
from exchange.web.auth import HUB, caller, in_thread


def routes() -> list[web.RouteDef]:
    """Routes of the log."""
    return [web.get("/custody/checkpoint", checkpoint), web.get("/custody/tile/{level}/{path:.+}", tile)]


async def checkpoint(request: web.Request) -> web.Response:
    """GET /custody/checkpoint: the newest signed head."""
    note = await in_thread(request, request.app[HUB].checkpoint)
    return web.Response(text=note, content_type="text/plain", headers={"Cache-Control": "no-cache"})


async def tile(request: web.Request) -> web.Response:
    """GET /custody/tile/L/N[.p/W]: hashes of a tile."""
    await caller(request)
    level, index, width = parse_tile(request.match_info["level"], request.match_info["path"])
    try:
        data = await in_thread(request, request.app[HUB].tile, level, index, width)
    except CustodyError as error:
        raise NotFound(request.path, place="tile") from error
    return web.Response(body=data, content_type="application/octet-stream", headers={"Cache-Control": "max-age=31536000, immutable"})


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
    if not well_formed or len(groups) > 5 or not level.isascii() or not level.isdigit() or int(level) > 63:
        raise NotFound(path[:60], place="tile")
    if partial and (not width.isascii() or not width.isdigit() or not 0 < int(width) < 256):
        raise NotFound(path[:60], place="tile")
    return int(level), int("".join(plain)), int(width) if partial else 256
