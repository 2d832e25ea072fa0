"""merkle — cây băm: RFC 9162 hashing, tiles and proofs. Pure; imports nothing of the project but errors.

Tiles follow C2SP tlog-tiles: 256 hashes of 32 bytes; tile (level, index) holds
the roots of perfect subtrees of height 8·level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from signing.errors import ProofInvalid

HASH = 32
TILE = 256
EMPTY_ROOT = hashlib.sha256(b"").digest()

TileReader = Callable[[int, int, int], bytes]
"""(level, index, width) → width·32 bytes."""


def leaf_hash(data: bytes) -> bytes:
    """H(0x00 ‖ data), RFC 9162 2.1.1."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """H(0x01 ‖ left ‖ right), RFC 9162 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Root over a power-of-two number of node hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Root of a tree given its leaf hashes, RFC 9162 2.1.1."""
    return Edges([list(hashes)]).root() if hashes else EMPTY_ROOT


@dataclass(slots=True)
class Edges:
    """The right edge of a tree: per tile level, the hashes of its partial tile."""

    rows: list[list[bytes]] = field(default_factory=list)

    def append(self, hashes: Iterable[bytes], size: int) -> list[tuple[int, int, bytes]]:
        """Append leaf hashes to a tree of `size` leaves; the tiles that became full
        as (level, index, 8192 bytes)."""
        full: list[tuple[int, int, bytes]] = []
        if not self.rows:
            self.rows.append([])
        self.rows[0].extend(hashes)
        level = 0
        while level < len(self.rows):
            row = self.rows[level]
            index = size >> (8 * (level + 1))
            while len(row) >= TILE:
                tile, row = row[:TILE], row[TILE:]
                full.append((level, index, b"".join(tile)))
                index += 1
                if level + 1 == len(self.rows):
                    self.rows.append([])
                self.rows[level + 1].append(perfect_root(tile))
            self.rows[level] = row
            level += 1
        return full

    def root(self) -> bytes:
        """Root hash of the whole tree."""
        result: bytes | None = None
        for row in self.rows:
            pieces, start = [], 0
            for bit in reversed(range(9)):
                width = 1 << bit
                if len(row) & width:
                    pieces.append(perfect_root(row[start : start + width]))
                    start += width
            if len(row) > 2 * TILE - 1:
                pieces = [root_of_long(row)]
            for piece in reversed(pieces):
                result = piece if result is None else node_hash(piece, result)
        return EMPTY_ROOT if result is None else result


def root_of_long(row: Sequence[bytes]) -> bytes:
    """Root of any number of node hashes by the recursive definition."""
    if len(row) == 1:
        return row[0]
    split = 1 << ((len(row) - 1).bit_length() - 1)
    return node_hash(root_of_long(row[:split]), root_of_long(row[split:]))


class Tree:
    """Proofs over tiles. `read` gives hashes of a tile of the tree of `size` leaves."""

    def __init__(self, read: TileReader, size: int) -> None:
        self._read = read
        self.size = size
        self._cache: dict[tuple[int, int], bytes] = {}

    def root(self) -> bytes:
        """Root of the tree."""
        return self.range_root(0, self.size) if self.size else EMPTY_ROOT

    def range_root(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]), RFC 9162 2.1.1; `start` is aligned as the recursion makes it."""
        width = end - start
        if width & (width - 1) == 0 and start % width == 0:
            return self._perfect(start, width.bit_length() - 1)
        split = 1 << ((width - 1).bit_length() - 1)
        return node_hash(self.range_root(start, start + split), self.range_root(start + split, end))

    def inclusion(self, index: int) -> list[bytes]:
        """Audit path of leaf `index`, leaf sibling first, RFC 9162 2.1.3.1."""
        if not 0 <= index < self.size:
            raise ProofInvalid(f"index {index} of {self.size}")
        path: list[bytes] = []
        start, end = 0, self.size
        while end - start > 1:
            split = start + (1 << ((end - start - 1).bit_length() - 1))
            if index < split:
                path.append(self.range_root(split, end))
                end = split
            else:
                path.append(self.range_root(start, split))
                start = split
        return path[::-1]

    def consistency(self, old: int) -> list[bytes]:
        """Proof that the tree of `old` leaves is a prefix, RFC 9162 2.1.4.1."""
        if not 0 < old <= self.size:
            raise ProofInvalid(f"old size {old} of {self.size}")
        return self._subproof(old, 0, self.size, whole=True)

    def _subproof(self, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        if old == end - start:
            return [] if whole else [self.range_root(start, end)]
        split = 1 << ((end - start - 1).bit_length() - 1)
        if old <= split:
            return [*self._subproof(old, start, start + split, whole=whole), self.range_root(start + split, end)]
        return [*self._subproof(old - split, start + split, end, whole=False), self.range_root(start, start + split)]

    def _perfect(self, start: int, height: int) -> bytes:
        level, rest = divmod(height, 8)
        if rest == 0 and level and (start >> height) % TILE >= self._width(level, (start >> height) // TILE):
            level, rest = level - 1, 8
        first = start >> (8 * level)
        tile, offset = divmod(first, TILE)
        data = self._tile(level, tile)
        row = [data[i * HASH : (i + 1) * HASH] for i in range(offset, offset + (1 << rest))]
        return perfect_root(row)

    def _width(self, level: int, tile: int) -> int:
        return min(TILE, max(0, (self.size >> (8 * level)) - tile * TILE))

    def _tile(self, level: int, tile: int) -> bytes:
        key = (level, tile)
        if key not in self._cache:
            self._cache[key] = self._read(level, tile, self._width(level, tile))
        return self._cache[key]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Gate: the leaf hash `leaf` is at `index` of the tree (`size`, `root`).

    Raises:
        ProofInvalid: it is not (RFC 9162 2.1.3.2).
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"index {index} of {size}")
    fn, sn, result = index, size - 1, leaf
    for part in path:
        if sn == 0 or len(part) != HASH:
            raise ProofInvalid("path too long")
        if fn & 1 or fn == sn:
            result = node_hash(part, result)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, part)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or result != root:
        raise ProofInvalid("root does not match")


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Gate: the tree (`old`, `old_root`) is a prefix of (`new`, `new_root`).

    Raises:
        ProofInvalid: it is not (RFC 9162 2.1.4.2).
    """
    if old == new:
        if path or old_root != new_root:
            raise ProofInvalid("same size, other root")
        return
    if not 0 < old < new or not path:
        raise ProofInvalid(f"sizes {old}, {new}")
    parts = list(path) if old & (old - 1) else [old_root, *path]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = parts[0]
    for part in parts[1:]:
        if sn == 0 or len(part) != HASH:
            raise ProofInvalid("path too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(part, fr), node_hash(part, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, part)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or fr != old_root or sr != new_root:
        raise ProofInvalid("roots do not match")
