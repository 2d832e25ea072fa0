"""anchors — tìm chỗ ký theo chữ: the place between the office's title and the full name, found in the text of the page.

Reads text with pypdfium2, an optional part (extra ``render``); without it positions are given
in millimetres. Text is compared by letters only: case, spacing and the way of composing
accents do not matter, because producers differ in all three.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signing.errors import PresentationRefused
from signing.presentation.geometry import Box, Page

try:
    import pypdfium2 as pdfium
except ImportError:  # the extra is not installed
    pdfium = None

MOST_PAGES = 400
MOST_LETTERS = 200_000
WIDTH_MM, HEIGHT_MM = 50.0, 25.0  # a signature's usual size
AIR_MM = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the person's image goes, and the page it is on."""

    page: Page
    box: Box


def available() -> bool:
    """Whether text can be read here."""
    return pdfium is not None


def signing_place(path: Path, title: str, name: str) -> Place:
    """The free place between `title` (the last line of the office, e.g. PHÓ GIÁM ĐỐC) and the full `name` (ô 7c).

    On the last page that has both, the name below the title; centred on the name.

    Raises:
        PresentationRefused: no such place, no room in it, or pypdfium2 is not installed.
    """
    with closing(_open(path)) as document:
        for index in reversed(range(min(len(document), MOST_PAGES))):
            with closing(document[index]) as page:
                place = _place(page, index + 1, title, name)
            if place is not None:
                return place
    raise PresentationRefused(f"no page shows “{title}” with “{name}” below it", place=path.name)


def text_of(path: Path) -> tuple[str, ...]:
    """The text of each page, in reading order as far as the file gives it.

    Raises:
        PresentationRefused: not readable, or pypdfium2 is not installed.
    """
    pages = []
    with closing(_open(path)) as document:
        for index in range(min(len(document), MOST_PAGES)):
            with closing(document[index]) as page, closing(page.get_textpage()) as text:
                pages.append(unicodedata.normalize("NFC", text.get_text_range(0, min(text.count_chars(), MOST_LETTERS))))
    return tuple(pages)


def _open(path: Path) -> Any:
    if pdfium is None:
        raise PresentationRefused("pypdfium2 is not installed: give the place in millimetres", place=path.name)
    try:
        return pdfium.PdfDocument(path)
    except (pdfium.PdfiumError, OSError) as error:
        raise PresentationRefused(f"{error}"[:200], place=path.name) from error


def _place(page: Any, number: int, title: str, name: str) -> Place | None:
    geometry = _geometry(page, number)
    with closing(page.get_textpage()) as text:
        letters = list(_letters(text))
        names, titles = list(_found(letters, name, text, geometry)), list(_found(letters, title, text, geometry))
    for below in reversed(names):
        above = [t for t in titles if t.bottom >= below.top - AIR_MM and t.left < below.right and t.right > below.left]
        if above:
            lowest = min(above, key=lambda t: t.bottom)
            return Place(geometry, _between(lowest, below, geometry))
    return None


def _between(title: Box, name: Box, page: Page) -> Box:
    height = title.bottom - name.top - 2 * AIR_MM
    if height < 5:
        raise PresentationRefused(f"no room between title and name: {max(height, 0):.1f} mm")
    middle = name.centre[0], (title.bottom + name.top) / 2
    width = min(WIDTH_MM, 2 * min(middle[0], page.size[0] - middle[0]))
    return Box.around(middle, width, min(HEIGHT_MM, height))


def _geometry(page: Any, number: int) -> Page:
    return Page(number, tuple(page.get_mediabox()), tuple(page.get_cropbox()), int(page.get_rotation()))


def _letters(text: Any) -> Iterator[tuple[str, int]]:
    """Base letters and digits with the index of the character they come from."""
    count = min(text.count_chars(), MOST_LETTERS)
    whole = text.get_text_range(0, count)
    if len(whole) != count:  # characters beyond the basic plane shift the indexes: read one by one
        whole = [text.get_text_range(i, 1) for i in range(count)]
    for index, character in enumerate(whole):
        for letter in _folded(character):
            yield letter, index


def _folded(text: str) -> str:
    """Letters with their accents, decomposed, upper case; nothing else."""
    return "".join(c for c in unicodedata.normalize("NFD", text.upper()) if c.isalnum() or unicodedata.combining(c))


def _found(letters: list[tuple[str, int]], wanted: str, text: Any, page: Page) -> Iterator[Box]:
    needle, whole = _folded(wanted), "".join(letter for letter, _ in letters)
    at = whole.find(needle) if needle else -1
    while at >= 0:
        indexes = sorted({index for _, index in letters[at : at + len(needle)]})
        boxes = [page.box(text.get_charbox(index)) for index in indexes]
        boxes = [box for box in boxes if box.width > 0 and box.height > 0]
        if boxes:
            yield Box(min(b.left for b in boxes), min(b.bottom for b in boxes), max(b.right for b in boxes), max(b.top for b in boxes))
        at = whole.find(needle, at + 1)
