"""note — văn bản đã ký: reads C2SP signed notes and the tree heads in them; checks no signature and needs no cryptography.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint. Parsing is strict. `checkpoint` signs and verifies.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from signing.errors import CheckpointInvalid
from signing.merkle import HASH

MOST_SIGNATURES = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: `root` is 32 bytes, `note` the exact text it was read from."""

    origin: str
    size: int
    root: bytes
    note: str


def parse_note(note: str) -> Checkpoint:
    """Read a checkpoint without checking its signatures.

    Raises:
        CheckpointInvalid: malformed.
    """
    body, _ = split_note(note)
    lines = body.split("\n")
    if len(lines) < 4 or not lines[0]:
        raise CheckpointInvalid("fewer than three lines")
    if not lines[1].isascii() or not lines[1].isdigit() or (lines[1] != "0" and lines[1].startswith("0")):
        raise CheckpointInvalid("size line")
    root = decode_base64(lines[2])
    if len(root) != HASH:
        raise CheckpointInvalid("root line")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root, note=note)


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A signed note's body (with its last line end) and its signature lines as (name, key id ‖ signature).

    Raises:
        CheckpointInvalid: not a note, or more than 64 signatures.
    """
    if not note.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in note) or "\x7f" in note:
        raise CheckpointInvalid("not a note")
    text, found, tail = note.rpartition("\n\n")
    if not found:
        raise CheckpointInvalid("no signatures")
    lines = tail[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise CheckpointInvalid("too many signatures")
    signatures = []
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—" or not is_key_name(parts[1]):
            raise CheckpointInvalid("signature line")
        blob = decode_base64(parts[2])
        if len(blob) < 5:
            raise CheckpointInvalid("signature line")
        signatures.append((parts[1], blob))
    return text + "\n", signatures


def is_key_name(name: str) -> bool:
    """May it name a key (signed-note: not empty, no Unicode space, no plus sign)?"""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def decode_base64(text: str) -> bytes:
    """Bytes of canonical standard base64.

    Raises:
        CheckpointInvalid: anything else.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointInvalid("base64") from error
    if base64.b64encode(data).decode() != text:
        raise CheckpointInvalid("base64 is not canonical")
    return data
