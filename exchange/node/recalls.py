"""recalls — thu hồi tại nơi nhận: destroy a copy, keep its tombstone, answer with our seal.

The order is what makes the report true: tombstone on disk, bytes gone, then the sealed
status 15, each step found again after a restart. A recall that comes before its document
waits for it.
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from exchange.edxml.read import read_package
from exchange.envelope import Kind
from exchange.errors import ExchangeError, ReasonRequired
from exchange.lifecycle import AGREES, DECLINES, NEEDS_REASON, Asks, Status, check_emit, parse_status
from exchange.node.asked import asks, stone
from exchange.node.desk import Desk
from exchange.store import journal, tombstones
from exchange.store.journal import Inbound, OutgoingStatus
from exchange.store.tombstones import Notice, Tombstone

_UNSEEN = ("", Status.ARRIVED.value, Status.TAKE_BACK_REFUSED.value)
TEXTS = {
    "recall": "Đã hủy bản nhận theo yêu cầu thu hồi",
    "absent": "Chưa nhận văn bản; sẽ hủy ngay khi đến",
    "take_back": "Đồng ý lấy lại; đã hủy bản nhận",
    "registered": "Văn bản đã được tiếp nhận, vào sổ",
    "update": "Đồng ý cập nhật",
}


def settle(desk: Desk, *, answer_by_itself: bool) -> bool:
    """Answer what is asked and destroy what is to go; was there anything to do?

    Args:
        answer_by_itself: otherwise a clerk answers with `Desk.report`; only what was decided is carried out.
    """
    with desk.store.read() as connection:
        waiting, going = tombstones.open_notices(connection), tombstones.undestroyed(connection)
    busy = bool(going)
    _destroy(desk, going)
    for notice in waiting if answer_by_itself else []:
        copies = _copies(desk, notice)
        if notice.change == "take_back" and not copies:
            continue  # it overtook its document
        busy = True
        if notice.carrier:
            desk.arrived(notice.carrier)
        if notice.change == "take_back" and any(c.status not in _UNSEEN for c in copies):
            answer(desk, notice, Status.TAKE_BACK_REFUSED, TEXTS["registered"])
        else:
            text = TEXTS["absent"] if notice.change == "recall" and not copies else TEXTS[notice.change]
            answer(desk, notice, Status.TAKE_BACK_AGREED, text)
    return busy


def report(desk: Desk, delivery: str, code: str, description: str = "") -> OutgoingStatus | None:
    """A clerk reports a status; where it answers a recall, take-back or update, what was agreed is done first.

    Raises:
        NotFound, StatusError: no such delivery, or not a lawful move.
    """
    status = parse_status(code)
    with desk.store.read() as connection:
        row = journal.inbound(connection, delivery)
        waiting = tombstones.open_notices(connection)
        own = next((n for n in waiting if n.carrier == delivery), None)
        about = (row.sender, row.document_id) if row is not None else None
        asked = next((n for n in waiting if n.change == "take_back" and (n.sender, n.document_id) == about), None)
    both = status in (Status.TAKE_BACK_AGREED, Status.TAKE_BACK_REFUSED)
    if own is not None and (both or (own.change == "recall" and status in AGREES | DECLINES)):
        return answer(desk, own, status, description)
    if asked is not None and both:
        return answer(desk, asked, status, description)
    return desk.report(delivery, code, description)


def answer(desk: Desk, notice: Notice, status: Status, description: str) -> OutgoingStatus | None:
    """Agree or decline; agreeing to a recall or take-back destroys our copies first.

    Raises:
        StatusError: not lawful now, or a refusal without its reason.
    """
    copies = _copies(desk, notice)
    carrier = notice.carrier or (copies[-1].delivery if copies else "")
    with desk.store.read() as connection:
        row = journal.inbound(connection, carrier)
        kind = asks(connection, row) if row is not None and notice.change != "take_back" else Asks.NOTHING
    if row is None:
        return None
    if status in NEEDS_REASON and not description.strip():
        raise ReasonRequired(status.value, place="MessageHeader/Description")
    before = Status.TAKE_BACK.value if notice.change == "take_back" else row.status
    check_emit(before, status, reason=description, asks=kind)
    agreed = status in AGREES
    if agreed and notice.change != "update":
        stones = [stone(copy, notice, _files(desk, copy), desk.clock()) for copy in copies]
        if row.kind == Kind.UPDATE:
            stones.append(stone(row, notice, _files(desk, row), desk.clock()))  # it carries the text that is no longer for us
        # Durable: what we had and why it goes. A crash here leaves the bytes; they go at the next start.
        desk.store.write(lambda c: [tombstones.bury(c, one) for one in stones])
        _destroy(desk, stones)

    def job(connection: Any) -> None:
        if agreed and notice.change == "update":
            for copy in copies:
                if copy.delivery != row.delivery:
                    tombstones.supersede(connection, copy.delivery, row.document_id)
        tombstones.settle_notice(connection, notice.id, answer=status.value, carrier=carrier)

    # Durable together: the sealed answer and that it was given. The bytes are gone before it is said.
    keeps = notice.change == "take_back" and not agreed
    return desk.say(row, status, description, after=row.status if keeps else status.value, more=job)


def _copies(desk: Desk, notice: Notice) -> list[Inbound]:
    with desk.store.read() as connection:
        found = tombstones.copies_of(connection, notice.sender, notice.document_id, notice.code, notice.promulgation_date)
    return [row for row in found if row.delivery != notice.carrier or notice.change == "take_back"]


def _destroy(desk: Desk, stones: list[Tombstone]) -> None:
    for one in stones:
        with desk.store.read() as connection:
            wanted = tombstones.still_wanted(connection, one.package_sha256)
        if not wanted:
            desk.store.blobs.remove(one.package_sha256)
        desk.store.write(partial(tombstones.destroyed, delivery=one.delivery, at=desk.clock()))


def _files(desk: Desk, row: Inbound) -> str:
    path = desk.store.blobs.path(row.package_sha256)
    if not path.exists():
        return "[]"
    try:
        with tempfile.TemporaryDirectory(dir=desk.store.blobs.temporary().parent) as folder:
            attachments = read_package(path, workdir=Path(folder)).attachments
    except ExchangeError:
        return "[]"  # it was readable when it came; a rule that is stricter now must not stop its destruction
    return json.dumps([{"name": a.name, "sha256": a.sha256, "size": a.size} for a in attachments], ensure_ascii=False)
