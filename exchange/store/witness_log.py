"""witness_log — what a witness remembers: one head per log, heads it refused, and a mark outside the database.

The mark is an append-only file beside the witness's key. A database that is behind it
was lost or restored from an old copy; then nothing is cosigned until a person has looked.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select

from exchange.errors import WitnessStopped
from exchange.store.head_tables import witness_enrolment as n
from exchange.store.head_tables import witness_head as h
from exchange.store.head_tables import witness_refusal as r
from exchange.store.head_tables import witnessed_proof as p

MOST_REFUSALS = 1000  # per log; each is a signed head, so only the log itself can fill this
MOST_LINES = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """The largest head of a log that was cosigned here. `note` carries our own
    cosignatures ("" after a recovery from the mark), `seconds` is POSIX time."""

    origin: str
    size: int
    root: bytes
    note: str
    seconds: int


@dataclass(frozen=True, slots=True)
class RefusedHead:
    """A validly signed head that was refused, with the request and our own head at that
    time: together they can show anyone what the log did."""

    id: int
    origin: str
    reason: str
    size: int
    root: bytes
    request: bytes
    own_note: str
    at: datetime


def seen(connection: Connection, origin: str) -> Seen | None:
    """What was last cosigned of a log."""
    row = connection.execute(select(h).where(h.c.origin == origin)).first()
    return None if row is None else Seen(**row._mapping)


def all_seen(connection: Connection) -> list[Seen]:
    """The head of every log, by origin."""
    return [Seen(**row._mapping) for row in connection.execute(select(h).order_by(h.c.origin))]


def remember(connection: Connection, head: Seen) -> None:
    """Keep `head` in the place of the log's earlier one."""
    connection.execute(delete(h).where(h.c.origin == head.origin))
    connection.execute(insert(h).values(origin=head.origin, size=head.size, root=head.root, note=head.note, seconds=head.seconds))


def keep_refused(connection: Connection, *, origin: str, reason: str, size: int, root: bytes, request: bytes, own_note: str, at: datetime) -> None:
    """Keep a refused request; the same head for the same reason once."""
    same = (r.c.origin == origin, r.c.reason == reason, r.c.size == size, r.c.root == root)
    if connection.execute(select(r.c.id).where(*same)).first() is not None:
        return
    if int(connection.execute(select(func.count()).where(r.c.origin == origin)).scalar_one()) >= MOST_REFUSALS:
        return
    connection.execute(insert(r).values(origin=origin, reason=reason, size=size, root=root, request=request, own_note=own_note, at=at))


def refused(connection: Connection) -> list[RefusedHead]:
    """What was refused, oldest first."""
    return [RefusedHead(**row._mapping) for row in connection.execute(select(r).order_by(r.c.id))]


def enrol(connection: Connection, vkey: str, at: datetime) -> None:
    """Note that the witness with this key began here."""
    if not enrolled(connection, vkey):
        connection.execute(insert(n).values(vkey=vkey, at=at))


def enrolled(connection: Connection, vkey: str) -> bool:
    """Did the witness with this key begin with this database?"""
    return connection.execute(select(n.c.vkey).where(n.c.vkey == vkey)).first() is not None


def keep_proof(connection: Connection, subject: str, proof: str, at: datetime) -> None:
    """Keep the witnessed proof of what was sent; the first stays."""
    if proof_of(connection, subject) is None:
        connection.execute(insert(p).values(subject=subject, proof=proof, at=at))


def proof_of(connection: Connection, subject: str) -> str | None:
    """The witnessed proof kept for `subject` (an envelope or status id)."""
    text: str | None = connection.execute(select(p.c.proof).where(p.c.subject == subject)).scalar()
    return text


@dataclass(frozen=True, slots=True)
class Mark:
    """Size, root and POSIX time of the last cosignature over a log."""

    size: int
    root: bytes
    seconds: int


class WitnessMark:
    """The file of marks: one line per cosignature, ``size root seconds origin``, durable on return."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._lines = 0

    def create(self) -> None:
        """Make the file when there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(0o600, exist_ok=True)

    def read(self) -> dict[str, Mark]:
        """The newest mark of each log.

        Raises:
            WitnessStopped: the file is gone or damaged.
        """
        try:
            lines = self.path.read_text().splitlines(keepends=True)
        except OSError as error:
            raise WitnessStopped(f"mark lost: {error}", place=str(self.path)) from error
        found: dict[str, Mark] = {}
        # A line without its end was being written when the power went: nothing was answered on it.
        for line in (line for line in lines if line.endswith("\n")):
            try:
                size, root, seconds, origin = line.rstrip("\n").split(" ", 3)
                mark = Mark(int(size), bytes.fromhex(root), int(seconds))
            except ValueError as error:
                raise WitnessStopped("mark damaged", place=str(self.path)) from error
            # Two answers may have been written in the other order: the larger tree counts.
            if origin not in found or (mark.size, mark.seconds) >= (found[origin].size, found[origin].seconds):
                found[origin] = mark
        self._lines = len(lines)
        return found

    def advance(self, origin: str, mark: Mark) -> None:
        """Add a mark.

        Raises:
            WitnessStopped: it cannot be made durable.
        """
        with self._lock:
            try:
                if self._lines >= MOST_LINES:
                    self._shorten()
                with self.path.open("r+b") as file:
                    if file.seek(0, os.SEEK_END) and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                        # Half a line from a power cut: nothing was answered on it.
                        file.seek(0)
                        file.truncate(file.read().rfind(b"\n") + 1)
                        file.seek(0, os.SEEK_END)
                    file.write(_line(origin, mark).encode())
                    file.flush()
                    os.fdatasync(file.fileno())
                self._lines += 1
            except OSError as error:
                raise WitnessStopped(f"mark: {error}", place=str(self.path)) from error

    def replace(self, marks: dict[str, Mark]) -> None:
        """Write the file anew, by a rename."""
        fresh = self.path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write("".join(_line(origin, mark) for origin, mark in sorted(marks.items())))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._lines = len(marks)

    def _shorten(self) -> None:
        self.replace(self.read())


def _line(origin: str, mark: Mark) -> str:
    return f"{mark.size} {mark.root.hex()} {mark.seconds} {origin}\n"
