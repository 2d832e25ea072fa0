"""tile_log — sổ theo ô: reading a log by its published files only (C2SP tlog-tiles), from wherever they come.

A log is followed by one callable that gives the bytes at a path below the log's prefix.
Nothing that is read is believed: hashes are rebuilt upwards and must meet a signed head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from signing.checkpoint import Checkpoint, verify_note
from signing.errors import CheckpointInvalid, LogUnavailable, ProofInvalid
from signing.merkle import HASH, TILE, Edges, Tree, leaf_hash, verify_consistency

Fetch = Callable[[str], bytes]
"""Path below the log's prefix → bytes; LogUnavailable when there is no such file or no answer."""
CHECKPOINT = "checkpoint"
LARGEST_NOTE = 64 * 1024


def _number(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*("x" + g for g in groups[:-1]), groups[-1]])


def tile_path(level: int, index: int, width: int = TILE) -> str:
    """Path of a tile of hashes, ``tile/<L>/<N>[.p/<W>]`` (tlog-tiles, "Merkle Tree")."""
    return f"tile/{level}/{_number(index)}" + (f".p/{width}" if width < TILE else "")


def entries_path(index: int, width: int = TILE) -> str:
    """Path of a bundle of entries, ``tile/entries/<N>[.p/<W>]`` (tlog-tiles, "Log Entries")."""
    return f"tile/entries/{_number(index)}" + (f".p/{width}" if width < TILE else "")


def parse_path(path: str) -> tuple[int | None, int, int]:
    """(level, index, width) of a path of `tile_path`, with level None for one of `entries_path`.

    Raises:
        LogUnavailable: not such a path.
    """
    _, _, rest = path.partition("tile/")
    level, _, name = rest.partition("/")
    name, _, width = name.partition(".p/")
    digits = name.replace("/", "").replace("x", "")
    if not (digits.isascii() and digits.isdigit()) or not (level == "entries" or level.isdigit()) or not (width or "1").isdigit():
        raise LogUnavailable("no such file in a log", place=path[:80])
    return None if level == "entries" else int(level), int(digits), int(width or TILE)


def split_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle: each with its length before it, 16 bits, most significant byte first.

    Raises:
        ProofInvalid: cut short.
    """
    entries, place = [], 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 2], "big")
        entry = data[place + 2 : place + 2 + length]
        if place + 2 > len(data) or len(entry) != length:
            raise ProofInvalid("bundle of entries is cut short")
        entries.append(entry)
        place += 2 + length
    return entries


def join_bundle(entries: Sequence[bytes]) -> bytes:
    """A bundle of entries, the inverse of `split_bundle`."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def folder_log(folder: Path) -> Fetch:
    """A log copied into `folder`. A partial tile may come from a wider one or from the full one."""

    def fetch(path: str) -> bytes:
        file = folder / path
        try:
            return file.read_bytes()
        except OSError as error:
            partial = file.parent.name.endswith(".p") and file.parent.is_dir()
            wider = sorted(int(p.name) for p in file.parent.iterdir() if p.name.isdigit()) if partial else []
            found = next((width for width in wider if width > int(file.name)), None)
            if found is None:
                raise LogUnavailable(str(error), place=path) from error
            return (file.parent / str(found)).read_bytes()

    return fetch


def hashes_of(fetch: Fetch, level: int, index: int, width: int) -> bytes:
    """`width` hashes of a tile; the full tile serves where the partial one is gone.

    Raises:
        LogUnavailable: not there, or not enough of it.
    """
    try:
        data = fetch(tile_path(level, index, width))
    except LogUnavailable:
        if width == TILE:
            raise
        data = fetch(tile_path(level, index))
    if len(data) < width * HASH:
        raise LogUnavailable(f"{len(data)} bytes for {width} hashes", place=tile_path(level, index, width))
    return data[: width * HASH]


def entries_of(fetch: Fetch, index: int, width: int) -> list[bytes]:
    """The first `width` entries of a bundle.

    Raises:
        LogUnavailable: not served here. ProofInvalid: damaged.
    """
    try:
        data = fetch(entries_path(index, width))
    except LogUnavailable:
        if width == TILE:
            raise
        data = fetch(entries_path(index))
    return split_bundle(data)[:width]


def tree_of(fetch: Fetch, size: int) -> Tree:
    """Proofs over the first `size` entries."""
    return Tree(lambda level, index, width: hashes_of(fetch, level, index, width), size)


def signed_head(fetch: Fetch, vkeys: Sequence[str]) -> Checkpoint:
    """The newest head the log shows, its signature checked.

    Raises:
        LogUnavailable: no answer. CheckpointInvalid: not signed by a known key.
    """
    data = fetch(CHECKPOINT)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CheckpointInvalid("not UTF-8") from error
    if len(data) > LARGEST_NOTE:
        raise CheckpointInvalid("too large")
    return verify_note(text, vkeys)


def edges_at(fetch: Fetch, head: Checkpoint) -> Edges:
    """The right edge of the tree under `head`, read from a few tiles and checked against its root.

    Raises:
        ProofInvalid: the tiles do not hash to the head.
    """
    rows, level = [], 0
    while head.size >> (8 * level):
        count = head.size >> (8 * level)
        width = count % TILE
        data = hashes_of(fetch, level, count // TILE, width) if width else b""
        rows.append([data[i : i + HASH] for i in range(0, len(data), HASH)])
        level += 1
    edges = Edges(rows or [[]])
    if edges.root() != head.root:
        raise ProofInvalid(f"tiles do not hash to the head over {head.size} entries")
    return edges


def new_tiles(old: int, new: int) -> Iterator[tuple[int, int, int]]:
    """(index, first hash wanted, width) of every level-0 tile that holds entries `old` … `new` - 1."""
    for index in range(old // TILE, -(-new // TILE) if new > old else 0):
        yield index, max(0, old - index * TILE), min(TILE, new - index * TILE)


def follow(fetch: Fetch, old: Checkpoint | None, new: Checkpoint, *, progress: Callable[[int], None] | None = None) -> None:
    """Gate: `old` is a prefix of `new`, shown from every leaf hash between them.

    Raises:
        ProofInvalid: it is not. LogUnavailable: tiles are missing.
    """
    size = old.size if old is not None else 0
    edges = edges_at(fetch, old) if old is not None and size else Edges([[]])
    for index, first, width in new_tiles(size, new.size):
        data = hashes_of(fetch, 0, index, width)[first * HASH :]
        row = [data[i : i + HASH] for i in range(0, len(data), HASH)]
        edges.append(row, size)
        size += len(row)
        if progress is not None:
            progress(size)
    if edges.root() != new.root:
        raise ProofInvalid(f"what is published does not hash to the head over {new.size} entries")


def consistency_of(fetch: Fetch, old: Checkpoint, new: Checkpoint) -> list[bytes]:
    """A consistency proof between two heads, made from tiles and checked (RFC 9162 2.1.4).

    Raises:
        ProofInvalid: one is not a prefix of the other. LogUnavailable: tiles are missing.
    """
    if old.origin != new.origin:
        raise ProofInvalid(f"heads of two logs: {old.origin}, {new.origin}")
    if old.size > new.size:
        old, new = new, old
    if old.size == 0:
        return []
    proof = tree_of(fetch, new.size).consistency(old.size)
    verify_consistency(old.size, new.size, proof, old.root, new.root)
    return proof


@dataclass(frozen=True, slots=True)
class FolderFinding:
    """What a recomputation of a copied log found. `entries` were hashed, of `size`; `heads` were compared."""

    head: Checkpoint
    entries: int
    heads: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def verify_folder(folder: Path, vkeys: Sequence[str], *, progress: Callable[[int], None] | None = None) -> FolderFinding:
    """Recompute a copied log: entries, tiles of every level, and each head kept beside it.

    Raises:
        LogUnavailable: the folder holds no log. CheckpointInvalid: its head is not signed by a known key.
    """
    fetch = folder_log(folder)
    head = signed_head(fetch, vkeys)
    problems: list[str] = []
    roots = kept_heads(folder, head.origin, vkeys, problems)
    roots.setdefault(head.size, head.root)
    beyond = [size for size in roots if size > head.size]
    problems += [f"a kept head counts {size} entries, the newest here {head.size}" for size in beyond]
    edges, count, hashed = Edges([[]]), 0, 0
    for index, _, width in new_tiles(0, head.size):
        row, known = _bundle(fetch, index, width, problems)
        hashed += known
        for cut in sorted({s for s in roots if count < s <= count + len(row)} | {count + len(row)}):
            part, row = row[: cut - count], row[cut - count :]
            for level, place, data in edges.append(part, count):
                _compare(fetch, level, place, data, problems)
            count = cut
            if count in roots and edges.root() != roots[count]:
                problems.append(f"head over {count} entries has another root")
        if progress is not None:
            progress(count)
    if count != head.size:
        problems.append(f"{count} of {head.size} entries are here")
    return FolderFinding(head, hashed, len(roots), tuple(problems))


def kept_heads(folder: Path, origin: str, vkeys: Sequence[str], problems: list[str]) -> dict[int, bytes]:
    """Roots of the heads kept in ``heads/``, by size; what is wrong with them is added to `problems`."""
    roots: dict[int, bytes] = {}
    for file in sorted((folder / "heads").glob("*.note")):
        try:
            note = verify_note(file.read_text(), vkeys)
        except (CheckpointInvalid, UnicodeDecodeError) as error:
            problems.append(f"{file.name}: {error}")
            continue
        if note.origin != origin:
            continue
        if roots.setdefault(note.size, note.root) != note.root:
            problems.append(f"two signed heads over {note.size} entries")
    return roots


def _bundle(fetch: Fetch, index: int, width: int, problems: list[str]) -> tuple[list[bytes], int]:
    # Where entries are here the tree is built from them, so an altered tile cannot hide an altered entry.
    try:
        tile = hashes_of(fetch, 0, index, width)
    except LogUnavailable as error:
        problems.append(f"tile 0/{index} is missing: {error.detail}")
        return [], 0
    row = [tile[i : i + HASH] for i in range(0, len(tile), HASH)]
    try:
        entries = entries_of(fetch, index, width)
    except LogUnavailable:
        return row, 0
    except ProofInvalid as error:
        problems.append(f"entries {index}: {error.detail}")
        return row, 0
    made = [leaf_hash(entry) for entry in entries]
    problems += [f"entry {index * TILE + n} does not hash to what its tile holds" for n, (a, b) in enumerate(zip(made, row, strict=False)) if a != b]
    if len(made) != width:
        problems.append(f"bundle {index} has {len(made)} of {width} entries")
        return row, len(made)
    return made, width


def _compare(fetch: Fetch, level: int, index: int, data: bytes, problems: list[str]) -> None:
    try:
        if fetch(tile_path(level, index)) != data:
            problems.append(f"tile {level}/{index} differs")
    except LogUnavailable:
        problems.append(f"tile {level}/{index} is missing")
