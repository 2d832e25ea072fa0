"""connector — kết nối: the use cases of systems that prove themselves by a shared secret (VXP, LGSP).

Thin on purpose: a package goes through `intake`, a status through `mailbox`, as
from the native interface; here is only who the system speaks for, what was
used before, and the transport states of the pull profiles.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from exchange import intake, mailbox, tickets
from exchange.agency import Agency, AgencyStatus, check_code
from exchange.agency_file import check_name, tidy_name
from exchange.custody import Entry, Event
from exchange.delivery import State, may_move
from exchange.directory_errors import DirectoryRow
from exchange.edxml.status import read_status
from exchange.envelope import StatusMessage
from exchange.errors import AccessError, AgencyExists, BadRequest, BadSecret, NotFound, NotTheSender, ReplayedRequest, UnknownAgency
from exchange.event_reasons import ReasonCode, why
from exchange.intake import Submission
from exchange.office import Office
from exchange.origin import Method, Origin
from exchange.profiles import lgsp, vxp
from exchange.receipt import from_bytes
from exchange.store import agencies, connectors, envelopes, queue
from exchange.store.connectors import KeyRow
from exchange.store.secret_box import SecretBox

PROFILES = ("vxp", "lgsp")
MOST = 1000  # lines of one list
WHOLE_DIRECTORY = 1_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated system. `agencies` are those it may act for: its `own`, and those whose gateway they are."""

    profile: str
    system: str
    key: str
    agencies: tuple[str, ...]
    signed: str = ""
    mac: str = ""
    own: tuple[str, ...] = ()

    def origin(self, verb: str, body_sha256: str = "") -> Origin:
        """What stands for the sender's word in this call."""
        method = Method.VXP_HMAC if self.profile == "vxp" else Method.LGSP_KEY
        return Origin(method, self.system, self.key, verb, body_sha256, self.signed, self.mac)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document or status for its recipient: exact bytes in `path`."""

    ref: str
    kind: str
    path: Path
    size: int
    sha256: str
    facts: Mapping[str, str]


class Connector:
    """Use cases of the shared-secret profiles over one office. Safe from many threads."""

    def __init__(self, office: Office, box: SecretBox, *, window: timedelta = vxp.WINDOW, always: bool = False) -> None:
        self.office, self.box, self.window, self.always = office, box, window, always

    # -- secrets ------------------------------------------------------------

    def add_secret(self, profile: str, system: str, agency: str, secret: bytes, *, by: str, overlap: timedelta) -> str:
        """Let `system` act for `agency` with this secret; the secret's id.

        Secrets that the system had end after `overlap`, so that both sides can change over.

        Raises:
            UnknownAgency, BadRequest: no such agency; secret shorter than 16 bytes or not one line.
        """
        if profile not in PROFILES or not system or len(system) > 200:
            raise BadRequest(f"profile {profile!r}, system {system[:60]!r}", place="secret")
        if not 16 <= len(secret) <= 512 or b"\n" in secret or b"\r" in secret:
            raise BadRequest("a secret has 16 to 512 bytes, in one line", place="secret")
        now, key = self.office.clock(), uuid.uuid4().hex[:12]
        row = KeyRow(key, profile, system, self.box.seal(secret, about=f"{profile}/{system}/{key}"), now)

        def job(connection: Connection) -> None:
            known = agencies.get(connection, agency)
            if known is None:
                raise UnknownAgency(agency[:60], place="code")
            connectors.end_keys(connection, profile, system, at=now + overlap)
            connectors.put_key(connection, row)
            connectors.serve(connection, profile, system, known.code)
            self._directory(connection, known.code, f"{profile} secret {key} of system {system[:60]}", f"operator:{by}")

        self.office.store.write(job)
        return key

    def _directory(self, connection: Connection, code: str, why: str, by: str) -> None:
        # An agency's own entry wants an object signed by it; a call by shared secret is written by the hub, and says whose it was.
        said, author = (why, by) if by.startswith("operator:") else (f"{by}: {why}", "hub")
        self.office.append(connection, [Entry(event=Event.DIRECTORY, at=self.office.clock(), by=author, recipient=code, why=said[:200])])

    def _secrets(self, connection: Connection, profile: str, system: str, now: datetime) -> list[tuple[str, bytes]]:
        rows = connectors.keys_of(connection, profile, system, at=now)
        return [(row.id, self.box.open(row.secret, about=f"{profile}/{system}/{row.id}")) for row in rows]

    # -- who calls ----------------------------------------------------------

    def authenticate_vxp(self, call: vxp.Call) -> Caller:
        """The system whose HMAC a call carries.

        The call's age counts where the caller asks for it (nonce, window) or the hub wants it of
        all: a service object of the SDK signs the time of its making for as long as it lives.

        Raises:
            BadSecret, StaleRequest, ReplayedRequest: not authenticated.
        """
        now = self.office.clock()
        with self.office.store.read() as connection:
            secrets = self._secrets(connection, "vxp", call.system, now)
            own = connectors.served(connection, "vxp", call.system)
            codes = connectors.with_served(connection, own)
        key = vxp.check_mac(call, secrets)
        asked = call.window
        if self.always or call.nonce or asked:
            vxp.check_window(call.at, now, min(asked or self.window, self.window))
        if call.nonce and tickets.seen(self.office.store, call.system, call.nonce, now=now, window=self.window) is not None:
            raise ReplayedRequest(place="XroadVnpt-nonce")
        return Caller("vxp", call.system, key, tuple(codes), call.signed.decode(), call.mac.lower(), tuple(own))

    def take_once(self, call: vxp.Call, body: bytes) -> None:
        """A gate for calls that change the directory (`tickets.take_once`).

        Raises:
            ReplayedRequest: it was taken before.
        """
        tickets.take_once(self.office.store, call, body, now=self.office.clock(), window=self.window, always=self.always)

    def authenticate_lgsp(self, system: str, secret: str) -> Caller:
        """The system that owns the key.

        Raises:
            BadSecret: it is not the system's, or there is no such system.
        """
        now = self.office.clock()
        with self.office.store.read() as connection:
            key = lgsp.check_key(secret, self._secrets(connection, "lgsp", system, now))
            own = connectors.served(connection, "lgsp", system)
            codes = connectors.with_served(connection, own)
        if not codes:
            raise BadSecret(place="X-SystemId")
        return Caller("lgsp", system, key, tuple(codes), own=tuple(own))

    def on_behalf(self, caller: Caller, code: str, *, place: str) -> str:
        """The agency `code` (either of its codes) that the caller acts for.

        Raises:
            NotTheSender: it does not.
        """
        with self.office.store.read() as connection:
            agency = agencies.get(connection, code)
        if agency is None or agency.code not in caller.agencies:
            raise NotTheSender(f"{code[:60]}: not an agency of this system", place=place)
        return agency.code

    # -- sending ------------------------------------------------------------

    def send(self, caller: Caller, package: Path, sha256: str, *, sender: str = "", to: tuple[str, ...] = ()) -> str:
        """Accept a document package; the hub's id of it.

        Args:
            sender, to: what the call says of the parties; the package must agree.

        Raises:
            EnvelopeError, AgencyError, AccessError: refused; the refusal is logged.
        """
        codes = self._senders(caller, sender)
        if not codes:
            raise NotTheSender("the system acts for no agency", place="systemid")
        submission = Submission(
            caller=codes[0], package=package, sha256=sha256, seal=b"", origin=caller.origin("sendEdoc", sha256), serves=codes, declared_to=to
        )
        return from_bytes(intake.submit(self.office, submission)[0]).envelope

    def send_status(self, caller: Caller, data: bytes, *, sender: str = "", to: tuple[str, ...] = ()) -> str:
        """Take a status message; the hub's id of it.

        Raises:
            StatusError, AccessError, NotFound: refused.
        """
        message = read_status(data)
        code = self.on_behalf(caller, message.sender.code, place="MessageHeader/From/OrganId")
        if code not in self._senders(caller, sender):
            raise NotTheSender(f"{message.sender.code[:40]} ≠ {sender[:40]}", place="MessageHeader/From/OrganId")
        self._check_to(message, to)
        sha256 = hashlib.sha256(data).hexdigest()
        receipt = from_bytes(mailbox.report_status(self.office, code, data, b"", caller.origin("sendEdoc", sha256)))
        with self.office.store.read() as connection:
            row = envelopes.status_by_digest(connection, receipt.envelope, code, sha256)
        return row.id if row is not None else receipt.envelope

    def _senders(self, caller: Caller, named: str) -> tuple[str, ...]:
        """The agencies that `named`, the from of a call, stands for; a known gateway writes its system's name there."""
        if not named:
            return caller.agencies
        try:
            return (self.on_behalf(caller, named, place="XroadVnpt-from"),)
        except NotTheSender:
            if named.lower() == caller.system.lower():
                return caller.agencies
            raise

    def _check_to(self, message: StatusMessage, to: tuple[str, ...]) -> None:
        # A status goes to the agency of its ResponseFor; the header may only agree.
        with self.office.store.read() as connection:
            known = [agencies.get(connection, code) for code in (message.response_for.organ, *to)]
        named = [agency.code if agency is not None else "" for agency in known]
        if to and named[0] not in named[1:]:
            raise BadRequest("does not name the agency of ResponseFor", place="XroadVnpt-to")

    # -- receiving ----------------------------------------------------------

    def received(self, caller: Caller, kind: str, *, since: datetime | None = None, until: datetime | None = None) -> list[connectors.Waiting]:
        """What waits for the caller's agencies, oldest first. `kind` is ``edoc`` or ``status``."""
        find = connectors.waiting_documents if kind == "edoc" else connectors.waiting_statuses
        with self.office.store.read() as connection:
            return find(connection, caller.agencies, since=since, until=until, limit=MOST)

    def sent(self, caller: Caller, kind: str, ref: str = "", *, since: datetime | None = None, until: datetime | None = None) -> list[Mapping[str, Any]]:
        """What the caller's agencies sent, newest first; only `ref` when given."""
        with self.office.store.read() as connection:
            if kind == "status":
                return connectors.sent_statuses(connection, caller.agencies, status=ref, since=since, until=until, limit=MOST)
            return connectors.sent_documents(connection, caller.agencies, envelope=ref, since=since, until=until, limit=MOST)

    def fetch(self, caller: Caller, ref: str) -> Fetched:
        """The exact bytes of a document or status that came in for, or was sent by, one of the caller's agencies.

        Raises:
            NotFound: no such thing, or another agency's.
        """
        with self.office.store.read() as connection:
            status = envelopes.status(connection, ref)
            delivery = queue.get(connection, ref) if status is None else None
            row = envelopes.get(connection, delivery.envelope) if delivery is not None else None
            sender = agencies.get(connection, status.agency if status is not None else row.sender if row is not None else "")
        name = sender.name if sender is not None else ""
        blobs = self.office.store.blobs
        if status is not None and (status.to_agency in caller.agencies or status.agency in caller.agencies):
            path = blobs.path(status.sha256)
            facts = {"from": status.agency, "name": name, "code": status.code, "subject": status.description}
            return Fetched(ref, "status", path, path.stat().st_size, status.sha256, facts)
        if delivery is None or row is None:
            raise NotFound(ref[:60], place="docId")
        reader = next((code for code in (delivery.recipient, row.sender) if code in caller.agencies), "")
        file = mailbox.package_of(self.office, reader, ref)
        return Fetched(ref, "edoc", file.path, file.size, file.sha256, {"from": row.sender, "name": name, "code": row.code, "subject": row.subject})

    def receipt(self, caller: Caller, ref: str) -> bytes:
        """The sealed receipt of a package or status that one of the caller's agencies sent.

        Raises:
            NotFound: no such receipt, or another agency's.
        """
        with self.office.store.read() as connection:
            row, status = envelopes.get(connection, ref), envelopes.status(connection, ref)
            sender = row.sender if row is not None else status.agency if status is not None else ""
            data = envelopes.receipt(connection, ref) if sender in caller.agencies else None
        if data is None:
            raise NotFound(ref[:60], place="docId")
        return data

    def tell(self, caller: Caller, ref: str, state: str) -> None:
        """The recipient's transport state; ``done`` and ``fail`` are custody events.

        Repeats are taken; ``done`` is not taken back by a later ``fail``.

        Raises:
            NotFound, BadRequest: not the caller's, or no such state.
        """
        if state not in vxp.STATES:
            raise BadRequest("/".join(vxp.STATES), place="status")
        # The proof is durable before what names it; a crash here costs an orphan blob.
        origin = caller.origin("updateStatus")
        proof = self.office.store.blobs.put_bytes(origin.proof()) if state in ("done", "fail") else ""
        self.office.store.write(lambda c: self._tell(c, caller, ref, state, origin, proof))

    def _tell(self, connection: Connection, caller: Caller, ref: str, state: str, origin: Origin, proof: str) -> None:
        now = self.office.clock()
        status = envelopes.status(connection, ref)
        if status is not None:
            if status.to_agency not in caller.agencies:
                raise NotFound(ref[:60], place="docId")
            if connectors.told(connection, ref, status.to_agency) != "done":
                connectors.tell(connection, ref, status.to_agency, state, at=now)
                if state in ("done", "fail"):
                    connectors.advance(connection, status.to_agency)
            return
        delivery = queue.get(connection, ref)
        row = envelopes.get(connection, delivery.envelope) if delivery is not None else None
        if delivery is None or row is None or delivery.recipient not in caller.agencies or delivery.state in (State.HELD, State.RECALLED):
            raise NotFound(ref[:60], place="docId")
        event: Event | None = None
        if state == "done" and may_move(delivery.state, State.DELIVERED):
            queue.set_state(connection, ref, frozenset({delivery.state}), State.DELIVERED, now=now)
            event = Event.HANDED_OVER
        elif state == "fail" and delivery.state is State.QUEUED:
            connectors.set_failed(connection, ref, delivery.state, f"{caller.profile}: fail", now=now)
            event = Event.HANDOVER_FAILED
        elif state in ("done", "fail"):
            return
        connectors.tell(connection, ref, delivery.recipient, state, at=now)
        if event is None:
            return
        entry = Entry(
            event=event,
            at=now,
            by=delivery.recipient,
            envelope=row.id,
            document_id=row.document_id,
            document_sha256=row.package_sha256,
            sender=row.sender,
            recipient=delivery.recipient,
            object_sha256=proof,
            object_type=origin.method.value,
            why=why(ReasonCode.NEXT_SYSTEM, f"updateStatus {state} {origin.why(proof)}") if event is Event.HANDOVER_FAILED else "",
        )
        self.office.append(connection, [entry])

    # -- directory ----------------------------------------------------------

    def directory(self) -> list[Agency]:
        """Every agency."""
        with self.office.store.read() as connection:
            return agencies.all(connection, limit=WHOLE_DIRECTORY)

    def register(self, caller: Caller, *, code: str, name: str, parent: str) -> None:
        """Enter a unit below an agency that the caller acts for; the same again is taken.

        Raises:
            NotTheSender, AgencyExists, InvalidField: refused, nothing changed.
        """
        # To act for an agency as its gateway is not to change the directory for it.
        above = self.on_behalf(replace(caller, agencies=caller.own), parent, place="pcode")
        check_code(code, place="code")
        name = tidy_name(name)
        try:
            check_name(name)
        except DirectoryRow as error:
            raise BadRequest(error.detail, place="name") from error

        def job(connection: Connection) -> None:
            known = agencies.get(connection, code)
            if known is not None:
                if known.code in caller.agencies and (known.name, known.parent, known.status) == (name, above, AgencyStatus.OPEN):
                    return
                raise AgencyExists(code, place="code")
            agencies.put(connection, Agency(code=code, name=name, parent=above))
            connectors.serve(connection, caller.profile, caller.system, code)
            self._directory(connection, code, f"add {name}", f"system:{caller.system[:60]}")

        self.office.store.write(job)

    def unregister(self, caller: Caller, code: str) -> None:
        """Close a unit that stands below another agency of the caller.

        Raises:
            NotTheSender, AccessError: not the caller's, or not below another of its agencies.
        """
        own = self.on_behalf(replace(caller, agencies=caller.own), code, place="AgencyCode")

        def job(connection: Connection) -> None:
            agency = agencies.get(connection, own)
            if agency is None or agency.parent not in caller.own:
                raise AccessError(f"{own}: not below an agency of this system", place="AgencyCode")
            agencies.close(connection, own, now=self.office.clock())
            connectors.leave(connection, caller.profile, caller.system, own)
            self._directory(connection, own, "close", f"system:{caller.system[:60]}")

        self.office.store.write(job)
