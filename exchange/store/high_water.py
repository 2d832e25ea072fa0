"""high_water — mực nước cao: the last head that was signed, in a file outside the database.

A database restored from an old copy, or rewritten, is behind it or beside it, and
then nothing is signed (custody.md 10.3). The file must live on another disk or
host than the database, or it is restored along with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.errors import HighWater as HighWaterError

TAIL = 4096  # bytes; a line is far shorter
LONGEST = 1 << 20  # bytes; a longer file is written anew with its last lines
KEPT = 64  # lines


@dataclass(frozen=True, slots=True)
class Mark:
    """A head that was or is about to be signed."""

    origin: str
    size: int
    root: bytes

    def line(self) -> bytes:
        """As it stands in the file."""
        return f"{self.size} {self.root.hex()} {self.origin}\n".encode()


class HighWater:
    """An append-only file, one line per head: size, root in hex, origin."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[str, int, bytes] | None:
        """(origin, size, root) of the last head, None before the first.

        Raises:
            HighWater: the file is damaged.
        """
        mark = self.mark()
        return None if mark is None else (mark.origin, mark.size, mark.root)

    def mark(self) -> Mark | None:
        """The last head, None before the first.

        Raises:
            HighWater: the file is damaged.
        """
        lines = self._whole_lines()
        if not lines:
            return None
        try:
            size, root, origin = lines[-1].decode().split(" ", 2)
            mark = Mark(origin, int(size), bytes.fromhex(root))
        except ValueError as error:
            raise HighWaterError("damaged high-water file", place=str(self.path)) from error
        if mark.line() != lines[-1] + b"\n" or len(mark.root) != 32 or not origin:
            raise HighWaterError("damaged high-water file", place=str(self.path))
        return mark

    def swap(self, expected: Mark | None, new: Mark) -> bool:
        """Compare and swap, durable on return: `new` becomes the mark if it still is `expected`.

        False when another signer moved it in between; nothing is written then.
        """
        with self._alone():
            last = self.mark()
            if last == new:
                return True
            if last != expected:
                return False
            if self.path.exists() and self.path.stat().st_size > LONGEST:
                self._shorten()
            new_file = not self.path.exists()
            with self.path.open("ab") as file:
                # Half a line from a power failure goes: nothing was signed on it.
                file.truncate(self._whole_length())
                file.write(new.line())
                file.flush()
                os.fsync(file.fileno())
            if new_file:
                self._sync_folder()
            return True

    def _whole_lines(self) -> list[bytes]:
        try:
            with self.path.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                file.seek(max(0, length - TAIL))
                data = file.read()
        except FileNotFoundError:
            return []
        # A line without its end was being written when the power went.
        whole = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
        return whole if length <= TAIL else whole[1:]

    def _whole_length(self) -> int:
        with self.path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            start = max(0, length - TAIL)
            file.seek(start)
            return start + file.read().rfind(b"\n") + 1

    def _shorten(self) -> None:
        lines = self._whole_lines()[-KEPT:]
        part = self.path.with_name(self.path.name + ".new")
        with part.open("wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
