"""plan — what is to be signed and how: level, fields, places on the page, what the signature dictionary says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Literal

from signing.presentation import Appearance

PERSON_FIELD = "NguoiKy"
AGENCY_FIELD = "CoQuan"
Kind = Literal["document", "attachment", "copy"]
VIETNAM = timezone(timedelta(hours=7))
TOKEN_ROOM = 12_288  # bytes kept for a time-stamp token: seen are 3 to 8 KiB


class Profile(StrEnum):
    """PAdES baseline levels that can be produced (EN 319 142-1 clause 6)."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"


@dataclass(frozen=True, slots=True)
class FieldBox:
    """Where a signature field stands: `page` counts from 1 (-1 is the last), `rect` is
    (left, bottom, right, top) in points of the page's own coordinates."""

    page: int
    rect: tuple[float, float, float, float]


INVISIBLE = FieldBox(1, (0.0, 0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Plan:
    """One signature to be placed.

    `declare` are the fields to exist after a first signature; `digest` names the hash over
    the byte range; `room` is the number of bytes kept for the CMS; `appearance` is handed on
    to the drawing of the field.
    """

    field: str
    declare: tuple[str, ...]
    now: datetime
    digest: str
    room: int
    signer: str = ""
    reason: str = ""
    location: str = ""
    boxes: Mapping[str, FieldBox] = dataclasses.field(default_factory=dict)
    appearance: Appearance | None = None

    def box(self, name: str) -> FieldBox:
        """Where the field `name` goes; invisible when nothing is said."""
        return self.boxes.get(name, INVISIBLE)


@dataclass(frozen=True, slots=True)
class Hole:
    """Where a signature value goes: file bytes [`start`, `end`) hold ``<``, zeros and ``>``;
    `digest` is the hash over everything else."""

    start: int
    end: int
    digest: bytes

    def filled(self, cms: bytes) -> bytes:
        """The bytes of the hole with `cms` in it, zeros after it.

        Raises:
            Overfull: it does not fit.
        """
        width = self.end - self.start - 2
        if 2 * len(cms) > width:
            raise Overfull(f"{len(cms)} bytes for room of {width // 2}")
        return b"<" + cms.hex().encode().ljust(width, b"0") + b">"


class Overfull(Exception):
    """The signature is larger than the room kept for it; the caller takes more room and tries again."""


def declared(field_name: str, kind: Kind, boxes: Mapping[str, FieldBox]) -> tuple[str, ...]:
    """Fields that a first signature creates: later ones must exist before the document is certified (signing.md T6)."""
    names = (PERSON_FIELD, AGENCY_FIELD) if kind == "document" else (AGENCY_FIELD,)
    return tuple(dict.fromkeys((*names, *boxes, field_name)))
