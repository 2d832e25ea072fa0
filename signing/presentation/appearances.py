"""appearances — hình thức chữ ký số: the four looks a signature may have by NĐ 30/2020.

Pure values, no PDF library, no clock: each builder gives an `Appearance`, plain data that
`signing.sign_pdf` turns into PDF objects. Annex I-I-II.7.d (person), II.8.a (agency's seal),
II.8.b (separate attachment), I-II-I.3 (certified electronic copy).
"""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType

from signing.errors import PresentationRefused
from signing.fonts import FontSubset, Typeface, load_font, plain
from signing.presentation.drawing import Appearance
from signing.presentation.geometry import POINT_MM, Box, Page, seal_box
from signing.presentation.images import Picture, read_png
from signing.presentation.wording import SIZE, CopyForm, vietnam_time
from signing.reasons import reason

LEADING = 12.0
MARGIN_MM = 15.0  # right margin, NĐ 30 Annex I-I-I.4: 15–20 mm
TOP_MM = 5.0  # within the top margin of 20–25 mm, so that no text is covered
HEAD_MM = 20.0  # the least top margin that a document has (NĐ 30 Annex I-I-I.4)
EDGE_MM = 3.0  # nearer to the edge of the paper printers leave out
LONGEST = 300  # characters of an organisation's name or a number
SEAL_MM = (20.0, 60.0)


def person_image(png: bytes, box: Box, *, page: int = 1, strict: bool = False) -> Appearance:
    """The authorised person's handwritten signature, blue on a transparent ground, in the middle of `box` (ô 7c).

    `box` lies between the office's title and the full name; the appearance's own box is the image itself.

    Raises:
        PresentationRefused: not a usable PNG; with `strict`, not blue or without transparency.
    """
    picture = read_png(png, box.width, box.height)
    return _image("person_image", picture, box.fitted(picture.ratio), page, "blue", strict)


def agency_seal(png: bytes, diameter_mm: float, person_box: Box, *, page: int = 1, strict: bool = False) -> Appearance:
    """The agency's seal, red, of real size, over the left third of the person's image (ô 8).

    Args:
        diameter_mm: from the agency's profile; 20–60 mm.
        person_box: `Appearance.box` of the person's image.

    Raises:
        PresentationRefused: not a usable PNG or no real size; with `strict`, not red or without transparency.
    """
    check_seal_size(diameter_mm)
    picture = read_png(png, diameter_mm, diameter_mm)
    return _image("agency_seal", picture, seal_box(person_box, diameter_mm, ratio=picture.ratio), page, "red", strict)


def check_seal_size(diameter_mm: float) -> None:
    """Gate: a seal of that diameter exists.

    Raises:
        PresentationRefused: outside 20–60 mm.
    """
    if not SEAL_MM[0] <= diameter_mm <= SEAL_MM[1]:
        raise PresentationRefused(f"a seal of {diameter_mm:g} mm is no real size")


def attachment_mark(
    number_and_symbol: str, time: datetime, *, page: Page | None = None, organisation: str = "", typeface: Typeface | None = None, below: Box | None = None
) -> Appearance:
    """The mark of the agency's signature on a separate attachment: number and symbol, time; text only, top right of page one.

    Args:
        organisation: shown between them when given.
        time: the signing time; the same moment as /M of the signature.
        below: a mark that already stands there.

    Raises:
        PresentationRefused: empty or overlong text, a letter that the font lacks, a page too small.
    """
    lines = [_wanted(number_and_symbol, "number and symbol"), plain(organisation), vietnam_time(time)]
    return _text("attachment", [line for line in lines if line], time, page or Page(), typeface or load_font(), below)


def copy_mark(
    form: CopyForm, agency: str, number: str, time: datetime, *, page: Page | None = None, typeface: Typeface | None = None, below: Box | None = None
) -> Appearance:
    """The mark of a certified electronic copy: form, copying agency, number, time; text only, top right of page one (ô 14).

    `number` is the copy's number and symbol, e.g. ``12/SY-UBND``; it may be empty.

    Raises:
        PresentationRefused: as `attachment_mark`.
    """
    lines = [CopyForm(form).value, _wanted(agency, "copying agency"), plain(number), vietnam_time(time)]
    return _text("copy", [line for line in lines if line], time, page or Page(), typeface or load_font(), below)


def _image(kind: str, picture: Picture, box: Box, page: int, colour: str, strict: bool) -> Appearance:
    found = []
    if picture.colour != colour:
        found.append(reason("mark.colour", kind, picture.colour))
    if not picture.transparent:
        found.append(reason("mark.transparency", kind))
    if strict and found:
        raise PresentationRefused("; ".join(r.en for r in found), place=kind)
    content = b"q %s 0 0 %s 0 0 cm /Im0 Do Q" % (_number(box.width / POINT_MM), _number(box.height / POINT_MM))
    return Appearance(kind, page, box, content, images=MappingProxyType({"Im0": picture}), warnings=tuple(found))


def _text(kind: str, lines: list[str], time: datetime, page: Page, typeface: Typeface, below: Box | None) -> Appearance:
    subset = typeface.subset("".join(lines))
    page_width, page_height = page.size
    margin = min(MARGIN_MM, page_width * 0.05)
    wrapped = [part for line in lines for part in _wrapped(line, subset, (page_width / 2 - margin) / POINT_MM)]
    width = max(subset.width(line, SIZE) for line in wrapped)
    height = LEADING * len(wrapped)
    # A mark of four lines goes up a little rather than down onto the text.
    top = (below.bottom - 1) if below else page_height - min(max(HEAD_MM - height * POINT_MM, EDGE_MM), TOP_MM)
    right = page_width - margin
    box = Box(right - width * POINT_MM, top - height * POINT_MM, right, top)
    if box.bottom < page_height * 3 / 4:
        raise PresentationRefused("the mark does not fit the top quarter of the page", place=kind)
    baseline = height - LEADING * (0.5 + 0.33)  # capitals in the middle of their line
    shown = b" T* ".join(subset.encode(line) + b" Tj" for line in wrapped)
    content = b"q 0 g BT /F0 %s Tf %s TL 0 %s Td %s ET Q" % (_number(SIZE), _number(LEADING), _number(baseline), shown)
    return Appearance(kind, page.number, box, content, fonts=MappingProxyType({"F0": subset}), text="\n".join(lines), time=time, font=typeface.family)


def _wanted(text: str, what: str) -> str:
    text = plain(text)
    if not text or len(text) > LONGEST or not text.isprintable():
        raise PresentationRefused(f"{what}: empty, too long or not printable")
    return text


def _wrapped(line: str, subset: FontSubset, most: float) -> list[str]:
    """`line` in pieces of at most `most` points, broken at spaces."""
    found, rest = [], ""
    for word in line.split(" "):
        longer = f"{rest} {word}" if rest else word
        if subset.width(longer, SIZE) <= most:
            rest = longer
            continue
        if subset.width(word, SIZE) > most:
            raise PresentationRefused(f"“{word}” is wider than the place of the mark")
        found.append(rest)
        rest = word
    return [*found, rest]


def _number(value: float) -> bytes:
    return f"{value:.3f}".rstrip("0").rstrip(".").encode()
