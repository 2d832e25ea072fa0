"""numbers — số, ký hiệu và thời gian: what a mark says, read leniently and compared in one normal form."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo

# 7/QĐ-UBND, 30/2020/NĐ-CP, 12/SY-UBND, 1234/VPCP-KGVX: digits, perhaps a year, then letters (never a date);
# Party organs write 07-QĐ/TU. However many digits: what a signer may put on a page is read back.
_SYMBOL = r"[^\W\d_][\w.&]*(?:\s?-\s?[\w.&]+)*"
_NUMBER = re.compile(rf"(?<![\w/.-])\d+[a-zđ]?(?:(?:/(?:19|20)\d\d)?[ ]?/[ ]?{_SYMBOL}|[ ]?-[ ]?{_SYMBOL}[ ]?/[ ]?{_SYMBOL})", re.IGNORECASE)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})?(?:\s?(Z|[+-]\d\d:?\d\d))?")
_VIETNAMESE = re.compile(r"(\d\d?)[/.-](\d\d?)[/.-](\d{4}),?\s{1,3}(\d\d):(\d\d):(\d\d)(?:\s{0,2}(Z|[+-]\d\d:?\d\d))?")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
LONGEST = 4_000


def number_in(text: str) -> str:
    """The number and symbol that `text` names first, e.g. ``7/QĐ-UBND``, or ""."""
    match = _NUMBER.search(_clean(text))
    return match[0] if match else ""


def normal_number(text: str) -> str:
    """One form for comparing: ``Số: 07/QĐ - UBND`` becomes ``7/QĐ-UBND``."""
    compact = re.sub(r"\s+", "", _clean(text)).upper()
    compact = re.sub(r"^SỐ:?", "", compact).strip(".;,")
    return re.sub(r"^0+(?=\d)", "", compact)


def numbers_equal(a: str, b: str) -> bool:
    """Whether two spellings name the same document: ``7/QĐ-X`` is ``07/QĐ-X``, ``7/QD-X`` is not. Nothing equals nothing."""
    left = normal_number(a)
    return bool(left) and left == normal_number(b)


def time_in(text: str) -> tuple[datetime | None, bool]:
    """(the first time that `text` names, whether it is in the prescribed form: seconds and +07:00).

    A time without a zone is read as Vietnam's, and is not in the form.
    """
    clean = _clean(text)
    iso, other = _ISO.search(clean), _VIETNAMESE.search(clean)
    match = min((m for m in (iso, other) if m), key=lambda m: m.start(), default=None)
    if match is None:
        return None, False
    first, second, third, hour, minute, at_second = (int(match[i]) for i in range(1, 7))
    year, month, day = (first, second, third) if match is iso else (third, second, first)
    zone, right = _zone(match[7])
    try:
        return datetime(year, month, day, hour, minute, at_second, tzinfo=zone), right
    except ValueError:
        return None, False


def _zone(text: str | None) -> tuple[tzinfo, bool]:
    vietnam = timezone(timedelta(hours=7))
    if text is None:
        return vietnam, False
    if text == "Z":
        return UTC, False
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 14 or minutes > 59:
        return vietnam, False
    zone = timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    return zone, zone == vietnam


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", text[:LONGEST]).translate(_DASHES)
