"""What a partner sends is read, but not for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from exchange.errors import TooSlow
from exchange.patience import pieces, within
from exchange.server import configure_logs
from exchange.vocabularies import to_lgsp, to_vxp


def read(giver: Callable[[], Awaitable[bytes]], seconds: float) -> bytes:
    async def go() -> bytes:
        return b"".join([piece async for piece in pieces(giver, seconds)])

    return asyncio.run(go())


def giving(*parts: bytes, pause: float = 0) -> Callable[[], Awaitable[bytes]]:
    left = list(parts)

    async def give() -> bytes:
        await asyncio.sleep(pause)
        return left.pop(0) if left else b""

    return give


def test_what_comes_in_time_is_read_whole() -> None:
    assert read(giving(b"a", b"b"), 1) == b"ab"
    assert read(giving(*[b"x" * 500] * 6, pause=0.05), 1) == b"x" * 3000  # slow, yet above the least rate


def test_silence_and_trickling_end() -> None:
    with pytest.raises(TooSlow, match="nothing for"):
        read(giving(b"a", pause=5), 0.05)
    with pytest.raises(TooSlow, match="bytes in"):
        read(giving(*[b"x"] * 100, pause=0.1), 1)

    async def step() -> int:
        return 7

    assert asyncio.run(within(1, step())) == 7


def test_only_waiting_for_the_partner_counts() -> None:
    async def go() -> int:
        count = 0
        async for _ in pieces(giving(b"x", b"x", b"x"), 1):
            await asyncio.sleep(0.4)  # ours
            count += 1
        return count

    assert asyncio.run(go()) == 3


def test_it_is_told_as_worth_another_try() -> None:
    assert TooSlow.retry and TooSlow.status == 408
    assert to_lgsp(TooSlow.code).retry and to_vxp(TooSlow.code).status == "FAIL"


def test_what_is_no_http_is_one_line_of_the_log() -> None:
    configure_logs()
    logger = logging.getLogger("aiohttp.server")
    for error, kept in ((ConnectionResetError("x"), False), (ValueError("x"), True)):
        record = logger.makeRecord(logger.name, logging.ERROR, "f", 1, "Error handling request", (), (type(error), error, None))
        assert logger.filter(record)
        assert bool(record.exc_info) is kept
