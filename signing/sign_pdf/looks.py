"""looks — hình thức cho từng loại chữ ký: from a file and what is known of it to the appearance and the boxes that `sign_pdf` takes.

The person's signature comes first and declares both boxes; the agency's seal then goes where
it was declared, over the left third of the image that is there (NĐ 30/2020 Annex I-I-II.8.a).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.errors import PdfUnusable, PresentationRefused
from signing.fonts import Typeface
from signing.marks import number_in, numbers_equal
from signing.presentation import Appearance, Box, CopyForm, Page, seal_box
from signing.presentation.anchors import Place, signing_place
from signing.presentation.appearances import agency_seal, attachment_mark, check_seal_size, copy_mark, person_image
from signing.sign_pdf.appearance import field_box, read_page
from signing.sign_pdf.plan import AGENCY_FIELD, PERSON_FIELD, FieldBox
from signing.verify_pdf.mark_reader import PyHankoObjects, page_of_widget

SEAL_MM = 36.0  # the round seal of most state agencies; an agency's profile says its own


@dataclass(frozen=True, slots=True)
class Look:
    """What to hand to `sign_pdf`: ``sign_pdf(..., appearance=look.appearance, boxes=look.boxes)``."""

    appearance: Appearance
    boxes: dict[str, FieldBox]


def person_look(
    path: Path,
    png: bytes,
    *,
    title: str = "",
    name: str = "",
    place: Place | None = None,
    seal_mm: float = SEAL_MM,
    strict: bool = False,
) -> Look:
    """The person's image between `title` and `name` in the text, or at `place`; the seal's box is declared with it.

    Args:
        title: last line of the office, e.g. ``PHÓ GIÁM ĐỐC``; `name`: full name as printed.
        seal_mm: diameter of the agency's seal, so that its box can be declared now.

    Raises:
        PresentationRefused: no such place, or an image that cannot be used.
    """
    check_seal_size(seal_mm)
    place = place or signing_place(path, title, name)
    person = person_image(png, place.box, page=place.page.number, strict=strict)
    seal = seal_box(person.box, seal_mm)
    declared = FieldBox(place.page.number, place.page.rect(seal))
    return Look(person, {PERSON_FIELD: field_box(person, place.page), AGENCY_FIELD: declared})


def seal_look(path: Path, png: bytes, *, seal_mm: float = SEAL_MM, strict: bool = False) -> Look:
    """The agency's seal on a document that the person has signed with a visible image.

    Raises:
        PresentationRefused: the person's signature or the agency's box is not visible, or the image cannot be used.
        PdfUnusable: not a readable PDF.
    """
    places = declared_places(path)
    person, own = places.get(PERSON_FIELD), places.get(AGENCY_FIELD)
    if person is None or own is None:
        raise PresentationRefused("the document declares no visible boxes for person and agency", place=path.name)
    return Look(agency_seal(png, seal_mm, person.box, page=own.page.number, strict=strict), {})


def attachment_look(path: Path, number: str, now: datetime, *, organisation: str = "", typeface: Typeface | None = None) -> Look:
    """The mark of a separate attachment; `number` is the main document's number and symbol, `now` the signing time.

    Raises:
        PresentationRefused: as `attachment_mark`, or a number that a verifier would not read back as one.
    """
    page = read_page(path, 1)
    return _marked(attachment_mark(number, now, page=page, organisation=organisation, typeface=typeface, below=_above(path)), page, number)


def copy_look(path: Path, form: CopyForm, agency: str, number: str, now: datetime, *, typeface: Typeface | None = None) -> Look:
    """The mark of a certified electronic copy.

    Raises:
        PresentationRefused: as `attachment_look`.
    """
    page = read_page(path, 1)
    return _marked(copy_mark(form, agency, number, now, page=page, typeface=typeface, below=_above(path)), page, number)


def declared_places(path: Path) -> dict[str, Place]:
    """Visible signature fields of a PDF by name, with the page and the box of each.

    Raises:
        PdfUnusable: not a readable PDF.
    """
    try:
        with path.open("rb") as file:
            reader = PdfFileReader(file, strict=False)
            objects, found = PyHankoObjects(), dict[str, Place]()
            form: Any = objects.value(objects.value(reader.root).get(b"AcroForm")) or {}
            for item in objects.value(form.get(b"Fields")) or []:
                field = objects.value(item)
                area = [float(objects.value(v)) for v in objects.value(field.get(b"Rect")) or ()]
                if field.get(b"FT") == b"Sig" and len(area) == 4 and area[0] != area[2] and area[1] != area[3]:
                    page = page_of_widget(objects, field)
                    found[_name(field.get(b"T"))] = Place(page, page.box((area[0], area[1], area[2], area[3])))
            return found
    except (OSError, PdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise PdfUnusable(f"{type(error).__name__}: {error}"[:300], place=path.name) from error


def _marked(mark: Appearance, page: Page, number: str) -> Look:
    # The verifier compares the number that it reads from the page (SIG-05): better refused here than missed there.
    if number.strip() and not numbers_equal(number_in(mark.text), number):
        raise PresentationRefused(f"“{number.strip()[:60]}” does not read as a number and symbol such as 7/QĐ-UBND", place=mark.kind)
    return Look(mark, {AGENCY_FIELD: field_box(mark, page)})


def _above(path: Path) -> Box | None:
    """A mark that stands at the top right of page one already: the next goes below it."""
    boxes = [place.box for place in declared_places(path).values() if place.page.number == 1 and place.box.bottom > place.page.size[1] * 3 / 4]
    return min(boxes, key=lambda box: box.bottom) if boxes else None


def _name(raw: object) -> str:
    if not isinstance(raw, bytes):
        return str(raw)
    return raw[2:].decode("utf-16-be") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")
