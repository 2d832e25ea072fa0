"""reconcile — đối chiếu: the hub's sealed statement of a day against the node's own journal.

Three things can differ: what the journal has and the log has not (missing), what the log has and
the journal has not (extra), and what both have in different words (altered). What the log enters as
sent by another way than the node (a gateway's seal, the shared secret of a VXP or LGSP system) cannot stand in
its journal: it is listed by itself, with that system named, and is no difference. Statements are kept
as files, one a day; what was found stands beside each.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from exchange.custody import Event
from exchange.origin import Method
from exchange.receipt import from_bytes
from exchange.store import journal_review as review
from signing.checkpoint import parse_note
from signing.errors import ProofInvalid
from signing.merkle import leaf_hash, verify_inclusion
from signing.reasons import reason
from signing.report import Reason
from signing.statement_check import StatementFinding, said
from signing.tile_log import Fetch, tree_of
from signing.wording import VIETNAM

LOOK_BACK = timedelta(days=40)  # a receipt may come this long after the package was sealed
LATE = timedelta(hours=1)  # what arrives in a day's last hour is looked for with the next day

ELSEWHERE = "elsewhere"
ORIGIN = re.compile(r"Origin\.\S+: (system=.{0,60}?) (key=\S*) proof=")

ABOUT_US = {Event.ACCEPTED.uri, Event.CONSIGNED.uri}
# Entered by the hub, but as the word of a recipient, or of the sender: each names what that agency sealed.
ANSWERED = {Event.COPY_DESTROYED.uri, Event.RECALL_DECLINED.uri, Event.UPDATE_AGREED.uri, Event.UPDATE_DECLINED.uri}
CHANGED = {Event.WITHDRAWN.uri, Event.RECALL_ASKED.uri, Event.UPDATED.uri, Event.RECIPIENT_ADDED.uri, Event.SUPERSEDED.uri}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `number` is the entry's in the log, -1 for none; `digest` lower hex."""

    kind: str  # missing | extra | altered | chain | unproven; elsewhere, which is none
    number: int
    event: str
    document_id: str
    envelope: str
    digest: str
    detail: str

    @property
    def reason(self) -> Reason:
        """The sentence for people."""
        return reason(f"reconcile.{self.kind}", self.document_id or self.envelope, self.detail)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What came of one day. `matched` entries agree, `noted` are the hub's own about us; `proven` were found in the public log;
    `elsewhere` are entries of what was sent for the agency by another way than its node, on the hub's word."""

    agency: str
    day: str
    statement: str
    count: int
    matched: int
    noted: int
    proven: int
    differences: tuple[Difference, ...]
    elsewhere: tuple[Difference, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """For files and interfaces, with the sentences."""
        found, elsewhere = ([{**asdict(d), "vi": d.reason.vi, "en": d.reason.en} for d in group] for group in (self.differences, self.elsewhere))
        return {**asdict(self), "ok": self.ok, "differences": found, "elsewhere": elsewhere}


class _Day:
    """One comparison: the entries of a statement, and of the one before, against a journal."""

    def __init__(self, connection: Connection, found: StatementFinding, before: StatementFinding | None) -> None:
        self.connection, self.found, self.before = connection, found, before
        self.statement = found.statement
        self.entries = {number: said(leaf) for number, leaf in found.leaves.items()}
        self.lines, self.epochs = dict(self.statement.entries), dict(self.statement.epochs)
        self.differences: list[Difference] = []
        self.matched = self.noted = 0
        day = date.fromisoformat(self.statement.day)
        self.start = datetime(day.year, day.month, day.day, tzinfo=VIETNAM).astimezone(UTC)

    def add(self, kind: str, detail: str, *, number: int = -1, entry: Mapping[str, Any] | None = None, **values: str) -> None:
        entry = entry or {}
        self.differences.append(
            Difference(
                kind=kind,
                number=number,
                event=str(entry.get("ev", "")),
                document_id=values.get("document_id") or str(entry.get("doc", {}).get("id", "")),
                envelope=values.get("envelope") or str(entry.get("msg", "")),
                digest=values.get("digest") or _object(entry),
                detail=detail,
            )
        )

    def chain(self) -> None:
        """The statement must go on where the one before ended."""
        if self.before is None:
            return
        mine, previous = self.statement, self.before.statement
        if mine.previous != self.before.sha256:
            self.add("chain", f"{mine.day} names another statement than that of {previous.day} kept here")
        if mine.first != previous.last:
            self.add("chain", f"{previous.day} ended at {previous.last}, {mine.day} begins at {mine.first}")

    def log_against_journal(self) -> None:
        """Each entry must have its counterpart here."""
        digests = [_object(entry) for entry in self.entries.values()]
        sealed = review.status_digests(self.connection, digests)
        told = review.told_digests(self.connection, digests)
        ours = sealed | review.sent_digests(self.connection, digests)
        received = review.received_of(self.connection, [str(e["msg"]) for e in self.entries.values() if e.get("to") == self.statement.agency and e.get("msg")])
        for number, entry in self.entries.items():
            agency, acted, event = self.statement.agency, _acted(entry), str(entry.get("ev", ""))
            if acted == agency:
                self.judge(number, entry, _object(entry) in sealed, "we sealed no such message", ours=True)
            elif event in ANSWERED and entry.get("to") == agency:
                self.judge(number, entry, _object(entry) in sealed, "we are said to have answered; we sealed no such message", ours=True)
            elif event in ANSWERED and entry.get("from") == agency:
                self.judge(number, entry, _object(entry) in told, f"{entry.get('to')} is said to have answered; no such message came")
            elif event in CHANGED and entry.get("from") == agency:
                self.judge(number, entry, _object(entry) in ours, "we are said to have changed this document; we sealed no such message", ours=True)
            elif acted != "hub" and entry.get("from") == agency and entry.get("st"):
                self.judge(number, entry, _object(entry) in told, f"{acted} is said to have reported this; no such message came")
            elif event in ABOUT_US and entry.get("from") == agency and not (event == Event.CONSIGNED.uri and entry.get("to")):
                mine = review.package_digests(self.connection, str(entry.get("doc", {}).get("id", "")))
                self.package(number, entry, mine, "we sent no such document", ours=True)
            elif event in ABOUT_US and entry.get("to") == agency:
                came = received.get(str(entry.get("msg", "")))
                self.package(number, entry, {came} if came else set(), "no such document came")
            elif event == Event.LOG_STATEMENT.uri and self.before is not None and entry.get("why") == self.before.statement.day:
                self.judge(number, entry, _object(entry) == self.before.sha256, "the log names another statement than the one we were given", kind="altered")
            else:
                self.noted += 1

    def judge(self, number: int, entry: Mapping[str, Any], holds: bool, detail: str, *, kind: str = "extra", ours: bool = False) -> None:
        """Does an entry agree? `ours`: it is said to be an act of this agency, which may have come by another way."""
        way = other_way(entry) if ours else ""
        if holds:
            self.matched += 1
        elif way:
            self.add(ELSEWHERE, way, number=number, entry=entry)
        else:
            self.add(kind, detail, number=number, entry=entry)

    def package(self, number: int, entry: Mapping[str, Any], mine: set[str], detail: str, *, ours: bool = False) -> None:
        digest = str(entry.get("doc", {}).get("sha256", ""))
        if mine and digest not in mine:
            self.add("altered", f"our bytes have the digest {sorted(mine)[0]}", number=number, entry=entry, digest=digest)
        else:
            self.judge(number, entry, bool(mine), detail, ours=ours)

    def journal_against_log(self) -> None:
        """Each receipt, arrival and report of ours must have its entry."""
        since = self.start - LOOK_BACK
        for ours in (review.packages_sent, review.statuses_sent, review.take_backs_sent, review.sent_beside_since):
            for document_id, envelope, digest, data in ours(self.connection, since):
                self.receipt(document_id, envelope, digest, data)
        # What the hub logs comes before what reaches us, so the day before is looked through as well.
        known = [*self.entries.values(), *(said(leaf) for leaf in (self.before.leaves.values() if self.before else ()))]
        arrived = {str(e.get("msg", "")) for e in known if e.get("to") == self.statement.agency}
        reported = {_object(e) for e in known}
        start, end = self.start - LATE, self.start + timedelta(days=1) - LATE
        if self.before is None:
            start = self.start + LATE if self.statement.first else datetime.min.replace(tzinfo=UTC)
        for document_id, envelope, digest in review.received_between(self.connection, start, end):
            if envelope not in arrived:
                self.add("missing", "we received this document; no entry says so", document_id=document_id, envelope=envelope, digest=digest)
        for document_id, envelope, digest in review.told_between(self.connection, start, end):
            if digest not in reported:
                self.add("missing", "we were given this report; no entry says so", document_id=document_id, envelope=envelope, digest=digest)

    def receipt(self, document_id: str, envelope: str, digest: str, data: bytes) -> None:
        receipt = from_bytes(data)
        origin = parse_note(receipt.proof.partition("\n\n")[2]).origin
        first = self.epochs.get(origin)
        if first is None or not self.statement.first <= first + receipt.index < self.statement.last:
            return
        number = first + receipt.index
        line = self.lines.get(number)
        if line is None:
            self.add("missing", f"our receipt names entry {number}", number=number, document_id=document_id, envelope=envelope, digest=digest)
        elif line != leaf_hash(receipt.leaf):
            self.add("altered", f"our receipt holds another entry {number}", number=number, document_id=document_id, envelope=envelope, digest=digest)

    def published(self, fetch: Fetch) -> int:
        """Each entry must be in the public tree; how many were found."""
        head, count = self.found.checkpoint, 0
        tree = tree_of(fetch, head.size)
        for number, digest in self.statement.entries:
            origin, index = self.statement.place(number)
            if origin != head.origin:
                continue  # of an epoch that is closed: its own head proves it
            try:
                verify_inclusion(digest, index, head.size, tree.inclusion(index), head.root)
                count += 1
            except ProofInvalid as error:
                self.add("unproven", error.detail, number=number, entry=self.entries[number])
        return count


def reconcile(connection: Connection, found: StatementFinding, *, before: StatementFinding | None = None, fetch: Fetch | None = None) -> Reconciliation:
    """Compare a statement that holds with a node's journal.

    Args:
        before: the statement of the day before, when it is kept.
        fetch: the public log, to see each entry in its tree; left out offline.

    Raises:
        LogUnavailable: `fetch` did not answer.
    """
    day = _Day(connection, found, before)
    day.chain()
    day.log_against_journal()
    day.journal_against_log()
    proven = day.published(fetch) if fetch is not None else 0
    statement = found.statement
    return Reconciliation(
        agency=statement.agency,
        day=statement.day,
        statement=found.sha256,
        count=len(statement.entries),
        matched=day.matched,
        noted=day.noted,
        proven=proven,
        differences=tuple(d for d in day.differences if d.kind != ELSEWHERE),
        elsewhere=tuple(d for d in day.differences if d.kind == ELSEWHERE),
    )


def other_way(entry: Mapping[str, Any]) -> str:
    """By which way an entry says that a message came to the hub when it was not under the agency's own seal: profile,
    system and key as the hub entered them; "" when the agency sealed it, so that its node must know it."""
    kind = str(entry.get("obj", {}).get("type", ""))
    method = next((m for m in Method if m is not Method.SEAL and kind.endswith(m.value)), None)
    if method is None:
        return ""
    named = ORIGIN.match(str(entry.get("why", "")))
    return " ".join((method.value, *((f"{named[1]} {named[2]}".strip(),) if named else ())))


def _object(entry: Mapping[str, Any]) -> str:
    return str(entry.get("obj", {}).get("sha256", ""))


def _acted(entry: Mapping[str, Any]) -> str:
    acted = entry.get("by", "")
    return str(acted.get("id", "")) if isinstance(acted, dict) else str(acted)


class Shelf:
    """Statements and what was found, one pair of files a day, below the node's data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def statement(self, day: str) -> Path:
        """Where the statement of a day is kept."""
        return self.folder / f"{date.fromisoformat(day).isoformat()}.statement.json"

    def result(self, day: str) -> Path:
        """Where what was found is kept."""
        return self.folder / f"{date.fromisoformat(day).isoformat()}.result.json"

    def keep(self, file: bytes, result: Reconciliation) -> None:
        """Keep both; the result last, so that a day without one is done again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.statement(result.day), file)
        _write(self.result(result.day), json.dumps(result.to_json(), ensure_ascii=False, indent=1).encode())

    def before(self, day: str) -> bytes | None:
        """The newest statement kept of a day before."""
        days = [p for p in self.folder.glob("*.statement.json") if p.name < self.statement(day).name]
        return max(days).read_bytes() if days else None

    def days(self) -> set[str]:
        """Days that are done."""
        return {p.name.removesuffix(".result.json") for p in self.folder.glob("*.result.json")}

    def results(self) -> Iterator[dict[str, Any]]:
        """What was found, newest day first."""
        for file in sorted(self.folder.glob("*.result.json"), reverse=True):
            value: dict[str, Any] = json.loads(file.read_text())
            yield value


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
