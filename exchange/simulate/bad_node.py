"""bad_node — nút xử sự sai: a recipient that misbehaves when a hub under test brings it documents."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from exchange.courier import server_tls
from exchange.simulate import bad_answers as bad
from exchange.simulate.bad_answers import Bad, Means
from exchange.simulate.observed import ELSEWHERE, PUSH, Book, Seen
from exchange.simulate.scenario import Scenario

TIMES = 3
CHUNK = 256 * 1024
MOST_TAKEN = 16_000_000


@dataclass(frozen=True, slots=True)
class NodeScenario:
    """One scenario. `early` misbehaves while the package is still coming in."""

    scenario: Scenario
    bad: Bad
    verdict: Callable[[Book], str]
    early: bool = False

    @property
    def final(self) -> bool:
        """Whether a sound hub rightly does not ask again."""
        return self.bad is _refuses


async def _refuses(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    return web.json_response({"code": "seal.refused", "title": "(mô phỏng)", "retry": False}, status=422)


def _left_alone(book: Book) -> str:
    for what, lines in book.of(PUSH).items():
        if len(lines) > 1:
            return book.repeated_until_honest(PUSH) + f" ({what})"
    return "a refusal is final"


_AGAIN = ("mang lại đúng gói tin ấy cho đến khi nhận thật, rồi thôi", "brings the same package again until it is taken, then no more")
_TABLE: tuple[tuple[str, tuple[str, str], tuple[str, str], Bad, Callable[[Book], str], bool], ...] = (
    (
        "Luật 20/2023 Điều 15",
        ("Nhận rồi ngắt trước khi trả lời", "Takes it, then cuts before the answer"),
        _AGAIN,
        bad.cut,
        lambda b: b.repeated_until_honest(PUSH),
        False,
    ),
    ("RFC 9112 8", ("Ngắt giữa gói tin", "Cuts in the middle of the package"), _AGAIN, bad.cut, lambda b: b.repeated_until_honest(PUSH), True),
    ("RFC 9110 15.6.4", ("Liên tiếp 503", "A storm of 503"), _AGAIN, bad.unavailable, lambda b: b.repeated_until_honest(PUSH), False),
    (
        "RFC 9110 15.4",
        ("Chuyển hướng sang nơi khác", "Redirects elsewhere"),
        ("không đi theo, mang lại sau", "does not follow, brings it again later"),
        bad.redirect,
        lambda b: b.nobody_went_elsewhere(PUSH),
        False,
    ),
    (
        "RFC 9110 9.2.2",
        ("Trả lời muộn", "Answers late"),
        ("chờ; không mang chồng lần hai", "waits; never brings it beside itself"),
        bad.late,
        lambda b: b.one_at_a_time(PUSH),
        False,
    ),
    (
        "RFC 9110 15.5.14",
        ("Trả lời không có hồi kết", "An answer without end"),
        ("không đọc quá giới hạn", "reads no more than a limit"),
        bad.endless,
        lambda b: _bounded(b),
        False,
    ),
    (
        "RFC 9110 15.5",
        ("Từ chối hẳn", "Refuses for good"),
        ("ghi nhận thất bại, không nài ép", "records the failure and does not insist"),
        _refuses,
        _left_alone,
        False,
    ),
)


def _bounded(book: Book) -> str:
    taken = max(line.taken for lines in book.of(PUSH).values() for line in lines)
    if taken > MOST_TAKEN:
        book.stopped_taking(PUSH, MOST_TAKEN)
    return f"read {taken} bytes"


SCENARIOS = {
    f"N-{n:02d}": NodeScenario(Scenario(f"N-{n:02d}", clause, *done, *sound), how, verdict, early)
    for n, (clause, done, sound, how, verdict, early) in enumerate(_TABLE, 1)
}


class BadNode:
    """A node that misbehaves by one scenario, `times` times at each delivery. An async context manager."""

    def __init__(
        self,
        scenario: NodeScenario,
        *,
        tls_certificate: Path,
        tls_ca: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        times: int = TIMES,
        means: Means | None = None,
    ) -> None:
        self.scenario, self.times, self.host, self.port = scenario, times, host, port
        self._tls, self._means = server_tls(tls_certificate, tls_ca), means or Means()
        self.book = Book()
        self._count: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> BadNode:
        app = web.Application()
        app.add_routes([web.post("/v1/deliveries", self._deliver), web.route("*", "/elsewhere", self._elsewhere)])
        self._runner = web.AppRunner(app, access_log=None, max_field_size=32 * 1024, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it is; the endpoint of the agency in the directory of the hub under test."""
        return f"https://{self.host}:{self.port}"

    def finding(self) -> str:
        """What the hub under test did, if it was right.

        Raises:
            NotMet, NotAsked: it was not, or it brought nothing.
        """
        return self.scenario.verdict(self.book)

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        self.book.enter(ELSEWHERE)
        return web.json_response({})

    async def _deliver(self, request: web.Request) -> web.StreamResponse:
        what, declared = request.headers.get("Vanthu-Delivery", ""), request.headers.get("Repr-Digest", "")
        seen = self.book.enter(PUSH, what, declared)
        seen.played = self._count[what] < self.times
        self._count[what] += seen.played
        try:
            if seen.played and self.scenario.early:
                await request.content.read(1000)
                return await self.scenario.bad(request, b"{}", seen, self._means)
            digest = hashlib.sha256()
            async for chunk in request.content.iter_chunked(CHUNK):
                digest.update(chunk)
            if seen.played:
                return await self.scenario.bad(request, b"{}", seen, self._means)
            seen.honest = declared == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
            return web.json_response({"delivery": what}, status=200 if seen.honest else 422)
        finally:
            seen.ended = time.monotonic()


async def watch(seconds: float, done: Callable[[], bool]) -> None:
    """Wait until `done` holds, at most `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not done():
        await asyncio.sleep(0.2)
