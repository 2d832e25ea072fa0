"""wording — cách ghi: the size, the forms of a copy and the one way in which a time is shown (NĐ 30/2020 Annex I)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import StrEnum

from signing.errors import PresentationRefused

VIETNAM = timezone(timedelta(hours=7))  # no daylight saving: a fixed offset is exact
SIZE = 10.0  # points, by the decree


class CopyForm(StrEnum):
    """Forms of a certified copy (NĐ 30/2020 Art 25)."""

    SAO_Y = "SAO Y"
    SAO_LUC = "SAO LỤC"
    TRICH_SAO = "TRÍCH SAO"


def vietnam_time(moment: datetime) -> str:
    """`moment` to the second in Vietnam's zone, ISO 8601: ``2026-03-05T14:05:09+07:00`` (SIG-06).

    The one formatter of every time that is shown.

    Raises:
        PresentationRefused: a moment without a zone.
    """
    if moment.tzinfo is None:
        raise PresentationRefused("a time without a zone")
    return moment.astimezone(VIETNAM).replace(microsecond=0).isoformat()
