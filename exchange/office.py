"""office — văn thư: what every use case works with, and the one way to issue a receipt.

The store, the keys, the verifier and the clock are bound here once. Receipts are
issued only after the event is durable and covered by a signed head; each is
stored before it is given out, so that asking again gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from exchange.custody import Entry, Event, leaf_hash
from exchange.edxml.evidence_xml import write_evidence
from exchange.receipt import Receipt, to_bytes
from exchange.store import custody_log, envelopes
from exchange.store.custody_log import HighWater
from exchange.store.engine import Store
from signing.checkpoint import LogKey, build_proof, parse_note
from signing.keys import SigningKey
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.trust import Trust

SALT_BYTES = 16


def new_salt() -> bytes:
    """16 random bytes for a leaf (custody.md 10.1: leaf hashes must not be guessable)."""
    return os.urandom(SALT_BYTES)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a receipt is about. `subject` is the id it is stored under
    (an envelope's or a status message's), `index` its place in the log."""

    subject: str
    envelope: str
    event: Event
    at: datetime
    index: int
    sender: str
    recipient: str
    document_id: str
    object_sha256: str
    size: int
    reasons: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Office:
    """Bound parts of one hub process. `trust` is called for each judgement, so
    that a changed directory or a refreshed CRL takes effect without a restart."""

    store: Store
    origin: str
    seal_key: SigningKey
    log_key: LogKey
    high_water: HighWater
    sandbox: Sandbox
    trust: Callable[[], Trust]
    clock: Callable[[], datetime]
    timestamp: Callable[[bytes], bytes] | None = None
    _head: threading.Lock = field(default_factory=threading.Lock)

    def append(self, connection: Connection, entries: list[Entry]) -> list[int]:
        """Append custody entries inside the caller's transaction; their log indices."""
        return custody_log.append(connection, entries, salts=new_salt)

    def head(self, *, covering: int = 0) -> str:
        """A signed checkpoint note over at least `covering` entries.

        One thread signs for all who wait: the first to get the lock signs the
        newest durable head, the others find it already covers them.

        Raises:
            HighWater: the database is older than the last signed head.
        """
        with self._head:
            with self.store.read() as connection:
                latest = custody_log.latest_checkpoint(connection)
            if latest is not None and latest.size >= covering > 0:
                return latest.note
            now = self.clock()
            with self.store.read() as connection:
                entries = custody_log.size(connection)
            last = self.high_water.read()
            if latest is not None and last is not None and latest.size == entries == last[1]:
                return latest.note
            note = custody_log.sign_head(self.store, self.log_key, self.high_water, now=now)
            parsed = parse_note(note)
            # Durable: head in the high-water file. A crash before this insert only
            # loses the note; the same head is signed again at the next call.
            self.store.write(lambda c: custody_log.save_checkpoint(c, parsed.size, parsed.root, note, now))
            return note

    def receipt(self, subject: Subject) -> bytes:
        """The stored receipt of `subject`, issued now if there is none yet."""
        with self.store.read() as connection:
            stored = envelopes.receipt(connection, subject.subject)
        if stored is not None:
            return stored
        note = self.head(covering=subject.index + 1)
        size = parse_note(note).size
        with self.store.read() as connection:
            leaf = custody_log.leaf(connection, subject.index)
            path = custody_log.prove(connection, subject.index, size)
        evidence = write_evidence(
            event_uri=subject.event.uri,
            identifier=f"urn:vanthu:{self.origin}:{subject.index}",
            at=subject.at,
            issuer=self.origin,
            sender=subject.sender,
            recipient=subject.recipient,
            document_id=subject.document_id,
            package_sha256=subject.object_sha256,
            size=subject.size,
            leaf_sha256=leaf_hash(leaf).hex(),
            index=subject.index,
            origin=self.origin,
            reasons=subject.reasons,
        )
        # No time-stamp here: an authority that is down must never hold up a message.
        seal = sign_seal(hashlib.sha256(evidence).digest(), self.seal_key)
        data = to_bytes(
            Receipt(
                envelope=subject.envelope,
                event=subject.event.uri,
                index=subject.index,
                evidence=evidence,
                seal=seal,
                leaf=leaf,
                proof=build_proof(subject.index, path, note),
            )
        )
        # Two askers may get here at once: the first insert wins and both answer with it.
        return self.store.write(lambda c: envelopes.save_receipt(c, subject.subject, data))
