"""heads — nút đối chiếu đầu sổ: compares by the log's own tiles every head that came with an answer, and asks the witnesses for theirs.

What does not fit is a log event, an item of the local interface, and two signed files. The node
shows both heads to the hub with its next calls, so that an honest process there is told too.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import structlog

from exchange.gossip import Alert, HeldHeads, heads_of_witnesses
from exchange.mirror import body_at, http_log
from signing.tile_log import Fetch
from signing.witness_policy import WitnessPolicy

log = structlog.get_logger()
LOOK_SECONDS = 30.0
ASK_SECONDS = 600.0
TIMEOUT = 10.0


class Watch:
    """Gossip as a step of the node's loop.

    Args:
        hub_url: where tiles are read.
        policy: whose witnesses are asked what they cosigned last; None asks nobody.
    """

    def __init__(
        self,
        heads: HeldHeads,
        hub_url: str,
        tls: ssl.SSLContext | None,
        policy: WitnessPolicy | None,
        *,
        look_seconds: float = LOOK_SECONDS,
        ask_seconds: float = ASK_SECONDS,
        get: Callable[[str], bytes] | None = None,
    ) -> None:
        self.heads, self.policy = heads, policy
        self._url, self._tls = hub_url, tls
        self._look, self._ask = look_seconds, ask_seconds
        self._get = get or (lambda url: body_at(url, tls))
        self._next_look = self._next_ask = 0.0

    async def gossip(self) -> bool:
        """Compare what was heard; never busy."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._look
            for alert in await asyncio.to_thread(self.look):
                tell(alert)
        return False

    def look(self) -> list[Alert]:
        """Once: ask the witnesses if their time has come, then compare."""
        alerts = []
        if self.policy is not None and time.monotonic() >= self._next_ask and (newest := self.heads.newest()) is not None:
            self._next_ask = time.monotonic() + self._ask
            for _, note in heads_of_witnesses(self.policy, newest.origin, self._get):
                if (alert := self.heads.hear(note)) is not None:
                    alerts.append(alert)
        return alerts + self.heads.check(self._tiles)

    def state(self) -> dict[str, Any]:
        """For people: the newest head that held, and every alarm that stands."""
        head = self.heads.newest()
        held = {"origin": head.origin, "size": head.size, "root": head.root.hex()} if head is not None else None
        return {"held": held, "alarms": self.heads.alarms()}

    def _tiles(self, origin: str) -> Fetch:
        return http_log(self._url, self._tls, timeout=TIMEOUT, prefix=f"/custody/{quote(origin.rpartition('/')[2], safe='')}")


def tell(alert: Alert) -> None:
    """Say it where the node's operator looks."""
    said = alert.reason
    log.critical("heads", action=said.code, detail=alert.detail, files=alert.files, vi=said.vi, en=said.en)
