"""carrying — vòng chuyển: claims, carries and settles, as many at a time as there are workers.

A destination that is slow, or is played with, holds up nobody else: no carriage waits for
another, and a quarter of the workers is never at the destination that has most. A lease is made longer
while its carriage is under way, so that a large document over a thin line is carried once.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from exchange.courier import Carried, Courier, Parcel
from exchange.dispatch import LEASE, Carriage
from exchange.hub import Hub

log = structlog.get_logger()
IDLE_SECONDS = 0.5


class Carrying:
    """The loop over one hub."""

    def __init__(self, hub: Hub, courier: Courier, workers: int, *, lease_seconds: float = LEASE.total_seconds()) -> None:
        self.hub, self.courier, self.workers = hub, courier, workers
        self._renew = lease_seconds / 3
        self._under_way: dict[asyncio.Task[None], str] = {}  # task → recipient

    async def forever(self) -> None:
        """Until cancelled; what is under way is cancelled with it and its lease runs out."""
        try:
            while True:
                claimed = await self._claim()
                for carriage in claimed:
                    self._under_way[asyncio.create_task(self._carry(carriage))] = carriage.recipient
                if not claimed:
                    await self._pause()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _claim(self) -> list[Carriage]:
        for task in [t for t in self._under_way if t.done()]:
            del self._under_way[task]
        free = self.workers - len(self._under_way)
        if free <= 0:
            return []
        most = max(1, self.workers - max(1, self.workers // 4))
        busy = Counter(self._under_way.values())
        try:
            # Of one destination no more than it may have, also within this round.
            return await asyncio.to_thread(self.hub.claim, free, room={r: most - n for r, n in busy.items()}, most=most)
        except Exception as error:  # the loop outlives any failure of one round
            log.exception("dispatch", action="dispatch_failed", kind=type(error).__name__)
            return []

    async def _pause(self) -> None:
        """Until something has ended, or for a moment."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(IDLE_SECONDS)

    async def _carry(self, carriage: Carriage) -> None:
        parcel = Parcel(
            delivery=carriage.delivery,
            envelope=carriage.envelope,
            endpoint=carriage.endpoint,
            path=carriage.path,
            sha256=carriage.sha256,
            size=carriage.size,
            seal=carriage.seal,
            facts=carriage.facts,
        )
        renewing = asyncio.create_task(self._keep(carriage))
        try:
            outcome = await self.courier.carry(parcel)
        except Exception as error:  # a courier describes its failures; one that does not must not lose a worker
            log.exception("carry", action="carry_failed", delivery=carriage.delivery, kind=type(error).__name__)
            outcome = Carried(ok=False, temporary=True, detail=type(error).__name__)
        finally:
            renewing.cancel()
        try:
            await asyncio.to_thread(self.hub.settle, carriage, ok=outcome.ok, temporary=outcome.temporary, detail=outcome.detail)
        except Exception as error:  # the lease runs out and another round settles it
            log.exception("settle", action="settle_failed", delivery=carriage.delivery, kind=type(error).__name__)

    async def _keep(self, carriage: Carriage) -> None:
        """Make the lease longer from time to time."""
        while True:
            await asyncio.sleep(self._renew)
            try:
                if not await asyncio.to_thread(self.hub.extend, carriage):
                    return
            except Exception as error:  # then it runs out, and at worst the document is carried twice
                log.warning("lease", action="extend_failed", delivery=carriage.delivery, kind=type(error).__name__)
