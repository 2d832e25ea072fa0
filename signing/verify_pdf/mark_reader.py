"""mark_reader — from the widget of a signature to the plain data that `signing.marks` reads.

One walk for both paths of verification: it goes over plain dictionaries (`pdf_objects`), and
`PyHankoObjects` shows pyHanko's objects in that form. Bounded like everything that is read
from a file; whatever is odd is the reason ``mark.unreadable``, never an exception.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError

from signing.marks import Form, FormFont, FormImage, Shown, read_mark
from signing.presentation import Page
from signing.reasons import reason
from signing.report import MarkFact, Role
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Name, Stream

Dict = dict[bytes, Any]
LARGEST_CONTENT = 512 * 1024
LARGEST_IMAGE = 8 * 1024 * 1024
MOST_OBJECTS = 128
DEEPEST = 6
_HIDDEN = 2 | 32  # annotation flags Hidden and NoView (ISO 32000-2 table 167)
_SPACES = {b"DeviceRGB": "RGB", b"CalRGB": "RGB", b"DeviceGray": "L", b"CalGray": "L", b"DeviceCMYK": "CMYK"}
_BY_COMPONENTS = {1: "L", 3: "RGB", 4: "CMYK"}


class HasValue(Protocol):
    """Whatever resolves references to plain values."""

    def value(self, item: object) -> Any:
        """`item`, or what it refers to; streams as anything with `dict`."""
        ...


class Objects(HasValue, Protocol):
    """Objects of one revision of a PDF, as plain values."""

    def raw(self, stream: Any) -> bytes:
        """Bytes of a stream as they are in the file."""
        ...

    def decoded(self, stream: Any) -> bytes:
        """Decoded bytes of a stream, at most `LARGEST_CONTENT`."""
        ...


class PlainObjects:
    """The quick path's objects as of a revision (index)."""

    def __init__(self, pdf: PdfFile, revision: int) -> None:
        self.pdf, self.revision = pdf, revision

    def value(self, item: object) -> Any:
        """As `Objects`."""
        return self.pdf.value(item, self.revision)

    def raw(self, stream: Stream) -> bytes:
        """As `Objects`."""
        if stream.length > LARGEST_IMAGE:
            raise ValueError("stream is large")
        return self.pdf.read(stream.start, stream.length)

    def decoded(self, stream: Stream) -> bytes:
        """As `Objects`."""
        return self.pdf.decode(stream)


class _Held:
    """A stream of pyHanko with its dictionary in plain form."""

    __slots__ = ("dict", "stream")

    def __init__(self, dictionary: Dict, stream: Any) -> None:
        self.dict, self.stream = dictionary, stream


class PyHankoObjects:
    """pyHanko's objects in plain form, one level at a time."""

    def value(self, item: object) -> Any:
        """As `Objects`."""
        if isinstance(item, generic.Reference | generic.IndirectObject):
            item = item.get_object()
        if isinstance(item, generic.StreamObject):
            return _Held(self._dict(item), item)
        if isinstance(item, generic.DictionaryObject):
            return self._dict(item)
        if isinstance(item, generic.ArrayObject):
            return [self._shallow(item.raw_get(i)) for i in range(len(item))]
        return self._shallow(item)

    def raw(self, stream: _Held) -> bytes:
        """As `Objects`."""
        data: bytes = stream.stream.encoded_data
        if len(data) > LARGEST_IMAGE:
            raise ValueError("stream is large")
        return data

    def decoded(self, stream: _Held) -> bytes:
        """As `Objects`."""
        if stream.dict.get(b"Filter") == b"FlateDecode" and b"DecodeParms" not in stream.dict:
            return zlib.decompressobj().decompress(self.raw(stream), LARGEST_CONTENT)
        data: bytes = stream.stream.data
        return data[:LARGEST_CONTENT]

    def _dict(self, item: generic.DictionaryObject) -> Dict:
        return {str(key)[1:].encode("latin-1", "replace"): self._shallow(item.raw_get(key)) for key in item}

    def _shallow(self, item: Any) -> Any:
        if isinstance(item, generic.NameObject):
            return Name(str(item)[1:].encode("latin-1", "replace"))
        if isinstance(item, generic.TextStringObject):
            return _bytes_of(item)
        if isinstance(item, generic.FloatObject):
            return float(item)
        if isinstance(item, generic.BooleanObject):
            return bool(item)
        if isinstance(item, generic.NullObject):
            return None
        return item  # numbers and byte strings are themselves; containers and references wait for `value`


def signature_mark(objects: Objects, field: object, *, time: datetime | None = None, role: Role = Role.UNKNOWN) -> MarkFact | None:
    """What the signature in `field` shows on its page, None when nothing is shown.

    Args:
        field: the field's dictionary or a reference to it.
        time: the claimed signing time, to compare with the time shown.
    """
    try:
        shown = _shown(objects, objects.value(field), time, role)
    except Exception as error:  # any oddity of a hostile file; the reason says what was raised
        why = reason("mark.unreadable", detail=f"{type(error).__name__}: {error}"[:120])
        return MarkFact("other", 0, (0.0, 0.0, 0.0, 0.0), problems=(why,))
    return None if shown is None else read_mark(shown)


def page_geometry(objects: HasValue, page: Dict, number: int) -> Page:
    """Geometry of a page, with what it inherits.

    Raises:
        ValueError, TypeError: boxes that are none.
    """
    found: Dict = {}
    node: Any = page
    for _ in range(64):
        for key in (b"MediaBox", b"CropBox", b"Rotate"):
            if key not in found and node.get(key) is not None:
                found[key] = objects.value(node[key])
        node = objects.value(node.get(b"Parent"))
        if not isinstance(node, dict):
            break
    crop = found.get(b"CropBox")
    unit = objects.value(page.get(b"UserUnit"))
    media = _numbers(objects, found.get(b"MediaBox", [0, 0, 612, 792]), 4)
    return Page(number, media, None if crop is None else _numbers(objects, crop, 4), int(found.get(b"Rotate") or 0) % 360, float(unit or 1))  # type: ignore[arg-type]


def _shown(objects: Objects, field: Dict, time: datetime | None, role: Role) -> Shown | None:
    widget = field
    if b"Rect" not in widget:
        kids = objects.value(field.get(b"Kids")) or []
        widget = objects.value(kids[0]) if kids else field
    looks, rect = objects.value(widget.get(b"AP")), widget.get(b"Rect")
    normal = objects.value(looks.get(b"N")) if isinstance(looks, dict) else None
    if rect is None or normal is None or not hasattr(normal, "dict"):
        return None
    area = _numbers(objects, objects.value(rect), 4)
    if area[0] == area[2] or area[1] == area[3]:
        return None
    hidden = bool(int(objects.value(widget.get(b"F")) or 0) & _HIDDEN)
    form = _Walk(objects).form(normal, {}, 0)
    return Shown(area, page_of_widget(objects, widget), form, time, role, hidden)  # type: ignore[arg-type]


def page_of_widget(objects: HasValue, widget: Dict) -> Page:
    """Geometry of the page that a widget is on, its number included.

    Raises:
        ValueError, TypeError, KeyError: an irregular page tree.
    """
    page, number = _page(objects, widget)
    return page_geometry(objects, page, number)


def _page(objects: HasValue, widget: Dict) -> tuple[Dict, int]:
    """The page a widget is on, and its number from 1."""
    page = objects.value(widget.get(b"P"))
    if not isinstance(page, dict):
        raise ValueError("the widget names no page")
    number, below, reference = 1, page, widget.get(b"P")
    for _ in range(64):
        up = below.get(b"Parent")
        parent = objects.value(up)
        if not isinstance(parent, dict):
            return page, number
        kids = objects.value(parent.get(b"Kids"))
        at = [str(kid) for kid in kids].index(str(reference))
        if objects.value(parent.get(b"Count")) == len(kids):
            number += at  # every kid is a page
        else:
            number += sum(int(objects.value(objects.value(kid).get(b"Count")) or 1) for kid in kids[:at])
        below, reference = parent, up
    raise ValueError("page tree is too deep")


def _numbers(objects: HasValue, values: Any, wanted: int) -> tuple[float, ...]:
    found = tuple(float(objects.value(v)) for v in values)
    if len(found) != wanted:
        raise ValueError(f"{len(found)} numbers instead of {wanted}")
    return found


class _Walk:
    """Collects a form and what it draws, within bounds."""

    def __init__(self, objects: Objects) -> None:
        self.objects, self.left, self.bytes_left = objects, MOST_OBJECTS, LARGEST_IMAGE

    def form(self, stream: Any, inherited: Dict, depth: int) -> Form:
        """A form XObject; without resources of its own it has those of whoever draws it."""
        self._count(depth)
        value, entries = self.objects.value, stream.dict
        resources = value(entries.get(b"Resources"))
        resources = resources if isinstance(resources, dict) else inherited
        fonts = {k.decode("latin-1"): self.font(v) for k, v in self._entries(resources, b"Font")}
        images: dict[str, FormImage] = {}
        forms: dict[str, Form] = {}
        for key, item in self._entries(resources, b"XObject"):
            inner = value(item)
            kind = value(inner.dict.get(b"Subtype"))
            if kind == b"Image":
                images[key.decode("latin-1")] = self.image(inner)
            elif kind == b"Form" and depth < DEEPEST:
                forms[key.decode("latin-1")] = self.form(inner, resources, depth + 1)
        matrix = value(entries.get(b"Matrix"))
        return Form(
            content=self._content(stream),
            bbox=_numbers(self.objects, value(entries[b"BBox"]), 4),  # type: ignore[arg-type]
            matrix=(1, 0, 0, 1, 0, 0) if matrix is None else _numbers(self.objects, matrix, 6),  # type: ignore[arg-type]
            fonts=fonts,
            images=images,
            forms=forms,
        )

    def font(self, item: object) -> FormFont:
        """A font's name and how its codes are read."""
        self._count()
        value, entries = self.objects.value, self.objects.value(item)
        stream, encoding = value(entries.get(b"ToUnicode")), value(entries.get(b"Encoding"))
        differences: dict[int, str] = {}
        if isinstance(encoding, dict):
            at = 0
            for part in value(encoding.get(b"Differences")) or []:
                if isinstance(part, Name):
                    differences[at] = part.decode("latin-1")
                    at += 1
                else:
                    at = int(value(part))
            encoding = value(encoding.get(b"BaseEncoding"))
        return FormFont(
            subtype=_text(value(entries.get(b"Subtype"))),
            name=_text(value(entries.get(b"BaseFont"))),
            to_unicode=self._content(stream) if hasattr(stream, "dict") else None,
            encoding=_text(encoding),
            differences=differences,
        )

    def image(self, stream: Any, *, is_alpha: bool = False) -> FormImage:
        """An image, its samples as they are in the file."""
        self._count()
        value, entries = self.objects.value, stream.dict
        space, palette = self._space(value(entries.get(b"ColorSpace")))
        filters = value(entries.get(b"Filter"))
        names = tuple(_text(value(f)) for f in filters) if isinstance(filters, list) else (_text(filters),) if filters else ()
        parameters = value(entries.get(b"DecodeParms"))
        parameters = value(parameters[0]) if isinstance(parameters, list) and parameters else parameters
        alpha = value(entries.get(b"SMask"))
        return FormImage(
            width=int(value(entries[b"Width"])),
            height=int(value(entries[b"Height"])),
            data=self._samples(stream),
            bits=int(value(entries.get(b"BitsPerComponent")) or 1),
            space="mask" if value(entries.get(b"ImageMask")) is True else space,
            filters=names,
            predictor=int(value(parameters.get(b"Predictor")) or 1) if isinstance(parameters, dict) else 1,
            palette=palette,
            alpha=self.image(alpha, is_alpha=True) if hasattr(alpha, "dict") and not is_alpha else None,
        )

    def _samples(self, stream: Any) -> bytes:
        data = self.objects.raw(stream)
        self.bytes_left -= len(data)
        if self.bytes_left < 0:
            raise ValueError("images are large")
        return data

    def _space(self, space: Any) -> tuple[str, bytes]:
        value = self.objects.value
        if isinstance(space, bytes):
            return _SPACES.get(bytes(space), ""), b""
        if not isinstance(space, list) or not space:
            return "", b""
        name = value(space[0])
        if name == b"ICCBased":
            return _BY_COMPONENTS.get(int(value(value(space[1]).dict.get(b"N"))), ""), b""
        if name == b"Indexed" and self._space(value(space[1]))[0] == "RGB":
            table = value(space[3])
            return "P", bytes(table) if isinstance(table, bytes) else self._content(table)
        return _SPACES.get(bytes(name), ""), b""

    def _content(self, stream: Any) -> bytes:
        data = self.objects.decoded(stream)
        if len(data) >= LARGEST_CONTENT:
            raise ValueError("stream is large")
        return data

    def _entries(self, resources: Mapping[bytes, Any], kind: bytes) -> list[tuple[bytes, Any]]:
        entries = self.objects.value(resources.get(kind))
        return list(entries.items())[:MOST_OBJECTS] if isinstance(entries, dict) else []

    def _count(self, depth: int = 0) -> None:
        self.left -= 1
        if self.left < 0 or depth > DEEPEST:
            raise ValueError("an appearance of too many objects")


def _bytes_of(item: generic.TextStringObject) -> bytes:
    """A string's bytes as in the file, or as they will be when it was made just now."""
    try:
        data: bytes = item.original_bytes
        return data
    except PdfError:
        return item.encode("ascii") if item.isascii() else b"\xfe\xff" + item.encode("utf-16-be")


def _text(value: object) -> str:
    return bytes(value).decode("latin-1")[:128] if isinstance(value, bytes) else ""
