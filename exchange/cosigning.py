"""cosigning — xin chữ ký chứng kiến: the loops that ask witnesses in parallel, publish, and seal.

A witness that is slow or down costs nothing but its own cosignature: the head is published
as soon as the policy is satisfied, or after the time-out without, and said to be so.
"""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import structlog

from exchange.asking import Round, Seat
from exchange.errors import CustodyError
from exchange.publishing import LARGEST_ANSWER, Publisher
from exchange.sealing import Sealer
from exchange.store.heads import PublishedHead, SealedHead

log = structlog.get_logger()
TIMEOUT_SECONDS = 2.0
SEAL_LOOK_SECONDS = 5.0


class Cosigning:
    """Asks the witnesses of one hub process over `session`."""

    def __init__(
        self, publisher: Publisher, sealer: Sealer, session: aiohttp.ClientSession, tls: ssl.SSLContext | None, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.publisher, self.sealer = publisher, sealer
        self._session, self._tls, self._seconds = session, tls, timeout_seconds
        self._busy: set[str] = set()
        self._late: set[asyncio.Task[None]] = set()

    async def publish_once(self) -> PublishedHead | None:
        """Publish the newest head, None when it is published already.

        Returns as soon as the policy is satisfied; cosignatures that come later are added.
        """
        round_ = await asyncio.to_thread(self.publisher.begin)
        if round_ is None:
            return None
        seats = [s for s in await asyncio.to_thread(self.publisher.due, round_) if s.url not in self._busy]
        if round_.again and not seats:
            return None
        pending = {asyncio.create_task(self._ask(seat, round_)) for seat in seats}
        if round_.published:
            self._collect_late(pending, round_)  # those who were down, or busy, when it was published
            return None
        satisfied = await asyncio.to_thread(self.publisher.satisfied, round_)
        while pending and not satisfied:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            satisfied = await asyncio.to_thread(self.publisher.satisfied, round_)
        head = await asyncio.to_thread(self.publisher.publish, round_)
        if not satisfied:
            log.warning("unwitnessed", action="head_unwitnessed", size=head.size, missing=len(self.publisher.seats) - len(round_.lines))
        self._collect_late(pending, round_)
        return head

    async def seal_once(self, slot: str | None = None) -> SealedHead | None:
        """Seal the newest head when its hour has come; at once when a slot of one's own is named."""
        slot = slot or await asyncio.to_thread(self.sealer.due)
        round_ = await asyncio.to_thread(self.sealer.begin, slot) if slot is not None else None
        if slot is None or round_ is None:
            return None
        await asyncio.gather(*(self._ask(seat, round_) for seat in await asyncio.to_thread(self.publisher.due, round_)))
        head = await asyncio.to_thread(self.sealer.finish, slot, round_)
        if head is None or head.token is None and self.sealer.office.timestamp is not None:
            log.warning("unstamped", action="head_unstamped", slot=slot)
        return head

    async def publishing(self, tick_seconds: float) -> None:
        """Publish every tick; outlives every failure of one."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + tick_seconds
            try:
                await self.publish_once()
            except CustodyError as error:
                log.critical("custody", action="custody_stopped", code=error.code, detail=error.detail)
            except Exception as error:  # the loop outlives any failure of one round
                log.exception("publishing", action="publishing_failed", kind=type(error).__name__)
            await asyncio.sleep(max(tick_seconds / 10, due - loop.time()))

    async def sealing(self) -> None:
        """Look every few seconds whether a seal is due; on its own, since an authority may take its time."""
        while True:
            try:
                await self.seal_once()
            except CustodyError as error:
                log.critical("custody", action="custody_stopped", code=error.code, detail=error.detail)
            except Exception as error:  # the loop outlives any failure of one round
                log.exception("sealing", action="sealing_failed", kind=type(error).__name__)
            await asyncio.sleep(SEAL_LOOK_SECONDS)

    async def settle(self) -> None:
        """Wait for cosignatures that are still on their way."""
        await asyncio.gather(*self._late)

    def _collect_late(self, pending: set[asyncio.Task[None]], round_: Round) -> None:
        if pending:
            late = asyncio.create_task(self._add_late(pending, round_))
            self._late.add(late)
            late.add_done_callback(self._late.discard)

    async def _add_late(self, pending: set[asyncio.Task[None]], round_: Round) -> None:
        await asyncio.wait(pending)
        # Compared with what was stored, not with what had come: one may have come while it was being stored.
        if not round_.unstored():
            return
        try:
            await asyncio.to_thread(self.publisher.publish, round_)
        except Exception as error:  # said here, since nobody waits; the next tick asks for what the stored head lacks
            log.exception("publishing", action="late_not_stored", size=round_.head.size, kind=type(error).__name__)

    async def _ask(self, seat: Seat, round_: Round) -> None:
        """Ask once, and once more when the witness names its size; every failure is noted, none raised."""
        self._busy.add(seat.url)
        try:
            async with asyncio.timeout(self._seconds):
                for _ in range(2):
                    body = await asyncio.to_thread(self.publisher.request, seat, round_)
                    status, kind, answer = await self._post(f"{seat.url}/add-checkpoint", body)
                    if not await asyncio.to_thread(self.publisher.take, seat, round_, status, kind, answer):
                        return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.publisher.failed(seat, round_, f"{type(error).__name__}: {error}")
        except Exception as error:  # ours, not the witness's: said, and the others are still asked
            log.exception("asking", action="asking_failed", witness=seat.names[0], kind=type(error).__name__)
            self.publisher.failed(seat, round_, f"{type(error).__name__}: {error}")
        finally:
            self._busy.discard(seat.url)

    async def _post(self, url: str, body: bytes) -> tuple[int, str, bytes]:
        tls = self._tls if self._tls is not None else True
        async with self._session.post(url, data=body, headers={"Content-Type": "text/plain"}, ssl=tls, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), await answer.content.read(LARGEST_ANSWER + 1)
