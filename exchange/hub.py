"""hub — trục liên thông: every use case with store, keys, verifier and clock bound.

The one object that HTTP handlers and the command line talk to. All methods are
plain and synchronous; they may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from exchange import audit, clocks, dispatch, fsck, intake, mailbox, statements
from exchange.agency import Agency, Purpose
from exchange.clocks import Limits
from exchange.connector import Connector
from exchange.delivery import Retry
from exchange.directory import Directory
from exchange.dispatch import Carriage
from exchange.evidence_file import event_receipt, write_evidence_file
from exchange.intake import Submission
from exchange.mailbox import PackageFile, StatusFile
from exchange.office import Office
from exchange.store import custody_log, envelopes, queue
from exchange.store.engine import Store
from exchange.store.secret_box import SecretBox
from signing.witness_policy import WitnessPolicy

RECHECK = timedelta(minutes=1)
CLOCKS = timedelta(minutes=1)
STATEMENTS = timedelta(minutes=1)


class Hub:
    """Use cases of one hub process. Construct with an `Office`; see `server` for the wiring."""

    def __init__(
        self,
        office: Office,
        *,
        retry: Retry | None = None,
        worker: str = "hub",
        limits: Limits | None = None,
        ca_policies: Path | None = None,
        policy: WitnessPolicy | None = None,
        policy_file: Path | None = None,
    ) -> None:
        self.office, self.ca_policies, self.policy_file = office, ca_policies, policy_file
        self.limits = limits or Limits()
        self.retry = retry or Retry()
        self.worker = worker
        self.policy = policy  # whose cosignatures make a head published; None asks nobody
        self._recheck_at = self._clocks_at = self._statements_at = office.clock()
        self.directory = Directory(office)  # `server` may name further signers of directory files
        # Systems that prove themselves by a shared secret; `server` may give it another key file and window.
        self.connector = Connector(office, SecretBox(office.high_water.path.with_name("connectors.key")))

    @property
    def store(self) -> Store:
        return self.office.store

    def close(self) -> None:
        """Stop the verifiers and close the store."""
        self.office.sandbox.close()
        self.office.store.close()

    # -- who calls ---------------------------------------------------------

    def authenticate(self, certificate_der: bytes) -> str:
        """Agency code of a TLS client certificate. See `directory.Directory.authenticate`."""
        return self.directory.authenticate(certificate_der)

    def acting_for(self, caller: str, code: str) -> str:
        """The agency that `caller` acts for as its gateway. See `directory.Directory.acting_for`."""
        return self.directory.acting_for(caller, code)

    # -- agencies' systems -------------------------------------------------

    def submit(self, caller: str, package: Path, package_sha256: str, seal: bytes) -> tuple[bytes, bool]:
        """Accept a package: (receipt bytes, was it a repeat). See `intake.submit`."""
        return intake.submit(self.office, Submission(caller=caller, package=package, sha256=package_sha256, seal=seal))

    def inbox(self, caller: str, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Mailbox lines above the cursor `after`."""
        return mailbox.inbox(self.office, caller, after=after, limit=limit)

    def package_of(self, caller: str, delivery: str) -> PackageFile:
        """The exact package of a delivery."""
        return mailbox.package_of(self.office, caller, delivery)

    def acknowledge(self, caller: str, delivery: str, status: bytes, seal: bytes) -> bytes:
        """Take a sealed status 01; its receipt."""
        return mailbox.acknowledge(self.office, caller, delivery, status, seal)

    def report_status(self, caller: str, status: bytes, seal: bytes) -> bytes:
        """Take a sealed status message; its receipt."""
        return mailbox.report_status(self.office, caller, status, seal)

    def status_of(self, caller: str, status_id: str) -> StatusFile:
        """A sealed status message."""
        return mailbox.status_of(self.office, caller, status_id)

    def receipt(self, caller: str | None, envelope: str, index: int | None = None) -> bytes:
        """Sealed evidence of an event, of the acceptance by default; byte-identical each time."""
        return event_receipt(self.office, caller, envelope, index)

    def proof(self, caller: str | None, envelope: str, index: int | None = None) -> str:
        """Offline inclusion proof of an event."""
        return audit.proof(self.office, caller, envelope, index)

    def timeline(self, caller: str | None, envelope: str) -> dict[str, Any]:
        """Facts, deliveries and events of a document."""
        return audit.timeline(self.office, caller, envelope)

    def evidence(self, caller: str | None, envelope: str, target: Path, *, content: bool = True) -> None:
        """Write the evidence file."""
        write_evidence_file(self.office, caller, envelope, target, content=content, policies=self.ca_policies, witness_policy=self.policy_file)

    def find(self, caller: str | None, *, document_id: str) -> list[dict[str, Any]]:
        """Envelopes by the sender's document id."""
        return audit.find(self.office, caller, document_id=document_id)

    # -- directory ---------------------------------------------------------

    def agencies(self, query: str = "", status: str = "") -> list[dict[str, Any]]:
        """The directory, filtered by parts of codes or names."""
        return self.directory.find(query, status=status)

    def agency(self, code: str) -> dict[str, Any]:
        """One agency, by any of its codes.

        Raises:
            UnknownAgency: not in the directory.
        """
        return self.directory.show(code)

    def add_agency(self, agency: Agency, *, seal_pem: bytes | None, tls_pem: bytes | None, by: str) -> None:
        """Enter an agency with its certificates; a directory change is a custody event.

        Raises:
            AgencyExists, InvalidField, DirectoryRow, DirectoryConflict, ConfigError: refused, nothing changed.
        """
        pems = {purpose: pem for purpose, pem in ((Purpose.SEAL, seal_pem), (Purpose.TLS, tls_pem)) if pem}
        self.directory.add(agency, pems, by=by)

    def close_agency(self, code: str, *, by: str) -> None:
        """Close an agency: mail to it is refused from now on."""
        self.directory.close(code, by=by)

    def succeed_agency(self, code: str, successor: str, *, by: str) -> None:
        """Close an agency and name the one that takes over."""
        self.directory.succeed(code, successor, by=by)

    # -- operators ---------------------------------------------------------

    def queue(self, *, state: str = "", agency: str = "", limit: int = 200) -> list[dict[str, Any]]:
        """Deliveries, newest first, filtered by state and agency."""
        with self.store.read() as connection:
            return [dict(row) for row in queue.overview(connection, state=state, agency=agency, limit=limit)]

    def hold(self, delivery: str, *, by: str, reason: str) -> None:
        """Keep a queued delivery back."""
        dispatch.hold(self.office, delivery, by=by, reason=reason)

    def release(self, delivery: str, *, by: str, reason: str) -> None:
        """Let a held delivery go on."""
        dispatch.release(self.office, delivery, by=by, reason=reason)

    def resend(self, delivery: str, *, by: str, reason: str) -> None:
        """Queue a failed, expired or silent delivery again."""
        dispatch.resend(self.office, delivery, by=by, reason=reason)

    def trace(self, document: str) -> list[dict[str, Any]]:
        """Timelines of every envelope with this document id or envelope id."""
        found = audit.find(self.office, None, document_id=document)
        ids = [str(row["envelope"]) for row in found] or [document]
        return [audit.timeline(self.office, None, envelope) for envelope in ids]

    def refusals(self, *, limit: int = 50) -> list[dict[str, Any]]:
        """The newest logged refusals."""
        with self.store.read() as connection:
            return [dict(asdict(row), at=row.at.isoformat()) for row in envelopes.refusals(connection, limit=limit)]

    # -- dispatch loop -----------------------------------------------------

    def claim(self, limit: int, *, room: Mapping[str, int] | None = None, most: int = 0) -> list[Carriage]:
        """Claim due push deliveries; of one recipient no more than it has room for."""
        return dispatch.claim(self.office, limit, worker=self.worker, room=room, most=most)

    def extend(self, carriage: Carriage) -> bool:
        """Make the lease of a carriage under way longer."""
        return dispatch.extend(self.office, carriage)

    def settle(self, carriage: Carriage, *, ok: bool, temporary: bool, detail: str) -> bool:
        """Record what came of an attempt; False when the lease was lost."""
        return dispatch.settle(self.office, carriage, ok=ok, temporary=temporary, detail=detail, retry=self.retry)

    def tick(self) -> None:
        """What time brings: evidence of what did not come about in time, a signed head over all entries."""
        now = self.office.clock()
        if now >= self._clocks_at:
            self._clocks_at = now + CLOCKS
            clocks.run(self.office, self.limits)
        if now >= self._recheck_at:
            self._recheck_at = now + RECHECK
            intake.recheck(self.office)
        if now >= self._statements_at:
            self._statements_at = now + STATEMENTS
            statements.close_days(self.office)
        self.office.turn_year()
        self.office.head()

    # -- the log -----------------------------------------------------------

    def checkpoint(self) -> str:
        """The newest signed head."""
        with self.store.read() as connection:
            latest = custody_log.latest_checkpoint(connection)
        return latest.note if latest is not None else self.office.head()

    def entries(self) -> int:
        """How many entries the log has."""
        with self.store.read() as connection:
            return custody_log.size(connection)

    def verify_log(self, progress: Callable[[int], None] | None = None) -> custody_log.Audit:
        """Recompute the whole log from its leaves, and check the proof in every receipt given out."""
        with self.store.read() as connection:
            audit = custody_log.recompute(connection, progress=progress)
            receipts = fsck.check_receipts(self.office, connection, lambda *_: None)
        return replace(audit, problems=(*audit.problems, *receipts.problems))

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Hashes of a tile (tlog-tiles), 32 bytes each."""
        with self.store.read() as connection:
            return custody_log.tile(connection, level, index, width)
