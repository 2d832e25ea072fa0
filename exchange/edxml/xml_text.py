"""xml_text — lines of the reference dialect: CRLF, two spaces, empty elements left out (edxml.md 1.1)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from xml.sax.saxutils import escape

from exchange.envelope import Organ
from exchange.errors import InvalidField

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def text_of(value: object, place: str) -> str:
    """`value` as escaped NFC text.

    Raises:
        InvalidField: a character that XML 1.0 cannot carry.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.strftime("%Y/%m/%d")
    text = unicodedata.normalize("NFC", str(value))
    if _FORBIDDEN.search(text):
        raise InvalidField("a character that XML cannot carry", place=place)
    return escape(text).replace("\r", "&#13;")


def local_time(moment: datetime) -> str:
    """``yyyy/MM/dd HH:mm:ss`` in +07:00."""
    return moment.astimezone(timezone(timedelta(hours=7))).strftime("%Y/%m/%d %H:%M:%S")


class Lines:
    """Collects lines of a document."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def raw(self, line: str) -> None:
        """A line as it is."""
        self._lines.append(line)

    @contextmanager
    def element(self, name: str, depth: int, attributes: str = "") -> Iterator[None]:
        """An element around what is written inside."""
        self.raw(f"{'  ' * depth}<edXML:{name}{attributes}>")
        yield
        self.raw(f"{'  ' * depth}</edXML:{name}>")

    def texts(self, depth: int, prefix: str = "edXML:", /, **values: object) -> None:
        """Text elements in order; absent values are left out."""
        for name, value in values.items():
            if value is not None and value != "":
                self.raw(f"{'  ' * depth}<{prefix}{name}>{text_of(value, name)}</{prefix}{name}>")

    def organ(self, organ: Organ, depth: int) -> None:
        """The children of From or To."""
        self.texts(
            depth,
            OrganId=organ.code,
            OrganizationInCharge=organ.in_charge,
            OrganName=organ.name,
            OrganAdd=organ.address,
            Email=organ.email,
            Telephone=organ.telephone,
            Fax=organ.fax,
            Website=organ.website,
        )

    def bytes(self) -> bytes:
        """Everything so far, each line ended by CRLF."""
        return "".join(line + "\r\n" for line in self._lines).encode()
