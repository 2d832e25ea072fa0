"""journal_review — đối chiếu sổ của nút: the node's journal as a reconciliation needs to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, insert, select, union

from exchange.store.change_tables import sent_beside, take_backs
from exchange.store.tables import inbox, incoming_statuses, outbox, outgoing_statuses

Sent = tuple[str, str, str, bytes]
"""(document id, envelope or delivery, digest of what was sealed and sent, receipt)."""


def put_beside(connection: Connection, sha256: str, document_id: str, envelope: str, receipt: bytes, at: datetime) -> None:
    """Enter what was sent beside the node, with its receipt; a repeat keeps the first."""
    b = sent_beside
    if connection.execute(select(b.c.sha256).where(b.c.sha256 == sha256)).first() is None:
        connection.execute(insert(b).values(sha256=sha256, document_id=document_id, envelope=envelope, receipt=receipt, created_at=at))


def sent_beside_since(connection: Connection, since: datetime) -> Iterator[Sent]:
    """What was sent beside the node since a moment."""
    b = sent_beside
    statement = select(b.c.document_id, b.c.envelope, b.c.sha256, b.c.receipt).where(b.c.created_at >= since)
    for row in connection.execution_options(yield_per=500).execute(statement):
        yield row.document_id, row.envelope, row.sha256, row.receipt


def packages_sent(connection: Connection, since: datetime) -> Iterator[Sent]:
    """Packages entered since a moment for which a receipt is here."""
    o = outbox
    statement = select(o.c.document_id, o.c.envelope, o.c.package_sha256, o.c.receipt).where(o.c.created_at >= since, o.c.receipt.is_not(None))
    for row in connection.execution_options(yield_per=500).execute(statement):
        yield row.document_id, row.envelope, row.package_sha256, row.receipt


def statuses_sent(connection: Connection, since: datetime) -> Iterator[Sent]:
    """Status messages sealed since a moment for which a receipt is here."""
    o = outgoing_statuses
    statement = select(inbox.c.document_id, o.c.delivery, o.c.sha256, o.c.receipt).join(inbox, inbox.c.delivery == o.c.delivery)
    for row in connection.execution_options(yield_per=500).execute(statement.where(o.c.created_at >= since, o.c.receipt.is_not(None))):
        yield row.document_id, row.delivery, row.sha256, row.receipt


def take_backs_sent(connection: Connection, since: datetime) -> Iterator[Sent]:
    """Take-backs sealed since a moment for which a receipt is here."""
    t = take_backs
    statement = select(t.c.document_id, t.c.id, t.c.sha256, t.c.receipt).where(t.c.created_at >= since, t.c.receipt.is_not(None))
    for row in connection.execution_options(yield_per=500).execute(statement):
        yield row.document_id, row.id, row.sha256, row.receipt


def package_digests(connection: Connection, document_id: str) -> set[str]:
    """Digests of every package of ours under a document id, sent or waiting."""
    own = select(outbox.c.package_sha256).where(outbox.c.document_id == document_id)
    beside = select(sent_beside.c.sha256).where(sent_beside.c.document_id == document_id)
    return set(connection.execute(own.union(beside)).scalars())


def status_digests(connection: Connection, digests: list[str]) -> set[str]:
    """Those of `digests` that are status messages which we sealed."""
    sealed = (outgoing_statuses.c.sha256, sent_beside.c.sha256, take_backs.c.sha256)
    return {d for part in _parts(digests) for d in connection.execute(union(*(select(s).where(s.in_(part)) for s in sealed))).scalars()}


def told_digests(connection: Connection, digests: list[str]) -> set[str]:
    """Those of `digests` that are status messages which we were given."""
    o = incoming_statuses.c.sha256
    return {d for part in _parts(digests) for d in connection.execute(select(o).where(o.in_(part))).scalars()}


def sent_digests(connection: Connection, digests: list[str]) -> set[str]:
    """Those of `digests` that are packages of ours, sent or waiting."""
    o = outbox.c.package_sha256
    return {d for part in _parts(digests) for d in connection.execute(select(o).where(o.in_(part))).scalars()}


def received_of(connection: Connection, envelopes: list[str]) -> dict[str, str]:
    """Digest of the package received under each of these envelope ids."""
    found: dict[str, str] = {}
    for part in _parts(envelopes):
        rows = connection.execute(select(inbox.c.envelope, inbox.c.package_sha256).where(inbox.c.envelope.in_(part)))
        found |= {row.envelope: row.package_sha256 for row in rows}
    return found


def received_between(connection: Connection, start: datetime, end: datetime) -> Iterator[tuple[str, str, str]]:
    """(document id, envelope, digest) of packages that arrived in a span of time."""
    where = (inbox.c.received_at >= start, inbox.c.received_at < end)
    for row in connection.execute(select(inbox.c.document_id, inbox.c.envelope, inbox.c.package_sha256).where(*where)):
        yield row.document_id, row.envelope, row.package_sha256


def told_between(connection: Connection, start: datetime, end: datetime) -> Iterator[tuple[str, str, str]]:
    """(document id, envelope, digest) of status messages about our documents that arrived in a span of time."""
    i = incoming_statuses
    where = (i.c.received_at >= start, i.c.received_at < end)
    for row in connection.execute(select(i.c.document_id, i.c.envelope, i.c.sha256).where(*where)):
        yield row.document_id, row.envelope, row.sha256


def _parts(values: list[str]) -> Iterator[list[str]]:
    unique = sorted(set(values))
    for start in range(0, len(unique), 500):
        yield unique[start : start + 500]
