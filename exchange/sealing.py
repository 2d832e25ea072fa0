"""sealing — niêm phong đầu sổ: hourly, and at the day's end, a head under the hub's X.509 seal with a time-stamp.

The sealed bytes are the whole signed note: the log's Ed25519 line, its ML-DSA-44 line and
the witnesses' cosignatures. Each time-stamp's digest becomes a log entry, so the next one
covers and thereby renews it (RFC 4998 4.2). An authority that is down is asked again for
the newest head only; nothing waits for it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection

from exchange import publishing
from exchange.asking import Round
from exchange.custody import Event, control
from exchange.office import Office
from exchange.publishing import Publisher
from exchange.store import custody_log, heads
from exchange.store.heads import SealedHead
from signing.checkpoint import parse_note
from signing.cosignature import CosignerKey, add_lines
from signing.errors import TimestampUnavailable
from signing.seal import sign_seal

VIETNAM = timezone(timedelta(hours=7))
CLAIM = timedelta(minutes=2)  # after this another process may take over what this one began
# The strictest authority known takes 20 requests in 20 minutes and then blocks for a day.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)


class Sealer:
    """Seals heads for one hub process; several processes share the slots through the database.

    Args:
        second: the log's ML-DSA-44 key, whatever its name; None signs with Ed25519 alone.
        worker: name of this process.
    """

    def __init__(self, publisher: Publisher, second: CosignerKey | None, *, worker: str) -> None:
        self.publisher, self.second, self.worker = publisher, second, worker
        self._failures = 0
        self._not_before: datetime | None = None

    @property
    def office(self) -> Office:
        """The hub's parts."""
        return self.publisher.office

    def due(self) -> str | None:
        """The slot that wants a seal now, None when there is nothing to do.

        A slot is an hour of Vietnamese time; that of 00 h closes the day before. An hour in
        which nothing came but entries about heads is left out, a day is not: the last stamp is renewed.
        """
        now = self.office.clock()
        if self._not_before is not None and now < self._not_before:
            return None
        local = now.astimezone(VIETNAM)
        slot = f"{local:%Y-%m-%dT%H}+07"
        with self.office.store.read() as connection:
            epoch = custody_log.current_epoch(connection)
            size, _ = custody_log.head(connection)
            last = heads.latest_sealed(connection, epoch.number)
            unstamped = last is not None and last.stamped_at is None and self.office.timestamp is not None
            if heads.slot_done(connection, slot):
                # One sealed by hand while no authority answered is not left until the next hour.
                return last.slot if last is not None and unstamped and not heads.slot_done(connection, last.slot) else None
            if size == 0:
                return None
            if last is not None and not unstamped:
                fresh = size > last.size if local.hour == 0 else heads.anything_since(connection, epoch.first + last.size)
                return slot if fresh else None
        return slot

    def begin(self, slot: str) -> Round | None:
        """The newest head with the log's ML-DSA-44 line, for the witnesses; None when another process has the slot."""
        now = self.office.clock()
        if not self.office.store.write(lambda c: heads.claim_slot(c, slot, self.worker, now, now + CLAIM)):
            return None
        head = parse_note(self.office.head())
        with self.office.store.read() as connection:
            epoch = publishing.epoch_number(self.office, connection, head.origin)
            published = heads.latest_published(connection, epoch)
        note = published.note if published is not None and published.size == head.size else head.note
        if self.second is not None:
            note = add_lines(note, [self.second.under(head.origin).cosign(parse_note(note), at=now)])
        return Round(epoch, parse_note(note), now, sealing=True)

    def finish(self, slot: str, round_: Round) -> SealedHead | None:
        """Stamp, seal and store; None when no authority answered and the slot has an unstamped seal already."""
        note, now = round_.note(), self.office.clock()
        digest = hashlib.sha256(note.encode()).digest()
        token, seal = self._stamped(digest)
        if token is None and self.office.timestamp is not None:
            self._pause(now)
            with self.office.store.read() as connection:
                if heads.of_slot(connection, slot):
                    return None
        else:
            self._failures, self._not_before = 0, None
        head = SealedHead(round_.epoch, round_.head.size, slot, note, seal, token, now, now if token is not None else None)
        done = token is not None or self.office.timestamp is None

        def job(connection: Connection) -> None:
            heads.save_sealed(connection, head)
            if token is not None:
                data = (("origin", round_.head.origin), ("size", round_.head.size), ("root", round_.head.root.hex()))
                entry = control(Event.LOG_STAMP, now, data=data, object_sha256=hashlib.sha256(token).hexdigest(), object_type="rfc3161")
                self.office.append(connection, [entry])
            if done:
                heads.finish_slot(connection, slot)
                heads.prune(connection, now)

        # Durable: seal, stamp and the entry that names the stamp, or none of them; then the slot is tried again.
        self.office.store.write(job)
        return head

    def _stamped(self, digest: bytes) -> tuple[bytes | None, bytes]:
        """(token, CAdES-T seal), or (None, CAdES-B seal) while no authority answers."""
        if self.office.timestamp is not None:
            try:
                token = self.office.timestamp(digest)
                return token, sign_seal(digest, self.office.seal_key, timestamp=self.office.timestamp)
            except TimestampUnavailable:
                return None, sign_seal(digest, self.office.seal_key)
        return None, sign_seal(digest, self.office.seal_key)

    def _pause(self, now: datetime) -> None:
        self._not_before = now + min(FIRST_PAUSE * 2 ** min(self._failures, 10), LONGEST_PAUSE)
        self._failures += 1
