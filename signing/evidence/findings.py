"""findings — what an evidence file proves, only claims, and lacks; frozen data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from signing.report import PdfVerdict, Reason, SealFinding

Verify = Callable[[Path, str], PdfVerdict]
"""(file, "document" | "attachment") → verdict."""


class Standing(StrEnum):
    """How a statement stands: shown by signatures and proofs, said by the hub alone, or not there."""

    PROVEN = "proven"
    CLAIMED = "claimed"
    MISSING = "missing"

    @property
    def vi(self) -> str:
        """In Vietnamese, for people."""
        return {"proven": "ĐÃ CHỨNG MINH", "claimed": "CHỈ TỰ KHAI", "missing": "CÒN THIẾU"}[self.value]

    @property
    def en(self) -> str:
        """In English, for people."""
        return {"proven": "PROVEN", "claimed": "CLAIMED", "missing": "MISSING"}[self.value]


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence about the file, in each language; `place` is the member that it rests on."""

    standing: Standing
    vi: str
    en: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """One event of the document's life: who did what when.

    `at` is the hub's clock as the log entry says it; `by` is the agency's code, ``hub`` or
    ``operator:NAME``. `signer` is the name on the acting agency's own seal over the object
    that proves the act, "" when there is only the hub's word (then it is ``claimed``).
    """

    index: int
    origin: str
    at: str
    event: str
    by: str
    recipient: str
    status: str
    why: str
    signer: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class StatutoryItem:
    """One of the five items to be kept with a signature (TT 41/2017 Art 9; CRY-08).

    `item`: ``certificate``, ``revocation``, ``ca_policy``, ``responsibility`` or ``timestamp``;
    `signature` is the member that carries the signature, `signer` the name on it.
    """

    signature: str
    signer: str
    item: str
    present: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What an evidence file proves. `ok` only if every check held; `events` are log entries in order.

    `acts` tells the events for people; `statements` what is proven, claimed and missing;
    `statutory` the five items of every signature. `archived` are the times of the archive
    time-stamps, oldest first. `witnesses` are names that cosigned the head, `content`
    whether the documents themselves are in the file.
    """

    ok: bool
    reasons: tuple[Reason, ...]
    seal: SealFinding | None
    origin: str
    log_size: int
    document_id: str
    sender: str
    package_sha256: str
    events: tuple[dict[str, Any], ...]
    files: tuple[tuple[str, str, str], ...]
    statuses: tuple[tuple[str, str, str], ...]
    acts: tuple[Act, ...] = ()
    statements: tuple[Statement, ...] = ()
    statutory: tuple[StatutoryItem, ...] = ()
    archived: tuple[datetime, ...] = ()
    witnesses: tuple[str, ...] = ()
    content: bool = True
