"""drawing — hình thức: what a builder hands to whoever writes the PDF, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from signing.presentation.geometry import POINT_MM, Box
from signing.presentation.images import Picture
from signing.report import Reason

if TYPE_CHECKING:  # the font machinery is slow to load, and only builders need it
    from signing.fonts import FontSubset


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a signature shows.

    `kind` is as in `report.MarkFact`; `box` the place on the visible page `page`; `content`
    the content stream for a form of `size` points (width, height), whose resources are
    `fonts` and `images` by name. `font` says which font was used; `time` and `text` what was
    written; `warnings` what is not as prescribed.
    """

    kind: str
    page: int
    box: Box
    content: bytes = field(repr=False)
    fonts: Mapping[str, FontSubset] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    images: Mapping[str, Picture] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    text: str = ""
    time: datetime | None = None
    font: str = ""
    warnings: tuple[Reason, ...] = ()

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) of the form in points."""
        return self.box.width / POINT_MM, self.box.height / POINT_MM
