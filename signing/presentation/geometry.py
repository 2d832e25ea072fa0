"""geometry — hình học trang: boxes in millimetres on the page as people see it.

A box is measured from the lower left corner of the *visible* page: the crop box within the
media box, turned by /Rotate (ISO 32000-2 clause 14.11.2). PDF rectangles are in user space.
"""

from __future__ import annotations

from dataclasses import dataclass

POINT_MM = 25.4 / 72
SEAL_SHARE = (0.25, 0.40)  # of the person's image, SIG-04: "khoảng 1/3"
_CLOSE_MM = 0.5

Rect = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the visible page, in millimetres from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """Width in millimetres."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in millimetres."""
        return self.top - self.bottom

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle, in millimetres."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def holds(self, other: Box, slack: float = _CLOSE_MM) -> bool:
        """Whether `other` lies within, give or take `slack` millimetres."""
        return (
            other.left >= self.left - slack
            and other.bottom >= self.bottom - slack
            and other.right <= self.right + slack
            and other.top <= self.top + slack
        )

    def fitted(self, ratio: float) -> Box:
        """The largest box with width/height = `ratio` that fits, in the middle."""
        width = min(self.width, self.height * ratio)
        return Box.around(self.centre, width, width / ratio)

    @classmethod
    def around(cls, centre: tuple[float, float], width: float, height: float) -> Box:
        """The box of that size around `centre`."""
        x, y = centre
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


@dataclass(frozen=True, slots=True)
class Page:
    """Geometry of one page. `number` counts from 1; `media` and `crop` are rectangles in
    user space; `rotate` is 0, 90, 180 or 270 clockwise; `unit` is /UserUnit.
    """

    number: int = 1
    media: Rect = (0.0, 0.0, 595.276, 841.89)
    crop: Rect | None = None
    rotate: int = 0
    unit: float = 1.0

    @property
    def visible(self) -> Rect:
        """The visible rectangle in user space: crop box within media box."""
        media = _ordered(self.media)
        if self.crop is None:
            return media
        crop = _ordered(self.crop)
        both = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
        return both if both[2] > both[0] and both[3] > both[1] else media

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) in millimetres as people see the page."""
        left, bottom, right, top = self.visible
        width, height = (right - left) * self._mm, (top - bottom) * self._mm
        return (height, width) if self._turn % 2 else (width, height)

    def rect(self, box: Box) -> Rect:
        """`box` as a rectangle in user space."""
        a, b = self._to_user(box.left, box.bottom), self._to_user(box.right, box.top)
        return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])

    def box(self, rect: Rect) -> Box:
        """A rectangle of user space as a box on the visible page."""
        a, b = self._to_view(rect[0], rect[1]), self._to_view(rect[2], rect[3])
        return Box(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))

    def upright(self, width: float, height: float) -> Matrix:
        """The form matrix that makes an appearance of `width` × `height` points stand upright on this page."""
        return ((1, 0, 0, 1, 0, 0), (0, 1, -1, 0, height, 0), (-1, 0, 0, -1, width, height), (0, -1, 1, 0, 0, width))[self._turn]

    @property
    def _mm(self) -> float:
        return POINT_MM * (self.unit if self.unit > 0 else 1.0)

    @property
    def _turn(self) -> int:
        return self.rotate // 90 % 4

    def _to_view(self, x: float, y: float) -> tuple[float, float]:
        left, bottom, right, top = self.visible
        seen = ((x - left, y - bottom), (y - bottom, right - x), (right - x, top - y), (top - y, x - left))[self._turn]
        return seen[0] * self._mm, seen[1] * self._mm

    def _to_user(self, x: float, y: float) -> tuple[float, float]:
        left, bottom, right, top = self.visible
        x, y = x / self._mm, y / self._mm
        return ((left + x, bottom + y), (right - y, bottom + x), (right - x, top - y), (left + y, top - x))[self._turn]


def seal_box(person: Box, diameter: float, share: float = 1 / 3, *, ratio: float = 1.0) -> Box:
    """Where the seal of `diameter` millimetres stands: over the left `share` of the person's image (SIG-04).

    `ratio` is width/height of a seal that is not round; `diameter` is then its longer side.
    """
    width, height = (diameter, diameter / ratio) if ratio >= 1 else (diameter * ratio, diameter)
    right, middle = person.left + person.width * share, person.centre[1]
    return Box(right - width, middle - height / 2, right, middle + height / 2)


def pair_is_right(person: Box, seal: Box) -> bool:
    """Whether the seal covers about a third of the person's image on its left (NĐ 30/2020 Annex I-I-II.8.a, Art 33.1.b)."""
    if person.width <= 0 or person.height <= 0:
        return False
    share = (seal.right - person.left) / person.width
    together = min(person.top, seal.top) - max(person.bottom, seal.bottom)
    return SEAL_SHARE[0] <= share <= SEAL_SHARE[1] and seal.left <= person.left and together >= min(person.height, seal.height) / 2


def is_top_right(page: Page, box: Box) -> bool:
    """Whether `box` stands in the right half and top quarter of page one (NĐ 30/2020 Annex I-I-II.8.b, I-II-I.3)."""
    width, height = page.size
    return page.number == 1 and box.left >= width / 2 - _CLOSE_MM and box.bottom >= height * 3 / 4 - _CLOSE_MM and Box(0, 0, width, height).holds(box)


def _ordered(rect: Rect) -> Rect:
    return min(rect[0], rect[2]), min(rect[1], rect[3]), max(rect[0], rect[2]), max(rect[1], rect[3])
