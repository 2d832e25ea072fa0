"""replacing — a file that appears whole or not at all: made under a temporary name beside it, flushed, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


@contextmanager
def replacing(target: Path) -> Iterator[BufferedRandom]:
    """A new file open for reading and writing that becomes `target` when the block ends well.

    Durable then: the bytes, and the name (the folder is flushed too). After a crash the old
    file, if any, is still there; at worst a hidden ``.tmp`` file stays beside it.
    """
    folder = target.parent
    temporary = f"{folder}/.{target.name}.{os.urandom(6).hex()}.tmp"
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            with suppress(FileNotFoundError):
                mode = target.stat().st_mode & 0o7777
                if mode != os.fstat(file.fileno()).st_mode & 0o7777:
                    os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def copy_hashed(source: Path, file: BufferedRandom, digest: Any) -> int:
    """Copy `source` into the new `file` and its bytes into `digest` in one pass; the number of bytes."""
    into = file.fileno()
    with open(source, "rb", buffering=0) as original:
        size = os.fstat(original.fileno()).st_size
        if size > BLOCK:
            # Room taken at once costs the file system less than block by block, and a full disk shows early.
            os.posix_fallocate(into, 0, size)
        block = memoryview(bytearray(min(BLOCK, size + 1)))
        done = 0
        while done < size and (count := original.readinto(block)):
            digest.update(block[:count])
            written = os.write(into, block[:count])
            while written < count:
                written += os.write(into, block[written:count])
            done += count
    if done < size:
        os.ftruncate(into, done)
    file.seek(done)
    return done
