"""PDFs written byte by byte, in several writer styles, so that every byte of an attack is ours.

A `Pdf` is a value: `write` makes one, `update` appends a revision and gives a new one.
Styles: cross-reference table, cross-reference stream, object streams; LF, CR, CRLF.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

HEADER = b"%PDF-1.7"
BINARY = b"%\xe2\xe3\xcf\xd3"
FREE = -1


@dataclass(frozen=True, slots=True)
class Style:
    """How a writer writes: `xref` is ``table``, ``stream`` or ``objects``; `eol` is ``lf``, ``cr`` or ``crlf``."""

    xref: str
    eol: str

    @property
    def name(self) -> str:
        return f"{self.xref}-{self.eol}"

    @property
    def nl(self) -> bytes:
        return {"lf": b"\n", "cr": b"\r", "crlf": b"\r\n"}[self.eol]


STYLES = {style.name: style for style in (Style(xref, eol) for xref in ("table", "stream", "objects") for eol in ("lf", "cr", "crlf"))}
PLAIN = STYLES["table-lf"]


@dataclass(frozen=True, slots=True)
class Pdf:
    """A file with what its newest revision says: `bodies` by object number, catalog number `root`,
    first unused number `size`, offset `start` of the newest cross-reference section."""

    data: bytes
    style: Style
    bodies: Mapping[int, bytes]
    root: int
    size: int
    start: int

    def body(self, number: int) -> bytes:
        return self.bodies[number]

    def place(self, number: int) -> int:
        """Offset of the newest uncompressed definition of an object."""
        return [m.start(1) for m in re.finditer(rb"(?:\A|[\r\n])(%d 0 obj)" % number, self.data)][-1]


def stream(data: bytes, entries: bytes = b"", *, flate: bool = False) -> bytes:
    """Body of a stream object."""
    if flate:
        data, entries = zlib.compress(data), b"/Filter /FlateDecode " + entries
    return b"<< /Length %d %s>>\nstream\n%s\nendstream" % (len(data), entries, data)


def with_entry(body: bytes, entry: bytes) -> bytes:
    """A dictionary with one more entry at its end (before a stream, when there is one)."""
    end = body.index(b">>\nstream") if b">>\nstream" in body else body.rindex(b">>")
    return body[:end] + entry + b" " + body[end:]


def without_key(body: bytes, key: bytes) -> bytes:
    """A dictionary without a key whose value holds no nested dictionary."""
    return re.sub(rb"/%s\s*(?:\[[^\]]*\]|\([^)]*\)|<[0-9A-Fa-f]*>|\d+ \d+ R|/?[^\s/<>\[\]()]+)" % key, b"", body, count=1)


def write(objects: Mapping[int, bytes], style: Style, *, root: int = 1) -> Pdf:
    """A first revision. Objects come in the order given."""
    out = bytearray(HEADER + style.nl + BINARY + style.nl)
    return _revision(out, None, dict(objects), style, root)


def update(
    pdf: Pdf,
    objects: Mapping[int, bytes],
    *,
    free: Iterable[int] = (),
    root: int | None = None,
    trailer: bytes = b"",
    xref: str = "",
    loose: Iterable[int] = (),
    prev: int | None = None,
    size: int | None = None,
) -> Pdf:
    """A regular incremental update. `loose` objects stay out of object streams; `free` are freed;
    `xref`, `prev` and `size` override the style and the true values."""
    style = Style(xref, pdf.style.eol) if xref else pdf.style
    out = bytearray(pdf.data)
    if out[-1:] not in (b"\n", b"\r"):
        out += style.nl
    fixed = {number: FREE for number in free}
    made = _revision(out, pdf, dict(objects), style, pdf.root if root is None else root, fixed=fixed, trailer=trailer, loose=tuple(loose), prev=prev, size=size)
    return replace(made, style=pdf.style, bodies={**pdf.bodies, **objects})


def objects_of(out: bytearray, objects: Mapping[int, bytes], nl: bytes) -> dict[int, int]:
    """Append indirect objects; offsets by number."""
    offsets = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj" % number + nl + body + nl + b"endobj" + nl
    return offsets


def table(entries: Mapping[int, int], nl: bytes, *, first: bool = False) -> bytes:
    """A cross-reference table of offsets (`FREE` for free ones)."""
    end = {b"\n": b" \n", b"\r": b" \r", b"\r\n": b"\r\n"}[nl]
    rows = {number: (b"%010d 00000 n" % at if at != FREE else b"0000000000 00001 f") for number, at in entries.items()}
    if first:
        rows[0] = b"0000000000 65535 f"
    out = b"xref" + nl
    for group in _runs(sorted(rows)):
        out += b"%d %d" % (group[0], len(group)) + nl + b"".join(rows[n] + end for n in group)
    return out


def closing(start: int, nl: bytes) -> bytes:
    return b"startxref" + nl + b"%d" % start + nl + b"%%EOF" + nl


def _runs(numbers: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] + 1 == number:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _revision(
    out: bytearray,
    before: Pdf | None,
    objects: dict[int, bytes],
    style: Style,
    root: int,
    *,
    fixed: Mapping[int, int] | None = None,
    trailer: bytes = b"",
    loose: tuple[int, ...] = (),
    prev: int | None = None,
    size: int | None = None,
) -> Pdf:
    nl = style.nl
    top = max([before.size if before else 0, *(n + 1 for n in objects)])
    rows: dict[int, tuple[int, int, int]] = {n: (0, 0, 1) for n in fixed or {}}
    packed = {n: b for n, b in objects.items() if style.xref == "objects" and n not in loose and b">>\nstream" not in b}
    offsets = objects_of(out, {n: b for n, b in objects.items() if n not in packed}, nl)
    if packed:
        holder, top = top, top + 1
        offsets |= objects_of(out, {holder: object_stream(packed)}, nl)
        rows |= {n: (2, holder, index) for index, n in enumerate(packed)}
    rows |= {n: (1, at, 0) for n, at in offsets.items()}
    start = len(out)
    common = b"/Root %d 0 R /ID [<0102030405060708> <0102030405060708>] " % root
    if before is not None:
        common += b"/Prev %d " % (before.start if prev is None else prev)
    common += trailer
    if style.xref == "table":
        out += table({n: (FREE if kind == 0 else where) for n, (kind, where, _) in rows.items()}, nl, first=before is None)
        out += b"trailer" + nl + b"<< /Size %d %s>>" % (top if size is None else size, common) + nl
    else:
        number, top = top, top + 1
        rows[number] = (1, start, 0)
        if before is None:
            rows[0] = (0, 0, 65535)
        objects_of(out, {number: xref_stream(rows, top if size is None else size, common)}, nl)
    out += closing(start, nl)
    return Pdf(bytes(out), style, dict(objects), root, top, start)


def object_stream(packed: Mapping[int, bytes], entries: bytes = b"") -> bytes:
    """Body of an object stream that holds `packed`."""
    index, content = b"", b""
    for number, body in packed.items():
        index += b"%d %d " % (number, len(content))
        content += body + b"\n"
    return stream(index + content, b"/Type /ObjStm /N %d /First %d %s" % (len(packed), len(index), entries), flate=True)


def xref_stream(rows: Mapping[int, tuple[int, int, int]], size: int, entries: bytes) -> bytes:
    """Body of a cross-reference stream with (kind, where, more) rows."""
    runs = _runs(sorted(rows))
    index = b" ".join(b"%d %d" % (run[0], len(run)) for run in runs)
    content = b"".join(bytes((rows[n][0],)) + rows[n][1].to_bytes(4, "big") + rows[n][2].to_bytes(2, "big") for run in runs for n in run)
    return stream(content, b"/Type /XRef /W [1 4 2] /Index [%s] /Size %d %s" % (index, size, entries), flate=True)


def reread(data: bytes, style: Style, bodies: Mapping[int, bytes]) -> Pdf:
    """A file that somebody else updated; `bodies` are those that cannot be seen in the bytes."""
    found = dict(bodies)
    for match in re.finditer(rb"(?:\A|[\r\n])(\d+) 0 obj\s*(.*?)\s*endobj", data, re.DOTALL):
        found[int(match[1])] = match[2]
    start = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    root, size = re.search(rb"/Root (\d+) 0 R", data[start:]), re.search(rb"/Size (\d+)", data[start:])
    assert root is not None and size is not None
    return Pdf(data, style, found, int(root[1]), int(size[1]), start)
