"""orphans — vật thể không ai trỏ tới: objects that an update adds although nothing leads to them.

pyHanko lets them pass: many writers leave some, and showing one takes a second change, which is
refused. But they are raw material for that second change, and they are shown at once when the signed
revision had named their number before they were there. So what they are is looked at here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from pyhanko.pdf_utils import generic

from signing.verify_pdf.older_text import LARGEST_SCAN, named_in, names

MOST_LOOKED_FOR = 64  # beyond that all references are read once, which is slower for few
LARGEST_TEXT = 64 << 20
_PLUMBING = {"/XRef", "/ObjStm"}
_PARTS = {"/Catalog", "/Pages", "/Page", "/Annot"}


@dataclass(frozen=True, slots=True)
class Orphans:
    """What was found after the first signed revision.

    `idle` are objects that nothing reaches; `parts` those of them that are a part of a document by themselves (a page, a
    page tree, a catalog, an annotation, a field, an action); `named` new objects that an older revision names already.
    """

    idle: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


def orphans_after(file: IO[bytes], reader: Any, revision: int, *, strict: bool) -> Orphans:
    """Orphans of the revisions after `revision` (from 0).

    In lenient syntax every new object is looked for in the older text: a strict reader would have met the name itself.
    """
    idle: list[str] = []
    parts: list[str] = []
    named: list[str] = []
    for index in range(revision + 1, reader.xrefs.total_revisions):
        now, new = reader.get_historical_resolver(index), _new(reader, index)
        lost = _unreached(now, reader, index, set(new))
        for reference in sorted(lost, key=lambda r: r.idnum):
            kind = _kind(now(reference))
            if kind:
                (parts if kind == "part" else idle).append(f"{reference.idnum} {reference.generation}")
        wanted = sorted({r.idnum for r in (lost if strict else new) if not _is_plumbing(now(r))})
        if not wanted:
            continue
        begin = _begin(reader, index)
        few = len(wanted) <= MOST_LOOKED_FOR
        if begin > (LARGEST_TEXT if few else LARGEST_SCAN):
            named += ["?"] if lost and not strict else []
            continue
        for text in _texts(file, reader, index - 1, begin):
            every = set() if few else named_in(text)
            named += [str(n) for n in wanted if (names(text, n) if few else n in every)]
    return Orphans(tuple(idle), tuple(parts), tuple(named))


def _begin(reader: Any, index: int) -> int:
    """Offset at which revision `index` begins: of the first object that it wrote behind the revision before."""
    before, own = (reader.xrefs.get_xref_container_info(i) for i in (index - 1, index))
    places = [reader.xrefs.get_historical_ref(r, index) for r in reader.xrefs.explicit_refs_in_revision(index)]
    return min([p for p in places if isinstance(p, int) and p >= before.end_location], default=int(own.start_location))


def _new(reader: Any, index: int) -> list[Any]:
    before = reader.get_historical_resolver(index - 1)
    return [r for r in reader.xrefs.explicit_refs_in_revision(index) if before.is_ref_unassignable(r)]


def _unreached(now: Any, reader: Any, index: int, new: set[Any]) -> set[Any]:
    """The `new` objects that neither the trailer nor a rewritten object leads to."""
    rewritten = [r for r in reader.xrefs.explicit_refs_in_revision(index) if r not in new]
    for start in _starts(now, rewritten):
        if not new:
            break
        new -= now.collect_dependencies(start, since_revision=index)
    return new


def _starts(now: Any, rewritten: list[Any]) -> Iterator[Any]:
    yield now.trailer_view
    for reference in rewritten:
        yield now(reference)


def _is_plumbing(value: Any) -> bool:
    return isinstance(value, generic.DictionaryObject) and str(value.get("/Type", "")) in _PLUMBING


def _kind(value: Any) -> str:
    """ "" for what cannot be shown by itself (a number, an empty shell, validation data that was lost), ``part``, or ``idle``."""
    if not isinstance(value, generic.DictionaryObject):
        return "idle" if isinstance(value, generic.ArrayObject) and len(value) else ""
    if _is_plumbing(value) or not isinstance(value, generic.StreamObject) and not set(value) - {"/Type"}:
        return ""
    declared = str(value.get("/Type", ""))
    if declared == "/VRI":
        return ""
    shown = declared in _PARTS or "/FT" in value or "/JS" in value or str(value.get("/Subtype", "")) == "/Widget"
    return "part" if shown else "idle"


def _texts(file: IO[bytes], reader: Any, index: int, end: int) -> Iterator[bytes]:
    """The file up to the end of revision `index`, and its object streams decoded."""
    yield os.pread(file.fileno(), end, 0)
    seen: set[tuple[int, int]] = set()
    for number in range(index + 1):
        resolver = reader.get_historical_resolver(number)
        for reference in reader.xrefs.object_streams_used_in(number):
            if (reference.idnum, number) not in seen:
                seen.add((reference.idnum, number))
                held = resolver(reference)
                if isinstance(held, generic.StreamObject):
                    yield bytes(held.data)
