"""lint_reader — gathers the facts that `signing.lint` judges: a walk over every object of a PDF before it is signed.

Bounded: at most `MOST_OBJECTS` objects. A file that cannot be read is a warning, not an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.errors import PresentationRefused
from signing.lint import Expected, LintFacts, judge
from signing.presentation import anchors
from signing.report import Reason
from signing.sign_pdf.lint_pages import read_pages
from signing.verify_pdf.mark_reader import PyHankoObjects, signature_mark

MOST_OBJECTS = 60_000
MOST_FIELDS = 2_000
LARGEST_FILE = 256 * 1024 * 1024
_DEFINITION = re.compile(rb"(?:^|[\r\n])[ \t]*(\d{1,10})[ \t]+(\d{1,5})[ \t]+obj\b")
_STREAM = re.compile(rb"\bstream\r?\n.*?\bendstream\b", re.DOTALL)
_BAD_ACTIONS = {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData"}
_OUTSIDE_ACTIONS = {"/GoToR", "/GoToE", "/Rendition", "/Movie", "/RichMediaExecute"}
_CONTENT = {"/Page", "/Pages", "/Catalog", "/XObject", "/Annot", "/Font", "/Sig"}


def lint(
    path: Path,
    *,
    number: str = "",
    issued: date | None = None,
    fields: tuple[str, ...] = ("NguoiKy", "CoQuan"),
    embedded: tuple[str, ...] = (),
    components: bool = True,
) -> tuple[Reason, ...]:
    """Warnings about the PDF at `path` before it is signed; an empty tuple when there is nothing to say.

    Args:
        number, issued: number with symbol and date that the envelope names; compared when given.
        fields: names of signature fields that may be there; any other field is undeclared.
        embedded: names of embedded files that are declared.
        components: False for attachments and copies, which carry no quốc hiệu of their own.
    """
    return judge(read_facts(path), Expected(number, issued, fields, embedded, components))


def read_facts(path: Path) -> LintFacts:
    """Everything the rules want to know about a file. Never raises."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return LintFacts(error=f"over {LARGEST_FILE >> 20} MB")
        with path.open("rb") as file:
            reader = PdfFileReader(file, strict=False)
            if reader.encrypted:
                return LintFacts(encrypted=True)
            facts = _facts(reader, path)
    except Exception as error:  # whatever a broken file makes the parser raise is the finding
        return LintFacts(error=f"{type(error).__name__}: {error}"[:160])
    pages = read_pages(path)
    return replace(facts, covered_text=pages.covered, outside=pages.outside, scans=pages.scans, text=_text(path))


def _text(path: Path) -> tuple[str, ...] | None:
    try:
        return anchors.text_of(path) if anchors.available() else None
    except PresentationRefused:
        return None


def _facts(reader: PdfFileReader, path: Path) -> LintFacts:
    walk = _Walk(reader)
    walk.run()
    revisions, unreachable = int(reader.total_revisions), walk.unreachable()
    if walk.linearised and revisions > 1:
        revisions -= 1  # the first page of a linearised file has a reference table of its own
    return LintFacts(
        version=_version(reader),
        hybrid=reader.xrefs.hybrid_xrefs_present,
        revisions=revisions,
        signatures=walk.signatures,
        actions=tuple(dict.fromkeys(walk.actions)),
        optional_content="/OCProperties" in reader.root or walk.layers,
        embedded=tuple(dict.fromkeys(walk.embedded)),
        fields=tuple(name for name, _ in walk.fields),
        differing=tuple(name for name, widget in walk.fields if _differs(widget)),
        duplicated=_duplicated(path) if revisions == 1 else (),
        unreachable=unreachable,
    )


def _version(reader: PdfFileReader) -> tuple[int, int]:
    major, minor = reader.input_version
    return int(major), int(minor)


def _duplicated(path: Path) -> tuple[int, ...]:
    """Object numbers with two definitions in the plain text of a file of one revision (streams left out)."""
    data = _STREAM.sub(b"", path.read_bytes())
    counts = Counter(int(number) for number, _ in _DEFINITION.findall(data))
    return tuple(sorted(number for number, count in counts.items() if count > 1))


def _differs(widget: Any) -> bool:
    """Whether a text field's value is not what its appearance shows."""
    value, objects = widget.get("/V"), PyHankoObjects()
    if widget.get("/FT") != "/Tx" or not isinstance(value, generic.TextStringObject):
        return False
    mark = signature_mark(objects, widget)
    if mark is None:
        return bool(str(value).strip())
    if any(problem.code == "mark.unreadable" for problem in mark.problems):
        return False  # not known
    return "".join(str(value).split()) != "".join(mark.text.split())


@dataclass(slots=True)
class _Walk:
    """Visits every object that the trailer leads to."""

    reader: PdfFileReader
    seen: set[tuple[int, int]] = field(default_factory=set)
    actions: list[tuple[str, str]] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)
    fields: list[tuple[str, Any]] = field(default_factory=list)
    signatures: int = 0
    layers: bool = False
    linearised: bool = False

    def run(self) -> None:
        """Visit all, then list the form's fields."""
        queue: list[tuple[Any, str]] = [(self.reader.trailer.raw_get(key), "trailer") for key in ("/Root", "/Info") if key in self.reader.trailer]
        while queue and len(self.seen) < MOST_OBJECTS:
            item, place = queue.pop()
            if isinstance(item, generic.IndirectObject):
                key = (item.idnum, item.generation)
                if key in self.seen:
                    continue
                self.seen.add(key)
                item, place = item.get_object(), f"{item.idnum} {item.generation} R"  # type: ignore[no-untyped-call]
            if isinstance(item, generic.DictionaryObject):
                self._dictionary(item, place)
                queue += [(item.raw_get(name), place) for name in item]
            elif isinstance(item, generic.ArrayObject):
                queue += [(item.raw_get(index), place) for index in range(len(item))]
        root = self.reader.root
        if "/AcroForm" in root:
            for name, item in islice(_fields(root["/AcroForm"].get("/Fields", ()), ""), MOST_FIELDS):
                if item.get("/FT") == "/Sig" and "/V" in item:
                    self.signatures += 1  # what is signed already is no surprise
                else:
                    self.fields.append((name, item))

    def _dictionary(self, item: generic.DictionaryObject, place: str) -> None:
        kind, action = item.get("/Type"), item.get("/S")
        if "/JS" in item or action == "/JavaScript":
            self.actions.append(("JavaScript", place))
        elif action in _BAD_ACTIONS:
            self.actions.append((str(action)[1:], place))
        elif action in _OUTSIDE_ACTIONS or (isinstance(item, generic.StreamObject) and "/F" in item):
            self.actions.append(("External", place))
        if "/AA" in item:
            self.actions.append(("AA", place))
        opening = item.get("/OpenAction")
        if isinstance(opening, generic.DictionaryObject) and opening.get("/S") != "/GoTo":
            self.actions.append(("OpenAction", place))
        if "/EF" in item:
            self.embedded.append(str(item.get("/UF") or item.get("/F") or place))
        self.layers = self.layers or kind in ("/OCG", "/OCMD")

    def unreachable(self) -> tuple[int, ...]:
        """Objects with content that nothing refers to; helpers of the file format do not count."""
        if len(self.seen) >= MOST_OBJECTS:
            return ()
        known, found = self.reader.xrefs, list[int]()
        for revision in range(int(known.total_revisions)):
            for ref in known.explicit_refs_in_revision(revision):
                if (ref.idnum, ref.generation) in self.seen or len(found) >= 50:
                    continue
                item = self.reader.get_object(ref, never_decrypt=True)  # type: ignore[no-untyped-call]
                if isinstance(item, generic.DictionaryObject):
                    self.linearised = self.linearised or "/Linearized" in item
                    kind = item.get("/Type")
                    plain_stream = isinstance(item, generic.StreamObject) and kind not in ("/XRef", "/ObjStm", "/Metadata") and "/S" not in item
                    if kind in _CONTENT or plain_stream:
                        found.append(ref.idnum)
        return tuple(sorted(set(found)))


def _fields(items: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(full name, field) of the terminal fields."""
    for item in _items(items) if depth < 16 else ():
        name = f"{prefix}.{item['/T']}" if prefix and "/T" in item else str(item.get("/T", prefix))
        if any("/T" in kid for kid in _items(item.get("/Kids", ()))):
            yield from _fields(item["/Kids"], name, depth + 1)
        else:
            yield name, item


def _items(array: Any) -> list[generic.DictionaryObject]:
    """The dictionaries of an array, references followed."""
    array = array.get_object() if isinstance(array, generic.IndirectObject) else array  # type: ignore[no-untyped-call]
    found = [array[index] for index in range(min(len(array), MOST_FIELDS))]
    return [item for item in found if isinstance(item, generic.DictionaryObject)]
