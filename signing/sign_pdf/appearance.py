"""appearance — từ hình thức tới đối tượng PDF: an `Appearance` as the normal appearance of a signature's widget.

The objects are described once, as plain dictionaries; a `Put` of either writer turns them
into its own. The form stands upright on a turned page, keeps the size it was given in
millimetres, and never leaves the box that was declared before the first signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.stamp.base import BaseStampStyle

from signing.errors import PdfUnusable, PresentationRefused
from signing.presentation import POINT_MM, Appearance, Box, Page, Picture
from signing.sign_pdf.increment import Increment
from signing.sign_pdf.plan import FieldBox
from signing.verify_pdf.mark_reader import PyHankoObjects, page_geometry, page_of_widget
from signing.verify_pdf.pdf_objects import Name, Ref

if TYPE_CHECKING:
    from signing.fonts import FontSubset

Plain = dict[bytes, Any]
Put = Callable[[Plain, bytes | None], Any]
_SERIF_SYMBOLIC = 6  # font descriptor flags: serif, not of the standard Latin set (ISO 32000-2 table 121)
_PYHANKO = PyHankoObjects()


def field_box(appearance: Appearance, page: Page) -> FieldBox:
    """Where the field of `appearance` is to be declared, in user space of `page`."""
    return FieldBox(page.number, tuple(round(v, 3) for v in page.rect(appearance.box)))  # type: ignore[arg-type]


def read_page(path: Path, number: int = -1) -> Page:
    """Geometry of a page of the PDF at `path`; `number` counts from 1, -1 is the last.

    Raises:
        PdfUnusable: not a readable PDF, or no such page.
    """
    try:
        with path.open("rb") as file:
            reader = PdfFileReader(file, strict=False)
            if reader.encrypted:
                raise PdfUnusable("encrypted", place=path.name)
            total = int(reader.root["/Pages"]["/Count"])
            index = number - 1 if number > 0 else total + number
            if not 0 <= index < total:
                raise PdfUnusable(f"no page {number}", place=path.name)
            found: Any = reader.find_page_for_modification(index)  # type: ignore[no-untyped-call]
            return page_geometry(_PYHANKO, _PYHANKO.value(found[0]), index + 1)
    except (OSError, PdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise PdfUnusable(f"{type(error).__name__}: {error}"[:300], place=path.name) from error


def draw(appearance: Appearance, page: Page, rect: tuple[float, float, float, float], put: Put) -> Any:
    """Put the form of `appearance` for a widget at `rect` of `page`; gives what `put` gave for it.

    Raises:
        PresentationRefused: it would leave the declared box, or stands on another page.
    """
    declared = page.box(rect)
    if appearance.page != page.number or not declared.holds(appearance.box):
        raise PresentationRefused("the appearance leaves the box declared for it", place=appearance.kind)
    width, height = declared.width / POINT_MM, declared.height / POINT_MM
    fonts = {name.encode(): _font(font, put) for name, font in appearance.fonts.items()}
    images = {name.encode(): _image(image, put) for name, image in appearance.images.items()}
    resources: Plain = {key: value for key, value in ((b"Font", fonts), (b"XObject", images)) if value}
    form: Plain = {
        b"Type": Name(b"XObject"),
        b"Subtype": Name(b"Form"),
        b"BBox": [0, 0, round(width, 3), round(height, 3)],
        b"Matrix": [round(v, 3) for v in page.upright(width, height)],
        b"Resources": resources,
    }
    return put(form, _moved(appearance, declared))


def _moved(appearance: Appearance, declared: Box) -> bytes:
    across, up = (appearance.box.left - declared.left) / POINT_MM, (appearance.box.bottom - declared.bottom) / POINT_MM
    if abs(across) < 0.01 and abs(up) < 0.01:
        return appearance.content
    return b"q 1 0 0 1 %.3f %.3f cm %s Q" % (across, up, appearance.content)


def _font(font: FontSubset, put: Put) -> Any:
    program = put({b"Filter": Name(b"FlateDecode"), b"Length1": font.length}, font.program)
    name = Name(font.name.encode())
    descriptor = put(
        {
            b"Type": Name(b"FontDescriptor"),
            b"FontName": name,
            b"Flags": _SERIF_SYMBOLIC,
            b"FontBBox": list(font.bbox),
            b"ItalicAngle": 0,
            b"Ascent": font.ascent,
            b"Descent": font.descent,
            b"CapHeight": font.cap_height,
            b"StemV": 80,
            b"FontFile2": program,
        },
        None,
    )
    descendant = put(
        {
            b"Type": Name(b"Font"),
            b"Subtype": Name(b"CIDFontType2"),
            b"BaseFont": name,
            b"CIDSystemInfo": {b"Registry": b"Adobe", b"Ordering": b"Identity", b"Supplement": 0},
            b"FontDescriptor": descriptor,
            b"CIDToGIDMap": Name(b"Identity"),
            b"DW": 1000,
            b"W": [0, list(font.widths)],
        },
        None,
    )
    to_unicode = put({b"Filter": Name(b"FlateDecode")}, font.to_unicode)
    return put(
        {
            b"Type": Name(b"Font"),
            b"Subtype": Name(b"Type0"),
            b"BaseFont": name,
            b"Encoding": Name(b"Identity-H"),
            b"DescendantFonts": [descendant],
            b"ToUnicode": to_unicode,
        },
        None,
    )


def _image(picture: Picture, put: Put) -> Any:
    common: Plain = {
        b"Type": Name(b"XObject"),
        b"Subtype": Name(b"Image"),
        b"Width": picture.width,
        b"Height": picture.height,
        b"BitsPerComponent": 8,
        b"Filter": Name(b"FlateDecode"),
    }
    mask = put({**common, b"ColorSpace": Name(b"DeviceGray")}, picture.alpha)
    return put({**common, b"ColorSpace": Name(b"DeviceRGB"), b"SMask": mask}, picture.rgb)


def drawn_in(increment: Increment, widget: Plain, appearance: Appearance) -> Ref:
    """Put `appearance` into the increment, for a widget with /Rect and /P; gives the form's reference.

    Raises:
        PresentationRefused: as `draw`.
        ValueError and kin: a page that is not regular.
    """

    def put(value: Plain, data: bytes | None) -> Ref:
        reference = increment.new()
        if data is None:
            increment.put(reference, value)
        else:
            increment.put_stream(reference, value, data)
        return reference

    form: Ref = draw(appearance, page_of_widget(increment, widget), _rect(widget[b"Rect"]), put)
    return form


@dataclass(frozen=True)
class DrawnStyle(BaseStampStyle):
    """pyHanko's idea of a look: draws an `Appearance` as it is, without borders or texts of its own."""

    appearance: Appearance | None = None

    def create_stamp(self, writer: Any, box: Any, text_params: dict[str, Any]) -> Any:
        """What pyHanko calls for a visible field."""
        return None if self.appearance is None else _Drawn(writer, self.appearance)


def stamp_style(appearance: Appearance | None) -> DrawnStyle:
    """The stamp style for pyHanko's `PdfSigner` that draws `appearance`; with None nothing, not even pyHanko's own text."""
    return DrawnStyle(appearance=appearance)


class _Drawn:
    """Sets /AP of the widget; pyHanko calls `apply_appearance` and nothing else."""

    def __init__(self, writer: Any, appearance: Appearance) -> None:
        self.writer, self.appearance = writer, appearance

    def apply_appearance(self, widget: Any) -> None:
        """Draw into the widget's declared rectangle."""
        page = page_of_widget(_PYHANKO, _PYHANKO.value(widget))
        reference = draw(self.appearance, page, _rect(widget["/Rect"]), self._put)
        widget["/AP"] = generic.DictionaryObject({generic.pdf_name("/N"): reference})  # type: ignore[no-untyped-call]

    def _put(self, value: Plain, data: bytes | None) -> Any:
        if data is None:
            return self.writer.add_object(_generic(value))
        deflated = b"Filter" in value
        if not deflated:
            return self.writer.add_object(generic.StreamObject(_generic(value), stream_data=data))
        return self.writer.add_object(generic.StreamObject(_generic(value), encoded_data=data))


def _generic(value: Any) -> Any:
    """A plain value as pyHanko's object."""
    if isinstance(value, dict):
        return generic.DictionaryObject({generic.pdf_name("/" + k.decode("latin-1")): _generic(v) for k, v in value.items()})  # type: ignore[no-untyped-call]
    if isinstance(value, list):
        return generic.ArrayObject([_generic(v) for v in value])
    if isinstance(value, Name):
        return generic.pdf_name("/" + value.decode("latin-1"))
    if isinstance(value, bytes):
        return generic.ByteStringObject(value)
    if isinstance(value, int):
        return generic.NumberObject(value)  # type: ignore[no-untyped-call]
    if isinstance(value, float):
        return generic.FloatObject(f"{value:.3f}".rstrip("0").rstrip("."))  # type: ignore[no-untyped-call]
    return value


def _rect(values: Any) -> tuple[float, float, float, float]:
    a, b, c, d = (float(v) for v in values)
    return a, b, c, d
