"""changes — đổi thay: recalls, take-backs, updates and replacements with their answers; who has what in hand; threads.

The rows that say what was recalled, for whom, why and how it was answered are never deleted (REC-03).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from exchange.delivery import Delivery, State
from exchange.store import queue
from exchange.store.change_tables import change_effects as ce
from exchange.store.change_tables import handouts as h
from exchange.store.change_tables import thread_links as t
from exchange.store.envelopes import EnvelopeRow
from exchange.store.tables import deliveries as d
from exchange.store.tables import envelopes as e
from exchange.store.tables import parked_statuses as p


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What one change did to one delivery. `cause` is the envelope of the change, or status message 13;
    `carrier` the delivery by which the recipient learns of it; `answer` the status that answered, "" for none."""

    cause: str
    delivery: str
    change: str
    effect: str
    target: str
    recipient: str
    carrier: str
    reason: str
    at: datetime
    answer: str = ""
    answer_status: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One ResponseFor of a document. `relation` is a `succession.Relation`."""

    envelope: str
    position: int
    relation: str
    organ: str
    document_id: str
    code: str
    promulgation_date: str


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A status message that waits for its document; `id` is the id it will have."""

    id: str
    agency: str
    sha256: str
    seal_sha256: str
    document_id: str
    at: datetime


def put_effect(connection: Connection, row: EffectRow) -> None:
    """Record what a change did to a delivery."""
    connection.execute(insert(ce).values(asdict(row)))


def effects_about(connection: Connection, envelope: str) -> list[EffectRow]:
    """What was done to, or by, an envelope, in order."""
    return _effects(connection, or_(ce.c.target == envelope, ce.c.cause == envelope))


def effects_on(connection: Connection, deliveries: Sequence[str]) -> list[EffectRow]:
    """What was done to these deliveries, in order."""
    return _effects(connection, ce.c.delivery.in_(list(deliveries)))


def effects_carried(connection: Connection, carrier: str) -> list[EffectRow]:
    """What a recipient learns by a delivery."""
    return _effects(connection, ce.c.carrier == carrier)


def _effects(connection: Connection, where: ColumnElement[bool]) -> list[EffectRow]:
    rows = connection.execute(select(*ce.c).where(where).order_by(ce.c.at, ce.c.recipient, ce.c.delivery))
    return [EffectRow(**row._mapping) for row in rows]


def answer(connection: Connection, row: EffectRow, *, code: str, status: str, at: datetime) -> None:
    """Note how the recipient answered."""
    where = (ce.c.cause == row.cause, ce.c.delivery == row.delivery)
    connection.execute(update(ce).where(*where).values(answer=code, answer_status=status, answered_at=at))


def updates_of(connection: Connection, envelope: str) -> list[str]:
    """Envelopes that updated an envelope."""
    where = (ce.c.target == envelope, ce.c.change == "update", ce.c.cause != envelope)
    return list(connection.execute(select(ce.c.cause).where(*where).distinct()).scalars())


def hand_out(connection: Connection, delivery: str, at: datetime) -> None:
    """Note that the recipient is being given the bytes of a delivery."""
    if not handed_out(connection, delivery):
        connection.execute(insert(h).values(delivery=delivery, at=at))


def handed_out(connection: Connection, delivery: str) -> bool:
    """Was the recipient given the bytes of a delivery by the mailbox?"""
    return connection.execute(select(h.c.delivery).where(h.c.delivery == delivery)).first() is not None


def sent_as(connection: Connection, sender: str, document_id: str) -> list[EnvelopeRow]:
    """Every envelope of a sender under a document id, oldest first."""
    statement = select(*e.c).where(e.c.sender == sender, e.c.document_id == document_id).order_by(e.c.accepted_at, e.c.id)
    return [EnvelopeRow(**row._mapping) for row in connection.execute(statement)]


def sent_with_number(connection: Connection, sender: str, code: str, date: str) -> list[EnvelopeRow]:
    """Every envelope of a sender with this number and notation and date of promulgation (ISO), oldest first."""
    where = (e.c.sender == sender, e.c.code == code, e.c.promulgation_date == date)
    return [EnvelopeRow(**row._mapping) for row in connection.execute(select(*e.c).where(*where).order_by(e.c.accepted_at, e.c.id))]


def deliveries_of(connection: Connection, envelope_ids: Sequence[str]) -> list[Delivery]:
    """Deliveries of several envelopes, in their order."""
    return [delivery for envelope in envelope_ids for delivery in queue.of_envelope(connection, envelope)]


def any_left(connection: Connection, envelope: str) -> bool:
    """Is there a delivery of an envelope that was neither recalled nor refused nor taken back?"""
    where = (d.c.envelope == envelope, d.c.state != State.RECALLED.value, d.c.status.not_in(("02", "15")))
    return connection.execute(select(d.c.id).where(*where).limit(1)).first() is not None


def put_link(connection: Connection, row: LinkRow) -> None:
    """Record which document an envelope refers to."""
    connection.execute(insert(t).values(asdict(row)))


def links_of(connection: Connection, envelope: str) -> list[LinkRow]:
    """The documents that an envelope refers to."""
    return [LinkRow(**row._mapping) for row in connection.execute(select(*t.c).where(t.c.envelope == envelope).order_by(t.c.position))]


def links_to(connection: Connection, row: EnvelopeRow) -> list[LinkRow]:
    """References to an envelope: by document id, or by number and date where the reference gives no id."""
    dated = or_(t.c.promulgation_date == row.promulgation_date, t.c.promulgation_date == "")
    by_number = and_(t.c.document_id == "", t.c.code == row.code, t.c.code != "", dated)
    where = (t.c.organ == row.sender, or_(t.c.document_id == row.document_id, by_number))
    rows = connection.execute(select(*t.c).join(e, e.c.id == t.c.envelope).where(*where).order_by(e.c.accepted_at, t.c.envelope, t.c.position))
    return [LinkRow(**row._mapping) for row in rows]


def referred(connection: Connection, link: LinkRow) -> EnvelopeRow | None:
    """The envelope that a reference means, None when it is not known here."""
    if link.document_id:
        found = sent_as(connection, link.organ, link.document_id)
    else:
        found = sent_with_number(connection, link.organ, link.code, link.promulgation_date) if link.code and link.promulgation_date else []
    return found[0] if found else None


def park(connection: Connection, row: ParkedRow) -> str:
    """Keep a status that overtook its document; the id of the one kept (a repeat keeps the first)."""
    known = connection.execute(select(p.c.id).where(p.c.agency == row.agency, p.c.sha256 == row.sha256)).scalar()
    if known is not None:
        return str(known)
    connection.execute(insert(p).values(asdict(row)))
    return row.id


def parked(connection: Connection, document_id: str) -> list[ParkedRow]:
    """Statuses that wait for a document, oldest first."""
    rows = connection.execute(select(*p.c).where(p.c.document_id == document_id).order_by(p.c.at, p.c.id))
    return [ParkedRow(**row._mapping) for row in rows]


def unpark(connection: Connection, row: ParkedRow) -> None:
    """The status has found its document and is entered."""
    connection.execute(delete(p).where(p.c.agency == row.agency, p.c.sha256 == row.sha256))


