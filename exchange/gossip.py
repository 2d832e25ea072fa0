"""gossip — đối chiếu đầu sổ: heads travel with ordinary answers, and whoever gets them holds them against each other.

A hub that shows two histories must from then on keep two groups of readers apart for ever. So
every answer to a node names the newest head, every call of a node names the one it holds, and
witnesses are asked what they hold. Two heads signed by one key that contradict each other are
kept: they convince anybody.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from exchange.mirror import HEADER, keep_head, write
from signing.checkpoint import Checkpoint, parse_note, split_note, verify_note
from signing.errors import CheckpointInvalid, LogUnavailable, ProofInvalid, SignerUnknown
from signing.reasons import reason
from signing.report import Reason
from signing.tile_log import Fetch, consistency_of, tree_of
from signing.witness_policy import WitnessPolicy

LARGEST = 4096  # of a header's value: other people's clients stop at 8 KB for all headers together
LONGEST_LINE = 200  # Ed25519 lines only; an ML-DSA-44 line has 3,272 bytes
MOST_WAITING = 64  # heads heard and not yet compared by their tiles
MOST_ALARMS = 20
MOST_SILENT = 3  # questions without an answer in one comparison
KEEP_EVERY = 10_000  # entries between heads that are kept for ever
SAID_AGAIN = timedelta(seconds=1)
BEHIND = timedelta(minutes=10)  # processes of one hub may be seconds apart
ALARMS = "alarms.json"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that must not be. `files` hold the proof of it, by name within the folder."""

    code: str
    detail: str
    files: tuple[str, ...] = ()

    @property
    def reason(self) -> Reason:
        """The sentence for people."""
        return reason(f"monitor.{self.code}", "", self.detail)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        said = self.reason
        return {**asdict(self), "code": said.code, "vi": said.vi, "en": said.en}


def to_header(note: str) -> str:
    """A signed head as the value of `HEADER`: base64, without long lines; "" when even so it is too large."""
    try:
        body, _ = split_note(note)
    except CheckpointInvalid:
        return ""
    lines = [line for line in note[len(body) + 1 :].splitlines(keepends=True) if len(line) <= LONGEST_LINE]
    text = base64.b64encode((body + "\n" + "".join(lines)).encode()).decode()
    return text if len(text) <= LARGEST else ""


def from_header(text: str) -> str:
    """The signed head in a value of `HEADER`, nothing checked but its form; "" when it is none."""
    if not 0 < len(text) <= LARGEST:
        return ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:  # not ASCII, not base64, not UTF-8
        return ""


class HeldHeads:
    """The heads of one reader in `folder`: the newest that held, of each log, and proof of what did not.

    Thread-safe; several processes of one agency may share the folder.

    Args:
        vkeys: verifier keys of the log, from the trust folder. Without one nothing is heard.
        clock: aware.
    """

    def __init__(self, folder: Path, vkeys: Sequence[str], clock: Callable[[], datetime]) -> None:
        self.folder, self.vkeys, self._clock = folder, tuple(vkeys), clock
        self._lock = threading.Lock()
        self._known: deque[str] = deque(maxlen=256)
        self._roots: dict[tuple[str, int], Checkpoint] = {}
        self._waiting: dict[tuple[str, int, bytes], Checkpoint] = {}
        self._behind: dict[str, tuple[datetime, Checkpoint]] = {}
        self._turn = 0
        self._said: tuple[datetime, list[str]] | None = None

    def hear(self, note: str) -> Alert | None:
        """Take a head that somebody showed; an alert when it contradicts one of the same size here.

        Cheap: one signature the first time, nothing after. `check` compares the rest by the log's tiles.
        """
        if not note or not self.vkeys:
            return None
        with self._lock:
            if note in self._known:
                return None
            self._known.append(note)
            try:
                head = verify_note(note, self.vkeys)
            except SignerUnknown as error:
                return self._unknown(error.place)
            except CheckpointInvalid as error:
                return self._unknown(error.detail)
            held = self._held(head.origin)
            self._note_behind(head, held)
            if held is not None and held.size == head.size and held.root != head.root:
                return self._alarm(self._contradiction("split_view", held, head))
            if len(self._roots) > 1000:
                self._roots.clear()
            same = self._roots.setdefault((head.origin, head.size), head)
            # Which of two is the lie, `check` will see.
            alert = self._alarm(self._contradiction("split_view", same, head)) if same.root != head.root else None
            if (held is None or (held.size, held.root) != (head.size, head.root)) and len(self._waiting) < MOST_WAITING:
                self._waiting[head.origin, head.size, head.root] = head
            return alert

    def hear_header(self, value: str) -> Alert | None:
        """Take the value of `HEADER`; "" is no head."""
        return self.hear(from_header(value))

    def check(self, fetch: Callable[[str], Fetch]) -> list[Alert]:
        """Hold every head heard since the last time against the newest that held, by the log's tiles.

        Args:
            fetch: gives the tiles of the log with an origin. When it does not answer, the heads wait for the next time.
        """
        with self._lock:
            waiting = sorted(self._waiting.values(), key=lambda head: (head.origin, head.size))
        found: list[Alert] = []
        for origin in dict.fromkeys(head.origin for head in waiting):
            found += self._compare(origin, [head for head in waiting if head.origin == origin], _remembered(fetch(origin)))
        with self._lock:
            now = self._clock()
            for origin, (since, head) in list(self._behind.items()):
                held = self._held(origin)
                if held is not None and head.size < held.size and now - since >= BEHIND:
                    del self._behind[origin]
                    found.append(self._alarm(self._contradiction("rollback", held, head)))
        return found

    def newest(self, origin: str = "") -> Checkpoint | None:
        """The newest head that held: of the log `origin`, else of the log with the last name (epochs are named by years)."""
        if origin:
            return self._held(origin)
        held = [head for file in sorted(self.folder.glob("held-*.note")) if (head := _read(file, self.vkeys)) is not None]
        return max(held, key=lambda head: (head.origin, head.size), default=None)

    def say(self) -> str:
        """What to show the hub on the next call, as the value of `HEADER`: the newest head that
        held, and once there is an alarm in turn every head that proves it; "" before there is one."""
        now = self._clock()
        if self._said is None or not timedelta(0) <= now - self._said[0] < SAID_AGAIN:
            notes = [head.note] if (head := self.newest()) is not None else []
            for alarm in self.alarms():
                notes += [file.read_text() for name in alarm["files"] if (file := self.folder / name).exists()]
            self._said = now, [to_header(note) for note in notes]
        self._turn += 1
        said = self._said[1]
        return said[self._turn % len(said)] if said else ""

    def alarms(self) -> list[dict[str, Any]]:
        """What did not hold, oldest first; it stands until a person takes the file away."""
        file = self.folder / ALARMS
        try:
            value: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
        except ValueError:
            return []
        return value

    def _compare(self, origin: str, heads: Sequence[Checkpoint], fetch: Fetch) -> list[Alert]:
        found, silent = [], 0
        for head in heads:
            held = self._held(origin)
            try:
                alert = self._against(fetch, held, head) if held is not None else None
            except LogUnavailable:
                silent += 1  # proves nothing, either way; the head waits
                if silent > MOST_SILENT:
                    break
                continue
            if alert is not None:
                with self._lock:
                    found.append(self._alarm(alert))
            elif held is None or head.size > held.size:
                # Durable: from now on every head must go on from this one. A crash before costs one comparison.
                write(self._file(origin), head.note.encode())
                if held is None or head.size // KEEP_EVERY > held.size // KEEP_EVERY:
                    keep_head(self.folder, head)
            with self._lock:
                self._waiting.pop((origin, head.size, head.root), None)
        return found

    def _against(self, fetch: Fetch, held: Checkpoint, head: Checkpoint) -> Alert | None:
        try:
            consistency_of(fetch, held, head)
        except ProofInvalid as error:
            if all(tree_of(fetch, one.size).root() != one.root for one in (held, head)):
                return Alert("tiles", error.detail)  # neither head is of these tiles: a disk, or a third history
            return self._contradiction("split_view" if held.size == head.size else "inconsistent", held, head)
        return None

    def _note_behind(self, head: Checkpoint, held: Checkpoint | None) -> None:
        if held is None or head.size >= held.size:
            self._behind.pop(head.origin, None)
        else:
            self._behind.setdefault(head.origin, (self._clock(), head))

    def _contradiction(self, code: str, one: Checkpoint, other: Checkpoint) -> Alert:
        files = []
        for head in (one, other):
            name = f"evidence/{head.size:012d}-{head.root.hex()[:16]}.note"
            write(self.folder / name, head.note.encode())
            files.append(name)
        return Alert(code, f"{one.origin}: {one.size}, {other.size}", tuple(files))

    def _unknown(self, detail: str) -> Alert | None:
        # Said once, not with every head from then on.
        if any(alarm["code"] == "monitor.signature" for alarm in self.alarms()):
            return None
        return self._alarm(Alert("signature", detail))

    def _alarm(self, alert: Alert) -> Alert:
        kept = self.alarms()
        same = any(a["code"] == alert.reason.code and a["files"] == list(alert.files) for a in kept)
        if not same and len(kept) < MOST_ALARMS:
            value = [*kept, {**alert.to_json(), "at": self._clock().isoformat()}]
            write(self.folder / ALARMS, json.dumps(value, ensure_ascii=False, indent=2).encode())
        return alert

    def _held(self, origin: str) -> Checkpoint | None:
        return _read(self._file(origin), self.vkeys)

    def _file(self, origin: str) -> Path:
        # An origin is never part of a path: it comes from a note.
        return self.folder / f"held-{hashlib.sha256(origin.encode()).hexdigest()[:32]}.note"


def heads_of_witnesses(policy: WitnessPolicy, origin: str, get: Callable[[str], bytes]) -> Iterator[tuple[str, str]]:
    """(witness, the head it last cosigned) for every witness of a policy that answers (tlog-witness, "GET checkpoint").

    Args:
        get: the body at an address; LogUnavailable when there is none.
    """
    name = hashlib.sha256(origin.encode()).hexdigest()
    by_url = {witness.url.rstrip("/"): witness.name for witness in policy.witnesses if witness.url}
    for url, witness in by_url.items():
        try:
            text = get(f"{url}/{name}/checkpoint").decode()
            parse_note(text)
        except (LogUnavailable, UnicodeDecodeError, CheckpointInvalid):
            continue
        yield witness, text


def _read(file: Path, vkeys: Iterable[str]) -> Checkpoint | None:
    try:
        return verify_note(file.read_text(), list(vkeys))
    except (OSError, UnicodeDecodeError, CheckpointInvalid):
        return None  # there is none yet, or it is of a key that is no longer trusted


def _remembered(fetch: Fetch) -> Fetch:
    kept: dict[str, bytes] = {}

    def get(path: str) -> bytes:
        if path not in kept:
            kept[path] = fetch(path)
        return kept[path]

    return get


__all__ = ["HEADER", "Alert", "HeldHeads", "from_header", "heads_of_witnesses", "to_header"]
