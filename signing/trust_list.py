"""trust_list — danh sách tin cậy: a signed national list (ETSI TS 119 612) becomes anchors with scope and validity.

The list's signature is checked against pinned signers, and only the signed bytes are
read. Each CA or time-stamp service counts for the periods in which its status was one
of trust; the history is kept, so an old signature is judged by the status of its day.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from signing.anchors import SCOPES, AnchorTerms, files
from signing.errors import TrustListInvalid, XmlSignatureInvalid
from signing.reasons import reason
from signing.report import Reason
from signing.sources import write_atomically
from signing.xml_signature import parse_document, verify_enveloped

TSL = "http://uri.etsi.org/02231/v2#"
_SERVICE = "http://uri.etsi.org/TrstSvc/Svctype/"
_ETSI = "http://uri.etsi.org/TrstSvc/"
# TS 119 612 5.5.1 and 5.5.4; the second line are statuses of lists before 2016.
_TRUSTED = {"granted", "recognisedatnationallevel", "undersupervision", "supervisionincessation", "accredited", "setbynationallaw"}
SLACK = timedelta(minutes=5)
_NAMES = {"t": TSL}


@dataclass(frozen=True, slots=True)
class ListedAnchor:
    """A certificate of the list with one period of trust."""

    der: bytes
    terms: AnchorTerms


@dataclass(frozen=True, slots=True)
class TrustList:
    """A verified list. `sha256` is of the file as it came, `signer_sha256` of the pinned certificate that signed."""

    territory: str
    operator: str
    sequence: int
    issued: datetime
    next_update: datetime | None
    sha256: str
    signer_sha256: str
    anchors: tuple[ListedAnchor, ...]


def read_trust_list(data: bytes, signers: Sequence[x509.Certificate], *, scope: str) -> TrustList:
    """Gate: the list in `data`, signed by one of the pinned `signers`; no time is judged here.

    Args:
        scope: what its CAs count as: ``official``, ``public`` or ``foreign``.

    Raises:
        TrustListInvalid: not signed by a signer, changed, or not a trust list.
    """
    if scope not in SCOPES[:3]:
        raise ValueError(scope)
    try:
        signed, signer = verify_enveloped(data, signers)
        # Only what was signed is read, from here on.
        root = parse_document(signed)
    except XmlSignatureInvalid as error:
        raise TrustListInvalid(error.detail) from error
    try:
        return _read(root, data, signer, scope)
    except (ValueError, KeyError, binascii.Error) as error:
        raise TrustListInvalid(f"{type(error).__name__}: {error}"[:200]) from error


def _read(root: etree._Element, data: bytes, signer: x509.Certificate, scope: str) -> TrustList:
    if root.tag != f"{{{TSL}}}TrustServiceStatusList":
        raise ValueError(f"root {root.tag!r}")
    territory = _text(root, "t:SchemeInformation/t:SchemeTerritory")
    if not re.fullmatch(r"[A-Z]{2}", territory):
        raise ValueError(f"territory {territory!r}")
    issued = _moment(_text(root, "t:SchemeInformation/t:ListIssueDateTime"))
    if not signer.not_valid_before_utc <= issued <= signer.not_valid_after_utc:
        raise ValueError("the signer's certificate was not valid when the list was issued")
    following = root.findtext("t:SchemeInformation/t:NextUpdate/t:dateTime", namespaces=_NAMES)
    sequence, until = int(_text(root, "t:SchemeInformation/t:TSLSequenceNumber")), _moment(following) if following else None
    if sequence < 1:
        raise ValueError("sequence number")
    source = f"{territory} #{sequence}"
    anchors = tuple(a for service in root.iterfind(".//t:TSPService", _NAMES) for a in _service(service, scope, source, until))
    return TrustList(
        territory,
        root.findtext("t:SchemeInformation/t:SchemeOperatorName/t:Name", "", _NAMES),
        sequence,
        issued,
        until,
        hashlib.sha256(data).hexdigest(),
        hashlib.sha256(_der(signer)).hexdigest(),
        anchors,
    )


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _service(service: etree._Element, scope: str, source: str, until: datetime | None) -> Iterator[ListedAnchor]:
    now = service.find("t:ServiceInformation", _NAMES)
    if now is None:
        raise ValueError("service without information")
    kind = _text(now, "t:ServiceTypeIdentifier").removeprefix(_SERVICE)
    if kind.startswith("CA/"):
        uses: tuple[str, ...] = ("sign",)
    elif kind == "TSA" or kind.startswith("TSA/"):
        scope, uses = "timestamp", ("timestamp",)
    else:
        return  # validation, delivery, preservation services: nothing that anchors a path
    certificates = now.findall("t:ServiceDigitalIdentity/t:DigitalId/t:X509Certificate", _NAMES)
    name = now.findtext("t:ServiceName/t:Name", "", _NAMES)
    instances = [now, *service.iterfind("t:ServiceHistory/t:ServiceHistoryInstance", _NAMES)]
    for element in certificates:
        der = base64.b64decode("".join((element.text or "").split()), validate=True)
        x509.load_der_x509_certificate(der)
        for start, end in _periods(instances, kind):
            yield ListedAnchor(der, AnchorTerms(hashlib.sha256(der).hexdigest(), scope, name, start, end, uses, source, until))


def _periods(instances: Sequence[etree._Element], kind: str) -> list[tuple[datetime, datetime | None]]:
    """Periods in which the service was of this kind and its status one of trust, joined where they touch."""
    steps = []
    for instance in instances:
        same = _text(instance, "t:ServiceTypeIdentifier").removeprefix(_SERVICE) == kind
        status = _text(instance, "t:ServiceStatus").rstrip("/")
        trusted = status.startswith(_ETSI) and status.rpartition("/")[2] in _TRUSTED
        steps.append((_moment(_text(instance, "t:StatusStartingTime")), same and trusted))
    steps.sort(key=lambda step: step[0])
    periods: list[tuple[datetime, datetime | None]] = []
    for place, (start, trusted) in enumerate(steps):
        end = steps[place + 1][0] if place + 1 < len(steps) else None
        if not trusted or start == end:
            continue
        if periods and periods[-1][1] == start:
            start = periods.pop()[0]
        periods.append((start, end))
    return periods


def _text(element: etree._Element, path: str) -> str:
    found = element.findall(path, _NAMES)
    if len(found) != 1 or len(found[0]):
        raise ValueError(f"{path} missing or repeated")
    return (found[0].text or "").strip()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        raise ValueError(f"time without zone: {text}")
    return moment.astimezone(UTC)


def import_list(folder: Path, data: bytes, signers: Sequence[x509.Certificate], *, scope: str, now: datetime) -> tuple[TrustList, tuple[Reason, ...]]:
    """Verify a list and put its anchors into a trust folder (``lists/``); warnings beside it.

    The newest sequence number stays: an older list, or another one with the same number,
    is refused, so nobody brings a withdrawn CA back with yesterday's list.

    Raises:
        TrustListInvalid: not to be trusted, older than what is there, or from the future.
        TrustUnusable: the folder cannot be written.
    """
    listed = read_trust_list(data, signers, scope=scope)
    if listed.issued > now + SLACK:
        raise TrustListInvalid(f"issued in the future: {listed.issued.isoformat()}")
    path = folder / "lists" / f"{listed.territory}.json"
    before = json.loads(path.read_bytes()) if path.exists() else None
    if before is not None:
        if listed.sequence < before["sequence"]:
            raise TrustListInvalid(f"sequence {listed.sequence} is older than {before['sequence']}")
        if listed.sequence == before["sequence"] and listed.sha256 != before["sha256"]:
            raise TrustListInvalid(f"another list has sequence {listed.sequence} already")
    write_atomically(path.with_suffix(".xml"), data)
    write_atomically(path, _stored(listed))
    return listed, list_warnings(folder, now)


def _stored(listed: TrustList) -> bytes:
    anchors = [
        {
            "name": a.terms.name,
            "scope": a.terms.scope,
            "uses": list(a.terms.uses),
            "trusted_from": a.terms.trusted_from.isoformat() if a.terms.trusted_from else "",
            "trusted_until": a.terms.trusted_until.isoformat() if a.terms.trusted_until else "",
            "der": base64.b64encode(a.der).decode(),
        }
        for a in listed.anchors
    ]
    stored = {
        "territory": listed.territory,
        "operator": listed.operator,
        "sequence": listed.sequence,
        "issued": listed.issued.isoformat(),
        "next_update": listed.next_update.isoformat() if listed.next_update else "",
        "sha256": listed.sha256,
        "signer_sha256": listed.signer_sha256,
        "anchors": anchors,
    }
    return json.dumps(stored, ensure_ascii=False, indent=1).encode()


def list_warnings(folder: Path, now: datetime) -> tuple[Reason, ...]:
    """One reason for each imported list that is past its next update. Its anchors still count.

    Raises:
        ValueError: a file in ``lists/`` that is none.
    """
    found = []
    for path in files(folder / "lists"):
        if path.suffix == ".json":
            stored = json.loads(path.read_bytes())
            until = stored.get("next_update")
            if until and datetime.fromisoformat(until) < now:
                found.append(reason("trust.list_expired", f"{stored['territory']} #{stored['sequence']}", until))
    return tuple(found)
