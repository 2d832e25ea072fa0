"""history — what each revision changed, as pyHanko's reader resolves it. For people, and for rules it lacks.

pyHanko grades an added signature field as no change and names form fields as changed that are
not; the two functions here look at the objects themselves.
"""

from __future__ import annotations

import math
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import enumerate_sig_fields

from signing.report import Change

_KINDS = {
    "/Page": "page",
    "/Pages": "page",
    "/Annot": "annotation",
    "/Sig": "signature",
    "/DocTimeStamp": "timestamp",
    "/Catalog": "catalog",
    "/DSS": "validation_data",
    "/Metadata": "metadata",
}
_HARMLESS = {"signature", "timestamp", "validation_data", "metadata"}
_PLUMBING = {"/XRef", "/ObjStm"}
# What the field of a signature may say that does nothing by itself.
_INERT = frozenset({"/FT", "/V", "/T", "/Type", "/Subtype", "/F", "/Ff", "/Rect", "/P", "/TU", "/NM", "/M"})
_INERT |= {"/DA", "/DR", "/Q", "/MK", "/H", "/Border", "/BS", "/Lock", "/StructParent"}
LARGEST_BOX = 50_000.0  # square points: a tenth of an A4 page
MOST = 200
DEEPEST = 12


def changes_between(reader: Any, revision: int, *, lawful: bool) -> tuple[Change, ...]:
    """Changes made after `revision` (from 1), at most `MOST`. `lawful`: what the difference analysis concluded."""
    found: list[Change] = []
    for index in range(revision, reader.xrefs.total_revisions):
        for kind, what in describe_revision(reader, index):
            found.append(Change(kind, what, index + 1, lawful or kind in _HARMLESS))
            if len(found) >= MOST:
                return tuple(found)
    if not lawful and found and all(c.lawful for c in found):
        found.append(Change("object", "?", reader.xrefs.total_revisions, lawful=False))
    return tuple(found)


def describe_revision(reader: Any, index: int) -> list[tuple[str, str]]:
    """(kind, what) of each object that revision `index` (from 0) wrote."""
    resolver = reader.get_historical_resolver(index)
    found: list[tuple[str, str]] = []
    for reference in sorted(reader.xrefs.explicit_refs_in_revision(index), key=lambda r: (r.idnum, r.generation)):
        try:
            value = resolver(reference)
        except (PdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found.append(("object", f"{reference.idnum} {reference.generation}"))
            continue
        kind = _kind(value)
        if kind:
            found.append((kind, _what(value, reference)))
    return found


def _kind(value: Any) -> str:
    if not isinstance(value, generic.DictionaryObject):
        return "object"
    declared = str(value.get("/Type", "")) if not isinstance(value.get("/Type", ""), generic.IndirectObject) else ""
    if declared in _PLUMBING:
        return ""
    if "/FT" in value or ("/T" in value and "/Subtype" in value):
        return "signature" if str(value.get("/FT", "")) == "/Sig" else "form"
    if "/ByteRange" in value:
        return "timestamp" if declared == "/DocTimeStamp" else "signature"
    return _KINDS.get(declared, "object")


def _what(value: Any, reference: Any) -> str:
    name = value.get("/T") if isinstance(value, generic.DictionaryObject) else None
    return str(name) if isinstance(name, str) else f"{reference.idnum} {reference.generation}"


def added_fields(reader: Any, revision: int) -> list[tuple[str, bool]]:
    """Fields of the last revision that revision `revision` (from 0) did not have, document time-stamps excepted.

    With each name: is it a filled signature field that does nothing and shows at most a box of `LARGEST_BOX`?

    A time-stamp's own field must show nothing and do nothing: an empty rectangle, no appearance, no actions, no parent.
    """
    before = set(_names(reader.get_historical_resolver(revision)))
    found: list[tuple[str, bool]] = []
    for name, value in _named(reader):
        if name in before:
            continue
        content = resolved(value.get("/V"))
        shown = _shown_area(value, _INERT)
        if isinstance(content, generic.DictionaryObject) and content.get("/Type") == "/DocTimeStamp" and shown == 0:
            continue
        found.append((name, isinstance(content, generic.DictionaryObject) and "/ByteRange" in content and shown <= LARGEST_BOX))
    return found


def _shown_area(value: Any, keys: frozenset[str]) -> float:
    """How much of a page a field and its widgets show something on, in square points; infinite when they could do anything else."""
    if set(value) - keys - {"/Kids", "/AP"}:
        return math.inf
    box = resolved(value.get("/Rect"))
    corners = [float(resolved(n)) for n in box] if isinstance(box, generic.ArrayObject) and len(box) == 4 else [0.0] * 4
    area = abs(corners[0] - corners[2]) * abs(corners[1] - corners[3])
    if "/AP" in value and not area and box is not None and not _draws_nothing(value.get("/AP")):
        return math.inf  # an appearance for a box without room
    for kid in resolved(value.get("/Kids")) or ():
        held = resolved(kid)
        if not isinstance(held, generic.DictionaryObject) or "/Kids" in held:
            return math.inf
        area += _shown_area(held, keys - {"/T", "/V"} | {"/Parent"})
    return area


def _draws_nothing(appearance: Any) -> bool:
    """One normal appearance with an empty content stream: what PDFBox writes for a signature that is not shown."""
    held = resolved(appearance)
    if not isinstance(held, generic.DictionaryObject) or set(held) != {"/N"}:
        return False
    stream = resolved(held.get("/N"))
    return isinstance(stream, generic.StreamObject) and "/Filter" not in stream and not bytes(stream.encoded_data).strip()


def filled_fields(reader: Any, revision: int) -> list[str]:
    """Names of fields that have another value now than in revision `revision` (from 0)."""
    before = {name: _place(value.raw_get("/V")) for name, value in _named(reader.get_historical_resolver(revision)) if "/V" in value}
    now = {name: _place(value.raw_get("/V")) for name, value in _named(reader) if "/V" in value}
    return [name for name in now if name not in before or before[name] != now[name]]


def _place(item: Any) -> Any:
    return (item.idnum, item.generation) if isinstance(item, generic.IndirectObject) else item


def touched_form_fields(reader: Any, revision: int) -> list[tuple[str, bool]]:
    """Fields that are no signature fields and were written again after `revision` (from 0): (name, had it been empty?)."""
    rewritten: set[tuple[int, int]] = set()
    for index in range(revision + 1, reader.xrefs.total_revisions):
        rewritten |= {(r.idnum, r.generation) for r in reader.xrefs.explicit_refs_in_revision(index)}
    signatures = {str(name) for name, _, _ in enumerate_sig_fields(reader)}
    resolver = reader.get_historical_resolver(revision)
    now = dict(_named(reader))
    found: list[tuple[str, bool]] = []
    for name, value in _named(resolver):
        if name not in signatures and _depends(value, rewritten, 0, set()):
            found.append((name, resolved(value.get("/V")) in (None, "", "/Off") and _shows_its_value(now.get(name))))
    return found


def _shows_its_value(field: Any) -> bool:
    """A filled field whose shown state is its value."""
    if field is None:
        return False
    value, state = resolved(field.get("/V")), resolved(field.get("/AS"))
    return value not in (None, "", "/Off") and state in (None, value)


def resolved(item: Any) -> Any:
    """The object itself, or what an indirect one refers to."""
    return item.get_object() if isinstance(item, generic.PdfObject) else item  # type: ignore[no-untyped-call]


def _depends(value: Any, rewritten: set[tuple[int, int]], depth: int, seen: set[tuple[int, int]]) -> bool:
    """Does anything below the field, but not its page or parent, stand in `rewritten`?"""
    if depth > DEEPEST:
        return True
    if isinstance(value, generic.DictionaryObject):
        own = getattr(value, "container_ref", None)
        if isinstance(own, generic.Reference) and (own.idnum, own.generation) in rewritten:
            return True
        return any(_depends(value.raw_get(k), rewritten, depth + 1, seen) for k in value if k not in ("/P", "/Parent", "/Kids"))
    if isinstance(value, generic.ArrayObject):
        return any(_depends(value.raw_get(i), rewritten, depth + 1, seen) for i in range(len(value)))
    if isinstance(value, generic.IndirectObject):
        key = (value.idnum, value.generation)
        if key in rewritten:
            return True
        if key in seen:
            return False
        seen.add(key)
        return _depends(resolved(value), rewritten, depth + 1, seen)
    return False


def _names(handler: Any) -> list[str]:
    return [name for name, _ in _named(handler)]


def _named(handler: Any) -> list[tuple[str, Any]]:
    """(full name, field dictionary) of every field that a form has; kids without a name are widgets."""
    try:
        form = resolved(handler.root["/AcroForm"])
    except KeyError:
        return []
    if not isinstance(form, generic.DictionaryObject):
        return []
    waiting = [(item, "", 0) for item in resolved(form.get("/Fields")) or ()]
    found: list[tuple[str, Any]] = []
    while waiting:
        item, prefix, depth = waiting.pop(0)
        value = resolved(item)
        if not isinstance(value, generic.DictionaryObject) or depth > DEEPEST or len(found) > 10_000:
            raise PdfError("field tree")
        title = value.get("/T")
        name = f"{prefix}.{title}" if prefix and title is not None else prefix or str(title or "")
        if title is not None:
            found.append((name, value))
        kids = resolved(value.get("/Kids")) or ()
        waiting += [(kid, name, depth + 1) for kid in kids]
    return found
