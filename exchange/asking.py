"""asking — một lượt xin chứng kiến: one head on its way to the witnesses, whom to ask, and what has come back so far.

A round is filled by one thread for each witness while another reads it, so readers take a
copy of what is there, and what was stored is counted by that copy.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exchange.store.heads import WitnessState
from signing.checkpoint import Checkpoint
from signing.cosignature import CosignerVkey, add_lines
from signing.witness_policy import WitnessPolicy


@dataclass(frozen=True, slots=True)
class Seat:
    """One address that answers for a witness: `names` are its lines in the policy, `keys` theirs."""

    url: str
    names: tuple[str, ...]
    keys: tuple[CosignerVkey, ...]


@dataclass(slots=True)
class Round:
    """One head on its way to the witnesses. `lines` are checked cosignatures by verifier key;
    a head for `sealing` takes ML-DSA-44 ones from all. `again`: it was published before;
    `published`: it needs no more cosignatures, but may get more; `stored`: how many of
    `lines` the database has."""

    epoch: int
    head: Checkpoint
    started: datetime
    sealing: bool = False
    again: bool = False
    lines: dict[str, str] = field(default_factory=dict)
    states: dict[str, WitnessState] = field(default_factory=dict)
    published: bool = False
    stored: int = 0

    def collected(self) -> tuple[str, ...]:
        """The cosignatures collected so far, of this moment."""
        return tuple(self.lines.values())

    def note(self, lines: Sequence[str] | None = None) -> str:
        """The head with `lines`, else with every cosignature collected so far."""
        return add_lines(self.head.note, self.collected() if lines is None else lines)

    def unstored(self) -> bool:
        """Has anything come that the database does not have?"""
        return len(self.lines) > self.stored or bool(self.states)


def request_body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """An add-checkpoint request (tlog-witness)."""
    return "".join([f"old {old}\n", *(f"{base64.b64encode(part).decode()}\n" for part in proof), "\n", note]).encode()


def seats_of(policy: WitnessPolicy) -> tuple[Seat, ...]:
    """The addresses of a policy, each with the names and keys that answer there; witnesses without one are not asked."""
    by_url: dict[str, list[Any]] = {}
    for witness in policy.witnesses:
        if witness.url:
            by_url.setdefault(witness.url.rstrip("/"), []).append(witness)
    return tuple(Seat(url, tuple(w.name for w in found), tuple(w.key for w in found)) for url, found in by_url.items())
