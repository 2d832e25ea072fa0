"""container — the ZIP around an evidence file, written plainly and read with suspicion.

EN 319 162-1: ``mimetype`` first, stored. Every file is stored uncompressed, so
that a changed byte is a changed byte and nothing can unfold in memory.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

from signing.errors import EvidenceInvalid

MIMETYPE = "mimetype"
ASICE = b"application/vnd.etsi.asic-e+zip"
MANIFEST = "META-INF/ASiCManifest001.xml"
SIGNATURE = "META-INF/signature001.p7s"
_MOST = 10_000
_LARGEST_PART = 16 * 1024 * 1024
# What reading a member of a hostile ZIP raises.
_DAMAGED = (KeyError, zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError)


def write_container(target: Path, files: Sequence[tuple[str, bytes | Path]], *, at: datetime) -> None:
    """Write the ZIP; `files` in order, ``mimetype`` is put first."""
    stamp = (at.year, at.month, at.day, at.hour, at.minute, at.second)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr(_info(MIMETYPE, stamp), ASICE)
        for name, data in files:
            if isinstance(data, bytes):
                archive.writestr(_info(name, stamp), data)
            else:
                info = _info(name, stamp)
                info.file_size = data.stat().st_size
                with data.open("rb") as source, archive.open(info, "w") as out:
                    shutil.copyfileobj(source, out, 1 << 20)


def _info(name: str, stamp: tuple[int, int, int, int, int, int]) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, stamp)
    info.external_attr = 0o644 << 16
    return info


class Container:
    """An opened evidence file. `names` are its members, `order` the same as they follow each other."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self.order = tuple(i.filename for i in archive.infolist())
        self.names = frozenset(self.order)
        self._digests: dict[str, bytes] = {}
        _check_shape(archive, path)

    @classmethod
    def open(cls, path: Path) -> Container:
        """Open and check the shape.

        Raises:
            EvidenceInvalid: not a ZIP, or not shaped as an ASiC-E that we write.
        """
        try:
            archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, RuntimeError) as error:
            raise EvidenceInvalid(f"not a ZIP file: {error}", place=path.name) from error
        try:
            return cls(archive, path)
        except EvidenceInvalid:
            archive.close()
            raise
        except Exception as error:  # a hostile ZIP raises almost anything
            archive.close()
            raise EvidenceInvalid(f"{type(error).__name__}: {error}"[:200], place=path.name) from error

    def __enter__(self) -> Container:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._archive.close()

    def read(self, name: str) -> bytes:
        """A small member whole.

        Raises:
            EvidenceInvalid: absent, damaged or too large to be a part of the evidence itself.
        """
        try:
            if self._archive.getinfo(name).file_size > _LARGEST_PART:
                raise EvidenceInvalid("too large", place=name)
            return self._archive.read(name)
        except KeyError as error:
            raise EvidenceInvalid("missing", place=name) from error
        except _DAMAGED as error:
            raise EvidenceInvalid(f"damaged: {error}"[:200], place=name) from error

    def digest(self, name: str) -> bytes:
        """SHA-256 of a member, read in chunks."""
        if name not in self._digests:
            digest = hashlib.sha256()
            for chunk in self.chunks(name):
                digest.update(chunk)
            self._digests[name] = digest.digest()
        return self._digests[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member by pieces of at most 1 MiB.

        Raises:
            EvidenceInvalid: absent or damaged.
        """
        try:
            with self._archive.open(name) as file:
                while chunk := file.read(1 << 20):
                    yield chunk
        except _DAMAGED as error:
            raise EvidenceInvalid(f"damaged: {error}"[:200], place=name) from error

    def under(self, prefix: str, suffix: str = "") -> list[str]:
        """Members below a folder with an ending, sorted."""
        return sorted(n for n in self.names if n.startswith(prefix) and n.endswith(suffix))

    @contextmanager
    def extracted(self, name: str) -> Iterator[Path]:
        """The member as a temporary file."""
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "file.pdf"
            with target.open("wb") as out:
                for chunk in self.chunks(name):
                    out.write(chunk)
            yield target


def _check_shape(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    if not entries or entries[0].filename != MIMETYPE or entries[0].header_offset != 0 or len(entries) > _MOST:
        raise EvidenceInvalid("mimetype is not the first entry", place=path.name)
    if len({i.filename for i in entries}) != len(entries):
        raise EvidenceInvalid("two entries of one name", place=path.name)
    for info in entries:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.compress_size != info.file_size:
            raise EvidenceInvalid("entry is not stored plainly", place=info.filename)
        if not _good_name(info.filename) or info.extra or info.comment:
            raise EvidenceInvalid("entry name or extra data", place=info.filename[:200])
    if archive.comment:
        raise EvidenceInvalid("archive comment", place=path.name)
    _check_tiling(archive, entries, path)
    if archive.read(MIMETYPE) != ASICE:
        raise EvidenceInvalid("mimetype", place=MIMETYPE)


def _good_name(name: str) -> bool:
    """A relative path that stays below its folder on every system, and shows itself as it is."""
    parts = name.split("/")
    plain = not any(c in '\\:"<>|?*' or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
    return plain and not any(part in ("", ".", "..") for part in parts)


def _check_tiling(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Entries follow each other without a gap that could hide bytes, and local headers say what the directory says."""
    offset = 0
    with path.open("rb") as file:
        for info in entries:
            file.seek(info.header_offset)
            head = file.read(30)
            name_size, extra_size = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
            name = file.read(name_size)
            expected = _local_header(info, name)
            if info.header_offset != offset or extra_size or head != expected or name != info.filename.encode():
                raise EvidenceInvalid("local header does not agree with the directory", place=info.filename)
            offset = info.header_offset + 30 + name_size + info.file_size
    if archive.start_dir != offset:
        raise EvidenceInvalid("bytes between the entries and the directory", place=path.name)
    _check_directory(entries, path, offset)


def _check_directory(entries: Sequence[zipfile.ZipInfo], path: Path, start: int) -> None:
    """The directory says nothing but what we would write, and nothing follows it."""
    for info in entries:
        plain = (info.create_version, info.create_system, info.internal_attr, info.external_attr, info.volume, info.reserved)
        if plain != (20, 3, 0, 0o644 << 16, 0, 0) and info.file_size < zipfile.ZIP64_LIMIT:
            raise EvidenceInvalid("unusual directory entry", place=info.filename)
    if start >= zipfile.ZIP64_LIMIT or len(entries) >= zipfile.ZIP_FILECOUNT_LIMIT:
        return
    with path.open("rb") as file:
        size = file.seek(0, 2) - start - 22
        file.seek(start + size)
        fields = ((0x06054B50, 4), (0, 4), (len(entries), 2), (len(entries), 2), (size, 4), (start, 4), (0, 2))
        if file.read() != b"".join(value.to_bytes(width, "little") for value, width in fields):
            raise EvidenceInvalid("end of directory", place=path.name)


def _local_header(info: zipfile.ZipInfo, name: bytes) -> bytes:
    year, month, day, hour, minute, second = info.date_time
    date = (year - 1980) << 9 | month << 5 | day
    time = hour << 11 | minute << 5 | second // 2
    fields = (
        (0x04034B50, 4),
        (info.extract_version, 2),
        (info.flag_bits, 2),
        (info.compress_type, 2),
        (time, 2),
        (date, 2),
        (info.CRC, 4),
        (info.compress_size, 4),
        (info.file_size, 4),
        (len(name), 2),
        (0, 2),
    )
    return b"".join(value.to_bytes(size, "little") for value, size in fields)
