"""hearsay — nghe lại: heads that agencies hold, held against the hub's own log.

An honest hub process is the first that can know that its key signed another history: a stolen
key, or a second hub on a restored copy. What it finds is an entry of the log itself.
"""

from __future__ import annotations

import threading
from collections import deque

import structlog

from exchange.custody import Event, control
from exchange.event_reasons import ReasonCode
from exchange.event_reasons import why as why_
from exchange.office import Office
from exchange.store import custody_log
from signing.checkpoint import Checkpoint, verify_note
from signing.errors import CheckpointInvalid

log = structlog.get_logger()
MOST_KNOWN = 4096


class Hearsay:
    """What one hub process was told. Thread-safe. Only what this log's own key signed is looked at, so nobody else can fill it."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._lock = threading.Lock()
        self._known: deque[str] = deque(maxlen=MOST_KNOWN)
        self._told: set[tuple[str, int, bytes]] = set()

    def is_new(self, note: str) -> bool:
        """Was this very note not heard lately?"""
        return note not in self._known

    def hear(self, note: str, agency: str) -> bool:
        """Compare a head that an agency holds with the log; False when they contradict each other.

        Durable on False: the note, and an entry `LogWitness` that names it.
        """
        with self._lock:
            if note in self._known:
                return True
            self._known.append(note)
            try:
                head = verify_note(note, self.office.vkeys())
            except CheckpointInvalid:
                return True  # not signed by this log: anybody could have written it
            why = self._against(head)
            if not why:
                return True
            key = (head.origin, head.size, head.root)
            if key not in self._told:
                self._told.add(key)
                self._tell(head, note, agency, why)
            return False

    def _against(self, head: Checkpoint) -> str:
        with self.office.store.read() as connection:
            epochs = [e for e in custody_log.epochs(connection) if (e.origin or self.office.origin) == head.origin]
            if not epochs:
                return "a log of this key that is not in this database"
            size, _ = custody_log.head(connection, epochs[-1].number)
            if head.size > size:
                # Heads are signed over what is committed, in this very database.
                return f"{head.size} entries where this database has {size}"
            if head.size and custody_log.tree(connection, head.size, epochs[-1].number).root() != head.root:
                return f"another root over {head.size} entries"
        return ""

    def _tell(self, head: Checkpoint, note: str, agency: str, why: str) -> None:
        log.critical(
            "contradicted",
            action="head_contradicted",
            origin=head.origin,
            size=head.size,
            agency=agency,
            detail=why,
            vi="Có một đầu sổ khác do chính khóa của sổ này ký: lộ khóa, hoặc một trục khác chạy trên bản sao cũ. Hãy chạy vanthu custody recover.",
        )
        digest = self.office.store.blobs.put_bytes(note.encode())
        data = (("change", "contradicted"), ("name", agency), ("size", head.size), ("root", head.root.hex()))
        entry = control(Event.LOG_WITNESS, self.office.clock(), data=data, object_sha256=digest, object_type="checkpoint", why=why_(ReasonCode.OTHER, why))
        # Durable: the contradicting head, and that we know of it. A crash before costs one more telling.
        self.office.store.write(lambda c: self.office.append(c, [entry]))
