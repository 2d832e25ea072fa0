"""replacing — a file that appears whole or not at all: made under a temporary name beside it, flushed, renamed."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from signing.errors import FieldRefused

BLOCK = 1 << 20
PAST_CACHE = 4 * BLOCK  # below that, waiting for the disk several times costs more than the second copy
PAGE = mmap.PAGESIZE
_WRITE = 2  # SYNC_FILE_RANGE_WRITE, sync_file_range(2): begin, wait for nothing
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux has it


class Together:
    """Files that are flushed and take their names together when the block ends: ``with Together() as group``.

    Each file starts its way to the disk when it is made, while the next ones are signed; at the end the first flush
    makes the file system write its journal and the others find it written. Until the end none of the files is there,
    after it all are, durably; when the block is left by an error, none is. After a crash each is the whole new file
    or what was there before. An `OSError` at the end names in a note the files that are not durably there (`missing`).
    """

    def __init__(self) -> None:
        self._waiting: dict[Path, str] = {}
        self.missing: tuple[Path, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        waiting, self._waiting = self._waiting, {}
        self.missing = tuple(waiting)
        try:
            if kind is None:
                self._settle(waiting)
        except OSError as problem:
            problem.add_note(f"not written: {', '.join(str(path) for path in self.missing)}")
            raise
        finally:
            for temporary in waiting.values():
                with suppress(FileNotFoundError):
                    os.unlink(temporary)

    def _settle(self, waiting: dict[Path, str]) -> None:
        """Bytes before names: a crash before the first rename costs the whole group and nothing that was there before."""
        for temporary in waiting.values():
            _flush(temporary, os.O_RDWR)
        named: list[Path] = []
        try:
            for target in list(waiting):
                os.replace(waiting[target], target)
                del waiting[target]
                named.append(target)
        finally:
            for folder in {target.parent for target in named}:
                _flush(folder, os.O_RDONLY)
                # Durable now: the new names in `folder`.
                self.missing = tuple(path for path in self.missing if path not in named or path.parent != folder)

    def check(self, target: Path) -> None:
        """Gate: `target` is not in the group yet.

        Raises:
            FieldRefused: it is; its first new content would be lost.
        """
        if target.absolute() in self._waiting:
            raise FieldRefused("the file is in the group already and not written yet", place=target.name)

    def add(self, temporary: str, target: Path) -> None:
        """`temporary` becomes `target` at the end."""
        self._waiting[target.absolute()] = temporary


@contextmanager
def replacing(target: Path, group: Together | None = None) -> Iterator[BufferedRandom]:
    """A new file open for reading and writing that becomes `target` when the block ends well, or with its `group`.

    Durable then: the bytes, before the file takes the name, and the name (the folder is flushed too). After a
    crash the old file, if any, is still there; at worst a hidden ``.tmp`` file stays beside it.
    """
    folder = target.parent
    temporary = f"{folder}/.{target.name}.{os.urandom(6).hex()}.tmp"
    if group is not None:
        group.check(target)
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            with suppress(FileNotFoundError):
                mode = target.stat().st_mode & 0o7777
                if mode != os.fstat(file.fileno()).st_mode & 0o7777:
                    os.fchmod(file.fileno(), mode)
            if group is None:
                os.fsync(file.fileno())
            else:
                _start_writing(file.fileno())
        if group is not None:
            group.add(temporary, target)
            return
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _flush(folder, os.O_RDONLY)


def _start_writing(file: int) -> None:
    """Ask for the pages of `file` to be written from now on; a hint alone, the flush that counts finds less to do."""
    if _sync_file_range is not None:
        _sync_file_range(file, ctypes.c_int64(0), ctypes.c_int64(0), _WRITE)


def _flush(path: Path | str, flags: int) -> None:
    """What `path` names, a file or a folder, is on the disk when this returns."""
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def copy_hashed(source: Path, file: BufferedRandom, digest: Any, *, read_again: bool = True) -> int:
    """Copy `source` into the new `file` and its bytes into `digest` in one pass; the number of bytes.

    With `read_again` false a large copy goes to the disk past the page cache, where the file system
    can do that: it is flushed before it is renamed anyway, and the second copy in memory would cost
    a sixth of all the CPU time of a signature on 20 MB.
    """
    into = file.fileno()
    with open(source, "rb", buffering=0) as original:
        size = os.fstat(original.fileno()).st_size
        large = size > BLOCK
        if large:
            # Room taken at once costs the file system less than block by block, and a full disk shows early.
            os.posix_fallocate(into, 0, size)
        out = _Out(into, past_cache=size >= PAST_CACHE and not read_again)
        # Memory of its own pages: what goes past the cache must start at the border of one.
        block = memoryview(mmap.mmap(-1, BLOCK) if out.past_cache else bytearray(min(BLOCK, size + 1)))
        done = 0
        while done < size and (count := original.readinto(block)):
            digest.update(block[:count])
            out.write(block[:count])
            done += count
        out.switch(False)
    if done < size:
        os.ftruncate(into, done)
    file.seek(done)
    return done


class _Out:
    """A file written from its start, past the page cache as long as the file system and the amounts allow it."""

    def __init__(self, file: int, *, past_cache: bool) -> None:
        self.file, self.past_cache = file, False
        if past_cache:
            self.switch(True)

    def switch(self, past_cache: bool) -> None:
        """As wanted, where the system can."""
        if past_cache is self.past_cache:
            return
        with suppress(OSError, AttributeError):  # some file systems refuse it, some systems do not know it
            flags = fcntl.fcntl(self.file, fcntl.F_GETFL)
            fcntl.fcntl(self.file, fcntl.F_SETFL, flags | os.O_DIRECT if past_cache else flags & ~os.O_DIRECT)
            self.past_cache = past_cache

    def write(self, data: memoryview) -> None:
        """Write all of `data`, which starts at the border of a page.

        Raises:
            OSError: the disk is full, or worse.
        """
        while data:
            pages = len(data) - len(data) % PAGE
            if self.past_cache and not pages:
                self.switch(False)
            try:
                data = data[os.write(self.file, data[:pages] if self.past_cache else data) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self.past_cache:
                    raise
                self.switch(False)  # wants larger pieces, or none of this at all
