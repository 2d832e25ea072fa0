"""witness_policy — chính sách chứng kiến: which logs, which witnesses, and how many must have cosigned.

The file format is C2SP tlog-policy: lines `log`, `witness`, `group`, `quorum`. A head is
good when a listed log signed it and the quorum's witnesses cosigned it. Nothing here asks
anybody: the policy is pinned by whoever relies on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from signing.checkpoint import ED25519, Checkpoint, decode_base64, is_later_year, parse_note, read_log_vkey, read_proof, verify_note
from signing.cosignature import CosignerVkey, Kind, key_id, read_vkey, verify_cosignatures
from signing.errors import CheckpointInvalid, PolicyUnusable, QuorumMissing, SignerUnknown
from signing.merkle import leaf_hash, verify_inclusion

LARGEST = 1 << 20
NONE = "none"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A trusted log: its verifier key (name = origin) and where it is, "" when not said."""

    vkey: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A witness: its name in this file, verifier key and submission prefix ("" when not said)."""

    name: str
    key: CosignerVkey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of `members` (witnesses or groups defined before it)."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a policy says of a head.

    `present` and `missing` are names of witnesses of the quorum; `times` the
    cosignature times of those present, in the same order. `satisfied` is the verdict.
    """

    checkpoint: Checkpoint
    present: tuple[str, ...]
    missing: tuple[str, ...]
    times: tuple[datetime, ...]
    satisfied: bool


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """A policy, read. `quorum` names a witness or group, or is ``none``."""

    logs: tuple[LogLine, ...]
    witnesses: tuple[WitnessLine, ...]
    groups: tuple[Group, ...]
    quorum: str
    _groups: dict[str, Group] = field(default_factory=dict, repr=False, compare=False)

    def counted(self) -> tuple[WitnessLine, ...]:
        """The witnesses that the quorum counts."""
        names = self._below(self.quorum)
        return tuple(w for w in self.witnesses if w.name in names)

    def satisfied_by(self, names: set[str]) -> bool:
        """Do cosignatures of these witnesses make the quorum?"""
        return self.quorum == NONE or self._holds(self.quorum, names)

    def judge(self, note: str) -> Witnessed:
        """What the policy says of `note`.

        Raises:
            CheckpointInvalid: malformed, no listed log signed it, or a listed key's line fails.
        """
        checkpoint = self._signed(note)
        times = {c.vkey: c.at for c in verify_cosignatures(note, [w.key for w in self.witnesses])}
        present = [w for w in self.counted() if w.key.vkey in times]
        names = {w.name for w in present}
        return Witnessed(
            checkpoint=checkpoint,
            present=tuple(w.name for w in present),
            missing=tuple(w.name for w in self.counted() if w.name not in names),
            times=tuple(times[w.key.vkey] for w in present),
            satisfied=self.satisfied_by(names),
        )

    def check(self, note: str) -> Witnessed:
        """Gate: a listed log signed `note`, and the quorum cosigned it.

        Raises:
            CheckpointInvalid: see `judge`. QuorumMissing: too few of the witnesses.
        """
        found = self.judge(note)
        if not found.satisfied:
            raise QuorumMissing(f"{len(found.present)} of {len(self.counted())}; missing: {', '.join(found.missing)}", place=found.checkpoint.origin)
        return found

    def _signed(self, note: str) -> Checkpoint:
        origin = parse_note(note).origin
        plain = [log.vkey for log in self.logs if _type(log.vkey) == ED25519]
        cosigning = [_named(read_vkey(log.vkey), origin) for log in self.logs if _type(log.vkey) != ED25519]
        # The log's own ML-DSA-44 line counts as its signature too (tlog-checkpoint).
        by_second = any(c.name == origin for c in verify_cosignatures(note, cosigning))
        try:
            return verify_note(note, plain)
        except SignerUnknown:
            if not by_second:
                raise
            return parse_note(note)

    def _holds(self, name: str, names: set[str]) -> bool:
        group = self._groups.get(name)
        if group is None:
            return name in names
        return sum(self._holds(member, names) for member in group.members) >= group.threshold

    def _below(self, name: str) -> set[str]:
        group = self._groups.get(name)
        if group is None:
            return {name}
        return {found for member in group.members for found in self._below(member)}


def _named(key: CosignerVkey, origin: str) -> CosignerVkey:
    """A log's second key under the name that its log has in this year."""
    if not is_later_year(key.name, origin):
        return key
    return replace(key, name=origin, key_id=key_id(origin, key.kind, key.public))


def _type(vkey: str) -> bytes:
    return decode_base64(vkey.split("+", 2)[-1])[:1]


def load_policy(path: Path) -> WitnessPolicy:
    """Read a policy file.

    Raises:
        PolicyUnusable: cannot be read, or malformed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PolicyUnusable(str(error), place=str(path)) from error
    try:
        return parse_policy(data)
    except PolicyUnusable as error:
        raise PolicyUnusable(error.detail, place=f"{path}: {error.place}") from error


def parse_policy(data: bytes | str) -> WitnessPolicy:
    """A policy from the text of its file.

    Raises:
        PolicyUnusable: malformed; `place` names the line.
    """
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > LARGEST or any(octet < 0x20 and octet not in (0x09, 0x0A) or octet == 0x7F for octet in raw):
        raise PolicyUnusable("too large, or control characters", place="policy")
    # Octets above 127 are opaque: surrogates keep them apart without knowing what they mean.
    reader = _Reader()
    for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = [w for w in line.replace("\t", " ").split(" ") if w]
        if not words or words[0].startswith("#"):
            continue
        try:
            reader.take(words)
        except (CheckpointInvalid, ValueError) as error:
            raise PolicyUnusable(str(error), place=f"line {number}") from error
    if reader.quorum is None:
        raise PolicyUnusable("no quorum line", place="policy")
    groups = {g.name: g for g in reader.groups}
    return WitnessPolicy(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum, groups)


class _Reader:
    """Takes the lines of a policy one by one."""

    def __init__(self) -> None:
        self.logs: list[LogLine] = []
        self.witnesses: list[WitnessLine] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._publics: set[bytes] = set()

    def take(self, words: list[str]) -> None:
        kind, *rest = words
        if kind == "log" and len(rest) in (1, 2):
            self._log(*rest)
        elif kind == "witness" and len(rest) in (2, 3):
            self._witness(*rest)
        elif kind == "group" and len(rest) >= 3:
            self._group(rest[0], rest[1], rest[2:])
        elif kind == "quorum" and len(rest) == 1:
            if self.quorum is not None:
                raise ValueError("a second quorum line")
            if rest[0] != NONE and rest[0] not in self._names:
                raise ValueError(f"{rest[0]} is not defined")
            self.quorum = rest[0]
        else:
            raise ValueError(f"unknown or incomplete line: {kind}")

    def _log(self, vkey: str, url: str = "") -> None:
        if _type(vkey) == ED25519:
            read_log_vkey(vkey)
            public = decode_base64(vkey.split("+", 2)[2])[1:]
        else:
            key = read_vkey(vkey)
            if key.kind is not Kind.ML_DSA_44:
                raise ValueError("key of a witness, not of a log")
            public = key.public
        self._once(public)
        self.logs.append(LogLine(vkey, url))

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        key = read_vkey(vkey)
        self._once(key.public)
        self._define(name)
        self.witnesses.append(WitnessLine(name, key, url))

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            if member not in self._names:
                raise ValueError(f"{member} is not defined")
            if member in self._members:
                raise ValueError(f"{member} is a member twice")
            self._members.add(member)
        if threshold in ("any", "all"):
            count = 1 if threshold == "any" else len(members)
        elif threshold.isascii() and threshold.isdigit() and not threshold.startswith("0"):
            count = int(threshold)
        else:
            raise ValueError("threshold")
        if not 1 <= count <= len(members):
            raise ValueError(f"threshold {count} of {len(members)}")
        self._define(name)
        self.groups.append(Group(name, count, tuple(members)))

    def _define(self, name: str) -> None:
        if name == NONE or name in self._names:
            raise ValueError(f"{name} is defined already")
        self._names.add(name)

    def _once(self, public: bytes) -> None:
        # The same key under two names would be counted twice.
        if public in self._publics:
            raise ValueError("the same key twice")
        self._publics.add(public)


def check_witnessed_proof(text: str, leaf: bytes, policy: WitnessPolicy) -> tuple[int, Witnessed]:
    """Gate: `leaf` is in a head that satisfies `policy`: (index, what the policy says).

    Raises:
        ProofInvalid, CheckpointInvalid, QuorumMissing: it is not.
    """
    index, path, note = read_proof(text)
    found = policy.check(note)
    verify_inclusion(leaf_hash(leaf), index, found.checkpoint.size, path, found.checkpoint.root)
    return index, found


def default_threshold(count: int) -> int:
    """How many of `count` witnesses a quorum should have, so that any two quorums share
    more than f = (count - 1) // 3 of them: 2·k - n ≥ f + 1. 7 gives 5, 3 gives 2."""
    return math.ceil((count + (count - 1) // 3 + 1) / 2)


def policy_text(logs: Sequence[tuple[str, str]], witnesses: Sequence[tuple[str, str, str]], threshold: int | None = None) -> str:
    """The text of a policy file with one group.

    Args:
        logs: (verifier key, URL).
        witnesses: (name, verifier key, URL).
        threshold: how many must cosign; None takes `default_threshold`, no witnesses mean ``quorum none``.
    """
    lines = [f"log {vkey} {url}".rstrip() for vkey, url in logs]
    lines += [f"witness {name} {vkey} {url}".rstrip() for name, vkey, url in witnesses]
    if witnesses:
        count = default_threshold(len(witnesses)) if threshold is None else threshold
        lines += [f"group witnesses {count} {' '.join(name for name, _, _ in witnesses)}", "quorum witnesses"]
    else:
        lines.append(f"quorum {NONE}")
    return "\n".join(lines) + "\n"
