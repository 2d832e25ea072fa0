"""blobs — kho tệp: a content-addressed folder. Write, fsync, rename, fsync the folder.

A blob is on disk before the transaction that names it; the worst that a crash
leaves behind is an orphan, which `sweep` removes.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Callable, Container
from pathlib import Path

from exchange.errors import CustodyError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Files named by the lower-hex SHA-256 of their bytes. Safe from many threads."""

    def __init__(self, folder: Path, *, fault: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self._fault = fault
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    def temporary(self) -> Path:
        """A new name on the same file system; the caller writes it and puts or removes it."""
        return self._incoming / uuid.uuid4().hex

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be."""
        if not _DIGEST.fullmatch(sha256):
            raise CustodyError(f"not a digest: {sha256[:70]!r}", place="blobs")
        return self.folder / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        """Is the blob there?"""
        return self.path(sha256).exists()

    def put(self, temporary: Path, sha256: str) -> None:
        """Make the file `temporary`, whose bytes have this digest, durable under its name."""
        target = self.path(sha256)
        if target.exists() and target.stat().st_size == temporary.stat().st_size:
            temporary.unlink()
            return
        self._step("blob.fsync")
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh = not target.parent.exists()
        target.parent.mkdir(exist_ok=True)
        self._step("blob.rename")
        os.replace(temporary, target)
        self._step("blob.renamed")
        _sync_folder(target.parent)
        if fresh:
            _sync_folder(self.folder)
        self._step("blob.durable")

    def put_bytes(self, data: bytes) -> str:
        """Make small `data` durable; its digest."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.exists(sha256):
            temporary = self.temporary()
            temporary.write_bytes(data)
            self.put(temporary, sha256)
        return sha256

    def remove(self, sha256: str) -> None:
        """Destroy a blob, durably; nothing happens when it is gone already."""
        path = self.path(sha256)
        self._step("blob.remove")
        path.unlink(missing_ok=True)
        if path.parent.exists():
            _sync_folder(path.parent)
        self._step("blob.removed")

    def sweep(self, known: Container[str], *, older_than: float) -> int:
        """Remove blobs not in `known` and leftovers whose mtime is before `older_than` (POSIX s); how many."""
        removed = 0
        for path in self.folder.glob("??/*"):
            if path.name not in known and path.stat().st_mtime < older_than:
                path.unlink()
                removed += 1
        for path in self._incoming.iterdir():
            if path.is_file() and path.stat().st_mtime < older_than:
                path.unlink()
                removed += 1
        return removed

    def _step(self, name: str) -> None:
        if self._fault is not None:
            self._fault(name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
