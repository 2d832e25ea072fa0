"""tombstones — bia mộ: what an agency's node was asked to give up or replace, and what is left of it.

A destroyed copy leaves its tombstone: what it was, digests, who wanted it destroyed, when and
why (REC-02, REC-03). The tombstone is written before the bytes go, and never deleted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, insert, select, update

from exchange.store.change_tables import notices as n
from exchange.store.change_tables import tombstones as t
from exchange.store.journal import Inbound
from exchange.store.tables import inbox, outbox

NO_ANSWER = "-"  # a notice that wants none


@dataclass(frozen=True, slots=True)
class Notice:
    """Something asked about a document received, or yet to come. `id` is the delivery of the package that
    asks, or status message 13; `carrier` the delivery that an answer is about, "" while it is not here;
    `answer` the status given, "" for none yet."""

    id: str
    change: str
    sender: str
    document_id: str
    code: str
    promulgation_date: str
    reason: str
    at: datetime
    answer: str
    carrier: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a destroyed copy. `files` is JSON of names and digests; `cause` the notice;
    `destroyed_at` None: decided, the bytes are still to go."""

    delivery: str
    envelope: str
    sender: str
    document_id: str
    code: str
    promulgation_date: str
    subject: str
    package_sha256: str
    size: int
    files: str
    change: str
    cause: str
    reason: str
    by: str
    decided_at: datetime
    destroyed_at: datetime | None = None


def put_notice(connection: Connection, row: Notice) -> bool:
    """Note what is asked; False for a repeat."""
    if connection.execute(select(n.c.id).where(n.c.id == row.id)).first() is not None:
        return False
    connection.execute(insert(n).values(asdict(row)))
    return True


def open_notices(connection: Connection) -> list[Notice]:
    """Notices that want an answer, oldest first."""
    return [Notice(**row._mapping) for row in connection.execute(select(*n.c).where(n.c.answer == "").order_by(n.c.at, n.c.id))]


def notices_about(connection: Connection, sender: str, document_id: str) -> list[Notice]:
    """Everything asked about a document, oldest first."""
    where = (n.c.sender == sender, n.c.document_id == document_id)
    return [Notice(**row._mapping) for row in connection.execute(select(*n.c).where(*where).order_by(n.c.at, n.c.id))]


def notice(connection: Connection, id: str) -> Notice | None:
    """One notice."""
    row = connection.execute(select(*n.c).where(n.c.id == id)).first()
    return Notice(**row._mapping) if row is not None else None


def settle_notice(connection: Connection, id: str, *, answer: str, carrier: str) -> None:
    """Note the answer."""
    connection.execute(update(n).where(n.c.id == id).values(answer=answer, carrier=carrier))


def copies_of(connection: Connection, sender: str, document_id: str, code: str, date: str) -> list[Inbound]:
    """Packages received that are the document, whichever version: by id, else by number and date."""
    same = (inbox.c.sender == sender, inbox.c.kind != 1)
    rows = connection.execute(select(*inbox.c).where(*same, inbox.c.document_id == document_id).order_by(inbox.c.received_at)).all()
    if not rows and code and date:
        rows = connection.execute(select(*inbox.c).where(*same, inbox.c.code == code, inbox.c.promulgation_date == date)).all()
    found = [Inbound(**row._mapping) for row in rows]
    # What updated the document is a version of it.
    ids = select(n.c.carrier).where(n.c.change == "update", n.c.sender == sender, n.c.document_id == document_id)
    later = connection.execute(select(*inbox.c).where(inbox.c.delivery.in_(ids)).order_by(inbox.c.received_at))
    return found + [Inbound(**row._mapping) for row in later if row.delivery not in {f.delivery for f in found}]


def supersede(connection: Connection, delivery: str, by: str) -> None:
    """A received document is replaced by another (bị thay thế bởi)."""
    connection.execute(update(inbox).where(inbox.c.delivery == delivery).values(superseded_by=by))


def bury(connection: Connection, row: Tombstone) -> bool:
    """Decide that a copy is to be destroyed; False when it was decided before."""
    if tombstone(connection, row.delivery) is not None:
        return False
    connection.execute(insert(t).values(asdict(row)))
    return True


def tombstone(connection: Connection, delivery: str) -> Tombstone | None:
    """The tombstone of a delivery."""
    row = connection.execute(select(*t.c).where(t.c.delivery == delivery)).first()
    return Tombstone(**row._mapping) if row is not None else None


def undestroyed(connection: Connection) -> list[Tombstone]:
    """Copies whose bytes are still to go."""
    return [Tombstone(**row._mapping) for row in connection.execute(select(*t.c).where(t.c.destroyed_at.is_(None)).order_by(t.c.decided_at, t.c.delivery))]


def all_tombstones(connection: Connection, limit: int) -> list[Tombstone]:
    """Tombstones, newest first."""
    return [Tombstone(**row._mapping) for row in connection.execute(select(*t.c).order_by(t.c.decided_at.desc(), t.c.delivery).limit(limit))]


def destroyed(connection: Connection, delivery: str, at: datetime) -> None:
    """The bytes of a copy are gone."""
    connection.execute(update(t).where(t.c.delivery == delivery, t.c.destroyed_at.is_(None)).values(destroyed_at=at))


def still_wanted(connection: Connection, package_sha256: str) -> bool:
    """Are these very bytes also a package of ours, or one received that is not to be destroyed?"""
    mine = select(outbox.c.document_id).where(outbox.c.package_sha256 == package_sha256).limit(1)
    kept = select(inbox.c.delivery).where(inbox.c.package_sha256 == package_sha256, ~exists().where(t.c.delivery == inbox.c.delivery)).limit(1)
    return connection.execute(mine).first() is not None or connection.execute(kept).first() is not None


def freeze(connection: Connection, document_id: str, by: str) -> None:
    """Mark what we sent under a document id as recalled by our package `by` (REC-03)."""
    connection.execute(update(outbox).where(outbox.c.document_id == document_id, outbox.c.kind != 1).values(frozen_by=by))
