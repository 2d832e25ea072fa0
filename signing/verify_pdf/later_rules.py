"""later_rules — what the difference analysis lets pass and an official document must not: pyHanko's gaps, closed.

Looked at in the revisions after the first signed one: the form's dictionary, the document's
metadata, and the form of the cross-references and object streams themselves.
"""

from __future__ import annotations

import os
import re
from typing import IO, Any

from pyhanko.pdf_utils import generic

from signing.verify_pdf.byte_rules import TamperSigns
from signing.verify_pdf.history import resolved
from signing.verify_pdf.metadata import statements
from signing.verify_pdf.pdf_file import LARGEST_OBJECT, WINDOW, PdfFile
from signing.verify_pdf.pdf_objects import WHITE, Unusual, parse

_INFO_STAMPS = {"/ModDate", "/Producer"}
_EXTENSION_KEYS = {"/Type", "/BaseVersion", "/ExtensionLevel", "/ExtensionRevision", "/URL"}
_VERSION = re.compile(r"/[1-9]\.\d")
_HEADER = re.compile(rb"[\0\t\n\x0c\r ]*(\d{1,10})[\0\t\n\x0c\r ]+\d{1,5}[\0\t\n\x0c\r ]+obj")
_STREAM_END = re.compile(rb"[\0\t\n\x0c\r ]{0,4}endstream[\0\t\n\x0c\r ]+endobj")
DEEPEST = 40


def form_problem(reader: Any, revision: int) -> str:
    """What is wrong with the form's dictionary against revision `revision` (from 0); "" when nothing.

    Fields keep their order and new ones come last; entries that there were stay what they were.
    """
    old, new = _form(reader.get_historical_resolver(revision)), _form(reader)
    if old is None or new is None:
        return "" if old is new or old is None else "the form was taken out"
    before, after = list(_items(old.get("/Fields"))), list(_items(new.get("/Fields")))
    if after[: len(before)] != before:
        return "the fields were put in another order"
    was, now = _flags(old), _flags(new)
    if was & now != was:
        return "the form's flags were taken back"
    for key in dict.fromkeys((*old, *new)):
        if key in ("/Fields", "/SigFlags"):
            continue
        if key not in old and key not in ("/DR", "/DA"):
            return f"the form gained {key}"
        if key in old and not _grew(old.raw_get(key), new.raw_get(key) if key in new else None, 0):
            return f"the form's {key} was changed"
    return ""


def _form(handler: Any) -> Any:
    form = resolved(handler.root.get("/AcroForm"))
    return form if isinstance(form, generic.DictionaryObject) else None


def _flags(form: Any) -> int:
    flags = resolved(form.get("/SigFlags"))
    return int(flags) if isinstance(flags, int) else 0


def _items(item: Any) -> list[tuple[int, int] | str]:
    held = resolved(item)
    if not isinstance(held, generic.ArrayObject):
        return []
    raw = [held.raw_get(i) for i in range(len(held))]
    return [(r.idnum, r.generation) if isinstance(r, generic.IndirectObject) else repr(r) for r in raw]


def _grew(old: Any, new: Any, depth: int) -> bool:
    """Is `new` `old`, or a dictionary with more entries? References are followed on both sides."""
    if depth > DEEPEST:
        return False
    a, b = resolved(old), resolved(new)
    if isinstance(a, generic.StreamObject):
        return isinstance(b, generic.StreamObject) and a.encoded_data == b.encoded_data and _grew_dict(a, b, depth)
    if isinstance(a, generic.DictionaryObject):
        return isinstance(b, generic.DictionaryObject) and _grew_dict(a, b, depth)
    if isinstance(a, generic.ArrayObject):
        same = isinstance(b, generic.ArrayObject) and len(a) == len(b)
        return same and all(_grew(a.raw_get(i), b.raw_get(i), depth + 1) for i in range(len(a)))
    return bool(a == b)


def _grew_dict(a: Any, b: Any, depth: int) -> bool:
    return all(k in b and _grew(a.raw_get(k), b.raw_get(k), depth + 1) for k in a if k not in ("/P", "/Parent"))


def metadata_problem(reader: Any, revision: int) -> str:
    """What was changed in the document's metadata since `revision` (from 0) beyond times and producer; "" when nothing."""
    old, new = reader.get_historical_resolver(revision), reader
    before, after = resolved(old.root.get("/Metadata")), resolved(new.root.get("/Metadata"))
    if before is not None and after is None:
        return "the metadata were taken out"
    if isinstance(before, generic.StreamObject) and isinstance(after, generic.StreamObject) and _told(before) != _told(after):
        return "the metadata were changed"
    old_info, new_info = _info(old), _info(reader.get_historical_resolver(reader.xrefs.total_revisions - 1))
    for key in sorted({*old_info, *new_info}):
        was, now = old_info.get(key), new_info.get(key)
        if key in _INFO_STAMPS:
            if now is not None and was != now and not isinstance(now, (generic.TextStringObject, generic.ByteStringObject)):
                return f"the document information {key} is no text"
        elif was != now and (old_info or key != "/CreationDate"):
            return f"the document information {key} was changed"
    return ""


def _told(stream: Any) -> object:
    data = bytes(stream.data)
    try:
        return statements(data)
    except ValueError:
        return data


def _info(resolver: Any) -> dict[str, Any]:
    """The document information as a revision has it. (Followed by hand: the trailer's own references lead to the newest objects.)"""
    try:
        held = resolver.trailer_view.raw_get("/Info")
    except (KeyError, AttributeError):
        return {}
    held = resolver(held.reference) if isinstance(held, generic.IndirectObject) else held
    return {str(k): resolved(held.raw_get(k)) for k in held} if isinstance(held, generic.DictionaryObject) else {}


def catalog_problem(reader: Any, revision: int) -> str:
    """What is wrong with the catalog against revision `revision` (from 0); "" when nothing. pyHanko lets three entries be anything at all.

    Developer extensions (ISO 32000-2 7.12) may be declared, with plain values under the keys that they have; the version is a version,
    and tagging is told by flags (14.7).
    """
    old, new = reader.get_historical_resolver(revision).root, reader.root
    for key, right in (("/Version", _is_version), ("/MarkInfo", _is_marking)):
        if key in new and resolved(old.get(key)) != resolved(new.get(key)) and not right(resolved(new.get(key))):
            return f"the catalog's {key} is irregular"
    before, after = resolved(old.get("/Extensions")), resolved(new.get("/Extensions"))
    if after is None or before == after:
        return ""
    if not isinstance(after, generic.DictionaryObject):
        return "the extensions are no dictionary"
    for key in after:
        held = resolved(after.raw_get(key))
        for one in held if isinstance(held, generic.ArrayObject) else (held,):
            if not _is_extension(resolved(one)):
                return f"the extension {key} is irregular"
    return ""


def _is_version(held: Any) -> bool:
    return isinstance(held, generic.NameObject) and _VERSION.fullmatch(str(held)) is not None


def _is_marking(held: Any) -> bool:
    flags = isinstance(held, generic.DictionaryObject) and not set(held) - {"/Type", "/Marked", "/UserProperties", "/Suspects"}
    return flags and all(isinstance(resolved(held.raw_get(k)), (generic.BooleanObject, generic.NameObject)) for k in held)


def _is_extension(held: Any) -> bool:
    if not isinstance(held, generic.DictionaryObject):
        return isinstance(held, generic.NameObject)
    return not set(held) - _EXTENSION_KEYS and not any(isinstance(resolved(held.raw_get(k)), (dict, list)) for k in held)


def check_structure(file: IO[bytes], reader: Any, signed_end: int, signs: TamperSigns) -> None:
    """Cross-references, object streams and objects written after `signed_end` are regular: every parser reads them alike.

    A key that stands twice in a dictionary is one thing for one reader and another for the next.
    """
    pdf = PdfFile(file.fileno(), file.seek(0, 2))
    for index in range(reader.xrefs.total_revisions):
        place = reader.xrefs.get_xref_container_info(index).declared_startxref
        if place < signed_end:
            continue
        try:
            section = pdf.section(pdf.keyword(place))
            entries = section.entries()
            if any(number == 0 and entry.kind != "f" for number, entry in entries):
                raise Unusual("object 0")
            for number, entry in entries:
                if entry.kind == "n":
                    _check_object(file, number, entry.where)
            for container in {entry.where for _, entry in entries if entry.kind == "c"}:
                place_of = section.entry(container)
                if place_of is None:
                    raise Unusual("object stream of another revision")
                held = pdf.unpacked(container, place_of)
                _check_packed(*pdf.decoded_objects(container, place_of))
                wanted = {number for number, entry in entries if entry.kind == "c" and entry.where == container}
                if set(held) != wanted:
                    raise Unusual("object stream")
        except (Unusual, OSError) as problem:
            signs.add(f"irregular cross-references after signing: {problem}")
            return


def _check_object(file: IO[bytes], number: int, at: int) -> None:
    """The object that begins at `at` is one regular value and nothing more.

    Raises:
        Unusual: it is not.
    """
    size = WINDOW
    while True:
        data = os.pread(file.fileno(), size, at)
        header = _HEADER.match(data)
        try:
            if header is None or int(header[1]) != number:
                raise Unusual(f"object {number} is not at {at}")
            value, end = parse(data, header.end())
            word, end = parse(data, end)
            if word not in (b"endobj", b"stream"):
                raise Unusual(f"object {number} is more than one value")
            length = value.get(b"Length") if word == b"stream" and isinstance(value, dict) else None
            start = at + end + (2 if data[end : end + 2] == b"\r\n" else 1)
            if type(length) is int and not _STREAM_END.match(os.pread(file.fileno(), 64, start + max(0, length))):
                raise Unusual(f"object {number} does not end where it says")
            return
        except Unusual:
            # The window may have cut it; a larger one tells.
            if len(data) < size or size >= LARGEST_OBJECT:
                raise
            size *= 16


def _check_packed(data: bytes, count: int, first: int) -> None:
    """An object stream holds its objects and white space, nothing else that a reader could come upon.

    Raises:
        Unusual: it holds more.
    """
    at = 0
    for place in (*sorted(int(n) for n in data[:first].split()[1::2]), len(data) - first):
        if data[first + at : first + place].strip(WHITE):
            raise Unusual(f"more than {count} objects in an object stream")
        at = parse(data, first + place)[1] - first if first + place < len(data) else place
