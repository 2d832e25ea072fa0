"""patience — kiên nhẫn có hạn: read what a partner sends, but not for ever.

Memory is bounded elsewhere; this bounds time. Only the time spent waiting for the
partner counts, so a busy machine of ours is never held against it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from exchange.errors import TooSlow

T = TypeVar("T")
LEAST_RATE = 1024  # bytes a second, on the average of all the waiting


async def within(seconds: float, step: Awaitable[T]) -> T:
    """One step of a partner's, or `TooSlow` after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await step
    except TimeoutError as error:
        raise TooSlow(f"nothing for {seconds:g} s", place="body") from error


async def pieces(read: Callable[[], Awaitable[bytes]], seconds: float) -> AsyncIterator[bytes]:
    """What `read` gives until it gives nothing.

    Args:
        seconds: for each piece; and after that much waiting in all, `LEAST_RATE` on the average.

    Raises:
        TooSlow: the partner trickles, or says nothing more.
    """
    loop = asyncio.get_running_loop()
    waited, size = 0.0, 0
    while True:
        before = loop.time()
        piece = await within(seconds, read())
        waited += loop.time() - before
        size += len(piece)
        if waited > seconds and size < waited * LEAST_RATE:
            raise TooSlow(f"{size} bytes in {waited:.0f} s", place="body")
        if not piece:
            return
        yield piece
