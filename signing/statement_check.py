"""statement_check — bảng kê ngày: what the hub says, under seal, is all it logged about one agency in a day.

A statement counts: it lists index and leaf hash of every entry that names the agency between
two sizes of the log, and statements follow each other without a gap. A log cannot show what was
never logged; this list, compared with the agency's own journal, can. Offline, no hub code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from signing.checkpoint import Checkpoint, verify_note
from signing.errors import CheckpointInvalid, StatementInvalid
from signing.merkle import HASH, leaf_hash, root_of
from signing.report import SealFinding
from signing.seal import verify_seal
from signing.trust import Trust

LARGEST = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Statement:
    """One day of one agency.

    Numbers count entries over all epochs of the log: `first` ≤ number < `last` bound what was
    looked through; `entries` are (number, leaf hash). `epochs` are (origin, first number), so that
    a place in a tree is number - first number. `day` is a day of Vietnam (+07:00), ISO 8601.
    `previous` is the lower-hex SHA-256 of the statement before, "" for the first. `head` is a
    signed note over at least `last` entries.
    """

    agency: str
    day: str
    epochs: tuple[tuple[str, int], ...]
    first: int
    last: int
    entries: tuple[tuple[int, bytes], ...]
    previous: str
    head: str
    made_at: datetime

    @property
    def root(self) -> bytes:
        """Merkle root over the leaf hashes in order (RFC 9162 2.1.1)."""
        return root_of([digest for _, digest in self.entries])

    def place(self, number: int) -> tuple[str, int]:
        """(origin of the log, index in its tree) of an entry."""
        origin, first = next((o, f) for o, f in reversed(self.epochs) if f <= number)
        return origin, number - first


@dataclass(frozen=True, slots=True)
class StatementFinding:
    """A statement that holds. `leaves` are the entries by number; `sha256` identifies the statement."""

    statement: Statement
    leaves: dict[int, bytes]
    sha256: str
    seal: SealFinding
    checkpoint: Checkpoint


def statement_bytes(statement: Statement) -> bytes:
    """The exact bytes that are sealed: JSON, keys sorted, UTF-8."""
    value = {
        "v": 1,
        "agency": statement.agency,
        "day": statement.day,
        "epochs": [[origin, first] for origin, first in statement.epochs],
        "first": statement.first,
        "last": statement.last,
        "count": len(statement.entries),
        "root": statement.root.hex(),
        "entries": [[index, digest.hex()] for index, digest in statement.entries],
        "previous": statement.previous,
        "head": statement.head,
        "made_at": statement.made_at.isoformat(),
    }
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def statement_file(data: bytes, seal: bytes, leaves: Sequence[bytes]) -> bytes:
    """The file as given out: the sealed bytes, the seal and the entries that are listed."""
    value = {
        "v": 1,
        "statement": base64.b64encode(data).decode(),
        "seal": base64.b64encode(seal).decode(),
        "leaves": [base64.b64encode(leaf).decode() for leaf in leaves],
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def check_statement(file: bytes, *, trust: Trust, vkeys: Sequence[str], at: datetime) -> StatementFinding:
    """Gate: the statement is sealed, counts right, and carries exactly the entries it lists.

    Raises:
        StatementInvalid: it does not. SealInvalid: the seal does not hold.
    """
    value = _object(file)
    try:
        data = base64.b64decode(value["statement"], validate=True)
        seal = base64.b64decode(value["seal"], validate=True)
        leaves = [base64.b64decode(leaf, validate=True) for leaf in value["leaves"]]
    except (KeyError, ValueError, TypeError) as error:
        raise StatementInvalid(f"file: {error}", place="statement") from error
    finding = verify_seal(hashlib.sha256(data).digest(), seal, trust, at=at)
    statement = _statement(_object(data))
    if statement_bytes(statement) != data:
        raise StatementInvalid("count, root or form do not agree with the entries", place="statement")
    try:
        head = verify_note(statement.head, vkeys)
    except CheckpointInvalid as error:
        raise StatementInvalid(f"head: {error.detail}", place="head") from error
    origin, first = statement.epochs[-1]
    if head.origin != origin or first + head.size < statement.last:
        raise StatementInvalid(f"the head counts {first + head.size} entries of {head.origin}, the statement {statement.last}", place="head")
    if len(leaves) != len(statement.entries):
        raise StatementInvalid(f"{len(leaves)} entries for {len(statement.entries)} lines", place="leaves")
    found: dict[int, bytes] = {}
    for (index, digest), leaf in zip(statement.entries, leaves, strict=True):
        if leaf_hash(leaf) != digest:
            raise StatementInvalid("an entry does not hash to its line", place=f"entry {index}")
        if statement.agency not in parties(said(leaf)):
            raise StatementInvalid("an entry does not name the agency", place=f"entry {index}")
        found[index] = leaf
    return StatementFinding(statement, found, hashlib.sha256(data).hexdigest(), finding, head)


def said(leaf: bytes) -> dict[str, Any]:
    """What a log entry says.

    Raises:
        StatementInvalid: not a JSON object.
    """
    return _object(leaf)


def parties(entry: dict[str, Any]) -> set[str]:
    """The agencies an entry names: from, to, and who acted."""
    acted = entry.get("by", "")
    if isinstance(acted, dict):
        acted = acted.get("id", "")
    return {str(p) for p in (entry.get("from"), entry.get("to"), acted) if p}


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST:
        raise StatementInvalid("too large", place="statement")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StatementInvalid("not JSON", place="statement") from error
    if not isinstance(value, dict):
        raise StatementInvalid("not an object", place="statement")
    return value


def _statement(value: dict[str, Any]) -> Statement:
    try:
        entries = tuple((_whole(index), bytes.fromhex(digest)) for index, digest in value["entries"])
        made = Statement(
            agency=str(value["agency"]),
            day=date.fromisoformat(value["day"]).isoformat(),
            epochs=tuple((str(origin), _whole(first)) for origin, first in value["epochs"]),
            first=_whole(value["first"]),
            last=_whole(value["last"]),
            entries=entries,
            previous=str(value["previous"]),
            head=str(value["head"]),
            made_at=datetime.fromisoformat(value["made_at"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise StatementInvalid(str(error), place="statement") from error
    indices = [index for index, _ in entries]
    starts = [first for _, first in made.epochs]
    if not starts or starts != sorted(set(starts)) or starts[0] > made.first:
        raise StatementInvalid("epochs out of order", place="epochs")
    if any(len(digest) != HASH for _, digest in entries) or made.made_at.tzinfo is None:
        raise StatementInvalid("a line is malformed", place="entries")
    if sorted(set(indices)) != indices or (indices and not made.first <= indices[0] <= indices[-1] < made.last) or made.first > made.last:
        raise StatementInvalid("lines out of order or out of bounds", place="entries")
    return made


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"not a count: {value!r}"[:60])
    return value
