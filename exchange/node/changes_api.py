"""changes_api — the node's local interface for a document that was sent already: recall it, take it back, change its recipients, see its life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aiohttp import web

from exchange.client import Client
from exchange.client_changes import look_up
from exchange.errors import BadRequest, HubUnreachable, NotFound
from exchange.node import requests
from exchange.node.desk import Desk
from exchange.store import journal, take_backs
from exchange.store.journal import Inbound

Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_changes(app: web.Application, desk: Desk, hub: Client | None) -> None:
    """Add the routes. `hub`: who tells a document's life; None: nobody does."""
    app.add_routes(
        [
            web.post("/outbox/recall", _recall(desk)),
            web.post("/outbox/recipients", _recipients(desk)),
            web.post("/outbox/take-back", _take_back(desk)),
            web.get("/outbox/take-backs", _take_backs(desk)),
            web.get("/outbox/life", _life(desk, hub)),
            web.get("/inbox/{delivery}/life", _life_of_received(desk, hub)),
        ]
    )


def _recall(desk: Desk) -> Handler:
    async def recall(request: web.Request) -> web.Response:
        """POST /outbox/recall {document_id, reason, only?}: recall a document (thu hồi)."""
        said = await _body(request, "document_id", "reason", lists=("only",))
        row = await asyncio.to_thread(requests.recall, desk, said["document_id"], said["reason"], only=said["only"])
        return web.json_response(_plain(asdict(row)), status=202)

    return recall


def _recipients(desk: Desk) -> Handler:
    async def recipients(request: web.Request) -> web.Response:
        """POST /outbox/recipients {document_id, reason, add?, remove?}: further recipients, fewer, or both."""
        said = await _body(request, "document_id", "reason", lists=("add", "remove"))
        row = await asyncio.to_thread(requests.change_recipients, desk, said["document_id"], said["reason"], add=said["add"], remove=said["remove"])
        return web.json_response(_plain(asdict(row)), status=202)

    return recipients


def _take_back(desk: Desk) -> Handler:
    async def take_back(request: web.Request) -> web.Response:
        """POST /outbox/take-back {document_id, recipient, reason}: ask a recipient to give it back (lấy lại, 13)."""
        said = await _body(request, "document_id", "recipient", "reason")
        row = await asyncio.to_thread(requests.take_back, desk, said["document_id"], said["recipient"], said["reason"])
        return web.json_response({**_plain(asdict(row)), "code": "13"}, status=202)

    return take_back


def _take_backs(desk: Desk) -> Handler:
    def read() -> list[dict[str, Any]]:
        with desk.store.read() as connection:
            found = []
            for row in take_backs.all(connection, 500):
                answer, why = take_backs.answer(connection, row)
                found.append({**_plain(asdict(row)), "answer": answer, "answer_reason": why})
            return found

    async def listed(_request: web.Request) -> web.Response:
        """GET /outbox/take-backs: what we asked back, and what was answered."""
        return web.json_response({"items": await asyncio.to_thread(read)})

    return listed


def _life(desk: Desk, hub: Client | None) -> Handler:
    async def life(request: web.Request) -> web.Response:
        """GET /outbox/life?document_id=…: what became of it at each recipient, what changed it, what answers it (thread), as the hub tells it."""
        document_id = request.query.get("document_id", "")
        if not document_id:
            raise BadRequest("document_id is wanted", place="document_id")
        return web.json_response((await look_up(_asked(hub), document_id, sender=desk.agency)).told)

    return life


def _life_of_received(desk: Desk, hub: Client | None) -> Handler:
    async def life(request: web.Request) -> web.Response:
        """GET /inbox/{delivery}/life: the same of a document that came here."""
        delivery = request.match_info["delivery"]

        def read() -> Inbound | None:
            with desk.store.read() as connection:
                return journal.inbound(connection, delivery)

        row = await asyncio.to_thread(read)
        if row is None:
            raise NotFound(delivery[:200], place="delivery")
        return web.json_response(await _asked(hub).timeline(row.envelope))

    return life


def _asked(hub: Client | None) -> Client:
    if hub is None:
        raise HubUnreachable("this node has no hub to ask")
    return hub


async def _body(request: web.Request, *names: str, lists: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON object of a call: texts that must be there, lists of texts that may be."""
    try:
        value = await request.json()
        said: dict[str, Any] = {name: value[name] for name in names} | {name: tuple(value.get(name, ())) for name in lists}
        unknown = sorted(set(value) - set(said))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(f"{', '.join(names)} are wanted", place="body") from error
    texts = [said[name] for name in names] + [text for name in lists for text in said[name]]
    wrong = unknown or [name for name in lists if isinstance(value.get(name), str)]
    if wrong or not all(isinstance(text, str) for text in texts):
        raise BadRequest(f"{wrong[0]}: not expected" if wrong else "texts are wanted", place="body")
    return said


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in value.items()}
