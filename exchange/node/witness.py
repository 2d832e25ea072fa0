"""witness — nút chứng kiến: the node watches that the log only grows, and says so with its own keys.

Protocol: c2sp.org/tlog-witness. Checking the old size and keeping the new head is one
transaction; the cosignature leaves only after both the database and the mark are durable.
A log that cannot prove that it only grew gets no cosignature, and what it signed is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from exchange.config import NodeSettings
from exchange.errors import ConfigError, WitnessStopped
from exchange.store import witness_log
from exchange.store.engine import Store
from exchange.store.witness_log import Mark, RefusedHead, Seen, WitnessMark
from signing.checkpoint import Checkpoint, decode_base64, is_later_year, parse_note, split_note, verify_note
from signing.cosignature import CosignerKey, add_lines
from signing.errors import CheckpointInvalid, ProofInvalid
from signing.merkle import EMPTY_ROOT, HASH, verify_consistency

LARGEST = 256 * 1024
MOST_HASHES = 63
TEXT = "text/plain"
SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: HTTP status, media type, text."""

    status: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Asked:
    old: int
    proof: tuple[bytes, ...]
    head: Checkpoint


class _Refused(Exception):
    """An answer other than 200, to be given without changing anything; `keep` names a reason to keep the request."""

    def __init__(self, reply: Reply, keep: str = "", own: str = "") -> None:
        super().__init__(reply.text)
        self.reply, self.keep, self.own = reply, keep, own


class Witness:
    """One agency's witness over the node's database. Thread-safe; all calls are synchronous.

    Args:
        keys: the witness's keys, Ed25519 and ML-DSA-44; each signs every head, the log takes
            the lines that it has use for.
        vkeys: verifier keys (type 0x01) of the logs it watches; their names are the origins.
        clock: aware; going back stops the witness until it has caught up.
    """

    def __init__(self, store: Store, keys: Sequence[CosignerKey], vkeys: Sequence[str], mark: WitnessMark, clock: Callable[[], datetime]) -> None:
        self.store, self.mark, self.clock = store, mark, clock
        self._keys = tuple(keys)
        self._logs: dict[str, list[str]] = {}
        for vkey in vkeys:
            self._logs.setdefault(vkey.split("+", 1)[0], []).append(vkey)

    @property
    def name(self) -> str:
        """Key name of the witness."""
        return self._keys[0].name

    def vkeys(self) -> list[str]:
        """Verifier keys of the witness."""
        return [key.vkey() for key in self._keys]

    def enrol(self) -> None:
        """Begin: from now on the database and the mark must both be there, and agree."""
        now = self.clock()
        self.mark.create()

        def job(connection: Connection) -> None:
            for vkey in self.vkeys():
                witness_log.enrol(connection, vkey, now)

        self.store.write(job)

    def recover(self) -> dict[str, int]:
        """After a person has looked: go on from the larger of database and mark, for each log; the sizes."""
        now = self.clock()
        try:
            marks = self.mark.read()
        except WitnessStopped:
            marks = {}

        def job(connection: Connection) -> dict[str, Mark]:
            for vkey in self.vkeys():
                witness_log.enrol(connection, vkey, now)
            for head in witness_log.all_seen(connection):
                if head.origin not in marks or marks[head.origin].size <= head.size:
                    marks[head.origin] = Mark(head.size, head.root, head.seconds)
            for origin, mark in marks.items():
                row = witness_log.seen(connection, origin)
                if row is None or row.size < mark.size:
                    witness_log.remember(connection, Seen(origin, mark.size, mark.root, "", mark.seconds))
            return marks

        merged = self.store.write(job)
        self.mark.create()
        self.mark.replace(merged)
        return {origin: mark.size for origin, mark in merged.items()}

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer one request: 200 with signature lines, or 400, 403, 404, 409, 422, 503.

        Durable on 200: the head is in the database and in the mark. A crash before the
        answer costs the log one repetition.
        """
        try:
            asked = self._read(body)
            self._check_signature(asked.head)
        except _Refused as refusal:
            return refusal.reply
        try:
            lines, mark = self.store.write(lambda c: self._decide(c, asked))
            # Durable: the head in the database. The mark follows before anybody sees the cosignature.
            self.mark.advance(asked.head.origin, mark)
        except _Refused as refusal:
            if refusal.keep:
                self._keep(refusal, body, asked.head)
            return refusal.reply
        except WitnessStopped as stopped:
            return Reply(503, TEXT, f"{stopped.detail}\n")
        return Reply(200, TEXT, "".join(lines))

    def checkpoint(self, origin_sha256: str) -> str | None:
        """The last cosigned head of the log whose origin has this SHA-256 (lower hex)."""
        with self.store.read() as connection:
            rows = witness_log.all_seen(connection)
        return next((row.note for row in rows if row.note and hashlib.sha256(row.origin.encode()).hexdigest() == origin_sha256), None)

    def refusals(self) -> list[RefusedHead]:
        """Refused heads that were kept as proof, oldest first."""
        with self.store.read() as connection:
            return witness_log.refused(connection)

    def status(self) -> dict[str, Any]:
        """For people: keys, logs with the size cosigned, what was refused, and why nothing is signed if so."""
        with self.store.read() as connection:
            rows = {row.origin: row for row in witness_log.all_seen(connection)}
            refusals = witness_log.refused(connection)
            try:
                self._fit(connection, self.mark.read())
                stopped = ""
            except WitnessStopped as error:
                stopped = error.detail
        logs = [
            {
                "origin": origin,
                "size": rows[origin].size if origin in rows else 0,
                "cosigned": rows[origin].seconds if origin in rows else None,
                "refused": sum(r.origin == origin for r in refusals),
            }
            for origin in dict.fromkeys((*self._logs, *rows))
        ]
        return {"name": self.name, "vkeys": self.vkeys(), "logs": logs, "stopped": stopped}

    def _read(self, body: bytes) -> _Asked:
        try:
            head, found, note = body.decode().partition("\n\n")
            first, *rest = head.split("\n")
            number = first.removeprefix("old ")
            canonical = number.isascii() and number.isdigit() and (number == "0" or not number.startswith("0"))
            if not found or not first.startswith("old ") or not canonical or len(number) > 19 or len(rest) > MOST_HASHES:
                raise CheckpointInvalid("request")
            proof = tuple(decode_base64(line) for line in rest)
            if any(len(part) != HASH for part in proof):
                raise CheckpointInvalid("proof line")
            return _Asked(int(number), proof, parse_note(note))
        except (CheckpointInvalid, UnicodeDecodeError) as error:
            raise _Refused(Reply(400, TEXT, f"malformed request: {error}\n")) from error

    def _check_signature(self, head: Checkpoint) -> None:
        vkeys = [vkey for name, own in self._logs.items() for vkey in own if name == head.origin or is_later_year(name, head.origin)]
        if not vkeys:
            raise _Refused(Reply(404, TEXT, "unknown log\n"))
        try:
            verify_note(head.note, vkeys)
        except CheckpointInvalid as error:
            raise _Refused(Reply(403, TEXT, f"no valid signature of a trusted key: {error}\n")) from error

    def _decide(self, connection: Connection, asked: _Asked) -> tuple[list[str], Mark]:
        """Inside the writer's transaction: compare, prove, keep. The only writer is this thread."""
        head = asked.head
        marks = self.mark.read()
        self._fit(connection, marks)
        now = self.clock()
        latest = max((mark.seconds for mark in marks.values()), default=0)
        if int(now.timestamp()) < latest:
            raise WitnessStopped(f"the clock went back: {int(now.timestamp())} after {latest}", place="clock")
        row = witness_log.seen(connection, head.origin)
        self._compare(asked, row or Seen(head.origin, 0, EMPTY_ROOT, "", 0))
        lines = [key.cosign(head, at=now) for key in self._keys]
        kept = add_lines(_own_lines(head), lines)
        witness_log.remember(connection, Seen(head.origin, head.size, head.root, kept, int(now.timestamp())))
        return lines, Mark(head.size, head.root, int(now.timestamp()))

    def _compare(self, asked: _Asked, last: Seen) -> None:
        head, size, root, own = asked.head, last.size, last.root, last.note
        # Two signed heads of one size with different roots prove a split view, whatever the old size says.
        split = "split view" if head.size == size > 0 and head.root != root else ""
        if asked.old > head.size:
            raise _Refused(Reply(400, TEXT, "old size above the size of the checkpoint\n"), split or "truncated", own)
        if asked.old != size:
            raise _Refused(Reply(409, SIZE, f"{size}\n"), split, own)
        if head.size == 0 and head.root != EMPTY_ROOT:
            raise _Refused(Reply(422, TEXT, "an empty tree has another root\n"), "empty tree", own)
        if head.size == size and head.root != root:
            raise _Refused(Reply(422, TEXT, "same size, other root\n"), "split view", own)
        if (asked.old == 0 or head.size == size) and asked.proof:
            raise _Refused(Reply(422, TEXT, "a proof where none belongs\n"), "", own)
        if asked.old and head.size > size:
            try:
                verify_consistency(size, head.size, asked.proof, root, head.root)
            except ProofInvalid as error:
                raise _Refused(Reply(422, TEXT, f"not consistent: {error}\n"), "inconsistent", own) from error

    def _fit(self, connection: Connection, marks: dict[str, Mark]) -> None:
        """Gate: the database is the one that the mark speaks of.

        Raises:
            WitnessStopped: lost, restored from an old copy, or never enrolled.
        """
        if not all(witness_log.enrolled(connection, vkey) for vkey in self.vkeys()):
            raise WitnessStopped("database lost" if marks else "not enrolled: run `vanthu custody witness init`", place="witness")
        for origin, mark in marks.items():
            row = witness_log.seen(connection, origin)
            if row is None or row.size < mark.size or (row.size == mark.size and row.root != mark.root):
                have = row.size if row is not None else 0
                raise WitnessStopped(f"database behind the mark: {have}, cosigned {mark.size}", place=origin)

    def _keep(self, refusal: _Refused, body: bytes, head: Checkpoint) -> None:
        now = self.clock()
        self.store.write(
            lambda c: witness_log.keep_refused(
                c, origin=head.origin, reason=refusal.keep, size=head.size, root=head.root, request=body, own_note=refusal.own, at=now
            )
        )


def _own_lines(head: Checkpoint) -> str:
    """The note with the log's own lines only: others may be anybody's."""
    body, lines = split_note(head.note)
    kept = [line for line, (name, _) in zip(head.note[len(body) + 1 :].splitlines(keepends=True), lines, strict=True) if name == head.origin]
    return body + "\n" + "".join(kept)


def open_witness(settings: NodeSettings, store: Store, vkeys: Sequence[str], clock: Callable[[], datetime]) -> Witness:
    """The witness of a node over its journal's database, by its settings.

    Raises:
        ConfigError, KeyUnusable: no key is configured, or it cannot be opened.
    """
    if settings.witness_key is None:
        raise ConfigError("missing key 'witness_key'", place="[node]")
    return Witness(store, CosignerKey.load_all(settings.witness_key), vkeys, WitnessMark(settings.witness_mark_file), clock)


WITNESS = web.AppKey("witness", Witness)
POOL = web.AppKey("pool", ThreadPoolExecutor)
THREADS = 2  # of its own, so that strangers who ask do not hold up the agency's documents


def witness_app(witness: Witness) -> web.Application:
    """The application that logs and monitors talk to. Requests need no other
    authentication than the log's signature (tlog-witness)."""
    app = web.Application(client_max_size=LARGEST)
    app[WITNESS], app[POOL] = witness, ThreadPoolExecutor(THREADS, thread_name_prefix="witness")
    app.on_cleanup.append(_close)
    app.add_routes([web.post("/witness/add-checkpoint", add_checkpoint), web.get("/witness/{origin}/checkpoint", checkpoint)])
    return app


async def _close(app: web.Application) -> None:
    app[POOL].shutdown(wait=False)


async def add_checkpoint(request: web.Request) -> web.Response:
    """POST /witness/add-checkpoint."""
    body = await request.read()
    reply = await asyncio.get_running_loop().run_in_executor(request.app[POOL], request.app[WITNESS].add_checkpoint, body)
    # The media type stands alone: clients compare it byte for byte.
    return web.Response(status=reply.status, body=reply.text.encode(), headers={"Content-Type": reply.kind})


async def checkpoint(request: web.Request) -> web.Response:
    """GET /witness/<SHA-256 of the origin>/checkpoint: what was last cosigned, for monitors."""
    note = await asyncio.get_running_loop().run_in_executor(request.app[POOL], request.app[WITNESS].checkpoint, request.match_info["origin"])
    if note is None:
        raise web.HTTPNotFound(text="no such log, or nothing cosigned yet\n")
    return web.Response(body=note.encode(), headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache"})


__all__ = ["Reply", "Witness", "open_witness", "witness_app"]
