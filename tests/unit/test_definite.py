"""CMS values with indefinite lengths get definite ones, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.cms import tlv
from signing.errors import NotDer
from signing.verify_pdf.definite import DEEPEST, definite

LEAVES = st.builds(lambda body: tlv(0x04, body), st.binary(max_size=200))
TREES = st.recursive(
    LEAVES.map(lambda leaf: (leaf, leaf)),
    lambda inner: st.tuples(st.lists(inner, max_size=4), st.sampled_from([0x30, 0x31, 0xA0]), st.booleans()).map(lambda made: _node(*made)),
)


def _node(parts: list[tuple[bytes, bytes]], tag: int, indefinite: bool) -> tuple[bytes, bytes]:
    """The same value twice: as some writer wrote it, and in definite lengths."""
    written = b"".join(p[0] for p in parts)
    wanted = tlv(tag, *(p[1] for p in parts))
    return (bytes((tag, 0x80)) + written + b"\0\0" if indefinite else tlv(tag, written)), wanted


@settings(max_examples=60, deadline=None)
@given(TREES, st.integers(0, 5))
def test_any_mixture_becomes_the_definite_value(pair: tuple[bytes, bytes], zeros: int) -> None:
    assert definite(pair[0] + b"\0" * zeros) == pair[1]


def test_parts_of_a_string_are_joined() -> None:
    assert definite(bytes.fromhex("2480 0402 6162 0401 63 0000".replace(" ", ""))) == b"\x04\x03abc"
    assert definite(bytes.fromhex("2407 0402 6162 0401 63".replace(" ", ""))) == b"\x04\x03abc"


def test_a_default_that_was_written_down_stays() -> None:
    stated = bytes.fromhex("300d06096086480165030402010500")
    assert definite(b"\x30\x80" + tlv(0x30, stated) + b"\0\0") == tlv(0x30, tlv(0x30, stated))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x80\x04\x01",
        b"\x30\x80\0",
        b"\x30\x80\x04\x01a",
        b"\x30\x80\0\0\x01",  # something behind it
        b"\x04\x80\0\0",  # a primitive value without a length
        b"\x3f\x80\x01\0\0",
        b"\x30\x80\x30\x81\x01\x05\0\0",  # a length that is not minimal
        b"\x24\x80\x02\x01\x01\0\0",  # parts of another kind
        b"\x30\x03\x30\x80\0\0",  # closed outside of what holds it
        b"\x30\x80" * (DEEPEST + 2) + b"\0\0" * (DEEPEST + 2),
        b"\x30\x80" * 100_000,
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(NotDer):
        definite(data)
