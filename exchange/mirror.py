"""mirror — bản sao sổ: copies a log's tiles and entries into a folder, checking every byte on the way.

The folder has the same paths as the log's address (C2SP tlog-tiles), so it can be served,
recomputed offline (`verify_folder`) and gone on with: what is there already is not fetched again.
Nothing is moved forward before what was fetched hashes to a signed head.
"""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from signing.checkpoint import Checkpoint, verify_note
from signing.errors import LogUnavailable, ProofInvalid
from signing.merkle import HASH, TILE, Edges, leaf_hash
from signing.tile_log import (
    CHECKPOINT,
    LARGEST_NOTE,
    Fetch,
    edges_at,
    entries_of,
    entries_path,
    folder_log,
    hashes_of,
    join_bundle,
    new_tiles,
    signed_head,
    tile_path,
)

TIMEOUT = 20.0
LARGEST = 32 * 1024 * 1024  # a bundle is 256 entries of 64 KiB at most, in truth some 100 KB


HEADER = "Vanthu-Checkpoint"  # the newest head, in base64, with every answer of a hub


def http_log(
    url: str, context: ssl.SSLContext | None = None, *, timeout: float = TIMEOUT, heard: Callable[[str], object] | None = None, prefix: str = ""
) -> Fetch:
    """A log at an address; ``/custody`` is added to a bare host. `timeout` in seconds.

    Args:
        heard: told the head that came with each answer, as it stands in the header.
        prefix: the log's own path, where it is not the present one.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise LogUnavailable("an http or https address is wanted", place=url[:120])
    prefix = url.rstrip("/") + (prefix if prefix or parts.path.strip("/") else "/custody")

    def fetch(path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{prefix}/{path}", timeout=timeout, context=context) as answer:
                data: bytes = answer.read(LARGEST)
                if heard is not None and (head := answer.headers.get(HEADER)):
                    heard(head)
                return data
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise LogUnavailable(f"{type(error).__name__}: {error}"[:200], place=path) from error

    return fetch


def body_at(url: str, context: ssl.SSLContext | None = None, *, timeout: float = TIMEOUT) -> bytes:
    """What a small file at an address holds; at most 64 KiB of it.

    Raises:
        LogUnavailable: no answer.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout, context=context if url.startswith("https:") else None) as answer:
            data: bytes = answer.read(LARGEST_NOTE)
            return data
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise LogUnavailable(f"{type(error).__name__}: {error}"[:200], place=url[:120]) from error


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A copy as it stands. `fetched` files came over the network; without `entries` it holds hashes only."""

    head: Checkpoint
    fetched: int
    entries: bool


def mirror(fetch: Fetch, folder: Path, vkeys: Sequence[str], *, entries: bool = True, progress: Callable[[int, int], None] | None = None) -> Mirrored:
    """Bring the copy in `folder` up to the newest head of the log.

    Args:
        entries: copy entries as well; when the log does not show them to us, hashes alone are copied.
        progress: called with (entries done, entries in all).

    Raises:
        LogUnavailable: no answer. CheckpointInvalid: a head not signed by a known key.
        ProofInvalid: what is published does not continue the copy, or does not hash to its head; the copy stays as it was.
    """
    new = signed_head(fetch, vkeys)
    here = folder_log(folder)
    old = verify_note((folder / CHECKPOINT).read_text(), vkeys) if (folder / CHECKPOINT).exists() else None
    if old is not None and old.origin != new.origin:
        raise ProofInvalid(f"the copy is of {old.origin}, the log now calls itself {new.origin}")
    if old is not None and (new.size < old.size or (new.size == old.size and new.root != old.root)):
        keep_head(folder, new)
        raise ProofInvalid(f"the copy counts {old.size} entries, the log now shows {new.size} with another root or fewer")
    start = old.size if old is not None else 0
    copy = _Copy(fetch, here, folder, entries=entries)
    edges = edges_at(here, old) if old is not None and start else Edges([[]])
    try:
        upper = copy.between(edges, start, new, progress)
    except ProofInvalid:
        copy.forget(start, new.size)
        raise
    for path, tile in upper:
        copy.put(path, tile)
    for level, row in enumerate(edges.rows):
        if row:
            copy.put(tile_path(level, new.size >> (8 * level) >> 8, len(row)), b"".join(row))
    keep_head(folder, new)
    write(folder / CHECKPOINT, new.note.encode())
    return Mirrored(new, copy.fetched, copy.entries)


def keep_head(folder: Path, head: Checkpoint) -> Path:
    """Keep a head for ever in ``heads/``; its file. Two different heads of one size are two files."""
    file = folder / "heads" / f"{head.size:012d}-{head.root.hex()[:16]}.note"
    if not file.exists():
        write(file, head.note.encode())
    return file


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, durable on return."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class _Copy:
    """Files that were copied, checked against each other as they come."""

    def __init__(self, fetch: Fetch, here: Fetch, folder: Path, *, entries: bool) -> None:
        self.fetch, self.here, self.folder, self.entries = fetch, here, folder, entries
        self.fetched = 0

    def between(self, edges: Edges, start: int, new: Checkpoint, progress: Callable[[int, int], None] | None) -> list[tuple[str, bytes]]:
        """Copy all from `start` on, and make the edge grow to `new`; the upper tiles that became full.

        Raises:
            ProofInvalid: what came does not hash to `new`. LogUnavailable: something did not come.
        """
        size, upper = start, list[tuple[str, bytes]]()
        for index, first, width in new_tiles(start, new.size):
            data = self.bundle(index, width)
            row = [data[i : i + HASH] for i in range(first * HASH, len(data), HASH)]
            for level, place, tile in edges.append(row, size):
                if level:
                    upper.append((tile_path(level, place), tile))  # written once the root is known to hold
                elif first:
                    self.put(tile_path(level, place), tile)  # our own half and theirs must make the same tile
            size += len(row)
            if progress is not None:
                progress(size, new.size)
        if edges.root() != new.root:
            raise ProofInvalid(f"what is published does not hash to the head over {new.size} entries")
        return upper

    def bundle(self, index: int, width: int) -> bytes:
        """Leaf hashes of a tile, made from its entries where those are shown."""
        hashes = self._hashes(index, width)
        if self.entries:
            self._entries(index, width, hashes)
        return hashes

    def _hashes(self, index: int, width: int) -> bytes:
        if width == TILE and (self.folder / tile_path(0, index)).exists():
            return hashes_of(self.here, 0, index, width)
        self.fetched += 1
        data = hashes_of(self.fetch, 0, index, width)
        self.put(tile_path(0, index, width), data)
        return data

    def _entries(self, index: int, width: int, hashes: bytes) -> None:
        path = self.folder / entries_path(index, width)
        if width == TILE and path.exists():
            found = entries_of(self.here, index, width)
        else:
            try:
                found = entries_of(self.fetch, index, width)
            except LogUnavailable:
                self.entries = False  # shown to operators and auditors only
                return
            self.fetched += 1
        if b"".join(leaf_hash(entry) for entry in found) != hashes:
            path.unlink(missing_ok=True)
            raise ProofInvalid(f"entries from {index * TILE} on do not hash to their tile")
        if not path.exists():
            self.put(entries_path(index, width), join_bundle(found))

    def put(self, path: str, data: bytes) -> None:
        """Keep a file; one that is there already must be the same."""
        file = self.folder / path
        if file.exists():
            if file.read_bytes() != data:
                raise ProofInvalid(f"{path} differs from the copy kept here")
            return
        write(file, data)

    def forget(self, start: int, end: int) -> None:
        """Take away tiles and entries that turned out not to be the log's."""
        for index, _, width in new_tiles(start, end):
            for path in (tile_path(0, index, width), entries_path(index, width)):
                (self.folder / path).unlink(missing_ok=True)
