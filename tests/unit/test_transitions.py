"""The table of lawful moves, written out once more as the fact sheets and the law have it: every move that is in it, and every one that is not."""

from __future__ import annotations

import pytest

from exchange.errors import ReasonRequired, StatusError, StatusNotAllowed
from exchange.lifecycle import NEEDS_REASON, Asks, Status, check_emit, parse_status

BEFORE = ("", "01", "02", "03", "04", "05", "06", "13", "15", "16")
# edxml.md 2.3; QĐ 28/2018 Art 9. Left: what was said last. Right: what may be said next.
DOCUMENT = {
    "": "01 13",
    "01": "02 03 13",
    "02": "",
    "03": "04 05 06",
    "04": "05 06",
    "05": "06",
    "06": "",
    "13": "15 16",
    "15": "",
    "16": "02 03 13",  # refused: as before it was asked
}
RECALL = {"": "01", "01": "02 03 15 16", "02": "15", "16": "15"}  # both pairs of answers; who refused may think better of it
UPDATE = {**DOCUMENT, "01": "02 03 13 15 16", "15": "03 04 05 06", "16": "15"}
TABLES = {Asks.NOTHING: DOCUMENT, Asks.RECALL: RECALL, Asks.UPDATE: UPDATE}


@pytest.mark.parametrize("asks", list(Asks))
@pytest.mark.parametrize("before", BEFORE)
def test_every_move_is_lawful_or_refused(asks: Asks, before: str) -> None:
    lawful = TABLES[asks].get(before, "").split()
    for status in Status:
        if status.value in lawful:
            check_emit(before, status, reason="Lý do", asks=asks)
            if status in NEEDS_REASON:
                with pytest.raises(ReasonRequired):
                    check_emit(before, status, reason=" \n", asks=asks)
            else:
                check_emit(before, status, reason="", asks=asks)
        else:
            with pytest.raises(StatusNotAllowed) as caught:
                check_emit(before, status, reason="Lý do", asks=asks)
            assert caught.value.detail == f"{before or '—'} → {status.value}"


def test_only_these_codes_are_statuses() -> None:
    known = {code for code in (f"{n:02d}" for n in range(100)) if _is_one(code)}
    assert known == {"01", "02", "03", "04", "05", "06", "13", "15", "16"}
    assert parse_status(" 3 ") is Status.REGISTERED
    for code in ("", "103", "1a", "٣"):
        assert not _is_one(code), code


def _is_one(code: str) -> bool:
    try:
        parse_status(code)
    except StatusError:
        return False
    return True
