"""heads — đầu sổ đã công bố: heads with their cosignatures, sealed heads, and how each witness answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from exchange.custody import Event
from exchange.store.head_tables import published_head as p
from exchange.store.head_tables import seal_slot as t
from exchange.store.head_tables import sealed_head as s
from exchange.store.head_tables import witness_state as w
from exchange.store.tables import custody_entry as e

KEPT = timedelta(days=90)  # published heads; any entry can be proven to any later head, sealed ones stay for ever


class LogState(StrEnum):
    """How far an entry has come (custody.md 10.4)."""

    COMMITTED = "committed"
    SEQUENCED = "sequenced"
    PUBLISHED = "published"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """A head given to the world. `witnessed`: it satisfied the hub's policy (always, without one)."""

    epoch: int
    size: int
    root: bytes
    note: str
    at: datetime
    witnessed: bool


@dataclass(frozen=True, slots=True)
class SealedHead:
    """A head under the hub's X.509 seal. `note` is what was sealed and stamped, byte for byte;
    `token` an RFC 3161 time-stamp over it, None while no authority answered."""

    epoch: int
    size: int
    slot: str
    note: str
    seal: bytes
    token: bytes | None
    sealed_at: datetime
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How a witness answers. `size` is what it last cosigned; `failures` in a row since then."""

    name: str
    size: int = 0
    cosigned_at: datetime | None = None
    asked_at: datetime | None = None
    failures: int = 0
    last_error: str = ""


def publish(connection: Connection, head: PublishedHead) -> None:
    """Keep a published head; one of the same size gets the note with more cosignatures."""
    where = (p.c.epoch == head.epoch, p.c.size == head.size)
    old = connection.execute(select(p.c.note, p.c.witnessed).where(*where)).first()
    if old is None:
        connection.execute(insert(p).values(**asdict(head)))
    elif old.note.count("\n") < head.note.count("\n") or (head.witnessed and not old.witnessed):
        connection.execute(update(p).where(*where).values(note=head.note, witnessed=head.witnessed or old.witnessed))


def latest_published(connection: Connection, epoch: int, *, witnessed: bool = False) -> PublishedHead | None:
    """The newest published head of an epoch; with `witnessed` the newest that satisfied the policy."""
    statement = select(p).where(p.c.epoch == epoch)
    if witnessed:
        statement = statement.where(p.c.witnessed.is_(True))
    row = connection.execute(statement.order_by(p.c.size.desc()).limit(1)).first()
    return None if row is None else PublishedHead(**row._mapping)


def published_covering(connection: Connection, epoch: int, index: int) -> PublishedHead | None:
    """The smallest kept head that satisfied the policy and covers tree index `index`."""
    statement = select(p).where(p.c.epoch == epoch, p.c.witnessed.is_(True), p.c.size > index).order_by(p.c.size).limit(1)
    row = connection.execute(statement).first()
    return None if row is None else PublishedHead(**row._mapping)


def prune(connection: Connection, now: datetime) -> int:
    """Forget published heads older than 90 days that are not sealed, but never the newest; how many."""
    newest = select(func.max(p.c.size)).where(p.c.witnessed.is_(True)).scalar_subquery()
    sealed = exists().where(s.c.epoch == p.c.epoch, s.c.size == p.c.size)
    return connection.execute(delete(p).where(p.c.at < now - KEPT, ~sealed, p.c.size != newest)).rowcount


def save_sealed(connection: Connection, head: SealedHead) -> None:
    """Keep a sealed head; one of the same size is replaced only when it had no time-stamp and this one has."""
    where = (s.c.epoch == head.epoch, s.c.size == head.size)
    old = connection.execute(select(s.c.stamped_at).where(*where)).first()
    if old is not None:
        if old.stamped_at is not None or head.stamped_at is None:
            return
        connection.execute(delete(s).where(*where))
    connection.execute(insert(s).values(**asdict(head)))


def sealed(connection: Connection, epoch: int, size: int) -> SealedHead | None:
    """The sealed head over `size` entries."""
    row = connection.execute(select(s).where(s.c.epoch == epoch, s.c.size == size)).first()
    return None if row is None else SealedHead(**row._mapping)


def latest_sealed(connection: Connection, epoch: int, *, stamped: bool = False) -> SealedHead | None:
    """The newest sealed head of an epoch; with `stamped` the newest that has a time-stamp."""
    statement = select(s).where(s.c.epoch == epoch)
    if stamped:
        statement = statement.where(s.c.stamped_at.is_not(None))
    row = connection.execute(statement.order_by(s.c.size.desc()).limit(1)).first()
    return None if row is None else SealedHead(**row._mapping)


def sealed_covering(connection: Connection, epoch: int, index: int) -> SealedHead | None:
    """The smallest sealed and stamped head over tree index `index`; else the smallest sealed one."""
    statement = select(s).where(s.c.epoch == epoch, s.c.size > index).order_by(s.c.stamped_at.is_(None), s.c.size).limit(1)
    row = connection.execute(statement).first()
    return None if row is None else SealedHead(**row._mapping)


def all_sealed(connection: Connection, epoch: int, *, limit: int = 1000) -> list[SealedHead]:
    """Sealed heads of an epoch, newest first."""
    return [SealedHead(**row._mapping) for row in connection.execute(select(s).where(s.c.epoch == epoch).order_by(s.c.size.desc()).limit(limit))]


def of_slot(connection: Connection, slot: str) -> bool:
    """Is there a sealed head, stamped or not, of this slot?"""
    return connection.execute(select(s.c.size).where(s.c.slot == slot)).first() is not None


def slot_done(connection: Connection, slot: str) -> bool:
    """Was everything done that the slot asks for?"""
    return connection.execute(select(t.c.slot).where(t.c.slot == slot, t.c.done.is_(True))).first() is not None


def claim_slot(connection: Connection, slot: str, worker: str, now: datetime, until: datetime) -> bool:
    """Take the slot for this process, so that several do not all ask the authority; False when another has it."""
    row = connection.execute(select(t).where(t.c.slot == slot)).first()
    if row is None:
        connection.execute(insert(t).values(slot=slot, worker=worker, until=until, done=False))
        return True
    if row.done or (row.worker != worker and row.until > now):
        return False
    connection.execute(update(t).where(t.c.slot == slot).values(worker=worker, until=until))
    return True


def finish_slot(connection: Connection, slot: str) -> None:
    """The slot has what it asks for."""
    connection.execute(update(t).where(t.c.slot == slot).values(done=True))


def save_states(connection: Connection, epoch: int, states: Iterable[WitnessState]) -> None:
    """Keep how witnesses answered last."""
    for state in states:
        connection.execute(delete(w).where(w.c.epoch == epoch, w.c.name == state.name))
        connection.execute(insert(w).values(epoch=epoch, **asdict(state)))


def witness_states(connection: Connection, epoch: int) -> list[WitnessState]:
    """How witnesses answered last, by name."""
    columns = [c for c in w.c if c.name != "epoch"]
    return [WitnessState(**row._mapping) for row in connection.execute(select(*columns).where(w.c.epoch == epoch).order_by(w.c.name))]


def anything_since(connection: Connection, seq: int) -> bool:
    """Did anything come at or after running number `seq` but what publishing and sealing write themselves?"""
    own = [Event.LOG_TICK.value, Event.LOG_STAMP.value, Event.LOG_WITNESS.value]
    statement = select(e.c.seq).where(e.c.seq >= seq, e.c.event.not_in(own)).limit(1)
    return connection.execute(statement).first() is not None


def state_of(connection: Connection, epoch: int, index: int, size: int) -> LogState:
    """How far the entry at tree `index` of an epoch of `size` entries has come."""
    if index >= size:
        return LogState.COMMITTED
    sealed_here = latest_sealed(connection, epoch)
    if sealed_here is not None and sealed_here.size > index:
        return LogState.SEALED
    published = latest_published(connection, epoch, witnessed=True)
    if published is not None and published.size > index:
        return LogState.PUBLISHED
    return LogState.SEQUENCED
