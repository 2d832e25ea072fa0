"""pdf_file — the revisions of a regular PDF, read strictly from a file handle (ISO 32000-2 clause 7.5).

Only the common shapes: tables or streams of cross-references, unencrypted, revisions one
after the other. Everything else raises `Unusual`. Bytes are read in small windows, so that
memory does not grow with the file.
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass, field

from signing.verify_pdf.pdf_objects import WHITE, Entry, Indirect, Ref, Stream, TooMany, Unusual, Word, parse

_SPACE = rb"[\0\t\n\x0c\r ]"
_HEADER = re.compile(rb"(\d{1,9})" + _SPACE + rb"(\d{1,5})" + _SPACE + rb"obj(?![^\0\t\n\x0c\r ()<>\[\]{}/%])")
_SECTION = re.compile(rb"(\d{1,9}) (\d{1,9}) ?(?:\r\n|\n|\r)")
_ENTRIES = re.compile(rb"(?:\d{10} \d{5} [nf](?: \r| \n|\r\n))*\Z")
_START = re.compile(rb"startxref[\0\t\n\x0c\r ]+(\d{1,12})[\0\t\n\x0c\r ]+%%EOF(\r\n|\n|\r)?")
_BETWEEN = re.compile(rb"(?:[\0\t\n\x0c\r ]++|%(?!%EOF)[^\r\n]*+[\r\n])*+")
WINDOW = 4096
LARGEST_OBJECT = 16 << 20
LARGEST_STREAM = 16 << 20
MOST_REVISIONS = 256


@dataclass(slots=True)
class Section:
    """One cross-reference section: the revision that it closes.

    `at` is its offset, `end` the offset after ``%%EOF``, `end_of_line` after the line end that
    follows; `stream_number` the object number of a cross-reference stream, -1 for a table.
    """

    at: int
    trailer: dict[bytes, object]
    end: int
    end_of_line: int
    stream_number: int
    runs: list[tuple[int, int, bytes]]
    widths: tuple[int, int, int] | None

    def entry(self, number: int) -> Entry | None:
        """The entry for an object number, None when this revision does not touch it."""
        for first, count, rows in self.runs:
            if first <= number < first + count:
                return self._row(rows, number - first)
        return None

    def entries(self) -> list[tuple[int, Entry]]:
        """Every entry."""
        return [(first + i, self._row(rows, i)) for first, count, rows in self.runs for i in range(count)]

    def _row(self, rows: bytes, index: int) -> Entry:
        if self.widths is None:
            row = rows[20 * index : 20 * index + 18]
            return Entry(row[17:18].decode(), int(row[:10]), int(row[11:16]))
        a, b, c = self.widths
        row = rows[(a + b + c) * index : (a + b + c) * (index + 1)]
        kind = int.from_bytes(row[:a], "big") if a else 1
        if kind > 2:
            raise Unusual("cross-reference entry of unknown kind")
        return Entry("fnc"[kind], int.from_bytes(row[a : a + b], "big"), int.from_bytes(row[a + b :], "big"))


@dataclass(slots=True)
class PdfFile:
    """A PDF open for reading: `revisions` from the first to the last."""

    fd: int
    size: int
    revisions: list[Section] = field(default_factory=list)
    _objects: dict[tuple[int, int], Indirect] = field(default_factory=dict)
    _containers: dict[tuple[int, int], dict[int, object]] = field(default_factory=dict)

    @classmethod
    def open(cls, fd: int, size: int) -> PdfFile:
        """Read the chain of cross-references.

        Raises:
            Unusual: not regular (hybrid, linearised, encrypted, damaged …).
            TooMany: more revisions than anybody needs; no other reader should try either.
        """
        pdf = cls(fd, size)
        if os.pread(fd, 5, 0) != b"%PDF-":
            raise Unusual("header")  # some readers count offsets from the header, wherever it is
        tail_at = max(0, size - 1024)
        tail = os.pread(fd, 1024, tail_at)
        found = [m for m in _START.finditer(tail)]
        if not found or tail[found[-1].end() :].strip(WHITE):
            raise Unusual("no end of file")
        at, limit = int(found[-1][1]), size
        chain: list[Section] = []
        while True:
            if len(chain) >= MOST_REVISIONS:
                raise TooMany("revisions")
            if at >= limit:
                raise Unusual("cross-reference chain")
            section = pdf.section(at)
            if section.end > limit:
                raise Unusual("revisions overlap")
            chain.append(section)
            previous = section.trailer.get(b"Prev")
            if previous is None:
                break
            if type(previous) is not int:
                raise Unusual("Prev")
            at, limit = previous, at
        pdf.revisions = chain[::-1]
        rest = chain[0].end_of_line
        if rest < size and os.pread(fd, size - rest, rest).strip(WHITE):
            raise Unusual("bytes after the end")
        return pdf

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes at `at`.

        Raises:
            Unusual: the file is shorter.
        """
        data = os.pread(self.fd, size, at)
        if len(data) != size:
            raise Unusual("file is shorter than it says")
        return data

    def object_at(self, at: int, number: int, generation: int) -> Indirect:
        """The indirect object that begins exactly at `at` with that number.

        Raises:
            Unusual: it does not.
        """
        window = WINDOW
        while True:
            data = os.pread(self.fd, window, at)
            try:
                return self._object(data, at, number, generation)
            except Unusual:
                # The window may have cut it; a larger one tells.
                if len(data) < window or window >= LARGEST_OBJECT:
                    raise
                window *= 8

    def _object(self, data: bytes, at: int, number: int, generation: int) -> Indirect:
        header = _HEADER.match(data)
        if header is None or (int(header[1]), int(header[2])) != (number, generation):
            raise Unusual(f"object {number} is not at {at}")
        value, end = parse(data, header.end())
        word, after = parse(data, end)
        if isinstance(value, dict) and word == b"stream":
            return self._stream(data, at, number, generation, value, after)
        if isinstance(value, Word) or word != b"endobj" or not isinstance(word, Word):
            raise Unusual(f"object {number} is not closed")
        return Indirect(number, generation, value, at, at + after)

    def _stream(self, data: bytes, at: int, number: int, generation: int, value: dict[bytes, object], after: int) -> Indirect:
        length = value.get(b"Length")
        if type(length) is not int or length < 0 or b"F" in value:
            raise Unusual("stream length")
        start = after + (2 if data[after : after + 2] == b"\r\n" else 1)
        if data[after : after + 1] not in (b"\r", b"\n") or data[after:start] == b"\r":
            raise Unusual("stream start")
        closing = os.pread(self.fd, 48, at + start + length)
        match = re.match(rb"[\0\t\n\x0c\r ]*endstream[\0\t\n\x0c\r ]+endobj", closing)
        if match is None:
            raise Unusual("stream end")
        return Indirect(number, generation, Stream(value, at + start, length), at, at + start + length + match.end())

    def find(self, number: int, revision: int) -> Entry | None:
        """Entry of an object as of `revision` (index), None when it was never defined."""
        for section in self.revisions[revision::-1]:
            entry = section.entry(number)
            if entry is not None:
                return entry
        return None

    def value(self, item: object, revision: int) -> object:
        """`item`, or what it refers to as of `revision`; None for what is not there.

        Raises:
            Unusual: a reference to a reference, or an irregular object.
        """
        if not isinstance(item, Ref):
            return item
        entry = self.find(item.num, revision)
        if entry is None or entry.kind == "f":
            return None
        if entry.kind == "c":
            return self._contained(item.num, entry, revision)
        if entry.more != item.gen:
            raise Unusual("generation")
        value = self.at(item.num, entry).value
        if isinstance(value, Ref):
            raise Unusual("reference to a reference")
        return value

    def at(self, number: int, entry: Entry) -> Indirect:
        """The uncompressed object of an entry."""
        key = (number, entry.where)
        if key not in self._objects:
            self._objects[key] = self.object_at(entry.where, number, entry.more)
        return self._objects[key]

    def _contained(self, number: int, entry: Entry, revision: int) -> object:
        container = self.find(entry.where, revision)
        if container is None or container.kind != "n":
            raise Unusual("object stream")
        key = (entry.where, container.where)
        if key not in self._containers:
            self._containers[key] = _unpack(self.decoded_objects(entry.where, container))
        held = self._containers[key]
        if number not in held:
            raise Unusual("object stream does not hold the object")
        return held[number]

    def decoded_objects(self, number: int, entry: Entry) -> tuple[bytes, int, int]:
        """An object stream decoded: bytes, count, offset of the first object.

        Raises:
            Unusual: it is not one.
        """
        stream = self.at(number, entry).value
        if not isinstance(stream, Stream) or stream.dict.get(b"Type") != b"ObjStm" or b"Extends" in stream.dict:
            raise Unusual("object stream")
        count, first = stream.dict.get(b"N"), stream.dict.get(b"First")
        if type(count) is not int or type(first) is not int or not 0 <= count <= 100_000:
            raise Unusual("object stream")
        return self.decode(stream), count, first

    def decode(self, stream: Stream) -> bytes:
        """Decoded bytes of a stream with no filter or one Flate filter.

        Raises:
            Unusual: another filter, or too large.
        """
        if stream.length > LARGEST_STREAM:
            raise Unusual("stream is large")
        data = self.read(stream.start, stream.length)
        filters = stream.dict.get(b"Filter")
        if isinstance(filters, list):
            if len(filters) > 1:
                raise Unusual("filters")
            filters = filters[0] if filters else None
        if filters is None:
            return data
        if filters != b"FlateDecode":
            raise Unusual("filter")
        parms = stream.dict.get(b"DecodeParms")
        if isinstance(parms, list):
            parms = parms[0] if len(parms) == 1 else b""
        unpacker = zlib.decompressobj()
        try:
            plain = unpacker.decompress(data, LARGEST_STREAM)
        except zlib.error as error:
            raise Unusual("deflate") from error
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise Unusual("deflate")
        return plain if parms is None else _unpredict(plain, parms)

    def unpacked(self, number: int, entry: Entry) -> dict[int, object]:
        """Number and value of each object in an object stream.

        Raises:
            Unusual: not regular, or an object twice.
        """
        return _unpack(self.decoded_objects(number, entry))

    def keyword(self, at: int) -> int:
        """Where ``xref`` stands: node-signpdf names the end of the line before it, and every reader skips that."""
        found = re.match(rb"(?:\r\n|\r|\n)(?=xref)", os.pread(self.fd, 6, at)) if at < self.size else None
        return at + (found.end() if found else 0)

    def section(self, at: int) -> Section:
        """The cross-reference section at `at` with the end of its revision.

        Raises:
            Unusual: not regular.
        """
        head = os.pread(self.fd, WINDOW, at)
        if head[:4] == b"xref":
            return self._table(at, head)
        header = _HEADER.match(head)
        if header is None:
            raise Unusual("no cross-reference")
        found = self.object_at(at, int(header[1]), int(header[2]))
        stream = found.value
        if not isinstance(stream, Stream) or stream.dict.get(b"Type") != b"XRef":
            raise Unusual("no cross-reference")
        return self._closed(at, found.end, stream.dict, found.num, *self._rows(stream))

    def _rows(self, stream: Stream) -> tuple[list[tuple[int, int, bytes]], tuple[int, int, int]]:
        widths, size = stream.dict.get(b"W"), stream.dict.get(b"Size")
        index = stream.dict.get(b"Index", [0, size])
        if not isinstance(widths, list) or len(widths) != 3 or not isinstance(index, list) or len(index) % 2:
            raise Unusual("cross-reference stream")
        a, b, c = (w if type(w) is int and 0 <= w <= 8 else -1 for w in widths)
        if min(a, b, c) < 0 or not b:
            raise Unusual("cross-reference stream")
        rows, runs, done = self.decode(stream), [], 0
        for first, count in zip(index[::2], index[1::2], strict=True):
            if type(first) is not int or type(count) is not int or first < 0 or count < 0:
                raise Unusual("cross-reference stream")
            runs.append((first, count, rows[done : done + count * (a + b + c)]))
            done += count * (a + b + c)
        if done != len(rows):
            raise Unusual("cross-reference stream")
        return _disjoint(runs), (a, b, c)

    def _table(self, at: int, data: bytes) -> Section:
        limit = WINDOW
        while b"startxref" not in data and len(data) == limit and limit < LARGEST_STREAM:
            limit *= 8
            data = os.pread(self.fd, limit, at)
        head = re.match(rb"xref ?(?:\r\n|\n|\r)", data)
        if head is None:
            raise Unusual("cross-reference table")
        place, runs = head.end(), []
        while section := _SECTION.match(data, place):
            first, count = int(section[1]), int(section[2])
            rows = data[section.end() : section.end() + 20 * count]
            if len(rows) != 20 * count or not _ENTRIES.match(rows):
                raise Unusual("cross-reference table")
            runs.append((first, count, rows))
            place = section.end() + 20 * count
        if not runs:
            raise Unusual("cross-reference table without a section")
        word = re.compile(rb"trailer[\0\t\n\x0c\r ]*").match(data, place)
        if word is None:
            raise Unusual("no trailer")
        trailer, end = parse(data, word.end())
        if not isinstance(trailer, dict) or b"XRefStm" in trailer:
            raise Unusual("trailer")
        return self._closed(at, at + end, trailer, -1, _disjoint(runs), None)

    def _closed(
        self, at: int, after: int, trailer: dict[bytes, object], number: int, runs: list[tuple[int, int, bytes]], widths: tuple[int, int, int] | None
    ) -> Section:
        """The section with the end of its revision: startxref must name it again."""
        if b"Encrypt" in trailer or not isinstance(trailer.get(b"Root"), Ref):
            raise Unusual("encrypted, or no catalog")
        closing = os.pread(self.fd, 256, after)
        lead = _BETWEEN.match(closing)
        match = _START.match(closing, lead.end() if lead else 0)
        if match is None or (int(match[1]) != at and self.keyword(int(match[1])) != at):
            raise Unusual("startxref")
        end = after + match.end() - len(match[2] or b"")
        return Section(at, trailer, end, after + match.end(), number, runs, widths)


def _disjoint(runs: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    ordered = sorted(runs)
    for (first, count, _), (following, _, _) in zip(ordered, ordered[1:], strict=False):
        if first + count > following:
            raise Unusual("cross-reference sections overlap")
    return runs


def _unpack(packed: tuple[bytes, int, int]) -> dict[int, object]:
    data, count, first = packed
    numbers = data[:first].split()
    if len(numbers) != 2 * count or not all(n.isdigit() for n in numbers):
        raise Unusual("object stream")
    found: dict[int, object] = {}
    for number, offset in zip(numbers[::2], numbers[1::2], strict=True):
        if int(number) in found:
            raise Unusual("object stream holds an object twice")
        found[int(number)] = parse(data, first + int(offset))[0]
    return found


def _unpredict(data: bytes, parms: object) -> bytes:
    """Undo PNG prediction (7.4.4.4) for one byte per component; only None and Up rows."""
    if not isinstance(parms, dict) or parms.get(b"Predictor", 1) not in (1, 10, 11, 12, 13, 14, 15):
        raise Unusual("predictor")
    if parms.get(b"Predictor", 1) == 1:
        return data
    columns = parms.get(b"Columns", 1)
    if type(columns) is not int or columns < 1 or parms.get(b"Colors", 1) != 1 or parms.get(b"BitsPerComponent", 8) != 8 or len(data) % (columns + 1):
        raise Unusual("predictor")
    above, rows = bytes(columns), []
    for at in range(0, len(data), columns + 1):
        kind, row = data[at], data[at + 1 : at + 1 + columns]
        if kind == 2:
            row = bytes((x + y) & 0xFF for x, y in zip(row, above, strict=True))
        elif kind != 0:
            raise Unusual("predictor")
        rows.append(row)
        above = row
    return b"".join(rows)
