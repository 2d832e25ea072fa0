"""checkpoint — đầu sổ: C2SP signed notes over tree heads, and offline proofs.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof.
Parsing is strict; lines of unknown keys are ignored, a failing line of a known
key refuses the whole note.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signing.errors import CheckpointInvalid, KeyUnusable, ProofInvalid, SignerUnknown
from signing.merkle import leaf_hash, verify_inclusion
from signing.note import Checkpoint, decode_base64, is_key_name, parse_note, split_note

ED25519 = b"\x01"
PROOF_HEADER = "c2sp.org/tlog-proof@v1"


class LogKey:
    """The log's Ed25519 key. `name` is the log's origin. Never printed."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.name = name
        self._private = private
        self._public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def __repr__(self) -> str:
        return f"LogKey({self.name!r})"

    @classmethod
    def generate(cls, name: str) -> LogKey:
        """A new key for the log `name`."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> LogKey:
        """Read a key saved by `save`.

        Raises:
            KeyUnusable: not such a file.
        """
        try:
            name, encoded = path.read_text().split()
            return cls(name, Ed25519PrivateKey.from_private_bytes(base64.b64decode(encoded, validate=True)))
        except (OSError, ValueError) as error:
            raise KeyUnusable(str(error), place=str(path)) from error

    def save(self, path: Path) -> None:
        """Write the key to a new file readable by its owner only."""
        text = f"{self.name} {base64.b64encode(self._private.private_bytes_raw()).decode()}\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    def under(self, name: str) -> LogKey:
        """The same key for the log `name`: each yearly log has its own name, and with it its own key id."""
        return self if name == self.name else LogKey(name, self._private)

    def vkey(self) -> str:
        """Verifier key line: name+keyid+base64(type ‖ public key)."""
        key_id = _key_id(self.name, self._public)
        return f"{self.name}+{key_id.hex()}+{base64.b64encode(ED25519 + self._public).decode()}"

    def sign_note(self, origin: str, size: int, root: bytes) -> str:
        """A signed checkpoint note over (origin, size, root)."""
        body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = _key_id(self.name, self._public) + self._private.sign(body.encode())
        return f"{body}\n— {self.name} {base64.b64encode(signature).decode()}\n"


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def verify_note(note: str, vkeys: Sequence[str]) -> Checkpoint:
    """Gate: the note carries a valid signature of one of `vkeys` whose name is its origin
    (or that of the same log in an earlier year, see `is_later_year`).

    Raises:
        SignerUnknown: signed by no known key.
        CheckpointInvalid: malformed, or a known key's line fails.
    """
    checkpoint = parse_note(note)
    body, signatures = split_note(note)
    known: dict[tuple[str, bytes], Ed25519PublicKey] = {}
    for known_name, key_id, public in map(read_log_vkey, vkeys):
        known[known_name, key_id] = public
        if is_later_year(known_name, checkpoint.origin):
            known[checkpoint.origin, _key_id(checkpoint.origin, public.public_bytes_raw())] = public
    by_origin = False
    seen: set[tuple[str, bytes]] = set()
    for name, blob in signatures:
        identity = (name, blob[:4])
        key = known.get(identity)
        if key is None:
            continue
        if identity in seen:
            raise CheckpointInvalid("repeated signature", place=name)
        seen.add(identity)
        try:
            key.verify(blob[4:], body.encode())
        except InvalidSignature as error:
            raise CheckpointInvalid("signature does not hold", place=name) from error
        by_origin = by_origin or name == checkpoint.origin
    if not by_origin:
        raise SignerUnknown(place=checkpoint.origin)
    return checkpoint


def build_proof(index: int, path: Sequence[bytes], note: str) -> str:
    """A c2sp.org/tlog-proof@v1 text: index, audit path from the leaf up, the note."""
    lines = [PROOF_HEADER, f"index {index}", *(base64.b64encode(part).decode() for part in path)]
    return "\n".join(lines) + "\n\n" + note


def read_proof(text: str) -> tuple[int, list[bytes], str]:
    """(index, audit path, note) of a c2sp.org/tlog-proof@v1 text; nothing is checked but its form.

    Raises:
        ProofInvalid: malformed.
    """
    head, found, note = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines[0] != PROOF_HEADER:
        raise ProofInvalid("header")
    rest = lines[1:]
    if rest and rest[0].startswith("extra "):
        rest = rest[1:]
    if not rest or not rest[0].startswith("index "):
        raise ProofInvalid("index line")
    number = rest[0][6:]
    if not number.isascii() or not number.isdigit() or (number != "0" and number.startswith("0")) or len(rest) > 65:
        raise ProofInvalid("index line")
    try:
        return int(number), [decode_base64(line) for line in rest[1:]], note
    except CheckpointInvalid as error:
        raise ProofInvalid("path line") from error


def verify_proof(text: str, leaf: bytes, vkeys: Sequence[str]) -> tuple[int, Checkpoint]:
    """Gate: `leaf` is in a log head signed by a known key: (index, head).

    Raises:
        ProofInvalid, CheckpointInvalid: it is not.
    """
    index, path, note = read_proof(text)
    checkpoint = verify_note(note, vkeys)
    verify_inclusion(leaf_hash(leaf), index, checkpoint.size, path, checkpoint.root)
    return index, checkpoint


def is_later_year(known: str, origin: str) -> bool:
    """Is `origin` the log that the yearly log `known` (``…/2026``) goes on in, in a later year?

    A yearly log keeps its key and changes its name at midnight; whoever trusts the key under
    one year's name trusts it under the next. Any other change of name needs a new verifier key.
    """
    stem, _, year = known.rpartition("/")
    other, _, later = origin.rpartition("/")
    both = year + later
    return bool(stem) and stem == other and len(year) == len(later) == 4 and both.isascii() and both.isdigit() and later > year


def read_log_vkey(line: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """(name, key id, public key) of a log's verifier key, type 0x01.

    Raises:
        CheckpointInvalid: not such a key, or its key id does not fit.
    """
    try:
        name, key_id, encoded = line.strip().split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        if data[:1] != ED25519 or _key_id(name, data[1:]) != bytes.fromhex(key_id):
            raise ValueError("key id does not match")
        return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(data[1:])
    except ValueError as error:
        raise CheckpointInvalid(f"verifier key: {error}") from error


__all__ = [
    "ED25519",
    "PROOF_HEADER",
    "Checkpoint",
    "LogKey",
    "build_proof",
    "decode_base64",
    "is_key_name",
    "is_later_year",
    "parse_note",
    "read_log_vkey",
    "read_proof",
    "split_note",
    "verify_note",
    "verify_proof",
]
