"""wake — lets long polls sleep until something was committed here."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Wake:
    """One bell for all waiters; a waiter that heard it looks at the database."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self.closed = False

    def ticket(self) -> asyncio.Event:
        """Take before looking, so that nothing is missed between looking and waiting."""
        return self._bell

    async def wake(self) -> None:
        """Ring: everyone who holds a ticket looks again."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def close(self, _app: web.Application) -> None:
        """No more waiting: the server stops."""
        self.closed = True
        await self.wake()

    async def wait(self, ticket: asyncio.Event, seconds: float) -> None:
        """Sleep until the bell rings or time is up."""
        try:
            await asyncio.wait_for(ticket.wait(), seconds)
        except TimeoutError:
            return


WAKE = web.AppKey("wake", Wake)
