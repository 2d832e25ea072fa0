"""Witnesses on loopback for tests: real servers, each with its own database and keys, that can be made to fail or lie."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from exchange.node.witness import Witness, witness_app
from exchange.store.engine import Store
from exchange.store.witness_log import WitnessMark
from signing.cosignature import CosignerKey, make_keys
from signing.witness_policy import WitnessPolicy, parse_policy, policy_text

Act = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


@dataclass
class Post:
    """One witness. `act`, when set, answers in its place, or lets it answer by giving None."""

    name: str
    folder: Path
    vkeys: list[str]
    keys: tuple[CosignerKey, CosignerKey] = field(init=False)
    act: Act | None = None
    port: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        self.keys = make_keys(f"{self.name}.example.vn")
        self.store = Store.open(f"sqlite:///{self.folder / 'node.sqlite'}", blobs=self.folder / "blobs", migrate=True, schema="node")
        self.witness = Witness(self.store, self.keys, self.vkeys, WitnessMark(self.folder / "witness.mark"), lambda: datetime.now(UTC))
        self.witness.enrol()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/witness"

    async def start(self) -> None:
        app = witness_app(self.witness)
        app.middlewares.append(self._acting)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _acting(self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        self.asked += 1
        answer = await self.act(request) if self.act is not None else None
        return answer if answer is not None else await handler(request)


class Row:
    """Several witnesses of one log. Use as an async context manager."""

    def __init__(self, folder: Path, count: int, log_vkey: str) -> None:
        self.log_vkey = log_vkey
        self.posts = [Post(f"w{n}", folder / f"w{n}", [log_vkey]) for n in range(count)]

    async def __aenter__(self) -> Row:
        await asyncio.gather(*(post.start() for post in self.posts))
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(post.stop() for post in self.posts))
        for post in self.posts:
            post.store.close()

    def policy_text(self, threshold: int | None = None, *, second: bool = False) -> str:
        """`second` lists the ML-DSA-44 keys too, outside the quorum: for sealed heads."""
        text = policy_text([(self.log_vkey, "")], [(p.name, p.keys[0].vkey(), p.url) for p in self.posts], threshold)
        return "".join(f"witness {p.name}-second {p.keys[1].vkey()} {p.url}\n" for p in self.posts if second) + text

    def policy(self, threshold: int | None = None, *, second: bool = False) -> WitnessPolicy:
        return parse_policy(self.policy_text(threshold, second=second))
