"""increment — an incremental update in the style of its source (ISO 32000-2 clause 7.5.6).

Objects are collected, then written after the last revision with a cross-reference table
or stream, whichever the source ends with. One object may have a hole for a signature.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from typing import Any

from signing.sign_pdf.plan import Hole
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import WHITE, Name, Ref, Unusual

_PLAIN_NAME = re.compile(rb"[^\0-\x20()<>\[\]{}/%#\x7f-\xff]*\Z")
_ALPHANUMERIC = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_NOT_CARRIED = {b"Size", b"Prev", b"ID", b"XRefStm", b"Type", b"W", b"Index", b"Filter", b"DecodeParms", b"Length", b"DL"}
_RANGE_ROOM = 64
_GAP = b"\1gap\1"


def text(value: str) -> bytes:
    """A text string (7.9.2.2): ASCII as it is, all else as UTF-16 with its mark."""
    return value.encode() if value.isascii() else b"\xfe\xff" + value.encode("utf-16-be")


class Raw(bytes):
    """A value that is in PDF syntax already."""

    __slots__ = ()


def serialised(value: Any) -> bytes:
    """A value in PDF syntax; strings are written in hexadecimal.

    Raises:
        Unusual: a value that has no place in an object.
    """
    write = _WRITERS.get(type(value))
    if write is None:
        raise Unusual(f"{type(value).__name__} in an object")
    return write(value)


def _name(value: bytes) -> bytes:
    if _PLAIN_NAME.match(value):
        return b"/" + value
    return b"/" + b"".join(bytes((c,)) if c in _ALPHANUMERIC else b"#%02X" % c for c in value)


def _entries(value: dict[bytes, Any]) -> bytes:
    return b" ".join([_name(k) + b" " + serialised(v) for k, v in value.items()])


def _dictionary(value: dict[bytes, Any]) -> bytes:
    return b"<< " + _entries(value) + b" >>"


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"null",
    bool: lambda value: b"true" if value else b"false",
    Raw: bytes,
    Name: _name,
    Ref: lambda value: b"%d %d R" % value,
    int: lambda value: b"%d" % value,
    float: lambda value: (f"{value:.10f}".rstrip("0").rstrip(".") or "0").encode(),
    bytes: lambda value: b"<" + value.hex().encode() + b">",
    list: lambda value: b"[" + b" ".join(map(serialised, value)) + b"]",
    dict: _dictionary,
}


class Increment:
    """Changes to the last revision of `pdf`, and the bytes they become."""

    def __init__(self, pdf: PdfFile) -> None:
        self.pdf = pdf
        self.newest = pdf.revisions[-1]
        self.revision = len(pdf.revisions) - 1
        size = self.newest.trailer.get(b"Size")
        used = [first + count for section in pdf.revisions for first, count, _ in section.runs]
        self._next = max([size if type(size) is int else 0, *used])
        self._objects: dict[Ref, bytes] = {}
        self._signature: Ref | None = None

    def value(self, item: object) -> Any:
        """`item`, or what it refers to now."""
        return self.pdf.value(item, self.revision)

    def dictionary(self, item: object) -> dict[bytes, Any]:
        """As `value`, a fresh copy.

        Raises:
            Unusual: not a dictionary.
        """
        found = self.value(item)
        if not isinstance(found, dict):
            raise Unusual("no dictionary")
        return dict(found)

    def new(self) -> Ref:
        """The reference of an object to come."""
        self._next += 1
        return Ref(self._next - 1, 0)

    def put(self, ref: Ref, value: object) -> None:
        """`ref` becomes `value`."""
        self._objects[ref] = serialised(value)

    def put_stream(self, ref: Ref, value: dict[bytes, Any], data: bytes) -> None:
        """`ref` becomes a stream with `data` as it is to stand in the file."""
        self._objects[ref] = serialised({**value, b"Length": len(data)}) + b"\nstream\n" + data + b"\nendstream"

    def extend(self, ref: Ref, value: dict[bytes, Any], more: dict[bytes, Any]) -> None:
        """The dictionary `value` of `ref` gets the entries `more`; as far as possible its text stays as it is."""
        entry = self.pdf.find(ref.num, self.revision)
        body = b""
        if entry is not None and entry.kind == "n" and not more.keys() & value.keys():
            found = self.pdf.at(ref.num, entry)
            whole = self.pdf.read(found.start, found.end - found.start)
            body = whole[whole.index(b"obj") + 3 : -len(b"endobj")].strip(WHITE)
        if not body.endswith(b">>") or b"%" in body:  # what looks like the end could be a comment
            self.put(ref, {**value, **more})
            return
        self._objects[ref] = body[:-2].rstrip(WHITE) + b" " + _entries(more) + b" >>"

    def put_signature(self, ref: Ref, entries: bytes, room: int) -> None:
        """`ref` becomes a signature dictionary of `entries` with a hole of `room` bytes; ByteRange comes
        before it, so that it is inside the first signed part."""
        self._signature = ref
        self._objects[ref] = b"<< " + entries + b" /ByteRange " + _GAP + b" ".ljust(_RANGE_ROOM - len(_GAP)) + b"/Contents <" + b"0" * (2 * room) + b"> >>"

    def finish(self, before: Any) -> tuple[bytearray, Hole]:
        """The update, and its hole; `before` is a hash that has eaten the whole source (it is used up)."""
        start = self.pdf.size
        out = bytearray(b"" if self.newest.end_of_line > self.newest.end else b"\n")
        offsets: dict[Ref, int] = {}
        hole = (0, 0)
        gap_at = -1
        for ref, body in self._objects.items():
            offsets[ref] = start + len(out)
            out += b"%d %d obj\n" % ref
            if ref == self._signature:
                gap_at = len(out) + body.index(_GAP)
                hole = (len(out) + body.rindex(b"<"), len(out) + body.rindex(b">", 0, -2) + 1)
            out += body + b"\nendobj\n"
        at = start + len(out)
        self._close(out, offsets, at)
        out += b"startxref\n%d\n%%%%EOF\n" % at
        covered = b"[0 %d %d %d]" % (start + hole[0], start + hole[1], len(out) - hole[1])
        out[gap_at : gap_at + _RANGE_ROOM] = covered.ljust(_RANGE_ROOM)
        view = memoryview(out)
        before.update(view[: hole[0]])
        before.update(view[hole[1] :])
        view.release()
        return out, Hole(start + hole[0], start + hole[1], before.digest())

    def _trailer(self) -> dict[bytes, Any]:
        kept = {k: v for k, v in self.newest.trailer.items() if k not in _NOT_CARRIED}
        first = self.value(self.newest.trailer.get(b"ID"))
        mark = os.urandom(16)
        ids = [first[0] if isinstance(first, list) and first and isinstance(first[0], bytes) else mark, mark]
        return {b"Size": self._next, b"Prev": self.newest.at, **kept, b"ID": ids}

    def _close(self, out: bytearray, offsets: dict[Ref, int], at: int) -> None:
        if self.newest.stream_number < 0:
            out += b"xref\n"
            for run in _runs(sorted(offsets)):
                out += b"%d %d\n" % (run[0].num, len(run))
                out += b"".join(b"%010d %05d n \n" % (offsets[ref], ref.gen) for ref in run)
            out += b"trailer\n" + serialised(self._trailer()) + b"\n"
            return
        own = self.new()
        offsets[own] = at
        index: list[int] = []
        rows = b""
        for run in _runs(sorted(offsets)):
            index += [run[0].num, len(run)]
            rows += b"".join(b"\1" + offsets[ref].to_bytes(5, "big") + ref.gen.to_bytes(2, "big") for ref in run)
        value = {b"Type": Name(b"XRef"), b"W": [1, 5, 2], b"Index": index, **self._trailer(), b"Length": len(rows)}
        out += b"%d 0 obj\n" % own.num + serialised(value) + b"\nstream\n" + rows + b"\nendstream\nendobj\n"


def _runs(refs: list[Ref]) -> list[list[Ref]]:
    """Consecutive numbers together."""
    runs: list[list[Ref]] = []
    for ref in refs:
        if runs and runs[-1][-1].num + 1 == ref.num:
            runs[-1].append(ref)
        else:
            runs.append([ref])
    return runs


def new_hash(name: str) -> Any:
    """A fresh hash by that name."""
    return hashlib.new(name)
