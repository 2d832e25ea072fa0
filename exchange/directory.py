"""directory — danh bạ: look agencies up, change them one by one, roll their certificates over, and who acts for whom.

Every change by hand is a custody event of its own, in the same transaction.
Whole directories come and go as files: `directory_exchange`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from exchange.addressees import other_hub
from exchange.agency import Agency, AgencyStatus, Certificate, Purpose, chain_of, check_code, day_of, is_over, level_of, shape_of
from exchange.agency_file import CODES, check_facts, check_name, facts_of, tidy_name
from exchange.custody import Entry, Event
from exchange.directory_errors import DirectoryConflict, NotServed
from exchange.errors import AgencyExists, ConfigError, NotAuthenticated, NotFound, UnknownAgency
from exchange.office import Office
from exchange.sealers import gateway_of
from exchange.store import agencies

CHANGEABLE = ("name", "status", "parent", "legacy_code", "aliases", "successor", "valid_from", "valid_until", "gateway", "hub", "strict", "mode", "endpoint")


class Directory:
    """Use cases over one office. Safe from many threads.

    Args:
        signers: SHA-256 (lower hex) of the certificates that may seal directory files, beside the hub's own.
    """

    def __init__(self, office: Office, *, signers: frozenset[str] = frozenset()) -> None:
        self.office = office
        self.signers = signers

    # -- look up -----------------------------------------------------------

    def find(self, query: str = "", *, status: str = "", limit: int = 1000) -> list[dict[str, Any]]:
        """Agencies whose names or codes contain every word of `query`, diacritics or not, by code."""
        with self.office.store.read() as connection:
            found = agencies.all(connection, query=query, status=AgencyStatus(status) if status else None, limit=limit)
            certificates = agencies.certificates_of_all(connection, [a.code for a in found])
            return [self._shown(connection, a, certificates[a.code]) for a in found]

    def show(self, code: str) -> dict[str, Any]:
        """One agency, by any of its codes; `other_hub` is the hub that mail for it must go through, "" this one.

        Raises:
            UnknownAgency: not in the directory.
        """
        with self.office.store.read() as connection:
            agency = _known(connection, code)
            shown = self._shown(connection, agency, agencies.certificates_of_all(connection, [agency.code])[agency.code])
            elsewhere = other_hub(connection, agency, at=self.office.clock(), hub_codes=self.office.hub_codes)
            return {**shown, "other_hub": elsewhere}

    def count(self) -> int:
        """How many agencies there are."""
        with self.office.store.read() as connection:
            return agencies.count(connection)

    def _shown(self, connection: Connection, agency: Agency, certificates: Sequence[Certificate]) -> dict[str, Any]:
        now = self.office.clock()
        heirs = agencies.heirs(connection, agency, on=day_of(now)) if agency.successor else ()
        return {
            **facts_of(agency),
            "status": agency.status.value,
            "aliases": list(agency.aliases),
            "mode": agency.mode.value,
            "strict": agency.strict,
            "shape": shape_of(agency.code).value,
            "level": level_of(agency.code),
            "over": is_over(agency, day_of(now)),
            "succeeded_by": heirs[-1] if heirs else "",
            "certificates": [_certificate_shown(c, now) for c in certificates],
        }

    # -- change by hand ----------------------------------------------------

    def add(self, agency: Agency, pems: Mapping[Purpose, bytes], *, by: str) -> None:
        """Enter an agency with its certificates.

        Raises:
            AgencyExists, InvalidField, DirectoryRow, DirectoryConflict, ConfigError: refused, nothing changed.
        """
        agency = replace(agency, name=tidy_name(agency.name), aliases=tuple(sorted(agency.aliases)))
        _check_fields(agency)
        certificates = [certificate_of(agency.code, purpose, pem) for purpose, pem in pems.items()]

        def job(connection: Connection) -> None:
            if agencies.get(connection, agency.code) is not None:
                raise AgencyExists(agency.code, place="code")
            _check_place(connection, agency)
            agencies.put(connection, agency)
            for certificate in certificates:
                agencies.add_certificate(connection, certificate)
            self._event(connection, agency.code, f"add {agency.name}", by)

        # Durable: the agency, its certificates and the custody entry, together.
        self.office.store.write(job)

    def change(self, code: str, *, by: str, **facts: Any) -> None:
        """Change some of `CHANGEABLE` of an agency; "" and None take a fact away.

        Raises:
            UnknownAgency, InvalidField, DirectoryRow, DirectoryConflict: refused, nothing changed.
        """

        def job(connection: Connection) -> None:
            before = _known(connection, code)
            after = replace(before, **{name: value for name, value in facts.items() if name in CHANGEABLE})
            after = replace(after, name=tidy_name(after.name), aliases=tuple(sorted(after.aliases)))
            _check_fields(after)
            _check_place(connection, after)
            agencies.put(connection, after)
            told = ", ".join(f"{name}={_told(getattr(after, name))}" for name in CHANGEABLE if getattr(after, name) != getattr(before, name))
            self._event(connection, before.code, f"change {told}", by)

        # Durable: the row and the custody entry, together.
        self.office.store.write(job)

    def close(self, code: str, *, by: str) -> None:
        """Close an agency: mail to it is refused from now on."""

        def job(connection: Connection) -> None:
            agency = _known(connection, code)
            agencies.close(connection, agency.code, now=self.office.clock())
            self._event(connection, agency.code, "close", by)

        self.office.store.write(job)

    def succeed(self, code: str, successor: str, *, by: str) -> None:
        """Close an agency and name the one that takes over.

        Raises:
            UnknownAgency: either. DirectoryConflict: it would succeed itself, by whatever detour.
        """

        def job(connection: Connection) -> None:
            agency, heir = _known(connection, code), _known(connection, successor)
            _check_chain(connection, replace(agency, successor=heir.code), "successor")
            agencies.succeed(connection, agency.code, heir.code, now=self.office.clock())
            self._event(connection, agency.code, f"succeeded by {heir.code}", by)

        self.office.store.write(job)

    # -- certificates ------------------------------------------------------

    def add_certificate(self, code: str, purpose: Purpose, pem: bytes, *, overlap: timedelta, by: str) -> str:
        """Register a further certificate; its SHA-256. Those the agency had end after `overlap`, so that both
        sides can change over; until then old and new are good.

        Raises:
            UnknownAgency, ConfigError: no such agency, not a certificate, expired already, or registered already.
        """

        def job(connection: Connection) -> str:
            agency, now = _known(connection, code), self.office.clock()
            new = certificate_of(agency.code, purpose, pem)
            if new.not_after <= now:
                raise ConfigError(f"{purpose.value} certificate: expired {new.not_after.isoformat()}", place=agency.code)
            if agencies.certificate(connection, new.sha256, purpose) is not None:
                raise ConfigError(f"{purpose.value} certificate: registered already", place=agency.code)
            agencies.add_certificate(connection, new)
            # The old one stays until the new one has begun, whatever the overlap.
            agencies.end_certificates(connection, agency.code, purpose, at=max(now, new.not_before) + overlap, but=new.sha256)
            self._event(connection, agency.code, f"{purpose.value} certificate {new.sha256}", by)
            return new.sha256

        # Durable: the new certificate, the end of the old ones and the custody entry, together.
        return self.office.store.write(job)

    def end_certificate(self, code: str, sha256: str, *, by: str) -> None:
        """Let a certificate end now (lost, or its key is known to others).

        Raises:
            UnknownAgency, NotFound: no such agency, or the certificate is not one of its own that still holds.
        """

        def job(connection: Connection) -> None:
            agency, now = _known(connection, code), self.office.clock()
            ended = [p for p in Purpose if agencies.end_certificates(connection, agency.code, p, at=now, only=sha256)]
            if not ended:
                raise NotFound(sha256[:64], place="certificate")
            self._event(connection, agency.code, f"end certificate {sha256}", by)

        self.office.store.write(job)

    # -- who calls, and for whom -------------------------------------------

    def authenticate(self, certificate_der: bytes) -> str:
        """Agency code of a TLS client certificate.

        Raises:
            NotAuthenticated: not registered for any agency, or ended.
        """
        sha256 = hashlib.sha256(certificate_der).hexdigest()
        with self.office.store.read() as connection:
            certificate = agencies.certificate(connection, sha256, Purpose.TLS)
        if certificate is None:
            raise NotAuthenticated(sha256[:16], place="TLS")
        if not certificate.holds(self.office.clock()):
            raise NotAuthenticated(f"{sha256[:16]}: the certificate of {certificate.agency} has ended, or not begun", place="TLS")
        return certificate.agency

    def acting_for(self, caller: str, code: str) -> str:
        """The agency `code` (any of its codes) that `caller` acts for: itself, or one whose gateway it is.

        Raises:
            NotServed: it does not; whether the agency exists is not told.
        """
        with self.office.store.read() as connection:
            agency = agencies.get(connection, code)
        if agency is not None and (agency.code == caller or gateway_of(self.office, agency.code) == caller):
            return agency.code
        raise NotServed(code[:60], place="Vanthu-Agency")

    def served(self, caller: str) -> list[str]:
        """Codes of the agencies whose gateway `caller` is."""
        with self.office.store.read() as connection:
            return agencies.served_by(connection, caller)

    def _event(self, connection: Connection, code: str, why: str, by: str) -> None:
        entry = Entry(event=Event.DIRECTORY, at=self.office.clock(), by=f"operator:{by}", recipient=code, why=why[:200])
        self.office.append(connection, [entry])


def certificate_of(code: str, purpose: Purpose, pem: bytes) -> Certificate:
    """The first certificate of a PEM file, as one of the agency `code`.

    Raises:
        ConfigError: there is none.
    """
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise ConfigError(f"{purpose.value} certificate: {error}", place=code) from error
    return Certificate(
        agency=code,
        purpose=purpose,
        sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _certificate_shown(c: Certificate, now: datetime) -> dict[str, Any]:
    ends = c.not_after if c.ends_at is None else min(c.ends_at, c.not_after)
    return {"purpose": c.purpose.value, "sha256": c.sha256, "not_after": ends.astimezone(UTC).isoformat(), "holds": c.holds(now)}


def _known(connection: Connection, code: str) -> Agency:
    agency = agencies.get(connection, code)
    if agency is None:
        raise UnknownAgency(code[:60], place="code")
    return agency


def _check_fields(agency: Agency) -> None:
    for name in ("code", *CODES):
        if (value := getattr(agency, name)) or name == "code":
            check_code(value, place=name)
    for alias in agency.aliases:
        check_code(alias, place="aliases")
    check_name(agency.name)
    check_facts(agency)


def _told(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _check_place(connection: Connection, agency: Agency) -> None:
    """Gate: the agency fits into the directory as it is (the rules of `directory_diff.check_whole`, for one)."""
    taken = agencies.names_taken(connection, agency)
    if taken:
        raise DirectoryConflict(f"{', '.join(taken)}: another agency's", place=agency.code)
    for field in ("parent", "successor", "gateway"):
        named = getattr(agency, field)
        other = agencies.get(connection, named) if named else None
        if named and (other is None or other.code != named):
            raise DirectoryConflict(f"{field}: {named} is not in the directory", place=agency.code)
        if field == "gateway" and other is not None and other.gateway:
            raise DirectoryConflict(f"gateway: {named} has a gateway itself", place=agency.code)
    if agency.gateway and agencies.served_by(connection, agency.code):
        raise DirectoryConflict(f"gateway: {agency.code} is a gateway itself", place=agency.code)
    _check_chain(connection, agency, "parent")
    _check_chain(connection, agency, "successor")


def _check_chain(connection: Connection, agency: Agency, field: str) -> None:
    def following(code: str) -> str:
        here = agency if code == agency.code else agencies.get(connection, code)
        return str(getattr(here, field)) if here is not None else ""

    chain_of(agency.code, following, what=field)
