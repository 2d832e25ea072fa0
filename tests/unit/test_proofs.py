"""Merkle trees, checkpoints and proofs: against the naive recursion and against forgery."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.checkpoint import LogKey, build_proof, parse_note, verify_note, verify_proof
from signing.errors import CheckpointInvalid, ProofInvalid
from signing.merkle import EMPTY_ROOT, Edges, Tree, leaf_hash, node_hash, verify_consistency, verify_inclusion

LEAVES = [leaf_hash(str(n).encode()) for n in range(70_000)]


def naive(hashes: list[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(naive(hashes[:split]), naive(hashes[split:]))


def grow(size: int, steps: random.Random) -> tuple[Edges, Tree]:
    edges, tiles, at = Edges(), {}, 0
    while at < size:
        part = LEAVES[at : min(size, at + steps.choice([1, 3, 255, 256, 1000]))]
        for level, index, data in edges.append(part, at):
            assert (level, index) not in tiles
            tiles[level, index] = data
        at += len(part)

    def read(level: int, index: int, width: int) -> bytes:
        return tiles[level, index][: 32 * width] if (level, index) in tiles else b"".join(edges.rows[level][:width])

    return edges, Tree(read, size)


@pytest.mark.parametrize("size", [*range(130), 255, 256, 257, 511, 512, 513, 1000, 3000, 65_535, 65_536, 65_537, 70_000])
def test_trees_of_all_sizes(size: int) -> None:
    chance = random.Random(size)
    edges, tree = grow(size, chance)
    root = naive(LEAVES[:size])
    assert edges.root() == root == tree.root()
    for _ in range(min(size, 6)):
        index, old = chance.randrange(size), chance.randrange(1, size + 1)
        path = tree.inclusion(index)
        verify_inclusion(LEAVES[index], index, size, path, root)
        verify_consistency(old, size, tree.consistency(old), naive(LEAVES[:old]), root)
        for wrong in (path[:-1], [*path, root], [bytes(32), *path[1:]]):
            if wrong != path:
                with pytest.raises(ProofInvalid):
                    verify_inclusion(LEAVES[index], index, size, wrong, root)
        with pytest.raises(ProofInvalid):
            verify_inclusion(LEAVES[index], size, size, path, root)


def test_the_tree_of_rfc_9162() -> None:
    """Test vectors of the Certificate Transparency reference implementation."""
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    hashes = [leaf_hash(bytes.fromhex(d)) for d in data]
    assert naive(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert naive(hashes[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    edges = Edges()
    edges.append(hashes, 0)
    assert edges.root() == naive(hashes)


@pytest.fixture(scope="module")
def key() -> LogKey:
    return LogKey.generate("log.example.vn/2026")


def test_notes(key: LogKey, tmp_path: Path) -> None:
    note = key.sign_note("log.example.vn/2026", 3, bytes(32))
    assert verify_note(note, [key.vkey()]) == parse_note(note)
    stranger = LogKey.generate("w.example.vn")
    other = stranger.sign_note("log.example.vn/2026", 3, bytes(32)).split("\n\n")[1]
    assert verify_note(note + other, [key.vkey()]).size == 3  # unknown keys are ignored
    with pytest.raises(CheckpointInvalid):
        verify_note(note, [stranger.vkey()])
    key.save(tmp_path / "log.key")
    assert LogKey.load(tmp_path / "log.key").vkey() == key.vkey()
    assert (tmp_path / "log.key").stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in repr(key)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda n: n[:-1],
        lambda n: n.replace("\n3\n", "\n03\n"),
        lambda n: n.replace("\n3\n", "\n4\n"),
        lambda n: n.replace("\n3\n", "\n3\r\n"),
        lambda n: n.replace("—", "-"),
        lambda n: n.replace("log.example", "lag.example", 1),
        lambda n: n + n.split("\n\n")[1],
        lambda n: n.replace("\n\n", "\n"),
        lambda n: n[:-3] + "B=\n",  # bits that canonical base64 leaves at zero
    ],
)
def test_spoilt_notes(key: LogKey, spoil: object) -> None:
    note = key.sign_note("log.example.vn/2026", 3, bytes(range(32)))
    with pytest.raises(CheckpointInvalid):
        verify_note(spoil(note), [key.vkey()])  # type: ignore[operator]


@settings(max_examples=80)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_no_changed_byte_of_a_proof_holds(where: int, what: int) -> None:
    key = LogKey.generate("log.example.vn/2026")
    edges, tree = grow(5, random.Random(1))
    text = build_proof(3, tree.inclusion(3), key.sign_note("log.example.vn/2026", 5, edges.root()))
    assert verify_proof(text, b"3", [key.vkey()])[0] == 3
    data = bytearray(text.encode())
    place = where % len(data)
    if data[place] == what:
        return
    data[place] = what
    with pytest.raises((ProofInvalid, CheckpointInvalid)):
        verify_proof(data.decode(errors="replace"), b"3", [key.vkey()])


@given(st.text(max_size=200))
def test_garbage_is_no_proof(text: str) -> None:
    with pytest.raises((ProofInvalid, CheckpointInvalid)):
        verify_proof(text, b"", [])
    assert base64.b64encode(b"") == b""
