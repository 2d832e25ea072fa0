"""fsck — soát toàn bộ: everything the hub keeps of its log is recomputed, and what the rest of the database says is held against it.

Constant memory: rows and files are streamed, and no step keeps more than the problems it found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from exchange.errors import ExchangeError
from exchange.office import Office
from exchange.receipt import from_bytes
from exchange.store import custody_audit, custody_log, custody_search, envelopes
from exchange.store import statements as kept
from exchange.store.custody_search import Gap
from signing.checkpoint import verify_proof
from signing.errors import SigningError
from signing.merkle import EMPTY_ROOT
from signing.reasons import reason
from signing.report import Reason

MOST = 200  # problems of one kind
STEPS = ("log", "chains", "high_water", "receipts", "statements", "blobs")
STEP_NAMES = {
    "log": ("Mục, ô, mép và đầu sổ", "Entries, tiles, edges and heads"),
    "chains": ("Chuỗi của từng văn bản", "Chains of each document"),
    "high_water": ("Mực nước cao", "High-water mark"),
    "receipts": ("Biên nhận đã cấp", "Receipts given out"),
    "statements": ("Bảng kê ngày", "Daily statements"),
    "blobs": ("Tệp được nhắc tới", "Files referred to"),
}
Progress = Callable[[str, int, int], None]
"""(step, done, in all)."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one step found. `count` things were looked at."""

    step: str
    count: int
    problems: tuple[str, ...]


def check_all(office: Office, progress: Progress, *, content: bool = True) -> Iterator[Checked]:
    """Recompute step by step; each step is given as it ends.

    Args:
        content: hash every stored file again; False only looks whether it is there.
    """
    with office.store.read() as connection:
        total = custody_log.size(connection)
        audit = custody_log.recompute(connection, progress=lambda done: progress("log", done, total))
        yield Checked("log", audit.size, audit.problems)
        yield Checked("chains", total, tuple(_chains(connection, total, progress)))
        yield Checked("high_water", 1, tuple(_high_water(office, connection)))
        yield check_receipts(office, connection, progress)
        yield _statements(connection, progress)
        yield _blobs(office, connection, progress, content=content)


def _chains(connection: Connection, total: int, progress: Progress) -> Iterator[str]:
    step = 20_000
    found = 0
    for start in range(0, total, step):
        for problem in custody_audit.check_chains(connection, start, min(total, start + step)):
            found += 1
            yield problem
        progress("chains", min(total, start + step), total)
        if found >= MOST:
            return


def _high_water(office: Office, connection: Connection) -> Iterator[str]:
    try:
        mark = office.high_water.read()
    except ExchangeError as error:
        yield f"{error.code}: {error.detail}"
        return
    if mark is None:
        if custody_log.latest_checkpoint(connection) is not None:
            yield "heads were signed, but the high-water file is gone"
        return
    origin, size, root = mark
    # The first epoch does not name its origin in the database: it is the configured one.
    epoch = next((e for e in custody_log.epochs(connection) if (e.origin or office.origin) == origin), None)
    if epoch is None:
        yield f"the last signed head is of {origin}, which this database does not know"
        return
    count, _ = custody_log.head(connection, epoch.number)
    if count < size:
        yield f"{count} entries, but a head over {size} was signed"
    elif (custody_log.tree(connection, size, epoch.number).root() if size else EMPTY_ROOT) != root:
        yield f"the last signed head over {size} entries has another root"


def check_receipts(office: Office, connection: Connection, progress: Progress) -> Checked:
    """The proof in every receipt given out, against the log of its epoch as it is now."""
    problems, count = list[str](), 0
    vkeys = office.vkeys()
    for subject, data in envelopes.all_receipts(connection):
        count += 1
        try:
            receipt = from_bytes(data)
            _, checkpoint = verify_proof(receipt.proof, receipt.leaf, vkeys)
            first = next(e.first for e in custody_log.epochs(connection) if (e.origin or office.origin) == checkpoint.origin)
            if custody_log.leaf(connection, first + receipt.index) != receipt.leaf:
                problems.append(f"receipt of {subject}: the log has another entry {receipt.index}")
        except (ExchangeError, SigningError) as error:
            problems.append(f"receipt of {subject}: {error.code} {error.detail}")
        except StopIteration:
            problems.append(f"receipt of {subject}: of a log that this database does not know")
        if count % 100 == 0:
            progress("receipts", count, count)
    return Checked("receipts", count, tuple(problems[:MOST]))


def _statements(connection: Connection, progress: Progress) -> Checked:
    """Each statement lists what the log holds, and goes on from the one before."""
    problems, count = list[str](), 0
    before: dict[str, tuple[str, int]] = {}
    for made, data in kept.every(connection):
        count += 1
        value = json.loads(data)
        lines = value["entries"]
        name = f"statement of {made.agency} {made.day}"
        if hashlib.sha256(data).hexdigest() != made.sha256:
            problems.append(f"{name}: bytes changed")
        if kept.hashes(connection, [n for n, _ in lines]) != [bytes.fromhex(digest) for _, digest in lines]:
            problems.append(f"{name}: the log holds other entries")
        if made.agency in before and before[made.agency] != (value["previous"], made.first):
            problems.append(f"{name}: does not go on from the one before")
        before[made.agency] = (made.sha256, made.last)
        if count % 100 == 0:
            progress("statements", count, count)
    return Checked("statements", count, tuple(problems[:MOST]))


def _blobs(office: Office, connection: Connection, progress: Progress, *, content: bool) -> Checked:
    problems, count, total = list[str](), 0, custody_search.files_referenced(connection)
    blobs = office.store.blobs
    for sha256, what in custody_search.blobs_referenced(connection):
        count += 1
        try:
            if not content:
                if not blobs.exists(sha256):
                    problems.append(f"{what}: file {sha256} is gone")
            else:
                with blobs.path(sha256).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                        problems.append(f"{what}: file {sha256} was changed")
        except OSError:
            problems.append(f"{what}: file {sha256} is gone")
        progress("blobs", count, total)
    return Checked("blobs", count, tuple(problems[:MOST]))


@dataclass(frozen=True, slots=True)
class GapFound:
    """One gap, with the sentence for people."""

    kind: str
    envelope: str
    document_id: str
    agency: str
    event: str
    since: str
    detail: str

    @property
    def reason(self) -> Reason:
        """The sentence for people."""
        return reason(f"gaps.{self.kind}", self.document_id, self.detail)


def gaps(office: Office, *, late_after: timedelta, limit: int = 1000) -> list[GapFound]:
    """Documents whose chain is broken, whose events are missing, or whose next event is late."""
    found: list[GapFound] = []
    with office.store.read() as connection:
        for problem in custody_audit.check_chains(connection):
            found.append(GapFound("chain", "", "", "", "", "", problem))
        for gap in custody_search.missing(connection):
            found.append(_gap(gap))
        for gap in custody_search.late(connection, office.clock() - late_after):
            found.append(_gap(gap))
            if len(found) >= limit:
                break
    return found[:limit]


def _gap(gap: Gap) -> GapFound:
    return GapFound(gap.kind, gap.envelope, gap.document_id, gap.agency, gap.event, gap.since.isoformat(), f"{gap.event} · {gap.agency}")
