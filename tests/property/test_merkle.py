"""The tree against its definition, against published vectors, against another implementation, and against forgery."""

from __future__ import annotations

import base64
import hashlib
import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.checkpoint import LogKey, build_proof, parse_note, verify_note, verify_proof
from signing.errors import CheckpointInvalid, ProofInvalid
from signing.merkle import EMPTY_ROOT, HASH, TILE, Edges, Tree, leaf_hash, node_hash, perfect_root, root_of, verify_consistency, verify_inclusion

MOST = 100_000
LEAVES = [leaf_hash(n.to_bytes(4, "big")) for n in range(MOST)]
ORIGIN = "log.example.vn/custody/2026"


@cache
def naive(start: int, end: int) -> bytes:
    """MTH(D[start:end]) as RFC 9162 2.1.1 defines it, word for word."""
    if end - start == 1:
        return LEAVES[start]
    split = start + (1 << ((end - start - 1).bit_length() - 1))
    return node_hash(naive(start, split), naive(split, end))


def naive_path(index: int, start: int, end: int) -> list[bytes]:
    """PATH(index, D[start:end]), RFC 9162 2.1.3.1."""
    if end - start == 1:
        return []
    split = start + (1 << ((end - start - 1).bit_length() - 1))
    if index < split:
        return [*naive_path(index, start, split), naive(split, end)]
    return [*naive_path(index, split, end), naive(start, split)]


def naive_proof(old: int, start: int, end: int, *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(old, D[start:end], whole), RFC 9162 2.1.4.1; `old` counts from `start`."""
    if old == end - start:
        return [] if whole else [naive(start, end)]
    split = 1 << ((end - start - 1).bit_length() - 1)
    if old <= split:
        return [*naive_proof(old, start, start + split, whole=whole), naive(start + split, end)]
    return [*naive_proof(old - split, start + split, end, whole=False), naive(start, start + split)]


class Grown:
    """A tree that grew in steps, its full tiles kept as a log keeps them."""

    def __init__(self) -> None:
        self.edges, self.tiles, self.size = Edges([[]]), dict[tuple[int, int], bytes](), 0

    def grow(self, to: int) -> None:
        for level, index, data in self.edges.append(LEAVES[self.size : to], self.size):
            assert (level, index) not in self.tiles, "a full tile is written once"
            self.tiles[level, index] = data
        self.size = to

    def read(self, level: int, index: int, width: int) -> bytes:
        stored = self.tiles.get((level, index))
        if stored is None:
            assert index == self.size >> (8 * (level + 1)), "only the last tile is partial"
            stored = b"".join(self.edges.rows[level])
        assert len(stored) >= width * HASH
        return stored[: width * HASH]

    def tree(self, size: int) -> Tree:
        return Tree(self.read, size)


def check(grown: Grown, size: int, index: int, old: int) -> None:
    """One inclusion and one consistency proof in the head over `size`, as made and as verified."""
    tree, root = grown.tree(size), naive(0, size)
    path, proof = tree.inclusion(index), tree.consistency(old)
    assert path == naive_path(index, 0, size)
    assert proof == naive_proof(old, 0, size)
    verify_inclusion(LEAVES[index], index, size, path, root)
    verify_consistency(old, size, proof, naive(0, old), root)


def test_every_size_to_three_thousand() -> None:
    chance, grown = random.Random(9162), Grown()
    assert grown.edges.root() == EMPTY_ROOT == hashlib.sha256(b"").digest()
    for size in range(1, 3001):
        grown.grow(size)
        assert grown.edges.root() == naive(0, size), size
        check(grown, size, chance.randrange(size), chance.randrange(1, size + 1))
    # Every older head can still be proven from the tiles of the newest.
    for size in range(1, 3001, 7):
        assert grown.tree(size).root() == naive(0, size)
        check(grown, size, chance.randrange(size), chance.randrange(1, size + 1))


def test_all_pairs_of_small_trees() -> None:
    grown = Grown()
    grown.grow(40)
    for size in range(1, 41):
        for index in range(size):
            check(grown, size, index, index + 1)


def test_random_sizes_to_a_hundred_thousand() -> None:
    chance, grown = random.Random(6962), Grown()
    while grown.size < MOST:
        grown.grow(min(MOST, grown.size + chance.choice([1, 255, 256, 257, 1000, 4096, 9999])))
        size = chance.choice([grown.size, chance.randrange(1, grown.size + 1)])
        assert grown.edges.root() == naive(0, grown.size)
        for _ in range(3):
            check(grown, size, chance.randrange(size), chance.randrange(1, size + 1))


@given(st.lists(st.integers(1, 700), max_size=12))
@settings(max_examples=40, deadline=None)
def test_how_it_grew_makes_no_difference(steps: list[int]) -> None:
    grown = Grown()
    for step in steps:
        grown.grow(grown.size + step)
    assert grown.edges.root() == root_of(LEAVES[: grown.size])
    assert grown.size == 0 or grown.tree(grown.size).root() == naive(0, grown.size)


# Leaves and roots of the Certificate Transparency reference implementation (RFC 6962).
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {  # (index, size): path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
PROOFS = {  # (old, new): proof
    (1, 1): [],
    (1, 8): PATHS[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}


def test_the_vectors_of_rfc_6962() -> None:
    hashes = [leaf_hash(bytes.fromhex(data)) for data in DATA]

    def tree(size: int) -> Tree:
        return Tree(lambda level, index, width: b"".join(hashes[:size][index * TILE : index * TILE + width]), size)

    for size, root in enumerate(ROOTS, 1):
        assert root_of(hashes[:size]).hex() == root == tree(size).root().hex()
    for (index, size), path in PATHS.items():
        assert [part.hex() for part in tree(size).inclusion(index)] == path
        verify_inclusion(hashes[index], index, size, [bytes.fromhex(part) for part in path], bytes.fromhex(ROOTS[size - 1]))
    for (old, new), proof in PROOFS.items():
        assert [part.hex() for part in tree(new).consistency(old)] == proof
        verify_consistency(old, new, [bytes.fromhex(part) for part in proof], bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1]))


# -- another implementation ------------------------------------------------


def test_another_verifier_agrees() -> None:
    """tlog-scales (Apache-2.0) takes what we prove and sign, and refuses what we refuse."""
    other: Any = pytest.importorskip("tlog_scales.tlog", reason="tlog-scales is not installed: a cross-check for developers")
    keys: Any = pytest.importorskip("tlog_scales.signing")
    chance = random.Random(3)
    for _ in range(300):
        size = chance.randrange(1, 3001)
        index, old = chance.randrange(size), chance.randrange(1, size + 1)
        tree, root, before = GROWN.tree(size), naive(0, size), naive(0, old)
        path, proof = tree.inclusion(index), tree.consistency(old)
        for claimed, more in ((root, []), (root, [root]), (bytes(32), [])):
            wanted = claimed == root and not more
            longer = [*path, *more]
            assert agrees(verify_inclusion, LEAVES[index], index, size, longer, claimed) == wanted
            assert agrees(other.InclusionProof(index, size, longer).check, LEAVES[index], claimed) == wanted
            longer = [*proof, *more]
            assert agrees(verify_consistency, old, size, longer, before, claimed) == wanted
            assert agrees(other.ConsistencyProof(old, size, longer).check, before, claimed) == wanted
    head = other.Checkpoint.from_text(NOTE)
    assert (head.origin, head.size, head.root_hash) == (ORIGIN, 3000, naive(0, 3000))
    head.verify(keys.Vkey.from_string(KEY.vkey()))


def agrees(work: Any, *arguments: Any) -> bool:
    try:
        return work(*arguments) is not False
    except Exception:  # each implementation refuses in its own way
        return False


# -- forgery ---------------------------------------------------------------

GROWN = Grown()
GROWN.grow(3000)
HASHES = st.lists(st.binary(min_size=0, max_size=40) | st.sampled_from(LEAVES[:50]), max_size=14)


@given(st.integers(1, 3000), st.data())
@settings(max_examples=150, deadline=None)
def test_no_other_leaf_index_size_or_path_is_proven(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path, root = GROWN.tree(size).inclusion(index), naive(0, size)
    other = data.draw(st.integers(0, 3000))
    if other != index:
        # The path of one place may fit another place of another size only with another leaf.
        refused(lambda: verify_inclusion(LEAVES[other % 3000], index, size, path, root), other % 3000 != index)
        refused(lambda: verify_inclusion(LEAVES[index], other, size, path, root), True)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        bad = [*path]
        bad[place] = flip(path[place], data.draw(st.integers(0, 255)))
        refused(lambda: verify_inclusion(LEAVES[index], index, size, bad, root), True)
        refused(lambda: verify_inclusion(LEAVES[index], index, size, path[:place] + path[place + 1 :], root), True)
    refused(lambda: verify_inclusion(LEAVES[index], index, size, [*path, LEAVES[0]], root), True)
    made_up = data.draw(HASHES)
    refused(lambda: verify_inclusion(LEAVES[index], index, size, made_up, root), made_up != path)


@given(st.integers(2, 3000), st.data())
@settings(max_examples=150, deadline=None)
def test_no_other_history_is_consistent(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    proof, before, after = GROWN.tree(size).consistency(old), naive(0, old), naive(0, size)
    bit, place = data.draw(st.integers(0, 255)), data.draw(st.integers(0, len(proof) - 1))
    bad = [*proof]
    bad[place] = flip(proof[place], bit)
    refused(lambda: verify_consistency(old, size, bad, before, after), True)
    refused(lambda: verify_consistency(old, size, proof, flip(before, bit), after), True)
    refused(lambda: verify_consistency(old, size, proof, before, flip(after, bit)), True)
    refused(lambda: verify_consistency(old, size, [*proof, after], before, after), True)
    refused(lambda: verify_consistency(old, size, proof[:-1], before, after), True)
    refused(lambda: verify_consistency(size, old, proof, after, before), True)
    made_up = data.draw(HASHES)
    refused(lambda: verify_consistency(old, size, made_up, before, after), made_up != proof)


def flip(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


def refused(work: Any, expected: bool) -> None:
    if expected:
        with pytest.raises(ProofInvalid):
            work()


KEY = LogKey.generate(ORIGIN)
NOTE = KEY.sign_note(ORIGIN, 3000, naive(0, 3000))


@given(st.integers(0, 10**6), st.sampled_from(["flip", "drop", "double", "insert"]), st.characters(codec="utf-8"))
@settings(max_examples=300, deadline=None)
def test_no_changed_note_says_another_head(where: int, how: str, character: str) -> None:
    place = where % len(NOTE)
    middle = {"flip": character, "drop": "", "double": NOTE[place] * 2, "insert": character + NOTE[place]}[how]
    changed = NOTE[:place] + middle + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(CheckpointInvalid):
        verify_note(changed, [KEY.vkey()])


@given(st.text(max_size=400) | st.binary(max_size=400).map(lambda b: b.decode("latin-1")))
def test_notes_and_proofs_of_any_text_are_read_or_refused(text: str) -> None:
    for work in (lambda: parse_note(text), lambda: verify_note(text, [KEY.vkey()]), lambda: verify_proof(text, b"", [KEY.vkey()])):
        try:
            work()
        except (CheckpointInvalid, ProofInvalid):
            continue


LINE = NOTE.split("\n\n")[1]


@pytest.mark.parametrize(
    "note",
    [
        NOTE.replace("\n3000\n", "\n03000\n"),
        NOTE.replace("\n3000\n", "\n+3000\n"),
        NOTE.replace("\n3000\n", "\n３０００\n"),
        NOTE.replace("\n3000\n", "\n-3000\n"),
        NOTE.replace("\n3000\n", "\n3000 \n"),
        NOTE.replace("\n", "\r\n"),
        NOTE[:-1],
        NOTE + "\n",
        NOTE + LINE,  # the same signature twice
        NOTE.replace(LINE, ""),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE[:-2] + "B" + NOTE[-1:],  # base64 that is not canonical
        NOTE.replace("3000", "3000\x00"),
        "\n" + NOTE,
        NOTE + "".join(f"— other{n}.example.vn {base64.b64encode(bytes(70)).decode()}\n" for n in range(64)),
    ],
)
def test_notes_that_are_not_of_the_format(note: str) -> None:
    with pytest.raises(CheckpointInvalid):
        verify_note(note, [KEY.vkey()])


def test_sixteen_other_signatures_are_no_trouble() -> None:
    others = "".join(LogKey.generate(f"w{n}.example.vn").sign_note(ORIGIN, 3000, naive(0, 3000)).split("\n\n")[1] for n in range(16))
    assert verify_note(NOTE + others, [KEY.vkey()]).size == 3000


PROOF = build_proof(1234, GROWN.tree(3000).inclusion(1234), NOTE)


@given(st.integers(0, 10**6), st.characters(codec="utf-8"))
@settings(max_examples=300, deadline=None)
def test_no_changed_proof_holds(where: int, character: str) -> None:
    assert verify_proof(PROOF, (1234).to_bytes(4, "big"), [KEY.vkey()])[0] == 1234
    place = where % len(PROOF)
    changed = PROOF[:place] + character + PROOF[place + 1 :]
    if changed != PROOF:
        with pytest.raises((ProofInvalid, CheckpointInvalid)):
            verify_proof(changed, (1234).to_bytes(4, "big"), [KEY.vkey()])


def test_perfect_roots() -> None:
    assert perfect_root(LEAVES[:256]) == naive(0, 256)
