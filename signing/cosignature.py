"""cosignature — chữ ký chứng kiến: what a witness, or the log's second key, adds to a tree head.

Formats: c2sp.org/tlog-cosignature. Type 0x04 is Ed25519 over the whole note body and
the time; type 0x06 is ML-DSA-44 (FIPS 204) over a structure that also names the cosigner.
A cosignature says: at this time, this was the largest consistent tree that I have seen.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from signing.checkpoint import Checkpoint, decode_base64, is_key_name, parse_note, split_note
from signing.errors import CheckpointInvalid, KeyUnusable

LATEST_TIME = 253_402_300_799  # the last second of the year 9999: what a datetime can hold
_HEADER = struct.Struct(">Q")
_LABEL = b"subtree/v1\n\x00"


class Kind(IntEnum):
    """Signature types of cosignatures, as they stand in key ids and verifier keys."""

    ED25519 = 0x04
    ML_DSA_44 = 0x06


_PUBLIC_BYTES = {Kind.ED25519: 32, Kind.ML_DSA_44: 1312}
_SIGNATURE_BYTES = {Kind.ED25519: 64, Kind.ML_DSA_44: 2420}


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One cosignature that holds. `vkey` is the verifier key as it was given, `at` aware UTC."""

    name: str
    kind: Kind
    vkey: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CosignerVkey:
    """A cosigner's verifier key, read. `public` are the raw bytes of the key."""

    name: str
    key_id: bytes
    kind: Kind
    public: bytes
    vkey: str


class CosignerKey:
    """A private cosigning key. One key per cosigner, never shared (type 0x04 does not name it). Never printed."""

    def __init__(self, name: str, private: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        if not is_key_name(name) or len(name.encode()) > 255:
            raise KeyUnusable(f"name {name[:60]!r}")
        self.name = name
        self.kind = Kind.ED25519 if isinstance(private, Ed25519PrivateKey) else Kind.ML_DSA_44
        self._private = private
        self._public = private.public_key().public_bytes_raw()
        self._key_id = key_id(name, self.kind, self._public)

    def __repr__(self) -> str:
        return f"CosignerKey({self.name!r}, {self.kind.name})"

    @classmethod
    def generate(cls, name: str, kind: Kind = Kind.ED25519) -> CosignerKey:
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate() if kind is Kind.ED25519 else MLDSA44PrivateKey.generate())

    @classmethod
    def load_all(cls, path: Path) -> tuple[CosignerKey, ...]:
        """The keys of a file written by `save_keys`.

        Raises:
            KeyUnusable: not such a file.
        """
        try:
            return tuple(_from_line(line) for line in path.read_text().splitlines() if line.strip())
        except (OSError, ValueError, KeyError) as error:
            raise KeyUnusable(str(error), place=str(path)) from error

    def under(self, name: str) -> CosignerKey:
        """The same key under another name: a log's second key goes on in the next year's log."""
        return self if name == self.name else CosignerKey(name, self._private)

    def line(self) -> str:
        """The private key as a line of a key file."""
        return f"{self.name} {self.kind.name} {base64.b64encode(self._private.private_bytes_raw()).decode()}\n"

    def vkey(self) -> str:
        """Verifier key: name+keyid+base64(type ‖ public key)."""
        return f"{self.name}+{self._key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self._public).decode()}"

    def cosign(self, head: Checkpoint, *, at: datetime) -> str:
        """One signature line over `head`, with its line end. `at` (aware) counts in whole seconds.

        The caller vouches that no head inconsistent with this one was ever cosigned.
        """
        seconds = int(at.timestamp())
        body, _ = split_note(head.note)
        signature = self._private.sign(message(self.kind, self.name, head, body, seconds))
        blob = self._key_id + _HEADER.pack(seconds) + signature
        return f"— {self.name} {base64.b64encode(blob).decode()}\n"


def save_keys(path: Path, keys: Sequence[CosignerKey]) -> None:
    """Write keys to a new file readable by its owner only, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(key.line() for key in keys))


def make_keys(name: str) -> tuple[CosignerKey, CosignerKey]:
    """A new witness's two keys: Ed25519 and ML-DSA-44, both under `name`."""
    return CosignerKey.generate(name), CosignerKey.generate(name, Kind.ML_DSA_44)


def _from_line(line: str) -> CosignerKey:
    name, kind, encoded = line.split()
    seed = base64.b64decode(encoded, validate=True)
    private = Ed25519PrivateKey.from_private_bytes(seed) if Kind[kind] is Kind.ED25519 else MLDSA44PrivateKey.from_seed_bytes(seed)
    return CosignerKey(name, private)


def key_id(name: str, kind: Kind, public: bytes) -> bytes:
    """First four bytes of SHA-256(name ‖ LF ‖ type ‖ public key)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def message(kind: Kind, name: str, head: Checkpoint, body: str, seconds: int) -> bytes:
    """What a cosignature of `kind` by `name` at POSIX time `seconds` signs."""
    if kind is Kind.ED25519:
        return f"cosignature/v1\ntime {seconds}\n{body}".encode()
    cosigner, origin = name.encode(), head.origin.encode()
    if len(origin) > 255:
        raise CheckpointInvalid("origin longer than 255 bytes")
    return _LABEL + bytes([len(cosigner)]) + cosigner + _HEADER.pack(seconds) + bytes([len(origin)]) + origin + struct.pack(">QQ", 0, head.size) + head.root


def read_vkey(line: str) -> CosignerVkey:
    """A cosigner's verifier key.

    Raises:
        CheckpointInvalid: malformed, of another type, or its key id does not fit.
    """
    name, _, rest = line.strip().partition("+")
    encoded_id, _, encoded = rest.partition("+")
    data = decode_base64(encoded)
    if not is_key_name(name) or len(name.encode()) > 255 or not data or data[0] not in set(Kind):
        raise CheckpointInvalid("verifier key of no cosigner")
    kind, public = Kind(data[0]), data[1:]
    if len(public) != _PUBLIC_BYTES[kind] or key_id(name, kind, public).hex() != encoded_id:
        raise CheckpointInvalid("verifier key: key id does not match")
    return CosignerVkey(name, bytes.fromhex(encoded_id), kind, public, line.strip())


def verify_cosignatures(note: str, vkeys: Iterable[str | CosignerVkey]) -> tuple[Cosignature, ...]:
    """Gate: the cosignatures of the given keys on `note`; lines of other keys are passed over.

    Says nothing of the log's own signature: see `checkpoint.verify_note`.

    Raises:
        CheckpointInvalid: malformed, or the line of a given key does not hold or is repeated.
    """
    head = parse_note(note)
    body, lines = split_note(note)
    known = {(k.name, k.key_id): k for k in (read_vkey(v) if isinstance(v, str) else v for v in vkeys)}
    found: dict[tuple[str, bytes], Cosignature] = {}
    for name, blob in lines:
        key = known.get((name, blob[:4]))
        if key is None:
            continue
        if (name, blob[:4]) in found:
            raise CheckpointInvalid("repeated signature", place=name)
        found[name, blob[:4]] = Cosignature(name, key.kind, key.vkey, _verify(key, head, body, blob[4:]))
    return tuple(found.values())


def _verify(key: CosignerVkey, head: Checkpoint, body: str, data: bytes) -> datetime:
    if len(data) != _HEADER.size + _SIGNATURE_BYTES[key.kind]:
        raise CheckpointInvalid("cosignature of wrong length", place=key.name)
    (seconds,) = _HEADER.unpack_from(data)
    if not 0 < seconds <= LATEST_TIME:
        raise CheckpointInvalid("cosignature without a usable time", place=key.name)
    signed = message(key.kind, key.name, head, body, seconds)
    try:
        if key.kind is Kind.ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(data[_HEADER.size :], signed)
        else:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(data[_HEADER.size :], signed)
    except (InvalidSignature, ValueError) as error:
        raise CheckpointInvalid("cosignature does not hold", place=key.name) from error
    return datetime.fromtimestamp(seconds, UTC)


def add_lines(note: str, lines: Iterable[str]) -> str:
    """The note with further signature lines, each ending in LF; lines it already has are not doubled."""
    have = set(note.rpartition("\n\n")[2].splitlines(keepends=True))
    fresh: dict[str, None] = {line: None for line in lines if line not in have}
    return note + "".join(fresh)
