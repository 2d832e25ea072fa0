"""monitor — người theo dõi: follows a live log as a stranger would, who believes only signatures and hashes.

Heads are kept in a folder. Each look reads the newest head, checks its signature, reads every
leaf hash since the head before, and spot-checks old tiles. What does not fit becomes an alert,
and the signed heads that prove it are kept as evidence.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from exchange.gossip import Alert
from exchange.mirror import keep_head, write
from signing.checkpoint import Checkpoint, parse_note, verify_note
from signing.errors import CheckpointInvalid, LogUnavailable, ProofInvalid, SigningError
from signing.merkle import TILE, perfect_root, verify_inclusion
from signing.tile_log import CHECKPOINT, Fetch, consistency_of, follow, hashes_of, signed_head, tree_of
from signing.witness_policy import WitnessPolicy

STATE = "state.json"
SPOTS = 4  # old entries looked up again at each look


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a log. `head` is the newest that holds, None before the first; `grown` is since the look before."""

    at: datetime
    head: Checkpoint | None
    grown: int
    answered: bool
    alerts: tuple[Alert, ...]

    @property
    def ok(self) -> bool:
        return not self.alerts

    def to_json(self) -> dict[str, Any]:
        """For programs: one object a look."""
        head = self.head
        return {
            "at": self.at.isoformat(),
            "ok": self.ok,
            "answered": self.answered,
            "origin": head.origin if head else "",
            "size": head.size if head else 0,
            "root": head.root.hex() if head else "",
            "grown": self.grown,
            "alerts": [alert.to_json() for alert in self.alerts],
        }


class Monitor:
    """Follows one log and keeps what it saw in `folder`.

    Args:
        vkeys: verifier keys of the log, from a trust folder: never from the log itself.
        silence: how long the log may give no valid answer.
        policy: whose cosignatures a head must carry; None asks for none.
        pick: numbers for the spot checks, so that the hub cannot know which.
    """

    def __init__(
        self,
        fetch: Fetch,
        folder: Path,
        vkeys: Sequence[str],
        *,
        silence: timedelta,
        policy: WitnessPolicy | None = None,
        pick: Callable[[int], int] | None = None,
    ) -> None:
        self.policy = policy
        self.fetch, self.folder, self.vkeys, self.silence = fetch, folder, tuple(vkeys), silence
        self._pick = pick or random.SystemRandom().randrange

    def kept(self) -> Checkpoint | None:
        """The newest head that held."""
        file = self.folder / CHECKPOINT
        return verify_note(file.read_text(), self.vkeys) if file.exists() else None

    def look(self, now: datetime, *, others: Iterable[str] = (), heard: Sequence[str] = (), new_epoch: bool = False) -> Look:
        """Look once.

        Args:
            others: heads that were shown to somebody else (signed notes); each must fit.
            heard: heads that come with the log's answers or from witnesses; they may be a little newer or older.
            new_epoch: the person at the keyboard has read why the log has another name.
        """
        kept, state = self.kept(), self._state()
        try:
            new = signed_head(self.fetch, self.vkeys)
        except LogUnavailable as error:
            return self._silent(now, kept, state, error.detail)
        except CheckpointInvalid as error:
            return Look(now, kept, 0, True, (Alert("signature", error.detail),))
        if kept is not None and new.origin != kept.origin:
            if not new_epoch:
                files = (self._proof(now, kept), self._proof(now, new))
                return Look(now, kept, 0, True, (Alert("origin", f"{kept.origin} → {new.origin}", files),))
            kept = None
        alerts = self._against_kept(now, kept, new)
        if not alerts:
            alerts = [*self._spots(new), *self._against_others(now, new, others), *self._against_heard(now, new, heard, state), *self._witnessed(now, new)]
        held = not alerts
        if held:
            keep_head(self.folder, new)
            write(self.folder / CHECKPOINT, new.note.encode())
            state["answered"] = now.isoformat()
            write(self.folder / STATE, json.dumps(state).encode())
        grown = new.size - (kept.size if kept else 0) if held else 0
        return Look(now, new if held else kept, grown, True, tuple(alerts))

    def _against_kept(self, now: datetime, kept: Checkpoint | None, new: Checkpoint) -> list[Alert]:
        if kept is None:
            return []
        if new.size == kept.size and new.root != kept.root:
            return [Alert("split_view", f"{new.size}", (self._proof(now, kept), self._proof(now, new)))]
        if new.size < kept.size:
            return [Alert("rollback", f"{kept.size} → {new.size}", (self._proof(now, kept), self._proof(now, new)))]
        try:
            follow(self.fetch, kept, new)
        except ProofInvalid as error:
            files = (self._proof(now, kept), self._proof(now, new))
            return [Alert("inconsistent", f"{kept.size} → {new.size}: {error.detail}", files)]
        except LogUnavailable as error:
            return [Alert("tiles", f"{error.place}: {error.detail}")]
        return []

    def _spots(self, head: Checkpoint) -> list[Alert]:
        """Read a few entries' hashes again, anywhere in the log, with the tiles above them."""
        if head.size == 0:
            return []
        try:
            tree = tree_of(self.fetch, head.size)
            if tree.root() != head.root:
                return [Alert("tiles", f"root over {head.size}")]
            for index in {self._pick(head.size) for _ in range(SPOTS)}:
                row = hashes_of(self.fetch, 0, index // TILE, min(TILE, head.size - index // TILE * TILE))
                place = index % TILE * 32
                verify_inclusion(row[place : place + 32], index, head.size, tree.inclusion(index), head.root)
                full = [row[i : i + 32] for i in range(0, len(row), 32)]
                if len(full) == TILE and perfect_root(full) != tree.range_root(index // TILE * TILE, index // TILE * TILE + TILE):
                    raise ProofInvalid(f"tile 0/{index // TILE}")
        except ProofInvalid as error:
            return [Alert("tiles", error.detail)]
        except LogUnavailable as error:
            return [Alert("tiles", f"{error.place}: {error.detail}")]
        return []

    def _witnessed(self, now: datetime, new: Checkpoint) -> list[Alert]:
        if self.policy is None:
            return []
        try:
            found = self.policy.judge(new.note)
        except CheckpointInvalid as error:
            return [Alert("unwitnessed", error.detail, (self._proof(now, new),))]
        return [] if found.satisfied else [Alert("unwitnessed", ", ".join(found.missing), (self._proof(now, new),))]

    def _against_others(self, now: datetime, new: Checkpoint, others: Iterable[str]) -> list[Alert]:
        alerts = []
        for note in others:
            try:
                other = verify_note(note, self.vkeys)
                if other.origin == new.origin and other.size <= new.size:
                    consistency_of(self.fetch, other, new)
                elif other.origin == new.origin:
                    alerts.append(Alert("rollback", f"{other.size} → {new.size}", (self._proof(now, other), self._proof(now, new))))
            except CheckpointInvalid as error:
                alerts.append(Alert("signature", error.detail))
            except SigningError as error:
                shown = parse_note(note)
                alerts.append(Alert("split_view", f"{shown.size}, {new.size}: {error.detail}", (self._proof(now, shown), self._proof(now, new))))
        return alerts

    def _against_heard(self, now: datetime, new: Checkpoint, heard: Sequence[str], state: dict[str, str]) -> list[Alert]:
        """Heads that came with other answers, or that a witness holds: a log that shows each reader another head is caught here."""
        alerts, ahead = [], ""
        for note in dict.fromkeys(heard):
            try:
                other = verify_note(note, self.vkeys)
            except CheckpointInvalid as error:
                alerts.append(Alert("signature", error.detail))
                continue
            try:
                if other.origin == new.origin:
                    consistency_of(self.fetch, other, new)
            except LogUnavailable:
                # Newer than what is published yet. If it stays so, the log has lost what it signed.
                ahead = state.get("ahead") or now.isoformat()
                if now - datetime.fromisoformat(ahead) >= self.silence:
                    alerts.append(Alert("rollback", f"{other.size} → {new.size}", (self._proof(now, other), self._proof(now, new))))
            except ProofInvalid as error:
                alerts.append(Alert("split_view", f"{other.size}, {new.size}: {error.detail}", (self._proof(now, other), self._proof(now, new))))
        state["ahead"] = ahead
        return alerts

    def _silent(self, now: datetime, kept: Checkpoint | None, state: dict[str, str], detail: str) -> Look:
        since = datetime.fromisoformat(state.setdefault("answered", now.isoformat()))
        write(self.folder / STATE, json.dumps(state).encode())
        if now - since < self.silence:
            return Look(now, kept, 0, False, ())
        minutes = int((now - since).total_seconds() // 60)
        return Look(now, kept, 0, False, (Alert("silent", f"{minutes} min: {detail}"),))

    def _state(self) -> dict[str, str]:
        file = self.folder / STATE
        state: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return state

    def _proof(self, now: datetime, head: Checkpoint) -> str:
        """Keep a signed head as evidence; its name within the folder."""
        name = f"evidence/{now:%Y%m%dT%H%M%SZ}-{head.size}-{head.root.hex()[:16]}.note"
        write(self.folder / name, head.note.encode())
        return name
