"""desk — bàn văn thư: what a node does with documents, synchronously, over its journal.

Nothing is acknowledged that was not verified and written to disk first. A
repeat (same delivery id) gives the first entry.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from exchange.change_errors import CopyDestroyed
from exchange.copies import judge_file
from exchange.edxml.read import read_package
from exchange.edxml.status import read_status, write_status
from exchange.envelope import Kind, Organ, ResponseFor, StatusMessage, document_code
from exchange.errors import Conflict, DigestMismatch, NotFound, NotTheSender, SealRefused
from exchange.lifecycle import Status, check_emit, parse_status
from exchange.node.asked import asks, notices_of, on_arrival, take_back_notice
from exchange.store import journal, tombstones
from exchange.store.engine import Store
from exchange.store.journal import Inbound, IncomingStatus, Outbound, OutgoingStatus
from signing.errors import SigningError
from signing.keys import SigningKey
from signing.report import to_json
from signing.sandbox import Sandbox
from signing.seal import sign_seal, verify_seal
from signing.trust import Trust

VIETNAM = timezone(timedelta(hours=7))


@dataclass(slots=True)
class Desk:
    """One agency's desk."""

    agency: str
    name: str
    store: Store
    key: SigningKey
    trust: Callable[[], Trust]
    sandbox: Sandbox
    clock: Callable[[], datetime]
    other_codes: tuple[str, ...] = ()  # under which the directory knows the agency too

    def send(self, package: Path) -> Outbound:
        """Take a package into the outbox, sealed; the agent submits it until a receipt is here.

        Raises:
            EnvelopeError: not a package, not ours, or the same id with other bytes.
        """
        with tempfile.TemporaryDirectory(dir=self.store.blobs.temporary().parent) as folder:
            header = read_package(package, workdir=Path(folder)).header
        if header.sender.code not in (self.agency, *self.other_codes):
            raise NotTheSender(f"{header.sender.code[:40]} ≠ {self.agency}", place="MessageHeader/From/OrganId")
        kind = int(header.business.kind)
        sha256 = self._keep(package)
        now = self.clock()
        seal = self.store.blobs.put_bytes(sign_seal(bytes.fromhex(sha256), self.key))
        target = (header.business.document_id or header.document_id) if header.business.kind in (Kind.RECALL, Kind.UPDATE) else ""
        row = Outbound(header.document_id, kind, sha256, seal, header.subject, "waiting", 0, now, "", "", now, target)

        def job(connection: Any) -> None:
            if journal.put_outbound(connection, row) and header.business.kind is Kind.RECALL:
                tombstones.freeze(connection, target, header.document_id)

        # Durable: the package is ours to deliver from here; what it recalls is frozen.
        self.store.write(job)
        with self.store.read() as connection:
            stored = journal.outbound(connection, header.document_id, kind)
        if stored is None or stored.package_sha256 != sha256:
            raise Conflict(header.document_id, place="MessageHeader/DocumentId")
        return stored

    def receive(self, *, delivery: str, envelope: str, package: Path, sha256: str, seal: bytes, facts: dict[str, Any]) -> Inbound:
        """Check a package that arrived, enter it, and prepare status 01.

        Raises:
            SealRefused, DigestMismatch, EnvelopeError: not taken, not acknowledged.
        """
        now = self.clock()
        with self.store.read() as connection:
            known = journal.inbound(connection, delivery)
        if known is not None:
            if known.package_sha256 != sha256:
                raise Conflict(delivery, place="Vanthu-Delivery")
            return known
        self._check_seal(bytes.fromhex(sha256), seal)
        with tempfile.TemporaryDirectory(dir=self.store.blobs.temporary().parent) as folder:
            parsed = read_package(package, workdir=Path(folder))
            verdicts = {}
            for attachment in parsed.attachments:
                if attachment.path is not None and attachment.media_type == "application/pdf":
                    verdict = judge_file(self.sandbox, attachment, self.trust(), at=now, number=document_code(parsed.header))
                    verdicts[attachment.name] = {
                        "verdict": verdict.verdict.value,
                        "dual_signature": verdict.dual_signature.value,
                        "reasons": to_json(verdict.reasons),
                    }
        header = parsed.header
        kept, seal_sha256 = self._keep(package), self.store.blobs.put_bytes(seal)
        if kept != sha256:
            raise DigestMismatch(kept, place="Repr-Digest")
        row = Inbound(
            delivery=delivery,
            envelope=envelope,
            # The hub says it by the agency's own code, so that a later recall finds its document under whichever code.
            sender=str(facts.get("from") or header.sender.code),
            document_id=header.document_id,
            code=document_code(header),
            promulgation_date=header.promulgation_date.strftime("%Y/%m/%d") if header.promulgation_date else "",
            subject=header.subject,
            package_sha256=sha256,
            seal_sha256=seal_sha256,
            size=package.stat().st_size,
            mark=str(facts.get("mark", "")),
            verdict=json.dumps(verdicts, ensure_ascii=False),
            received_at=now,
            arrival_year=now.astimezone(VIETNAM).year,
            arrival_number=0,
            status="",
            kind=int(header.business.kind),
        )

        def enter(connection: Any) -> Inbound:
            entered = journal.put_inbound(connection, row)
            on_arrival(connection, entered, notices_of((self.agency, *self.other_codes), entered, header))
            return entered

        # Durable: the document is here, with its arrival number and what it asks. Only now may 01 be said.
        return self.store.write(enter)

    def report(self, delivery: str, code: str, description: str = "") -> OutgoingStatus | None:
        """Seal a status about a received package and put it in line; None when it was said before.

        Raises:
            NotFound, StatusError: no such delivery, or not a lawful move. CopyDestroyed: it was recalled or taken back.
        """
        status = parse_status(code)
        with self.store.read() as connection:
            row = journal.inbound(connection, delivery)
        if row is None:
            raise NotFound(delivery, place="delivery")
        if row.status == status.value:
            return None
        with self.store.read() as connection:
            kind, gone = asks(connection, row), tombstones.tombstone(connection, delivery) is not None
        if gone and status is not Status.ARRIVED:
            raise CopyDestroyed(delivery, place="delivery")
        check_emit(row.status, status, reason=description, asks=kind)
        return self.say(row, status, description, after=status.value)

    def say(self, row: Inbound, status: Status, description: str, *, after: str, more: Callable[[Any], None] | None = None) -> OutgoingStatus:
        """Seal a status and put it in line, without asking whether it is lawful.

        Args:
            after: our status of the package from now on.
            more: done in the same transaction.
        """
        now = self.clock()
        data = write_status(
            StatusMessage(
                sender=Organ(code=self.agency, name=self.name),
                response_for=ResponseFor(row.sender, row.code, row.document_id, row.promulgation_date),
                code=status.value,
                description=description,
                timestamp=now,
            )
        )
        blobs = self.store.blobs
        sha256 = blobs.put_bytes(data)
        seal = blobs.put_bytes(sign_seal(bytes.fromhex(sha256), self.key))
        new = OutgoingStatus(str(uuid.uuid4()), row.delivery, status.value, description, sha256, seal, "waiting", 0, now, "", now)

        def job(connection: Any) -> None:
            journal.put_status(connection, new)
            journal.set_inbound_status(connection, row.delivery, after)
            if more is not None:
                more(connection)

        self.store.write(job)
        return new

    def arrived(self, delivery: str) -> None:
        """Say 01 for a received package, once."""
        with self.store.read() as connection:
            row = journal.inbound(connection, delivery)
        if row is not None and not row.status:
            self.report(delivery, Status.ARRIVED.value, "Phần mềm đã nhận, văn thư chưa xử lý")

    def take_status(self, *, status_id: str, envelope: str, data: bytes, seal: bytes, sender: str = "") -> None:
        """Check and enter a status about a document of ours. `sender`: its agency by its own code, as the hub says.

        Raises:
            SealRefused, EnvelopeError: not taken.
        """
        self._check_seal(hashlib.sha256(data).digest(), seal)
        message = read_status(data)
        blobs = self.store.blobs
        row = IncomingStatus(
            status_id=status_id,
            envelope=envelope,
            agency=sender or message.sender.code,
            document_id=message.response_for.document_id,
            code=message.code,
            description=message.description,
            sha256=blobs.put_bytes(data),
            seal_sha256=blobs.put_bytes(seal),
            received_at=self.clock(),
        )
        notice = take_back_notice(status_id, row.agency, message, row.received_at) if parse_status(message.code) is Status.TAKE_BACK else None

        def job(connection: Any) -> None:
            journal.put_incoming_status(connection, row)
            if notice is not None:
                tombstones.put_notice(connection, notice)

        self.store.write(job)

    def _keep(self, package: Path) -> str:
        with package.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not self.store.blobs.exists(sha256):
            temporary = self.store.blobs.temporary()
            shutil.copyfile(package, temporary)
            self.store.blobs.put(temporary, sha256)
        return sha256

    def _check_seal(self, digest: bytes, seal: bytes) -> None:
        try:
            verify_seal(digest, seal, self.trust(), at=self.clock())
        except SigningError as error:
            raise SealRefused(f"{error.code}: {error.detail}"[:300], place="Vanthu-Seal") from error
