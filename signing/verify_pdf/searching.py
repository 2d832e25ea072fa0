"""searching — how often a few bytes stand in a buffer, by the C library's `memmem` where there is one.

Over data that is not text, glibc's search is about three times as quick as `bytearray.count`,
which would be a third of the cost of a verdict on a large file. Both count the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

Count = Callable[[bytearray, bytes, int, int], int]


def _memmem() -> Any:
    """`memmem(3)` of the C library in this process, or None."""
    try:
        found = ctypes.CDLL(None).memmem
    except (OSError, AttributeError, TypeError):
        return None
    found.restype = ctypes.c_void_p
    found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    return found


_search = _memmem()


def _count_by_library(buffer: bytearray, needle: bytes, start: int, end: int) -> int:
    if end - start < len(needle):
        return 0
    base = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    times, at, last = 0, base + start, base + end
    while at < last and (found := _search(at, last - at, needle, len(needle))) is not None:
        times, at = times + 1, found + len(needle)
    return times


def _count_here(buffer: bytearray, needle: bytes, start: int, end: int) -> int:
    return buffer.count(needle, start, end)


ways: tuple[Count, ...] = (_count_by_library, _count_here) if _search is not None else (_count_here,)
"""All that can be had here, the quickest first; tests compare them."""


def count(buffer: bytearray, needle: bytes, start: int, end: int) -> int:
    """Occurrences of `needle` (not empty) in `buffer[start:end]`, without overlaps; 0 ≤ start ≤ end ≤ length."""
    return ways[0](buffer, needle, start, end)
