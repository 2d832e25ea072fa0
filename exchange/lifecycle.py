"""lifecycle — vòng đời văn bản: business statuses and their lawful moves.

Strict in what is emitted (`check_emit`), tolerant in what is taken (`advance`):
a late, repeated or overtaking status is kept and never moves a state back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from exchange.errors import ReasonRequired, StatusError, StatusNotAllowed


class Status(StrEnum):
    """Trạng thái xử lý; code on the wire."""

    ARRIVED = "01"
    REFUSED = "02"
    REGISTERED = "03"
    ASSIGNED = "04"
    IN_PROCESS = "05"
    FINISHED = "06"
    TAKE_BACK = "13"
    TAKE_BACK_AGREED = "15"
    TAKE_BACK_REFUSED = "16"


LABELS: dict[Status, tuple[str, str]] = {
    Status.ARRIVED: ("Đã đến", "Arrived"),
    Status.REFUSED: ("Từ chối tiếp nhận", "Refused"),
    Status.REGISTERED: ("Đã tiếp nhận", "Registered"),
    Status.ASSIGNED: ("Phân công", "Assigned"),
    Status.IN_PROCESS: ("Đang xử lý", "In process"),
    Status.FINISHED: ("Hoàn thành", "Finished"),
    Status.TAKE_BACK: ("Lấy lại", "Take-back requested"),
    Status.TAKE_BACK_AGREED: ("Đồng ý cập nhật / lấy lại", "Take-back agreed"),
    Status.TAKE_BACK_REFUSED: ("Từ chối cập nhật / lấy lại", "Take-back refused"),
}

NEEDS_REASON = frozenset({Status.REFUSED, Status.TAKE_BACK, Status.TAKE_BACK_REFUSED})
BY_SENDER = frozenset({Status.TAKE_BACK})
# A recall is answered by 15 or 16 and, in some systems, by 03 or 02 (edxml.md 2.3): both pairs are taken.
AGREES = frozenset({Status.TAKE_BACK_AGREED, Status.REGISTERED})
DECLINES = frozenset({Status.TAKE_BACK_REFUSED, Status.REFUSED})


class Asks(StrEnum):
    """What the package of a delivery asks of its recipient."""

    NOTHING = ""  # a document: to be received and handled
    RECALL = "recall"  # to destroy the copy of an earlier document (REC-02)
    UPDATE = "update"  # to take new content in an earlier document's place


# Lawful moves of the one who speaks next; the key is the status before, "" for none.
_NEXT: dict[str, frozenset[Status]] = {
    "": frozenset({Status.ARRIVED, Status.TAKE_BACK}),
    "01": frozenset({Status.REFUSED, Status.REGISTERED, Status.TAKE_BACK}),
    "02": frozenset(),
    "03": frozenset({Status.ASSIGNED, Status.IN_PROCESS, Status.FINISHED}),
    "04": frozenset({Status.IN_PROCESS, Status.FINISHED}),
    "05": frozenset({Status.FINISHED}),
    "06": frozenset(),
    "13": frozenset({Status.TAKE_BACK_AGREED, Status.TAKE_BACK_REFUSED}),
    "15": frozenset(),
    "16": frozenset({Status.REFUSED, Status.REGISTERED, Status.TAKE_BACK}),
}
_ANSWERS = frozenset({Status.TAKE_BACK_AGREED, Status.TAKE_BACK_REFUSED})
_NEXT_OF_RECALL: dict[str, frozenset[Status]] = {
    "": frozenset({Status.ARRIVED}),
    "01": AGREES | DECLINES,
    "15": frozenset(),
    "03": frozenset(),
    "16": frozenset({Status.TAKE_BACK_AGREED}),  # who refused may think better of it
    "02": frozenset({Status.TAKE_BACK_AGREED}),
}
# An update is answered, and then handled as any document is.
_HANDLED = frozenset({Status.REGISTERED, Status.ASSIGNED, Status.IN_PROCESS, Status.FINISHED})
_NEXT_OF_UPDATE: dict[str, frozenset[Status]] = {
    **_NEXT,
    "01": _NEXT["01"] | _ANSWERS,
    "15": _HANDLED,
    "16": frozenset({Status.TAKE_BACK_AGREED}),
}
_TABLES = {Asks.NOTHING: _NEXT, Asks.RECALL: _NEXT_OF_RECALL, Asks.UPDATE: _NEXT_OF_UPDATE}
_RANK = {"": 0, "01": 1, "13": 1, "16": 1, "03": 3, "04": 4, "05": 5, "02": 6, "06": 6, "15": 6}
_RANK_OF_RECALL = {"": 0, "01": 1, "16": 2, "02": 2, "03": 3, "15": 3}
_RANK_OF_UPDATE = {**_RANK, "16": 2, "15": 2.5}


def parse_status(code: str) -> Status:
    """The status named by `code`.

    Raises:
        StatusError: the code is not one of 01–06, 13, 15, 16.
    """
    try:
        return Status(code.strip().zfill(2))
    except ValueError as error:
        raise StatusError(code[:20], place="MessageHeader/StatusCode") from error


def lawful(before: str, asks: Asks = Asks.NOTHING) -> frozenset[Status]:
    """The statuses that may follow `before` (a code, or "" for none) about a package that asks `asks`."""
    return _TABLES[asks].get(before, frozenset())


def check_emit(before: str, status: Status, *, reason: str, asks: Asks = Asks.NOTHING) -> None:
    """May `status` be sent after `before` (a code, or "" for none)?

    Raises:
        StatusNotAllowed: not in the table of lawful moves.
        ReasonRequired: a refusal or take-back without its reason.
    """
    if status not in lawful(before, asks):
        raise StatusNotAllowed(f"{before or '—'} → {status.value}", place="MessageHeader/StatusCode")
    if status in NEEDS_REASON and not reason.strip():
        raise ReasonRequired(status.value, place="MessageHeader/Description")


def advance(before: str, status: Status, asks: Asks = Asks.NOTHING) -> str:
    """The state after taking `status` when it was `before`: forward or unchanged."""
    if asks is Asks.RECALL:
        return _forward(_RANK_OF_RECALL, before, status)
    if asks is Asks.UPDATE and status is not Status.TAKE_BACK and before != Status.TAKE_BACK.value:
        return _forward(_RANK_OF_UPDATE, before, status)
    if before in ("02", "06", "15"):
        return before
    if before == "13" and status in _ANSWERS:
        return status.value
    if status is Status.TAKE_BACK:
        return status.value if _RANK[before] <= 1 else before
    if status in _ANSWERS:
        return before
    return status.value if _RANK[status.value] > _RANK[before] else before


def _forward(rank: Mapping[str, float], before: str, status: Status) -> str:
    return status.value if rank.get(status.value, -1) > rank.get(before, 9) else before
