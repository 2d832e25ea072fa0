"""office — văn thư: what every use case works with, and the one way to issue a receipt.

The store, the keys, the verifier and the clock are bound here once. Receipts are
issued only after the event is durable and covered by a signed head; each is
stored before it is given out, so that asking again gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection

from exchange.custody import Entry, Event, leaf_hash
from exchange.edxml.evidence_xml import write_evidence
from exchange.errors import CustodyError
from exchange.receipt import Receipt, to_bytes
from exchange.store import custody_log, envelopes, sign_order
from exchange.store.custody_log import Epoch, HighWater
from exchange.store.engine import Store
from exchange.store.sign_order import SignedHead
from signing.checkpoint import LogKey, build_proof, parse_note
from signing.errors import ProofInvalid
from signing.keys import SigningKey
from signing.merkle import verify_inclusion
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.trust import Trust

SALT_BYTES = 16
VIETNAM = timezone(timedelta(hours=7))


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


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry with its proof in a signed head, checked. `head` is to be stored with what the proof is used for."""

    origin: str
    index: int
    leaf: bytes
    proof: str
    head: SignedHead


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
    hub_codes: tuple[str, ...] = ()  # under which directories name this hub
    _head: threading.Lock = field(default_factory=threading.Lock)
    _signed: SignedHead | None = None  # the newest this process signed

    def append(self, connection: Connection, entries: list[Entry], *, begins: Collection[str] = ()) -> list[int]:
        """Append custody entries inside the caller's transaction; their log indices.

        Args:
            begins: envelopes made in this transaction, which have no entries yet.
        """
        return custody_log.append(connection, entries, salts=new_salt, begins=begins)

    def head(self, *, covering: int = 0) -> str:
        """A signed checkpoint note over at least `covering` entries: of the epoch
        that holds the last of them, or of the newest epoch when 0. It is stored.

        One thread signs for all who wait: the first to get the lock signs the
        newest durable head, the others find it already covers them.

        Raises:
            HighWater: the database is behind the last signed head, or beside it.
        """
        with self._head:
            if covering and (kept := self._kept(covering - 1)):
                return kept
            note = sign_order.keep(self.store, self._sign()).note
            return (self._kept(covering - 1) if covering else "") or note

    def _sign(self) -> SignedHead:
        # Under the lock. What goes wrong leaves nothing in memory to go on from.
        since, self._signed = self._signed, None
        self._signed = sign_order.sign(self.store, self.log_key, self.high_water, now=self.clock(), origin=self.origin, since=since)
        return self._signed

    def _kept(self, seq: int) -> str:
        # The newest stored head of the entry's own epoch, if it covers the entry.
        with self.store.read() as connection:
            where = custody_log.place(connection, seq)
            latest = custody_log.latest_checkpoint(connection, where.epoch.number)
        return latest.note if latest is not None and latest.size > where.index else ""

    def proof(self, seq: int) -> str:
        """Offline proof (c2sp.org/tlog-proof@v1) of entry `seq`, in the log of its own epoch, from what is stored."""
        note = self.head(covering=seq + 1)
        with self.store.read() as connection:
            index = custody_log.place(connection, seq).index
            return build_proof(index, custody_log.prove(connection, seq, parse_note(note).size), note)

    def prove(self, seq: int) -> Proven:
        """A new entry with its proof, mostly from the edge in memory. Nothing of it may be given out
        before the head is durable (`keep_head` in the transaction of its use).

        Raises:
            HighWater: the database is behind the last signed head, or beside it.
            CustodyError: the entry as stored is not in the signed tree.
        """
        with self._head:
            head = self._signed if self._signed is not None and self._signed.covers(seq) else self._sign()
        if not head.covers(seq):
            head = self._of_old_epoch(seq)
        index = seq - head.epoch.first
        path = head.path(index)
        with self.store.read() as connection:
            leaf = custody_log.leaf(connection, seq)
            path = custody_log.prove(connection, seq, head.size) if path is None else path
        try:
            verify_inclusion(leaf_hash(leaf), index, head.size, path, head.root)
        except ProofInvalid as error:
            raise CustodyError("the entry as stored is not in the signed tree", place=f"custody_entry {seq}") from error
        return Proven(head.epoch.origin, index, leaf, build_proof(index, path, head.note), head)

    def _of_old_epoch(self, seq: int) -> SignedHead:
        note = parse_note(self.head(covering=seq + 1))
        with self.store.read() as connection:
            epoch = custody_log.epoch_of(connection, seq)
            edges = custody_log.edges_at(connection, note.size, epoch.number)
        return SignedHead(epoch, note.size, note.root, note.note, self.clock(), edges, kept=True)

    def keep_head(self, connection: Connection, head: SignedHead) -> None:
        """Store the head of a proof inside the caller's transaction."""
        sign_order.keep_in(connection, head)

    def origin_of(self, seq: int) -> str:
        """Name of the log (epoch) that holds entry `seq`."""
        with self.store.read() as connection:
            return custody_log.epoch_of(connection, seq).origin or self.origin

    def vkeys(self) -> list[str]:
        """Verifier keys of every epoch, newest first."""
        with self.store.read() as connection:
            kept = [epoch.vkey for epoch in reversed(custody_log.epochs(connection)) if epoch.vkey]
        return kept or [self.log_key.under(self.origin).vkey()]

    def begin_epoch(self, origin: str, *, key: LogKey | None = None, why: str = "") -> Epoch:
        """End the current log and begin the log `origin`, with another key if one is given.

        The old log gets its last head, signed with the key it began with; then the
        new one its first.

        Raises:
            CustodyError: the name is taken, or nothing is logged yet.
        """
        self.head()
        new = (key or self.log_key).under(origin)
        with self._head:
            now = self.clock()
            # Durable: the old log's end and the new one's first leaves, together.
            epoch = self.store.write(lambda c: sign_order.begin_epoch(c, origin=origin, vkey=new.vkey(), now=now, salts=new_salt, why=why))
            sign_order.sign_ended(self.store, self.log_key, self.high_water, now=now)
            self.log_key = new
        self.head()
        return epoch

    def turn_year(self) -> Epoch | None:
        """Begin the new year's log when the current one is named by an earlier year in
        Vietnam: ``…/2026`` goes on in ``…/2027``. None when there is nothing to do."""
        with self.store.read() as connection:
            origin = custody_log.current_epoch(connection).origin
        stem, _, name = origin.rpartition("/")
        year = self.clock().astimezone(VIETNAM).year
        begun = name[:4]
        if not stem or not begun.isdigit() or name[4:5] not in ("", "-") or int(begun) >= year:
            return None
        return self.begin_epoch(f"{stem}/{year}")

    def receipt(self, subject: Subject) -> bytes:
        """The stored receipt of `subject`, issued now if there is none yet."""
        with self.store.read() as connection:
            stored = envelopes.receipt(connection, subject.subject)
        if stored is not None:
            return stored
        proven = self.prove(subject.index)
        origin, index, leaf = proven.origin, proven.index, proven.leaf
        evidence = write_evidence(
            event_uri=subject.event.uri,
            identifier=f"urn:vanthu:{origin}:{index}",
            at=subject.at,
            issuer=origin,
            sender=subject.sender,
            recipient=subject.recipient,
            document_id=subject.document_id,
            package_sha256=subject.object_sha256,
            size=subject.size,
            leaf_sha256=leaf_hash(leaf).hex(),
            index=index,
            origin=origin,
            reasons=subject.reasons,
        )
        # No time-stamp here: an authority that is down must never hold up a message.
        seal = sign_seal(hashlib.sha256(evidence).digest(), self.seal_key)
        data = to_bytes(
            Receipt(
                envelope=subject.envelope,
                event=subject.event.uri,
                index=index,
                evidence=evidence,
                seal=seal,
                leaf=leaf,
                proof=proven.proof,
            )
        )

        def keep(connection: Connection) -> bytes:
            self.keep_head(connection, proven.head)
            return envelopes.save_receipt(connection, subject.subject, data)

        # Durable after this: the receipt and the head it proves against, together; only then is it given out.
        # A crash before costs both, and asking again signs that head or a later one. Two askers may get here
        # at once: the first insert wins and both answer with it.
        kept = self.store.write(keep)
        proven.head.kept = True
        return kept
