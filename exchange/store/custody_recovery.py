"""custody_recovery — phục hồi sổ: what to do when the database and the high-water mark disagree.

`diagnose` says which of the two is wrong and what can be done. `replay` puts
missing entries back, byte for byte and in order, from a mirror, a standby or the
receipts that others keep. `close_epoch` gives the old log up openly: the next one
names the last signed head and what was found instead. `adopt_mark` gives a hub
that lost its mark the newest head that an outsider holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from exchange.custody import Event, control, event_of, leaf_hash
from exchange.errors import CustodyError
from exchange.errors import HighWater as HighWaterError
from exchange.store import custody_log, custody_tree, sign_order
from exchange.store.custody_tree import Epoch
from exchange.store.engine import Store
from exchange.store.high_water import HighWater, Mark
from signing.checkpoint import verify_note
from signing.merkle import EMPTY_ROOT

_WAYS = {
    "ok": ("Sổ và mực nước cao khớp nhau; không phải làm gì.", "Log and high-water mark agree; nothing to do."),
    "behind": (
        "Cơ sở dữ liệu thiếu những mục đã ký. Phục hồi bản sao lưu mới hơn, hoặc đưa các mục thiếu vào lại: `vanthu custody recover --from BẢN-SAO`. "
        "Không có bản sao nào thì đóng sổ này: `vanthu custody recover --close-epoch`.",
        "The database lacks entries that were signed. Restore a newer copy, or put the missing entries back: `vanthu custody recover --from MIRROR`. "
        "If no copy exists, close this log: `vanthu custody recover --close-epoch`.",
    ),
    "forked": (
        "Cơ sở dữ liệu chứa một lịch sử khác với đầu sổ đã ký. Phục hồi bản đúng; nếu không còn thì đóng sổ: `vanthu custody recover --close-epoch`.",
        "The database holds another history than the one that was signed. Restore the right one; if it is gone, close this log: "
        "`vanthu custody recover --close-epoch`.",
    ),
    "mark_lost": (
        "Mất tệp mực nước cao. Lấy đầu sổ mới nhất từ một bên chứng kiến hoặc bản sao: `vanthu custody recover --head TỆP`.",
        "The high-water file is lost. Take the newest head from a witness or a mirror: `vanthu custody recover --head FILE`.",
    ),
    "mark_damaged": (
        "Tệp mực nước cao bị hỏng. Cất tệp hỏng đi làm bằng chứng, rồi lấy đầu sổ mới nhất từ một bên chứng kiến: `vanthu custody recover --head TỆP`.",
        "The high-water file is damaged. Keep it aside as evidence, then take the newest head from a witness: `vanthu custody recover --head FILE`.",
    ),
    "damaged": (
        "Có mục hoặc ô băm bị sửa hay hỏng sau khi ghi. Chạy `vanthu custody fsck` để biết chỗ hỏng, rồi phục hồi cơ sở dữ liệu từ bản sao lưu.",
        "An entry or a tile was changed or damaged after it was written. Run `vanthu custody fsck` to see where, then restore the database from a copy.",
    ),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`state` is one of ``ok``, ``behind``, ``forked``, ``mark_lost``, ``mark_damaged``,
    ``damaged``; `size` and `root` are the current epoch's as stored, `signed` is the
    high-water mark. `vi` and `en` say what to do, `detail` what was found."""

    state: str
    size: int
    root: bytes
    signed: Mark | None
    detail: str

    @property
    def vi(self) -> str:
        return _WAYS[self.state][0]

    @property
    def en(self) -> str:
        return _WAYS[self.state][1]


def diagnose(store: Store, high_water: HighWater, *, origin: str) -> Diagnosis:
    """What a start would find; signs and changes nothing."""
    with store.read() as connection:
        try:
            count, root = custody_tree.head(connection)
        except CustodyError as error:
            return Diagnosis("damaged", 0, EMPTY_ROOT, None, error.detail)
        try:
            mark = high_water.mark()
        except HighWaterError as error:
            return Diagnosis("mark_damaged", count, root, None, error.detail)
        try:
            sign_order.recompute(connection, mark, origin, str(high_water.path))
        except HighWaterError as error:
            if mark is None:
                return Diagnosis("mark_lost", count, root, None, error.detail)
            names = [epoch.origin or origin for epoch in custody_tree.epochs(connection)]
            here = custody_tree.head(connection, names.index(mark.origin))[0] if mark.origin in names else 0
            return Diagnosis("behind" if here < mark.size else "forked", count, root, mark, error.detail)
        except CustodyError as error:
            return Diagnosis("damaged", count, root, mark, error.detail)
    return Diagnosis("ok", count, root, mark, "")


def replay(store: Store, high_water: HighWater, leaves: Iterable[bytes]) -> int:
    """Put back entries that the database lost: how many.

    Args:
        leaves: exact leaf bytes in log order, from the entry after the newest one stored;
            those beyond the high-water mark are not taken.

    Raises:
        HighWater: nothing is missing, or the mark is of another log than the current one.
        CustodyError: with these entries the log is not the one that was signed; nothing was changed.
    """
    mark = high_water.mark()

    def job(connection: Connection) -> int:
        epoch = custody_tree.current_epoch(connection)
        count = custody_tree.head(connection)[0]
        if mark is None or epoch.origin != mark.origin or count >= mark.size:
            raise HighWaterError("no signed entries are missing", place=str(high_water.path))
        start, source = epoch.first + count, iter(leaves)
        while count < mark.size and (part := list(islice(source, min(custody_log.BATCH, mark.size - count)))):
            custody_log.write_rows(connection, [_row(epoch.first + count + n, leaf) for n, leaf in enumerate(part)])
            count += len(part)
        if custody_tree.head(connection) != (mark.size, mark.root):
            raise CustodyError("these are not the entries that were signed", place=f"{count} of {mark.size}")
        return epoch.first + count - start

    # Durable after this: all missing entries, or none. A crash before it costs the attempt.
    return store.write(job)


def _row(seq: int, leaf: bytes) -> tuple[Any, ...]:
    try:
        value = json.loads(leaf)
        event, at = event_of(value["ev"]), datetime.fromisoformat(value["at"]).astimezone(UTC)
        if event is None:
            raise KeyError(value["ev"])
        texts = [str(value.get(key, "")) for key in ("msg", "to", "from")]
        return seq, leaf, leaf_hash(leaf), texts[0], texts[1], int(value["n"]), event.value, texts[2], at
    except (ValueError, KeyError, TypeError) as error:
        raise CustodyError(f"entry {seq} is not a leaf", place="replay") from error


def close_epoch(store: Store, high_water: HighWater, *, origin: str, vkey: str, now: datetime, salts: Callable[[], bytes], why: str) -> Epoch:
    """Give the current log up and begin `origin`: leaf 0 names the last signed head,
    leaf 1 what the database held instead, leaf 2 the key of the new log.

    Nothing is hidden by it: whoever holds a head or a proof of the lost part still
    holds it, and the loss itself is now logged, signed and witnessed.

    Raises:
        HighWater: log and mark agree, there is nothing to give up.
        CustodyError: the name is taken, or no reason is given.
    """
    found = diagnose(store, high_water, origin="")
    mark = found.signed
    if found.state not in ("behind", "forked") or mark is None:
        raise HighWaterError(f"nothing to give up: {found.state}", place=str(high_water.path))
    if not why.strip():
        raise CustodyError("giving a log up needs its reason", place=origin)

    def job(connection: Connection) -> Epoch:
        known = custody_tree.epochs(connection)
        if any(epoch.origin == origin for epoch in known):
            raise CustodyError("there is a log of this name", place=origin)
        count, root = custody_tree.head(connection)
        epoch = Epoch(known[-1].number + 1, origin, known[-1].first + count, vkey, now)
        if not count:
            raise CustodyError("an empty log cannot be closed: begin with an empty database and a new name", place=origin)
        custody_log.insert_epoch(connection, epoch)
        entries = [
            control(Event.LOG_EPOCH, now, data=_head(mark.origin, mark.size, mark.root), why=why),
            control(Event.LOG_RECOVER, now, data=_head(known[-1].origin, count, root), why=why),
            control(Event.LOG_KEY, now, data=(("vkey", vkey),)),
        ]
        custody_log.append(connection, entries, salts=salts)
        return epoch

    # Durable after this: the end of the old log, in one transaction with the new one's first leaves.
    return store.write(job)


def adopt_mark(store: Store, high_water: HighWater, note: str, vkeys: Sequence[str]) -> Mark:
    """Set a lost or damaged mark to the newest of `note` (a head that a witness or a
    mirror holds) and the heads kept in the database.

    Raises:
        CheckpointInvalid: the note is not signed by a key of this log.
        HighWater: there is a mark already.
    """
    head = verify_note(note, vkeys)
    with store.read() as connection:
        kept = custody_log.latest_checkpoint(connection)
    best = Mark(head.origin, head.size, head.root)
    if kept is not None and kept.origin == head.origin and kept.size > head.size:
        best = Mark(kept.origin, kept.size, kept.root)
    if high_water.path.exists() or not high_water.swap(None, best):
        raise HighWaterError("there is a mark already; move the damaged file aside first", place=str(high_water.path))
    return best


def _head(origin: str, count: int, root: bytes) -> tuple[tuple[str, str | int], ...]:
    return ("origin", origin), ("size", count), ("root", root.hex())
