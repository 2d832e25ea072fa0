"""values — what the reader of marks is given: an appearance as plain data, whoever parsed the PDF.

Streams of content and ToUnicode are decoded already; image samples stay as they are in the
file, so that they are decoded only within bounds and once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from signing.presentation import Page
from signing.report import Role

Rect = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FormFont:
    """A font of the resources. `subtype` without slash; `encoding` the name of the (base) encoding."""

    subtype: str
    name: str
    to_unicode: bytes | None = field(default=None, repr=False)
    encoding: str = ""
    differences: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)


@dataclass(frozen=True, slots=True)
class FormImage:
    """An image XObject. `data` is as in the file, under `filters`; `space` is ``RGB``, ``L``,
    ``CMYK``, ``P`` (with `palette` of RGB bytes), ``mask`` or "" for anything else.
    """

    width: int
    height: int
    data: bytes = field(repr=False)
    bits: int = 8
    space: str = "RGB"
    filters: tuple[str, ...] = ()
    predictor: int = 1
    palette: bytes = field(default=b"", repr=False)
    alpha: FormImage | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form XObject with its resources; `forms` are those it may draw in turn."""

    content: bytes = field(repr=False)
    bbox: Rect
    matrix: Matrix = IDENTITY
    fonts: Mapping[str, FormFont] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    images: Mapping[str, FormImage] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    forms: Mapping[str, Form] = field(default_factory=lambda: MappingProxyType({}), hash=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """A signature's widget: `rect` in user space of `page`, its normal appearance, the claimed signing time, whose it is.

    `hidden` is True for a widget whose flags keep it from being seen (Hidden, NoView).
    """

    rect: Rect
    page: Page
    form: Form | None
    time: datetime | None = None
    role: Role = Role.UNKNOWN
    hidden: bool = False
