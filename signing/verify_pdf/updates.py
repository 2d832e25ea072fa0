"""updates — what was changed after a signed revision, when every change is one of the lawful kinds.

Lawful (signing policy, EN 319 142-1 6.3): filling a signature field that the signed revision
had, validation data (DSS), a document time-stamp in a field of its own, the document
information dictionary. Objects are compared by value in both revisions; each byte of an update
must belong to an object it lists, each new object must hang below a lawful change, and no
older object may point at a number that the update defines. Anything else is `Unusual`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from signing.report import Change
from signing.verify_pdf.metadata import statements
from signing.verify_pdf.older_text import check_older_text
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import WHITE, Indirect, Ref, Stream, Unusual
from signing.verify_pdf.pdf_text import text_string
from signing.verify_pdf.pdf_values import is_empty_box, is_extension, is_text, references_of

_TRAILER = {b"Size", b"Root", b"Info", b"ID", b"Prev", b"Type", b"W", b"Index", b"Filter", b"DecodeParms", b"Length"}
_DSS_ARRAYS = (b"Certs", b"CRLs", b"OCSPs")
_METADATA_KEYS = {b"Type", b"Subtype", b"Length", b"Filter"}
_VRI_KEYS = {b"Type", b"Cert", b"CRL", b"OCSP", b"TU", b"TS"}
_VRI_NAME = re.compile(rb"[0-9A-Fa-f]{40}")
_STAMPS = {b"ModDate", b"Producer"}
Dict = dict[bytes, object]


def changes_since(pdf: PdfFile, revision: int) -> list[Change]:
    """Every change made after `revision` (index), all lawful.

    Raises:
        Unusual: something else was changed, or it cannot be told.
    """
    found: list[Change] = []
    for index in range(revision + 1, len(pdf.revisions)):
        found += _Update(pdf, index).changes()
    return found


class _Update:
    """One revision against the one before it."""

    def __init__(self, pdf: PdfFile, index: int) -> None:
        self.pdf, self.index, self.before = pdf, index, index - 1
        self.objects = _listed(pdf, index)
        self.new = {n for n in self.objects if pdf.find(n, self.before) is None}
        self.reached: set[int] = set()
        self.explained: set[int] = set()
        self.places: dict[int, Collection[bytes]] = {}
        self.found: list[Change] = []

    def changes(self) -> list[Change]:
        """The changes of this revision."""
        self._check_trailer()
        old_root, new_root = self._pair(self._root())
        self._catalog(old_root, new_root)
        left = set(self.objects) - self.new - self.explained
        if left:
            raise Unusual(f"object {min(left)} was changed")
        own = self.pdf.revisions[self.index].stream_number
        if self.new - self.reached - {own}:
            raise Unusual("new object without a lawful place")
        if own >= 0 and own not in self.new:
            raise Unusual("cross-reference stream redefines an object")
        check_older_text(self.pdf, self.before, self.new, self.places)
        return self.found

    def _explain(self, number: int, *keys: bytes) -> None:
        """A rewritten object is lawful as long as nothing but these keys leads to it."""
        self.explained.add(number)
        self.places[number] = {*keys, *self.places.get(number, ())}

    def _note(self, kind: str, what: str) -> None:
        self.found.append(Change(kind, what, self.index + 1, lawful=True))

    def _root(self) -> Ref:
        root = self.pdf.revisions[self.before].trailer[b"Root"]
        if not isinstance(root, Ref):
            raise Unusual("catalog")
        return root

    def _check_trailer(self) -> None:
        old, new = self.pdf.revisions[self.before].trailer, self.pdf.revisions[self.index].trailer
        if set(new) - _TRAILER or old[b"Root"] != new[b"Root"]:
            raise Unusual("trailer")
        before, after = old.get(b"Size"), new.get(b"Size")
        if type(before) is not int or type(after) is not int or after < before or any(not before <= n < after for n in self.new):
            raise Unusual("object numbers")
        self._info(old.get(b"Info"), new.get(b"Info"))

    def _info(self, before: object, after: object) -> None:
        """The document information may get the saving program's stamp, also where there was none."""
        if isinstance(after, Ref) and before is None and after.num in self.new:
            now = self._dict(after, self.index)
            if set(now) - _STAMPS or not all(is_text(v) for v in now.values()):
                raise Unusual("document information")
            self.reached.add(after.num)
            self._note("metadata", "Info")
            return
        if before != after:
            raise Unusual("trailer")
        if isinstance(after, Ref) and after.num in self.objects:
            was, now = self._dict(after, self.before), self._dict(after, self.index)
            if any(was.get(k) != now.get(k) or isinstance(now.get(k), Ref) for k in (set(was) | set(now)) - _STAMPS):
                raise Unusual("document information")
            if not all(is_text(now[k]) for k in _STAMPS & set(now)):
                raise Unusual("document information")
            self._explain(after.num, b"Info")
            self._note("metadata", "Info")

    def _dict(self, item: object, revision: int) -> Dict:
        value = self.pdf.value(item, revision)
        if not isinstance(value, dict):
            raise Unusual("dictionary wanted")
        return value

    def _pair(self, item: Ref) -> tuple[Dict, Dict]:
        self._explain(item.num, b"Root", b"Data")  # /Data: what a FieldMDP speaks of
        return self._dict(item, self.before), self._dict(item, self.index)

    def _catalog(self, old: Dict, new: Dict) -> None:
        for key in {**old, **new}:
            before, after = old.get(key), new.get(key)
            if key == b"AcroForm":
                self._form(before, after)
            elif key == b"DSS":
                self._dss(before, after)
            elif key == b"Extensions":
                self._extensions(before, after)
            elif key == b"Metadata":
                self._metadata(before, after)
            elif before != after:
                raise Unusual(f"catalog /{key.decode('latin-1')}")

    def _extensions(self, before: object, after: object) -> None:
        if before != after and not (isinstance(after, dict) and all(is_extension(v) for v in after.values())):
            raise Unusual("extensions")
        if isinstance(before, Ref) and before.num in self.objects:
            raise Unusual("extensions")

    def _metadata(self, before: object, after: object) -> None:
        """XMP may be stamped anew by the saving program; what it says stays."""
        if not isinstance(before, Ref) or before != after:
            raise Unusual("metadata")
        if before.num not in self.objects:
            return
        old, new = self.pdf.value(before, self.before), self.objects[before.num].value
        if not isinstance(old, Stream) or not isinstance(new, Stream) or set(new.dict) - _METADATA_KEYS:
            raise Unusual("metadata")
        if (new.dict.get(b"Type"), new.dict.get(b"Subtype")) != (b"Metadata", b"XML"):
            raise Unusual("metadata")
        try:
            same = statements(self.pdf.decode(old)) == statements(self.pdf.decode(new))
        except ValueError:
            same = False
        if not same:
            raise Unusual("metadata")
        self._explain(before.num, b"Metadata")
        self._note("metadata", "XMP")

    def _form(self, before: object, after: object) -> None:
        if isinstance(before, Ref) != isinstance(after, Ref) or (isinstance(before, Ref) and before != after):
            raise Unusual("form")
        old, new = self._dict(before, self.before), self._dict(after, self.index)
        if isinstance(before, Ref):
            self._explain(before.num, b"AcroForm")
        for key in {**old, **new}:
            if key not in (b"Fields", b"SigFlags") and old.get(key) != new.get(key):
                raise Unusual(f"form /{key.decode('latin-1')}")
        was, now = old.get(b"SigFlags", 0), new.get(b"SigFlags", 0)
        if type(was) is not int or type(now) is not int or was & now != was:
            raise Unusual("form flags")
        old_fields, new_fields = self._list(old, b"Fields", self.before), self._list(new, b"Fields", self.index)
        if new_fields[: len(old_fields)] != old_fields:
            raise Unusual("fields")
        for kid in old_fields:
            self._field(kid, {}, "", 0)
        for added in new_fields[len(old_fields) :]:
            self._timestamp_field(added)

    def _list(self, holder: Dict, key: bytes, revision: int) -> list[object]:
        """The array under `key`; it may be an object of its own, as long as nothing else uses it."""
        item = holder.get(key)
        value = self.pdf.value(item, revision)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Unusual("array wanted")
        if isinstance(item, Ref) and item.num in self.objects and item.num not in self.new:
            self._explain(item.num, key)
        return value

    def _field(self, item: object, inherited: Dict, prefix: str, depth: int) -> None:
        """An old field: unchanged, or a signature field that is filled now."""
        if not isinstance(item, Ref) or depth > 8:
            raise Unusual("field tree")
        old = self._dict(item, self.before)
        name = ".".join(part for part in (prefix, text_string(old.get(b"T"))) if part)
        known: Dict = dict(inherited)
        known.update((k, old[k]) for k in (b"FT", b"V") if k in old)
        if item.num in self.objects:
            self._fill(item, old, name, known)
        kids = old.get(b"Kids")
        if isinstance(kids, Ref) and kids.num in self.objects:
            raise Unusual("field tree")
        for kid in self._list(old, b"Kids", self.before):
            self._field(kid, known, name, depth + 1)

    def _fill(self, item: Ref, old: Dict, name: str, known: Mapping[bytes, object]) -> None:
        new = self._dict(item, self.index)
        if known.get(b"FT") != b"Sig" or known.get(b"V") is not None:
            raise Unusual(f"field {name}")
        if any(old.get(k) != new.get(k) for k in (set(old) | set(new)) - {b"V", b"AP"}):
            raise Unusual(f"field {name}")
        value = new.get(b"V")
        if not isinstance(value, Ref) or value.num not in self.new:
            raise Unusual(f"field {name}")
        signature = self._dict(value, self.index)
        if signature.get(b"Type") != b"Sig" or b"ByteRange" not in signature:
            raise Unusual(f"field {name}")
        self.explained.add(item.num)
        self._reach(value)
        if old.get(b"AP") != new.get(b"AP"):
            self._appearance(old.get(b"AP"), new[b"AP"])
        self._note("signature", name)

    def _appearance(self, old: object, new: object) -> None:
        """A new appearance within the declared box: one normal form of new objects."""
        shown = new if isinstance(new, dict) else self._dict(new, self.index)
        if old is not None or set(shown) != {b"N"} or not isinstance(shown[b"N"], Ref) or shown[b"N"].num not in self.new:
            raise Unusual("appearance")
        self._reach(new)

    def _timestamp_field(self, item: object) -> None:
        """A field added for a document time-stamp: invisible, new, filled with an RFC 3161 token."""
        if not isinstance(item, Ref) or item.num not in self.new:
            raise Unusual("added field")
        added = self._dict(item, self.index)
        value = added.get(b"V")
        if added.get(b"FT") != b"Sig" or not isinstance(value, Ref) or value.num not in self.new or b"Kids" in added or b"AP" in added:
            raise Unusual("added field")
        if self._dict(value, self.index).get(b"Type") != b"DocTimeStamp" or not is_empty_box(added.get(b"Rect", [0, 0, 0, 0])):
            raise Unusual("added field")
        if set(added) - {b"FT", b"V", b"T", b"Type", b"Subtype", b"F", b"Rect", b"P"}:
            raise Unusual("added field")
        self.reached.add(item.num)
        self._reach(value)
        page = added.get(b"P")
        if isinstance(page, Ref):
            self._page(page, item)
        self._note("timestamp", text_string(added.get(b"T")))

    def _page(self, page: Ref, widget: Ref) -> None:
        """The page may gain the time-stamp's invisible widget, nothing else."""
        old, new = self._dict(page, self.before), self._dict(page, self.index)
        if any(old.get(k) != new.get(k) for k in (set(old) | set(new)) - {b"Annots"}):
            raise Unusual("page")
        was, now = self._list(old, b"Annots", self.before), self._list(new, b"Annots", self.index)
        if now not in (was, [*was, widget]):
            raise Unusual("annotations")
        for place in (new.get(b"Annots"), page):
            if isinstance(place, Ref) and place.num in self.objects:
                (self.reached if place.num in self.new else self.explained).add(place.num)

    def _dss(self, before: object, after: object) -> None:
        """Validation data: what was there stays, what is added are plain streams (EN 319 142-1 5.4.2)."""
        old = self._dict(before, self.before) if before is not None else {}
        new = self._dict(after, self.index)
        touched = self._within(b"DSS", before, after)
        if set(new) - {b"Type", b"VRI", *_DSS_ARRAYS} or new.get(b"Type", b"DSS") != b"DSS":
            raise Unusual("validation data")
        for key in _DSS_ARRAYS:
            touched |= self._within(key, old.get(key), new.get(key))
            if isinstance(place := new.get(key), Ref) and place.num in self.explained:
                raise Unusual("validation data")  # pyHanko does not follow an array that is rewritten in its place
            # Data that is left out proves less, and changes nothing that is shown.
            touched |= self._streams(self._list(new, key, self.index))
        touched |= self._vri(old.get(b"VRI"), new.get(b"VRI"))
        if touched:
            self._note("validation_data", "DSS")

    def _vri(self, before: object, after: object) -> bool:
        if after is None:
            return before is not None
        touched = self._within(b"VRI", before, after)
        was = self._dict(before, self.before) if before is not None else {}
        now = self._dict(after, self.index)
        if set(was) - set(now) - {b"Type"}:
            raise Unusual("validation data were removed")
        for key, item in now.items():
            if key == b"Type":
                if isinstance(item, Ref):
                    raise Unusual("validation data")
                continue
            if not _VRI_NAME.fullmatch(key):
                raise Unusual("validation data")
            touched |= self._within(key, was.get(key), item)
            entry = self._dict(item, self.index)
            if key in was:
                if self._dict(was[key], self.before) != entry or any(r.num in self.objects for r in references_of(entry)):
                    raise Unusual("validation data")
                continue
            if set(entry) - _VRI_KEYS:
                raise Unusual("validation data")
            for name in (b"Cert", b"CRL", b"OCSP"):
                touched |= self._within(name, None, entry.get(name))
                touched |= self._streams(self._list(entry, name, self.index))
            if isinstance(entry.get(b"TS"), Ref):
                touched |= self._streams([entry[b"TS"]])
        return touched

    def _within(self, key: bytes, before: object, after: object) -> bool:
        """Explain an indirect place of validation data; was it written in this revision?"""
        if not isinstance(after, Ref):
            return isinstance(before, Ref) or before != after
        if after.num not in self.objects:
            return before != after and before is not None
        if after.num in self.new:
            self.reached.add(after.num)
        elif before == after:
            self._explain(after.num, key)
        else:
            raise Unusual("validation data")
        return True

    def _streams(self, items: Iterable[object]) -> bool:
        touched = False
        for item in items:
            if not isinstance(item, Ref):
                raise Unusual("validation data")
            if item.num not in self.objects:
                continue
            stream = self.objects[item.num].value
            if item.num not in self.new or not isinstance(stream, Stream) or set(stream.dict) - {b"Length", b"Filter"}:
                raise Unusual("validation data")
            self.reached.add(item.num)
            touched = True
        return touched

    def _reach(self, value: object) -> None:
        """Everything new below `value` has its place."""
        waiting = [value]
        while waiting:
            for item in references_of(waiting.pop()):
                if item.num in self.new and item.num not in self.reached:
                    self.reached.add(item.num)
                    waiting.append(self.objects[item.num].value)


def _listed(pdf: PdfFile, index: int) -> dict[int, Indirect]:
    """The objects that revision `index` lists; they and white space fill it."""
    section, at = pdf.revisions[index], pdf.revisions[index - 1].end
    found: dict[int, Indirect] = {}
    for number, entry in section.entries():
        if number == 0 and entry.kind == "f":
            continue
        if entry.kind != "n" or not at <= entry.where <= section.at:
            raise Unusual("update lists something outside itself")
        found[number] = pdf.at(number, entry)
    for item in sorted(found.values(), key=lambda o: o.start):
        if item.start == section.at:
            continue
        if item.start < at or pdf.read(at, item.start - at).strip(WHITE):
            raise Unusual("bytes between the objects of an update")
        at = item.end
    if pdf.read(at, max(0, section.at - at)).strip(WHITE):
        raise Unusual("bytes between the objects of an update")
    return found
