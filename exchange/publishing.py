"""publishing — công bố đầu sổ: signed heads go to the witnesses, and out to the world with their cosignatures.

Synchronous: what to ask of whom, what an answer is worth, what is published. The asking
itself is in `cosigning`. A witness is trusted for nothing but its own key; its answer is
checked before a line of it is kept. Nothing here is in the way of a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from exchange import log_keys
from exchange.asking import Round, Seat, request_body, seats_of
from exchange.attendance import Attendance
from exchange.custody import Event, control
from exchange.errors import NotFound, NotPublished
from exchange.office import Office
from exchange.store import custody_log, heads
from exchange.store.heads import LogState, PublishedHead, SealedHead, WitnessState
from signing.checkpoint import Checkpoint, build_proof, parse_note
from signing.cosignature import CosignerVkey, Kind, verify_cosignatures
from signing.errors import CheckpointInvalid
from signing.witness_policy import WitnessPolicy

SIZE = "text/x.tlog.size"
MOST_LINES = 16
LARGEST_ANSWER = 64 * 1024
LONGEST_PAUSE = timedelta(seconds=30)
MOST_SKEW = timedelta(minutes=10)
TICK = timedelta(minutes=1)


class Publisher:
    """Collects cosignatures for one hub process. Thread-safe as it is used: one round of
    publishing and one of sealing at a time, each seat asked once in a round.

    Args:
        policy: whose cosignatures make a head published; None publishes what the log signed.
    """

    def __init__(self, office: Office, policy: WitnessPolicy | None) -> None:
        self.office, self.policy, self.attendance = office, policy, Attendance(office, policy)
        self.seats = seats_of(policy) if policy is not None else ()
        self._sizes: dict[tuple[int, str], int] = {}
        self._states: dict[str, WitnessState] = {}
        self._known: set[int] = set()
        self._tick_at = office.clock() + TICK

    def begin(self) -> Round | None:
        """A round over the newest head, None when it is published and nobody is left to ask.

        Raises:
            HighWater: the database is older than the last signed head.
        """
        if self.attendance.enrol():
            log_keys.certify(self.office)
        newest = parse_note(self.office.head())
        with self.office.store.read() as connection:
            both = custody_log.epochs(connection)[-2:]
            number = epoch_number(self.office, connection, newest.origin)
        if len(both) == 2 and (last := self._begin(both[0].number, parse_note(self.office.head(covering=both[1].first)))) is not None:
            return last  # what was left of the old epoch comes first
        return self._begin(number, newest)

    def _begin(self, epoch: int, head: Checkpoint) -> Round | None:
        with self.office.store.read() as connection:
            self._know(connection, epoch)
            latest = heads.latest_published(connection, epoch)
        if latest is None or latest.size < head.size:
            return Round(epoch, head, self.office.clock())
        # The note as it was published: what it has is kept, what it lacks is asked for.
        round_ = Round(epoch, parse_note(latest.note), self.office.clock(), again=True, published=latest.witnessed)
        return round_ if self.due(round_) else None

    def due(self, round_: Round) -> list[Seat]:
        """Whom to ask: those whose cosignature the head lacks, and who are not resting after failures."""
        have = {c.vkey for c in verify_cosignatures(round_.head.note, [k for seat in self.seats for k in seat.keys])}
        return [s for s in self.seats if {k.vkey for k in self._wanted(s, round_)} - have and not self._resting(s, round_.started)]

    def request(self, seat: Seat, round_: Round) -> bytes:
        """The add-checkpoint request to `seat`, from the size that it last cosigned."""
        old = self._sizes.get((round_.epoch, seat.url), 0)
        old = old if old <= round_.head.size else 0
        proof: Sequence[bytes] = ()
        if 0 < old < round_.head.size:
            with self.office.store.read() as connection:
                proof = custody_log.consistency(connection, old, round_.head.size, round_.epoch)
        return request_body(old, proof, round_.head.note)

    def take(self, seat: Seat, round_: Round, status: int, kind: str, body: bytes) -> bool:
        """Take an answer; True when the seat should be asked again at once (it named its size)."""
        if status == 200:
            try:
                lines = self._lines(seat, round_, body)
            except (CheckpointInvalid, UnicodeDecodeError) as error:
                self.failed(seat, round_, f"answer of no use: {error}")
                return False
            round_.lines |= lines
            self._sizes[round_.epoch, seat.url] = round_.head.size
            self._note(seat, round_, WitnessState(seat.names[0], round_.head.size, self.office.clock(), round_.started))
            return False
        text = body[:200].decode(errors="replace").strip()
        if status == 409 and kind == SIZE and text.isascii() and text.isdigit():
            before, size = self._sizes.get((round_.epoch, seat.url), 0), int(text)
            self._sizes[round_.epoch, seat.url] = size
            if size <= round_.head.size and size != before:
                return True
            if size > round_.head.size:
                # Ours is behind what it saw: a newer head of this hub came first, or this database is old.
                self.failed(seat, round_, f"ahead: {size}, asked for {round_.head.size}")
                return False
        self.failed(seat, round_, f"HTTP {status}: {text}")
        return False

    def failed(self, seat: Seat, round_: Round, why: str) -> None:
        """The seat gave no cosignature."""
        last = self._states.get(seat.names[0], WitnessState(seat.names[0]))
        self._note(seat, round_, replace(last, asked_at=round_.started, failures=last.failures + 1, last_error=why[:300]))

    def satisfied(self, round_: Round) -> bool:
        """Do the cosignatures satisfy the policy?"""
        return self.policy is None or self.policy.judge(round_.note()).satisfied

    def publish(self, round_: Round) -> PublishedHead:
        """Store what the round has so far; again for what came later."""
        lines = round_.collected()  # what this note has; answers still come in from other threads
        note, now = round_.note(lines), self.office.clock()
        head = PublishedHead(round_.epoch, round_.head.size, round_.head.root, note, now, self.policy is None or self.policy.judge(note).satisfied)
        missing = () if head.witnessed or self.policy is None else self.policy.judge(head.note).missing
        states = []
        while round_.states:
            states.append(round_.states.popitem()[1])

        def job(connection: Connection) -> None:
            heads.publish(connection, head)
            heads.save_states(connection, round_.epoch, states)
            self.attendance.enter(connection, states, satisfied=head.witnessed, missing=missing)
            if head.witnessed:
                self._tick(connection, head)

        # Durable: the published head. A crash before this asks the witnesses again.
        self.office.store.write(job)
        round_.published, round_.stored = True, len(lines)
        return head

    def _tick(self, connection: Connection, head: PublishedHead) -> None:
        """Once a minute while something goes on: the digest of this head as an entry, so that
        what follows is known to be later than its witnesses' clocks say (custody.md 10.7)."""
        now = self.office.clock()
        if now < self._tick_at:
            return
        self._tick_at = now + TICK
        last = custody_log.control_entries(connection, Event.LOG_TICK, newest=1)
        if last and (last[0].at > now - TICK or not heads.anything_since(connection, last[0].seq)):
            return
        data = (("size", head.size), ("root", head.root.hex()))
        digest = hashlib.sha256(head.note.encode()).hexdigest()
        self.office.append(connection, [control(Event.LOG_TICK, now, data=data, object_sha256=digest, object_type="checkpoint")])

    def _lines(self, seat: Seat, round_: Round, body: bytes) -> dict[str, str]:
        """Lines of the seat's keys that hold over the head; lines of other keys are left out."""
        lines = body.decode().splitlines(keepends=True)
        if len(body) > LARGEST_ANSWER or len(lines) > MOST_LINES:
            raise CheckpointInvalid("answer too long")
        found: dict[str, str] = {}
        have = {c.vkey for c in verify_cosignatures(round_.head.note, seat.keys)}
        wanted = {key.vkey for key in self._wanted(seat, round_)}
        bare = round_.head.note.partition("\n\n")[0] + "\n\n"
        for line in lines:
            for cosignature in verify_cosignatures(bare + line, seat.keys):
                if abs(cosignature.at - self.office.clock()) > MOST_SKEW:
                    raise CheckpointInvalid(f"its clock says {cosignature.at.isoformat()}")
                if cosignature.vkey not in have and cosignature.vkey in wanted:
                    found.setdefault(cosignature.vkey, line)
        if not found and not have:
            raise CheckpointInvalid("no cosignature of a known key")
        return found

    def _wanted(self, seat: Seat, round_: Round) -> list[CosignerVkey]:
        # ML-DSA-44 lines are 3.3 KB each: on every head only where the quorum counts them.
        counted = {w.key.vkey for w in self.policy.counted()} if self.policy is not None else set()
        return [k for k in seat.keys if round_.sealing or k.kind is Kind.ED25519 or k.vkey in counted]

    def _note(self, seat: Seat, round_: Round, state: WitnessState) -> None:
        for name in seat.names:
            self._states[name] = round_.states[name] = replace(state, name=name)

    def _resting(self, seat: Seat, now: datetime) -> bool:
        state = self._states.get(seat.names[0])
        if state is None or state.failures == 0 or state.asked_at is None:
            return False
        return now < state.asked_at + min(timedelta(seconds=2 ** min(state.failures - 1, 10)), LONGEST_PAUSE)

    def _know(self, connection: Connection, epoch: int) -> None:
        if epoch in self._known:
            return
        self._known.add(epoch)
        kept = {state.name: replace(state, failures=0) for state in heads.witness_states(connection, epoch)}
        self._states |= kept
        self._sizes |= {(epoch, s.url): kept[s.names[0]].size for s in self.seats if s.names[0] in kept}


def epoch_number(office: Office, connection: Connection, origin: str) -> int:
    """Number of the epoch whose log is called `origin` ("": the present one).

    Raises:
        NotFound: no such log.
    """
    epochs = custody_log.epochs(connection)
    found = [e.number for e in epochs if not origin or (e.origin or office.origin) == origin]
    if not found:
        raise NotFound(origin[:100], place="origin")
    return found[-1]


def epoch_called(office: Office, name: str) -> int:
    """Number of the epoch whose origin ends in ``/name``.

    Raises:
        NotFound: no such log.
    """
    with office.store.read() as connection:
        found = [e.number for e in custody_log.epochs(connection) if (e.origin or office.origin).rpartition("/")[2] == name]
    if not found:
        raise NotFound(name[:60], place="epoch")
    return found[-1]


def tile(office: Office, level: int, index: int, width: int, epoch: int | None = None) -> bytes:
    """Hashes of a tile (tlog-tiles), 32 bytes each.

    Raises:
        CustodyError: the log has no such tile.
    """
    with office.store.read() as connection:
        return custody_log.tile(connection, level, index, width, epoch)


def entry_bundle(office: Office, index: int, width: int, epoch: int | None = None) -> bytes:
    """Entries below a tile of level 0 (tlog-tiles), each after its length in two bytes.

    Raises:
        CustodyError: the log has no such entries.
    """
    with office.store.read() as connection:
        return custody_log.entry_bundle(connection, index, width, epoch)


def checkpoint(office: Office, epoch: int | None = None) -> str:
    """The newest published head, else the newest signed one."""
    with office.store.read() as connection:
        number = custody_log.current_epoch(connection).number if epoch is None else epoch
        published = heads.latest_published(connection, number)
        signed = custody_log.latest_checkpoint(connection, number)
    if published is not None:
        return published.note
    return signed.note if signed is not None else office.head()


def witnessed_proof(office: Office, index: int, origin: str = "") -> str:
    """Offline proof (c2sp.org/tlog-proof@v1) of tree index `index` of the log `origin` ("": the
    present one) in the smallest head over it that satisfied the hub's policy.

    Raises:
        NotFound: no such log or entry. NotPublished: no such head yet; ask again.
    """
    with office.store.read() as connection:
        number = epoch_number(office, connection, origin)
        if not 0 <= index < custody_log.head(connection, number)[0]:
            raise NotFound(f"{origin} {index}", place="index")
        head = heads.published_covering(connection, number, index)
        if head is None:
            raise NotPublished(str(index), place="index")
        return build_proof(index, custody_log.tree(connection, head.size, number).inclusion(index), head.note)


def missing_witnesses(office: Office, policy: WitnessPolicy) -> list[WitnessState]:
    """Witnesses of the quorum whose cosignature the newest published head lacks, with what is known of each."""
    with office.store.read() as connection:
        epoch = custody_log.current_epoch(connection).number
        head = heads.latest_published(connection, epoch)
        states = {state.name: state for state in heads.witness_states(connection, epoch)}
    missing = policy.judge(head.note).missing if head is not None else tuple(w.name for w in policy.counted())
    return [states.get(name, WitnessState(name)) for name in missing]


def state_of(office: Office, seq: int) -> LogState:
    """How far entry `seq` has come."""
    with office.store.read() as connection:
        if seq >= custody_log.size(connection):
            return LogState.COMMITTED
        place = custody_log.place(connection, seq)
        return heads.state_of(connection, place.epoch.number, place.index, place.index + 1)


def sealed_heads(office: Office, epoch: int | None = None) -> list[SealedHead]:
    """Sealed heads, newest first."""
    with office.store.read() as connection:
        return heads.all_sealed(connection, custody_log.current_epoch(connection).number if epoch is None else epoch)


def sealed_head(office: Office, size: int, epoch: int | None = None) -> SealedHead:
    """One sealed head.

    Raises:
        NotFound: no head over `size` entries was sealed.
    """
    with office.store.read() as connection:
        number = custody_log.current_epoch(connection).number if epoch is None else epoch
        found = heads.sealed(connection, number, size)
    if found is None:
        raise NotFound(str(size), place="sealed")
    return found


def log_state(office: Office, policy: WitnessPolicy | None) -> dict[str, Any]:
    """For people and monitors: sizes signed, published, sealed, stamped; and every witness with what it last did."""
    with office.store.read() as connection:
        epoch = custody_log.current_epoch(connection)
        signed = custody_log.latest_checkpoint(connection, epoch.number)
        published = heads.latest_published(connection, epoch.number)
        witnessed = heads.latest_published(connection, epoch.number, witnessed=True)
        last, stamped = heads.latest_sealed(connection, epoch.number), heads.latest_sealed(connection, epoch.number, stamped=True)
        states = {state.name: state for state in heads.witness_states(connection, epoch.number)}
        entries = custody_log.size(connection) - epoch.first
    found = policy.judge(published.note) if policy is not None and published is not None else None
    counted = policy.counted() if policy is not None else ()
    return {
        "origin": epoch.origin or office.origin,
        "entries": entries,
        "signed": signed.size if signed is not None else 0,
        "published": published.size if published is not None else 0,
        "witnessed": witnessed.size if witnessed is not None and policy is not None else None,
        "sealed": last.size if last is not None else 0,
        "stamped": stamped.size if stamped is not None else 0,
        "stamped_at": stamped.stamped_at.isoformat() if stamped is not None and stamped.stamped_at is not None else None,
        "witnesses": [_witness(w.name, found is not None and w.name in found.present, states.get(w.name)) for w in counted],
        "missing": list(found.missing) if found is not None else [w.name for w in counted],
        "quorum": found.satisfied if found is not None else not counted,
    }


def _witness(name: str, present: bool, state: WitnessState | None) -> dict[str, Any]:
    state = state or WitnessState(name)
    return {
        "name": name,
        "present": present,
        "size": state.size,
        "cosigned_at": state.cosigned_at.isoformat() if state.cosigned_at is not None else None,
        "failures": state.failures,
        "last_error": state.last_error,
    }
