"""heads — đầu sổ đi kèm: every answer to an agency names the newest head, and every head an agency shows is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from exchange import publishing
from exchange.errors import ExchangeError
from exchange.gossip import HEADER, from_header, to_header
from exchange.hearsay import Hearsay
from exchange.web.auth import HUB, THREADS, caller, in_thread

log = structlog.get_logger()
FRESH_SECONDS = 1.0  # heads are published once a second
PATHS = ("/v1/", "/custody")  # not the profiles of other people's clients: they get what they always got


class Newest:
    """The newest published head as the value of `HEADER`, read at most once a second, by whoever asks first."""

    def __init__(self) -> None:
        self._value, self._at, self._busy = "", float("-inf"), False
        self._listening: set[asyncio.Task[None]] = set()

    async def value(self, request: web.Request) -> str:
        """The head; "" before there is one, or while none may be signed."""
        if time.monotonic() - self._at >= FRESH_SECONDS and not self._busy:
            self._busy = True
            try:
                self._value = to_header(await in_thread(request, publishing.checkpoint, request.app[HUB].office))
            except ExchangeError as error:
                log.warning("head", action="head_not_shown", code=error.code)
            except Exception as error:  # the answer goes out without a head; what is wrong shows where heads are signed
                log.exception("head", action="head_not_shown", kind=type(error).__name__)
            finally:
                self._at, self._busy = time.monotonic(), False
        return self._value

    def listen(self, request: web.Request, code: str, note: str) -> None:
        """Have a head compared, beside the request; one at a time, what comes meanwhile is shown again by its holder."""
        if self._listening or not request.app[HEARSAY].is_new(note):
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(_hear(loop, request.app[THREADS], request.app[HEARSAY], note, code))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)


NEWEST = web.AppKey("newest", Newest)
HEARSAY = web.AppKey("hearsay", Hearsay)


async def _hear(loop: asyncio.AbstractEventLoop, threads: object, hearsay: Hearsay, note: str, code: str) -> None:
    try:
        await loop.run_in_executor(threads, hearsay.hear, note, code)  # type: ignore[arg-type]
    except Exception as error:  # nobody waits for this; the holder shows it again
        log.exception("hearsay", action="hearsay_failed", kind=type(error).__name__)


def join(app: web.Application) -> None:
    """Let heads travel with the answers of `app`."""
    app[NEWEST], app[HEARSAY] = Newest(), Hearsay(app[HUB].office)
    app.on_response_prepare.append(_show)
    app.middlewares.append(_listen)


async def _show(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith(PATHS) and (value := await request.app[NEWEST].value(request)):
        response.headers[HEADER] = value


@web.middleware
async def _listen(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    note = from_header(request.headers.get(HEADER, "")) if request.path.startswith(PATHS) else ""
    if note and request.app[HEARSAY].is_new(note):
        with contextlib.suppress(ExchangeError):  # a stranger's head; the handler says what strangers get
            request.app[NEWEST].listen(request, await caller(request), note)
    return await handler(request)
