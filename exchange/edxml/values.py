"""values — text of elements into dates, moments and numbers; the text itself is always kept."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from exchange.edxml.findings import Findings
from exchange.edxml.parser import Node

VIETNAM = timezone(timedelta(hours=7))
FIRST_YEAR, LAST_YEAR = 1990, 2100
_MOMENT = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[/-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})"
    r"(?:[ T](?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,]\d{1,9})?)? ?(?P<zone>Z|[+-]\d{2}:?\d{2})?|(?P<zone_only>Z|[+-]\d{2}:\d{2}))?",
    re.ASCII,
)
_REFERENCE_DAY = re.compile(r"\d{4}/\d{2}/\d{2}", re.ASCII)


def nfc(text: str) -> str:
    """Unicode NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def parse_timestamp(text: str) -> datetime | None:
    """A moment in any of the forms in use; without a zone it is Vietnam's (+07:00). None when it does not parse.

    ``yyyy/MM/dd``, ``dd/MM/yyyy``, ``yyyy-MM-dd``, each with or without a time and a
    zone; the group of four digits decides the order; years 1990…2100.
    """
    match = _MOMENT.fullmatch(text.strip()) if len(text) < 60 else None
    if match is None:
        return None
    first, last = match["a"], match["c"]
    if (len(first) == 4) == (len(last) == 4):
        return None
    year, day = (first, last) if len(first) == 4 else (last, first)
    try:
        found = datetime(int(year), int(match["b"]), int(day), int(match["h"] or 0), int(match["m"] or 0), int(match["s"] or 0), tzinfo=_zone(match["zone"]))
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


def _zone(text: str | None) -> tzinfo:
    if text is None:
        return VIETNAM
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def parse_date(text: str) -> date | None:
    """The day in Vietnam of what `parse_timestamp` reads."""
    moment = parse_timestamp(text)
    return moment.astimezone(VIETNAM).date() if moment is not None else None


class Values:
    """Reads typed values of one document; keeps each one's text by wire path and notes what did not parse."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.raw: list[tuple[str, str]] = []

    def typed(self, node: Node | None, path: str, place: str) -> str:
        """The text of a typed element, kept; "" when it is absent or (with a warning) empty."""
        found = node.find(path) if node is not None else None
        if found is None:
            return ""
        text = found.text.strip()
        self.raw.append((place, text[:200]))
        if not text:
            self.findings.warn("edxml.empty", place)
        return text

    def integer(self, node: Node | None, path: str, place: str, highest: int = 65535) -> int | None:
        """A whole number from 0 to `highest`."""
        text = self.typed(node, path, place)
        if not text:
            return None
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > highest:
            self.findings.warn("edxml.value", place, text)
            return None
        return int(text)

    def truth(self, node: Node | None, path: str, place: str) -> bool | None:
        """true/false or 1/0."""
        text = self.typed(node, path, place)
        found = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        if text and found is None:
            self.findings.warn("edxml.value", place, text)
        return found

    def day(self, node: Node | None, path: str, place: str) -> date | None:
        """A date in any form."""
        text = self.typed(node, path, place)
        if not text:
            return None
        found = parse_date(text)
        if found is None:
            self.findings.warn("edxml.value", place, text)
        elif not _REFERENCE_DAY.fullmatch(text):
            self.findings.warn("edxml.date_form", place, text)
        return found

    def moment(self, node: Node | None, path: str, place: str) -> datetime | None:
        """A moment in any form."""
        text = self.typed(node, path, place)
        found = parse_timestamp(text)
        if text and found is None:
            self.findings.warn("edxml.value", place, text)
        return found
