"""replacing — a file that appears whole or not at all: made under a temporary name beside it, flushed, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import Any

BLOCK = 1 << 18


@contextmanager
def replacing(target: Path) -> Iterator[BufferedRandom]:
    """A new file open for reading and writing that becomes `target` when the block ends well.

    Durable then: the bytes, and the name (the folder is flushed too). After a crash the old
    file, if any, is still there; at worst a hidden ``.tmp`` file stays beside it.
    """
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            if target.exists():
                os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            os.fsync(file.fileno())
        os.replace(temporary, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def copy_hashed(source: Path, file: BufferedRandom, digest: Any) -> int:
    """Copy `source` into `file` and its bytes into `digest` in one pass; the number of bytes."""
    with source.open("rb", buffering=0) as original:
        size = os.fstat(original.fileno()).st_size
        block = bytearray(min(BLOCK, size + 1))
        view, done = memoryview(block), 0
        while count := original.readinto(block):
            digest.update(view[:count])
            file.write(view[:count])
            done += count
    file.flush()
    return done
