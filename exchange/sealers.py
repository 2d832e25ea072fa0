"""sealers — ai được niêm phong: whose registered certificate may seal for an agency, now, by the hub's clock.

The agency's own, or that of the gateway that the directory names for it. Two
certificates of one agency may hold at the same time (roll-over); one that has
ended, or is not registered, is refused though its chain of trust may be sound.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection

from exchange.agency import Purpose, is_over
from exchange.agency import day_of as day
from exchange.custody import SEALED_AS
from exchange.errors import SealRefused
from exchange.office import Office
from exchange.origin import Method, Origin
from exchange.store import agencies
from exchange.vouching import Kept
from signing.errors import SigningError
from signing.seal import identifier_of, verify_seal
from signing.signed_data import read_signed_data


def check_agency_seal(office: Office, code: str, sha256: str, seal: bytes, *, verb: str) -> Origin | None:
    """Gate: `seal` over bytes with this digest (lower hex) speaks for the agency `code`.

    Args:
        verb: what is done with it, for the record of a gateway's act.

    Returns:
        None when the agency's own seal stands; else who sealed in its place.

    Raises:
        SealRefused: not valid, not trusted, or of nobody who may seal for the agency.
    """
    place, now = "Vanthu-Seal", office.clock()
    if not seal:
        raise SealRefused("no seal", place=place)
    try:
        finding = verify_seal(bytes.fromhex(sha256), seal, office.trust(), at=now, stamp_counts=False)
    except SigningError as error:
        raise SealRefused(f"{error.code}: {error.detail}"[:300], place=place) from error
    owner = _owner(office, finding.certificate_sha256, now)
    if owner == code:
        return None
    if owner and owner == gateway_of(office, code):
        return Origin(Method.GATEWAY_SEAL, owner, finding.certificate_sha256[:16], verb, sha256)
    raise SealRefused(f"{finding.signer}: not a registered seal of {code}", place=place)


def gateway_of(office: Office, code: str) -> str:
    """The agency that sends and collects for `code`, "" when there is none or it has ceased."""
    with office.store.read() as connection:
        agency = agencies.get(connection, code)
        gateway = agencies.get(connection, agency.gateway) if agency is not None and agency.gateway else None
    return gateway.code if gateway is not None and not is_over(gateway, day(office.clock())) else ""


def other_name(office: Office, connection: Connection, code: str, seal_sha256: str, kept: Kept | None) -> tuple[tuple[str, str | int], ...]:
    """What an entry says of a kept seal whose certificate names its agency in another way (an old code, a tax number).

    Empty when the certificate names `code` (or the gateway that acted), names nobody, or is another agency's by name: an
    auditor must then see that. Where the hub vouched, the seal is its own.
    """
    if kept is not None and kept.row.method != Method.GATEWAY_SEAL:
        return ()
    owner = kept.row.system if kept is not None else code
    named = {c.sha256: name for c in agencies.certificates_of(connection, owner, Purpose.SEAL) if (name := identifier_of(c.pem)) not in ("", owner)}
    if not named:
        return ()
    inside = read_signed_data(office.store.blobs.path(seal_sha256).read_bytes()).certificates
    name = next((named[sha] for der in inside if (sha := hashlib.sha256(der).hexdigest()) in named), "")
    return ((SEALED_AS, name[:100]),) if name and agencies.own_code(connection, name) in (owner, name) else ()


def _owner(office: Office, sha256: str, at: datetime) -> str:
    """The agency whose seal certificate it is, "" when it is nobody's.

    Raises:
        SealRefused: it has ended at the moment `at`. What a seal says of its own time does not count here.
    """
    with office.store.read() as connection:
        certificate = agencies.certificate(connection, sha256, Purpose.SEAL)
    if certificate is None:
        return ""
    if not certificate.holds(at):
        ended = min(certificate.ends_at or certificate.not_after, certificate.not_after)
        raise SealRefused(f"the certificate {sha256[:16]} of {certificate.agency} ended at {ended.isoformat()}", place="Vanthu-Seal")
    return certificate.agency
