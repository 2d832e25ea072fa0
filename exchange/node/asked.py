"""asked — điều được yêu cầu: what a package or a status 13 that arrives asks of an agency, noted in the transaction that enters it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from exchange.envelope import Header, Kind, StatusMessage
from exchange.lifecycle import Asks, Status
from exchange.store import journal, tombstones
from exchange.store.journal import Inbound
from exchange.store.tombstones import NO_ANSWER, Notice, Tombstone


def notices_of(agency: Sequence[str], row: Inbound, header: Header) -> list[Notice]:
    """What a package that arrived asks of us. `agency`: every code of ours."""
    business = header.business

    def notice(change: str, document_id: str, answer: str = "", number: str = "") -> Notice:
        id = f"{row.delivery}{number}"
        return Notice(id, change, row.sender, document_id, row.code, row.promulgation_date, business.reason, row.received_at, answer, row.delivery)

    target = business.document_id or header.document_id
    if business.kind is Kind.RECALL:
        return [notice("recall", target)]
    if business.kind is Kind.REPLACE:
        concerned = [r.document_id for r in business.replacements if not r.organs or not set(agency).isdisjoint(r.organs)]
        return [notice("replace", document, NO_ANSWER, f"/{n}") for n, document in enumerate(concerned, 1)]
    if business.kind is Kind.UPDATE:
        moved = next((r.added for r in business.receivers if r.organ in agency), None)
        if moved is False:
            return [notice("recall", target)]
        return [notice("update", target, NO_ANSWER if moved else "")]
    return []


def take_back_notice(status_id: str, sender: str, message: StatusMessage, at: datetime) -> Notice:
    """What a status 13 of `sender` asks of us."""
    about = message.response_for
    return Notice(
        status_id,
        "take_back",
        sender,
        about.document_id,
        about.code,
        about.promulgation_date,
        message.description,
        at,
        "",
        "",
    )


def on_arrival(connection: Connection, row: Inbound, notices: list[Notice]) -> None:
    """In the transaction that enters a package: what it asks, and what was asked about it before it came."""
    for notice in notices:
        if tombstones.put_notice(connection, notice) and notice.change == "replace":
            for copy in tombstones.copies_of(connection, notice.sender, notice.document_id, "", ""):
                tombstones.supersede(connection, copy.delivery, row.document_id)
    if row.kind == Kind.RECALL:
        return
    for earlier in tombstones.notices_about(connection, row.sender, row.document_id):
        carrier = journal.inbound(connection, earlier.carrier) if earlier.carrier else None
        if earlier.change == "replace" and carrier is not None:
            tombstones.supersede(connection, row.delivery, carrier.document_id)
        if earlier.change in ("recall", "take_back") and earlier.answer == Status.TAKE_BACK_AGREED.value:
            tombstones.bury(connection, stone(row, earlier, "[]", row.received_at))


def asks(connection: Connection, row: Inbound) -> Asks:
    """What a received package asks of us."""
    notice = tombstones.notice(connection, row.delivery)
    if notice is None or notice.change not in ("recall", "update"):
        return Asks.NOTHING
    return Asks.RECALL if notice.change == "recall" else Asks.UPDATE


def stone(row: Inbound, notice: Notice, files: str, at: datetime) -> Tombstone:
    """The tombstone of a copy that a notice asks to be destroyed. `files`: JSON of names and digests."""
    return Tombstone(
        delivery=row.delivery,
        envelope=row.envelope,
        sender=row.sender,
        document_id=row.document_id,
        code=row.code,
        promulgation_date=row.promulgation_date,
        subject=row.subject,
        package_sha256=row.package_sha256,
        size=row.size,
        files=files,
        change=notice.change,
        cause=notice.id,
        reason=notice.reason,
        by=notice.sender,
        decided_at=at,
    )
