"""requests — yêu cầu của cơ quan: recall, take back, or give other recipients to a document that this node sent.

A clerk says which document and why; the package or status is written from the node's own journal, so
that it can be asked for while the hub is away: it is sealed, written to disk, and sent when the hub
is there, never before its document. What needs a new text (an update of the content, a
replacement) is a package like any other.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from exchange.change_errors import ChangeError, NotARecipient
from exchange.edxml.read import read_package
from exchange.edxml.status import write_status
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, ReceiverChange, ResponseFor, StatusMessage, document_code
from exchange.errors import NotFound, ReasonRequired
from exchange.lifecycle import DECLINES, Status
from exchange.node.desk import Desk
from exchange.store import journal, take_backs
from exchange.store.journal import Outbound
from exchange.store.take_backs import TakeBack
from signing.seal import sign_seal

_DOCUMENTS = (Kind.NEW, Kind.REPLACE, Kind.UPDATE)


def recall(desk: Desk, document_id: str, reason: str, *, only: Sequence[str] = ()) -> Outbound:
    """Recall a document from all its recipients, or from `only` some (thu hồi); the same again is the first one, unless somebody declined that.

    Raises:
        NotFound: this node did not send it. NotARecipient: one of `only` never was. ReasonRequired: no reason.
    """
    _, header = _sent(desk, document_id, reason)
    recipients = _recipients(desk, document_id, header)
    for code in only:
        if code not in recipients:
            raise NotARecipient(code[:60], place="only")
    business = Business(kind=Kind.RECALL, document_id=document_id, reason=reason)
    return _send(desk, header, business, tuple(only) or recipients)


def change_recipients(desk: Desk, document_id: str, reason: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Outbound:
    """Give a document to further recipients, take it from some (cập nhật nơi nhận); its text stays.

    Raises:
        NotFound, NotARecipient, ReasonRequired: as `recall`. ChangeError: nobody is named.
    """
    _, header = _sent(desk, document_id, reason)
    if not add and not remove:
        raise ChangeError("add or remove is wanted", place="body")
    recipients = _recipients(desk, document_id, header)
    for code in remove:
        if code not in recipients:
            raise NotARecipient(code[:60], place="remove")
    moved = tuple([ReceiverChange(code, True) for code in add] + [ReceiverChange(code, False) for code in remove])
    business = Business(kind=Kind.UPDATE, document_id=document_id, reason=reason, content_changed=False, receivers_changed=True, receivers=moved)
    to = tuple(dict.fromkeys([code for code in recipients if code not in remove] + list(add))) or tuple(remove)
    return _send(desk, header, business, to)


def take_back(desk: Desk, document_id: str, recipient: str, reason: str) -> TakeBack:
    """Ask one recipient to give a document back before it is registered there (lấy lại, status 13).

    Asking again is the first question, unless that was refused.

    Raises:
        NotFound, NotARecipient, ReasonRequired: as `recall`.
    """
    row, header = _sent(desk, document_id, reason)
    if recipient not in _recipients(desk, document_id, header):
        raise NotARecipient(recipient[:60], place="recipient")
    now = desk.clock()
    day = header.promulgation_date.strftime("%Y/%m/%d") if header.promulgation_date else ""
    message = StatusMessage(
        sender=Organ(code=desk.agency, name=desk.name),
        response_for=ResponseFor(recipient, document_code(header), document_id, day),
        code=Status.TAKE_BACK.value,
        description=reason,
        timestamp=now,
    )
    blobs = desk.store.blobs
    sha256 = blobs.put_bytes(write_status(message))
    seal = blobs.put_bytes(sign_seal(bytes.fromhex(sha256), desk.key))
    new = TakeBack(str(uuid.uuid4()), document_id, row.kind, recipient, "", reason, sha256, seal, "waiting", 0, now, "", now)

    def job(connection: Any) -> TakeBack:
        for earlier in take_backs.of_document(connection, document_id, recipient)[:1]:
            if earlier.state != "refused" and take_backs.answer(connection, earlier)[0] != Status.TAKE_BACK_REFUSED.value:
                return earlier
        take_backs.put(connection, new)
        return new

    # Durable: the sealed question; a crash before it costs two orphan blobs, one after it nothing.
    return desk.store.write(job)


def _sent(desk: Desk, document_id: str, reason: str) -> tuple[Outbound, Header]:
    """The document as this node sent it."""
    with desk.store.read() as connection:
        found = [journal.outbound(connection, document_id, kind) for kind in _DOCUMENTS]
    row = next((row for row in found if row is not None and row.state != "refused"), None)
    if row is None:
        raise NotFound(f"{document_id[:200]}: not sent through this node", place="document_id")
    if not reason.strip():
        raise ReasonRequired(place="reason")
    return row, _header_of(desk, row)


def _header_of(desk: Desk, row: Outbound) -> Header:
    with tempfile.TemporaryDirectory(dir=desk.store.blobs.temporary().parent) as folder:
        return read_package(desk.store.blobs.path(row.package_sha256), workdir=Path(folder)).header


def _recipients(desk: Desk, document_id: str, header: Header) -> tuple[str, ...]:
    """Everybody who ever was to have the document, in order; the hub knows who still has it."""
    with desk.store.read() as connection:
        updates = journal.changes_of(connection, document_id, int(Kind.UPDATE))
    added = [r.organ for row in updates for r in _header_of(desk, row).business.receivers if r.added]
    return tuple(dict.fromkeys([organ.code for organ in header.recipients] + added))


def _send(desk: Desk, header: Header, business: Business, to: Sequence[str]) -> Outbound:
    """Into the outbox: under the document's own id where it is free, as receivers in the wild look there (edxml.md 1.4)."""
    kind, own = int(business.kind), header.document_id
    with desk.store.read() as connection:
        taken = journal.outbound(connection, own, kind)
        earlier = journal.changes_of(connection, own, kind)
        open_ones = [row for row in earlier if not journal.said_since(connection, row.document_id, [s.value for s in DECLINES], row.created_at)]
    for row in open_ones:
        if row.state != "refused" and _same(_header_of(desk, row), business, to):
            return row
    if taken is not None or header.business.kind is business.kind:
        own = f"{own};{business.kind.name.lower()}-{desk.clock():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
    new = Header(
        sender=replace(header.sender, code=desk.agency, name=desk.name or header.sender.name),
        recipients=tuple(Organ(code=code) for code in to),
        document_id=own,
        subject=header.subject,
        code_number=header.code_number,
        code_notation=header.code_notation,
        promulgation_date=header.promulgation_date,
        business=business,
    )
    temporary = desk.store.blobs.temporary()
    try:
        write_package(temporary, new, [])
        return desk.send(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def _same(known: Header, business: Business, to: Sequence[str]) -> bool:
    asked = (business.reason.strip(), business.receivers, tuple(to))
    return (known.business.reason.strip(), known.business.receivers, tuple(organ.code for organ in known.recipients)) == asked
