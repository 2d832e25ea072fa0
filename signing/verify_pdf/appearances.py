"""appearances — what a signature's widget shows, taken out of a regular PDF as plain data for `signing.marks`.

Only widgets that can be seen are looked at. Whatever is irregular gives an appearance that
cannot be read, never an exception.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime

from signing.marks import Form, FormFont, FormImage, Shown, read_mark
from signing.presentation import Page
from signing.reasons import reason
from signing.report import MarkFact, Role
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Name, Ref, Stream, Unusual
from signing.verify_pdf.pdf_text import text_string

MOST_FORMS = 16
MOST_PAGES = 20_000
LARGEST_CONTENT = 1 << 20
_HIDDEN = 0b10 | 0b100000  # Hidden and NoView, table 167
Dict = Mapping[bytes, object]


def mark_of(pdf: PdfFile, field: Dict, time: datetime | None, role: Role) -> MarkFact | None:
    """What the widget of a filled signature field shows in the last revision; None when nothing is to be seen.

    Args:
        field: the field's dictionary, merged with its widget.
        time: the claimed signing time, which a mark must repeat.
    """
    try:
        return _Reader(pdf).mark(field, time, role)
    except (Unusual, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        why = reason("mark.unreadable", detail=f"{type(error).__name__}: {error}"[:120])
        return MarkFact("other", 0, (0.0, 0.0, 0.0, 0.0), problems=(why,))


def shown_by(pdf: PdfFile) -> dict[str, Dict]:
    """Signature fields of the last revision by full name, for marks only: what is irregular is left out."""
    reader = _Reader(pdf)
    found: dict[str, Dict] = {}
    try:
        root = reader.dict(pdf.revisions[-1].trailer.get(b"Root"))
        tops = reader.value(reader.dict(root.get(b"AcroForm")).get(b"Fields"))
        waiting: list[tuple[object, str, int]] = [(item, "", 0) for item in (tops if isinstance(tops, list) else [])]
        while waiting and len(found) < MOST_FORMS * 16:
            item, prefix, depth = waiting.pop(0)
            field = reader.dict(item)
            name = ".".join(part for part in (prefix, text_string(field.get(b"T"))) if part)
            if b"V" in field:
                found[name] = field
            kids = reader.value(field.get(b"Kids"))
            waiting += [(kid, name, depth + 1) for kid in (kids if isinstance(kids, list) and depth < 8 else [])]
    except (Unusual, ValueError, TypeError, RecursionError):
        pass  # what was found until here is used
    return found


class _Reader:
    def __init__(self, pdf: PdfFile) -> None:
        self.pdf, self.last, self.forms = pdf, len(pdf.revisions) - 1, 0

    def value(self, item: object) -> object:
        return self.pdf.value(item, self.last)

    def dict(self, item: object) -> Dict:
        held = self.value(item)
        if isinstance(held, Stream):
            return held.dict
        return held if isinstance(held, dict) else {}

    def mark(self, field: Dict, time: datetime | None, role: Role) -> MarkFact | None:
        widget = self._widget(field)
        rect, flags = self._numbers(widget.get(b"Rect"), 4), self.value(widget.get(b"F"))
        normal = self.dict(widget.get(b"AP")).get(b"N")
        if rect is None or normal is None or rect[0] == rect[2] or rect[1] == rect[3]:
            return None
        stream = self.value(normal)
        if not isinstance(stream, Stream):
            raise Unusual("appearance with states")
        left, bottom, right, top = min(rect[0], rect[2]), min(rect[1], rect[3]), max(rect[0], rect[2]), max(rect[1], rect[3])
        hidden = isinstance(flags, int) and bool(flags & _HIDDEN)
        page = self._page(widget.get(b"P"))
        return read_mark(Shown((left, bottom, right, top), page, self._form(stream, 0), time, role, hidden))

    def _widget(self, field: Dict) -> Dict:
        kids = self.value(field.get(b"Kids"))
        if isinstance(kids, list) and len(kids) == 1 and b"Rect" not in field:
            return self.dict(kids[0])
        return field

    def _numbers(self, item: object, count: int) -> tuple[float, ...] | None:
        held = self.value(item)
        if not isinstance(held, list) or len(held) != count:
            return None
        found = [self.value(v) for v in held]
        if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in found):
            return None
        return tuple(float(v) for v in found if isinstance(v, (int, float)))

    def _page(self, item: object) -> Page:
        page = self.dict(item)
        if not isinstance(item, Ref) or page.get(b"Type") != b"Page":
            raise Unusual("widget without a page")
        media = self._inherited(page, b"MediaBox")
        crop, rotate, unit = self._inherited(page, b"CropBox"), self._inherited(page, b"Rotate"), self.value(page.get(b"UserUnit"))
        box, visible = self._numbers(media, 4), self._numbers(crop, 4)
        if box is None:
            raise Unusual("page without a box")
        turn = rotate % 360 if isinstance(rotate, int) and rotate % 90 == 0 else 0
        size = float(unit) if isinstance(unit, (int, float)) and unit > 0 else 1.0
        return Page(
            number=self._number_of(item, page),
            media=(box[0], box[1], box[2], box[3]),
            crop=(visible[0], visible[1], visible[2], visible[3]) if visible else None,
            rotate=turn,
            unit=size,
        )

    def _inherited(self, page: Dict, key: bytes) -> object:
        """An attribute that the page tree hands down (7.7.3.4)."""
        node = page
        for _ in range(32):
            if key in node:
                return self.value(node[key])
            if b"Parent" not in node:
                return None
            node = self.dict(node[b"Parent"])
        raise Unusual("page tree")

    def _number_of(self, reference: Ref, page: Dict) -> int:
        """Place of a page in the document, from 1, by the counts of the page tree."""
        number, child, node = 1, reference, page
        for _ in range(32):
            parent = node.get(b"Parent")
            if not isinstance(parent, Ref):
                return number
            node = self.dict(parent)
            kids = self.value(node.get(b"Kids"))
            if not isinstance(kids, list) or child not in kids or len(kids) > MOST_PAGES:
                raise Unusual("page tree")
            place = kids.index(child)
            # As many pages as kids: each kid is one page, and need not be looked at.
            number += place if node.get(b"Count") == len(kids) else sum(self._count(kid) for kid in kids[:place])
            child = parent
        raise Unusual("page tree")

    def _count(self, kid: object) -> int:
        held = self.dict(kid)
        count = held.get(b"Count", 1) if held.get(b"Type") == b"Pages" else 1
        return count if isinstance(count, int) and 0 <= count <= MOST_PAGES else 1

    def _form(self, stream: Stream, depth: int) -> Form:
        self.forms += 1
        if self.forms > MOST_FORMS or depth > 6:
            raise Unusual("nested appearances")
        bbox, matrix = self._numbers(stream.dict.get(b"BBox"), 4), self._numbers(stream.dict.get(b"Matrix"), 6)
        if bbox is None:
            raise Unusual("appearance without a box")
        resources = self.dict(stream.dict.get(b"Resources"))
        fonts = {k.decode("latin-1"): self._font(v) for k, v in self.dict(resources.get(b"Font")).items()}
        images: dict[str, FormImage] = {}
        forms: dict[str, Form] = {}
        for key, item in self.dict(resources.get(b"XObject")).items():
            held = self.value(item)
            if isinstance(held, Stream) and held.dict.get(b"Subtype") == b"Image":
                images[key.decode("latin-1")] = self._image(held, alpha=True)
            elif isinstance(held, Stream) and held.dict.get(b"Subtype") == b"Form":
                forms[key.decode("latin-1")] = self._form(held, depth + 1)
        turned = matrix or (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
        return Form(
            content=self._content(stream),
            bbox=(bbox[0], bbox[1], bbox[2], bbox[3]),
            matrix=(turned[0], turned[1], turned[2], turned[3], turned[4], turned[5]),
            fonts=fonts,
            images=images,
            forms=forms,
        )

    def _content(self, stream: Stream) -> bytes:
        content = self.pdf.decode(stream)
        if len(content) > LARGEST_CONTENT:
            raise Unusual("appearance is large")
        return content

    def _font(self, item: object) -> FormFont:
        font = self.dict(item)
        encoding = self.value(font.get(b"Encoding"))
        differences: dict[int, str] = {}
        base = _name(encoding)
        if isinstance(encoding, dict):
            base, code = _name(encoding.get(b"BaseEncoding")), 0
            listed = self.value(encoding.get(b"Differences"))
            for part in listed if isinstance(listed, list) else ():
                if isinstance(part, int):
                    code = part
                elif isinstance(part, Name):
                    differences[code] = part.decode("latin-1")
                    code += 1
        table = self.value(font.get(b"ToUnicode"))
        return FormFont(
            subtype=_name(font.get(b"Subtype")),
            name=_name(font.get(b"BaseFont")),
            to_unicode=self._content(table) if isinstance(table, Stream) else None,
            encoding=base,
            differences=differences,
        )

    def _image(self, stream: Stream, *, alpha: bool) -> FormImage:
        held = stream.dict
        width, height, bits = (self.value(held.get(k, d)) for k, d in ((b"Width", 0), (b"Height", 0), (b"BitsPerComponent", 8)))
        if not (isinstance(width, int) and isinstance(height, int) and isinstance(bits, int)):
            raise Unusual("image")
        space, palette = self._space(held)
        listed = self.value(held.get(b"Filter"))
        filters = tuple(_name(f) for f in (listed if isinstance(listed, list) else [listed] if listed is not None else []))
        parms = self.value(held.get(b"DecodeParms"))
        parms = parms[0] if isinstance(parms, list) and len(parms) == 1 else parms
        predictor = self.dict(parms).get(b"Predictor", 1) if isinstance(parms, (dict, Ref)) else 1
        mask = self.value(held.get(b"SMask")) if alpha else None
        return FormImage(
            width=width,
            height=height,
            data=self.pdf.read(stream.start, stream.length),
            bits=bits,
            space=space,
            filters=filters,
            predictor=predictor if isinstance(predictor, int) else 0,
            palette=palette,
            alpha=self._image(mask, alpha=False) if isinstance(mask, Stream) else None,
        )

    def _space(self, held: Dict) -> tuple[str, bytes]:
        if held.get(b"ImageMask") is True:
            return "mask", b""
        space = self.value(held.get(b"ColorSpace"))
        if isinstance(space, Name):
            return {b"DeviceRGB": "RGB", b"DeviceGray": "L", b"DeviceCMYK": "CMYK"}.get(bytes(space), ""), b""
        if isinstance(space, list) and space and space[0] == b"ICCBased":
            return {1: "L", 3: "RGB", 4: "CMYK"}.get(_number(self.dict(space[1]).get(b"N")), ""), b""
        if isinstance(space, list) and space and space[0] in (b"CalRGB", b"CalGray"):
            return "RGB" if space[0] == b"CalRGB" else "L", b""
        if isinstance(space, list) and len(space) == 4 and space[0] == b"Indexed" and self.value(space[1]) == b"DeviceRGB":
            table = self.value(space[3])
            return "P", self._content(table) if isinstance(table, Stream) else bytes(table) if isinstance(table, bytes) else b""
        return "", b""


def _name(item: object) -> str:
    return item.decode("latin-1") if isinstance(item, Name) else ""


def _number(item: object) -> int:
    return item if isinstance(item, int) else 0
