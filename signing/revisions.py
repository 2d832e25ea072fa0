"""revisions — các bản của một tệp: where each revision of a PDF ends and what its bytes hold (ISO 32000-2 clause 7.5.6).

For people who look, never for the verdict: the bytes are scanned for what is written in the
clear, so damaged and hostile files can be looked at too. Objects inside object streams are
counted as the stream that holds them.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from signing.report import PdfFindings
from signing.wording import Pair

_END = re.compile(rb"startxref[\0\t\n\x0c\r ]+(\d{1,12})[\0\t\n\x0c\r ]+%%EOF(?:\r\n|\n|\r)?")
_OBJECT = re.compile(rb"(?<![0-9])(\d{1,9})[\0\t\n\x0c\r ]{1,3}\d{1,5}[\0\t\n\x0c\r ]{1,3}obj\b")
_TYPE = re.compile(rb"/Type[\0\t\n\x0c\r ]*/([A-Za-z]{2,20})")
_DATE = re.compile(rb"/(?:M|ModDate|CreationDate)[\0\t\n\x0c\r ]*\(D:(\d{8,14})(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?")
_LINEAR = re.compile(rb"/Linearized[\0\t\n\x0c\r ]")
HEAD_OF_OBJECT = 600
LARGEST_SCAN = 64 << 20
MOST_REVISIONS = 256
KINDS: dict[str, Pair] = {
    "Page": ("trang", "page"),
    "Pages": ("cây trang", "page tree"),
    "Catalog": ("mục lục văn bản", "catalog"),
    "Annot": ("chú thích hoặc trường", "annotation or field"),
    "Sig": ("chữ ký", "signature"),
    "DocTimeStamp": ("dấu thời gian", "time-stamp"),
    "DSS": ("dữ liệu xác thực", "validation data"),
    "Metadata": ("siêu dữ liệu", "metadata"),
    "Font": ("phông chữ", "font"),
    "XObject": ("hình", "image or form"),
    "ObjStm": ("luồng đối tượng", "object stream"),
    "XRef": ("bảng tham chiếu", "cross-references"),
    "other": ("đối tượng khác", "other object"),
}


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: bytes ``[start, end)``; `replaced` are numbers of objects that an earlier revision defines too.

    `made` is what the revision itself says of its time (a claim), `kinds` counts its objects by
    ``/Type``; `objects` is -1 where the bytes are too many to be scanned.
    """

    number: int
    start: int
    end: int
    made: datetime | None
    objects: int
    replaced: tuple[int, ...]
    kinds: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Bytes that this revision adds."""
        return self.end - self.start


def revisions(path: Path, findings: PdfFindings | None = None) -> tuple[Revision, ...]:
    """The revisions of `path`, first to last; bytes after the last end count as one more.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _scan(data, _ends(data, findings))


def _ends(data: mmap.mmap, findings: PdfFindings | None) -> list[int]:
    linear = bool(_LINEAR.search(data, 0, min(len(data), 2048)))
    ends = {m.end() for m in _END.finditer(data) if m[1] != b"0"}
    if linear and len(ends) > 1:
        ends.discard(min(ends))  # the first-page section of a linearised file closes no revision
    for s in findings.signatures if findings is not None else ():
        if len(s.byte_range) == 4:
            end = s.byte_range[2] + s.byte_range[3]
            # One signed up to before or after the line end that follows %%EOF: the same end.
            if 0 < end <= len(data) and not any(abs(end - known) <= 2 for known in ends):
                ends.add(end)
    ordered = sorted(ends)[:MOST_REVISIONS]
    last = ordered[-1] if ordered else 0
    if data[last : last + 4096].strip(b"\0\t\n\x0c\r ") or len(data) - last > 4096 or not ordered:
        ordered.append(len(data))
    else:
        ordered[-1] = len(data)
    return ordered


def _scan(data: mmap.mmap, ends: list[int]) -> tuple[Revision, ...]:
    found: list[Revision] = []
    known: set[int] = set()
    start = 0
    for number, end in enumerate(ends, 1):
        kinds: Counter[str] = Counter()
        own: set[int] = set()
        scanned = end - start <= LARGEST_SCAN
        for match in _OBJECT.finditer(data, start, end) if scanned else ():
            own.add(int(match[1]))
            limit = min(end, match.end() + HEAD_OF_OBJECT)
            closed = data.find(b"endobj", match.end(), limit)
            kind = _TYPE.search(data, match.end(), closed if closed >= 0 else limit)
            name = kind[1].decode() if kind else "other"
            kinds[name if name in KINDS else "other"] += 1
        counted = sum(kinds.values()) if scanned else -1
        replaced = tuple(sorted(own & known))
        found.append(Revision(number, start, end, _made(data, start, end) if scanned else None, counted, replaced, tuple(kinds.most_common())))
        known |= own
        start = end
    return tuple(found)


def _made(data: mmap.mmap, start: int, end: int) -> datetime | None:
    times = [t for m in _DATE.finditer(data, start, end) if (t := _date(m)) is not None]
    return max(times, default=None)


def _date(match: re.Match[bytes]) -> datetime | None:
    digits = match[1].decode().ljust(14, "0")
    offset = timedelta(0)
    if match[3]:
        offset = timedelta(hours=int(match[4]), minutes=int(match[5] or 0)) * (1 if match[3] == b"+" else -1)
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
