"""unwrap — a file that the sender's builder put into a ZIP of one entry, taken out again within limits.

The builder of the reference library zips every file whose extension it does not
list, xlsx among them, under the name ``<uuid>.<ext>`` (edxml.md 1.7). Nothing is
ever written under a name from the archive.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from exchange.edxml.payload import HEAD, Payload

RATIO = 100  # deflate reaches 1032; honest office files stay far below this
_FREE = 10 * 1024 * 1024  # below this many bytes the ratio does not matter
_CHUNK = 256 * 1024
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_ENTRY = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\.[0-9A-Za-z]{1,10}", re.ASCII)


class UnsafeZip(Exception):
    """The archive is a builder's, but is damaged, encrypted or a bomb; the text says which."""


def unwrap(stored: Payload, name: str, target: Path, limit: int) -> Payload | None:
    """The one file inside a builder's ZIP, written to `target`; None when it is not one.

    Args:
        stored: the decoded attachment; `name`: its AttachmentName.
        limit: largest size of the unwrapped file, bytes.

    Raises:
        UnsafeZip: it cannot be taken out whole and within the limits.
    """
    if not stored.head.startswith(b"PK\x03\x04") or name.lower().endswith(".zip"):
        return None
    with stored.path.open("rb") as file:
        if not _has_one_entry(file):
            return None
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                if len(entries) != 1 or not _ENTRY.fullmatch(entries[0].filename):
                    return None
                return _copy(archive, entries[0], stored, target, limit)
        except UnsafeZip:
            target.unlink(missing_ok=True)
            raise
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError, struct.error, OSError) as error:
            target.unlink(missing_ok=True)
            raise UnsafeZip(f"{type(error).__name__}: {error}"[:150]) from error


def _has_one_entry(file: IO[bytes]) -> bool:
    """Looked up in the end record before anything parses the directory, which may be of any size."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or at + _END_SIZE > len(tail):
        return False
    here, total, length = struct.unpack("<8xHHI", tail[at : at + 16])
    return bool(here == total == 1 and length < 4096)


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, stored: Payload, target: Path, limit: int) -> Payload:
    digest, size, head, replacements = hashlib.sha256(), 0, b"", 0
    with archive.open(entry) as source, target.open("wb") as out:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit or size > _FREE and size > RATIO * stored.size:
                raise UnsafeZip(f"more than {size - len(chunk)} bytes come out of {stored.size}")
            digest.update(chunk)
            if len(head) < HEAD:
                head += chunk[: HEAD - len(head)]
            replacements += chunk.count(b"\xef\xbf\xbd")
            out.write(chunk)
    return Payload(target, size, digest.hexdigest(), head, replacements, size)
