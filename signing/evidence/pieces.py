"""pieces — what is gathered while an evidence file is checked part by part."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from signing.checkpoint import Checkpoint, verify_note
from signing.container import Container
from signing.errors import CheckpointInvalid, EvidenceInvalid, SignerUnknown, SigningError
from signing.evidence.statutory import Signed, sealed
from signing.merkle import verify_consistency
from signing.reasons import reason
from signing.report import Reason, SealFinding
from signing.seal import verify_seal
from signing.timestamps import Token, read_token
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy


@dataclass(slots=True)
class Event:
    """One log entry that was proven: `number` is its place in the file, `index` in the log `origin`."""

    number: str
    leaf: bytes
    said: dict[str, Any]
    origin: str
    index: int
    sealed: bool = False
    signer: str = ""
    cause: str = ""  # id of the sender's own sealed document that brought the entry about

    def part(self, name: str) -> dict[str, Any]:
        """A part of the entry that is an object, else {}."""
        value = self.said.get(name)
        return value if isinstance(value, dict) else {}

    def text(self, name: str) -> str:
        """A value as text, "" when absent."""
        return str(self.said.get(name, ""))


@dataclass(frozen=True, slots=True)
class Status:
    """An agency's sealed status that holds."""

    name: str
    number: str
    sha256: str
    seal: SealFinding


@dataclass(slots=True)
class Pieces:
    """The container, what it is judged by, and what was found. `moment`: by when everything in it is proven to have been there."""

    container: Container
    trust: Trust
    vkeys: tuple[str, ...]
    policy: WitnessPolicy | None
    at: datetime
    moment: datetime = field(init=False)
    reasons: list[Reason] = field(default_factory=list)
    seal: SealFinding | None = None
    sender_seal: SealFinding | None = None
    events: list[Event] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    files: list[tuple[str, str, str]] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)
    log_size: int = 0
    witnesses: tuple[str, ...] = ()
    witnesses_missing: tuple[str, ...] = ()
    has_content: bool = False
    sealed_head: tuple[int, SealFinding | None, Token | None] | None = None
    _heads: dict[str, Checkpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.moment = self.at

    def fail(self, code: str, place: str, detail: str = "") -> None:
        """Keep a reason of the catalogue."""
        self.reasons.append(reason(code, place, detail))

    def caught(self, error: SigningError, place: str) -> None:
        """Keep what a gate raised."""
        more = f" ({error.detail})" if error.detail else ""
        self.reasons.append(Reason(error.code, error.vi.rstrip(".") + more + ".", error.en.rstrip(".") + more + ".", place))

    def head(self, note: str) -> Checkpoint:
        """A head by its note: signed by a known log, cosigned as the policy wants. Judged once.

        Raises:
            CheckpointInvalid: it is not.
        """
        if note not in self._heads:
            self._heads[note] = self._judged(note)
        return self._heads[note]

    def _judged(self, note: str) -> Checkpoint:
        if self.policy is None:
            return verify_note(note, self.vkeys)
        found = self.policy.check(note)
        if found.checkpoint.size >= self.log_size:
            self.witnesses, self.witnesses_missing = found.present, found.missing
        return found.checkpoint

    def own_head(self, note: str) -> Checkpoint:
        """A head that the log signed, whoever cosigned it.

        Raises:
            CheckpointInvalid: no known log did.
        """
        known = self.vkeys
        if self.policy is not None:
            try:
                return self.policy.judge(note).checkpoint
            except SignerUnknown:
                pass  # the folder's own keys may know the log
        return verify_note(note, known)

    def check_sealed_head(self, name: str) -> None:
        """Gate: the head in the member `name` with its seal (.p7s) and time-stamp (.tst), each when it is there.

        Raises:
            SigningError: a part that is there does not hold.
        """
        data = self.container.read(name)
        try:
            head = self.own_head(data.decode())
        except UnicodeDecodeError as error:
            raise CheckpointInvalid("not UTF-8") from error
        digest = hashlib.sha256(data).digest()
        finding, token = None, None
        if f"{name}.tst" in self.container.names:
            token = read_token(self.container.read(f"{name}.tst"), digest, self.trust)
        if f"{name}.p7s" in self.container.names:
            seal = self.container.read(f"{name}.p7s")
            finding = verify_seal(digest, seal, self.trust, at=self.moment)
            stamp = token.time.isoformat() if token is not None else ""
            self.signed.append(sealed(f"{name}.p7s", seal, finding.certificate_sha256, finding.signer, at=self.moment, stamp=stamp))
        if finding is None and token is None:
            raise EvidenceInvalid("neither seal nor time-stamp", place=name)
        self._check_same_log(head, f"{name}.consistency")
        self.sealed_head = (head.size, finding, token)

    def _check_same_log(self, sealed_head: Checkpoint, name: str) -> None:
        """The sealed head and the one that the proofs lead to are of one log: one is the beginning of the other."""
        mine = max((h for h in self._heads.values() if h.origin == sealed_head.origin), key=lambda h: h.size, default=None)
        if mine is None:
            raise EvidenceInvalid("of another log", place=name)
        try:
            path = [bytes.fromhex(line) for line in self.container.read(name).decode("ascii").splitlines()]
        except ValueError as error:
            raise EvidenceInvalid("consistency proof", place=name) from error
        old, new = sorted((mine, sealed_head), key=lambda h: h.size)
        verify_consistency(old.size, new.size, path, old.root, new.root)
