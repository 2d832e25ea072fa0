"""receipt_check — kiểm tra biên nhận: does a receipt prove what it says? Offline, no hub code.

Holds when the hub's seal covers the evidence XML, the evidence says what the log
entry says, and the entry is in a head signed by a known log key.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree

from signing.checkpoint import Checkpoint, verify_proof
from signing.errors import EvidenceInvalid
from signing.merkle import leaf_hash
from signing.report import SealFinding
from signing.seal import verify_seal
from signing.trust import Trust

_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class ReceiptFinding:
    """What a receipt proves. `at` is the hub's event time; `package_sha256` lower hex."""

    envelope: str
    event: str
    index: int
    at: datetime
    sender: str
    recipient: str
    document_id: str
    package_sha256: str
    leaf: bytes
    seal: SealFinding
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """What one sealed evidence XML says, compared with its log entry `said`. `digest` is lower hex."""

    event: str
    at: datetime
    sender: str
    recipient: str
    document_id: str
    digest: str
    reasons: tuple[tuple[str, str], ...]
    said: dict[str, Any]
    seal: SealFinding


def check_evidence(evidence: bytes, seal: bytes, leaf: bytes, *, origin: str, index: int, trust: Trust, at: datetime) -> EvidenceFacts:
    """Gate: the hub's seal covers the evidence XML, and it says what the log entry `leaf` says.

    Args:
        origin, index: where the entry was proven to be.

    Raises:
        EvidenceInvalid, SealInvalid: it does not hold.
    """
    finding = verify_seal(hashlib.sha256(evidence).digest(), seal, trust, at=at)
    # An agency's seal is trusted too, but what it says is not the hub's word.
    if trust.hubs and finding.organisation not in trust.hubs:
        raise EvidenceInvalid(f"sealed by {finding.signer[:100]}, which is not a hub", place="seal")
    said = read_leaf(leaf)
    root = parse_xml(evidence)
    document = _part(said, "doc")
    reasons = tuple((text(node, "Code"), text(node, "Details")) for node in root.iter() if _local(node) == "EventReason")
    claims = {
        "index": (text(root, "CustodyLog/Index"), str(index)),
        "event": (text(root, "ERDSEventId"), str(said.get("ev"))),
        "leaf": (text(root, "CustodyLog/LeafHash"), leaf_hash(leaf).hex()),
        "origin": (text(root, "CustodyLog/Origin"), origin),
        "time": (text(root, "EventTime"), str(said.get("at"))),
        "sender": (text(root, "SenderDetails/Identifier"), str(said.get("from", ""))),
        "recipient": (text(root, "RecipientDetails/Identifier"), str(said.get("to", ""))),
        "document": (text(root, "MessageIdentifier"), str(document.get("id", ""))),
        "reason": (_reason_codes(reasons), str(said.get("why", "")).partition(": ")[0] if reasons else ""),
    }
    for name, values in claims.items():
        if len(set(values)) != 1:
            raise EvidenceInvalid(f"the parts do not agree on the {name}", place="evidence")
    try:
        digest = base64.b64decode(text(root, "UserContentInfo/PartInfo/DigestValue"), validate=True).hex()
        when = datetime.fromisoformat(text(root, "EventTime"))
    except ValueError as error:
        raise EvidenceInvalid(f"evidence: {error}"[:200], place="evidence") from error
    # The event is about the package, or about the signed object that proves it.
    if digest not in {document.get("sha256"), _part(said, "obj").get("sha256")}:
        raise EvidenceInvalid("the evidence names a digest that the log entry does not", place="evidence")
    facts = claims["sender"][0], claims["recipient"][0], claims["document"][0]
    return EvidenceFacts(claims["event"][0], when, *facts, digest, reasons, said, finding)


def check_receipt(data: bytes, *, trust: Trust, vkeys: Sequence[str], at: datetime) -> ReceiptFinding:
    """Gate: the receipt holds: seal, log entry, and proof to a head signed by one of `vkeys`.

    Raises:
        EvidenceInvalid, SealInvalid, ProofInvalid, CheckpointInvalid: it does not.
    """
    receipt = _load(data)
    try:
        evidence = base64.b64decode(receipt["evidence"], validate=True)
        seal = base64.b64decode(receipt["seal"], validate=True)
        leaf = base64.b64decode(receipt["leaf"], validate=True)
        proof, envelope = str(receipt["proof"]), str(receipt["envelope"])
        index, event = int(receipt["index"]), str(receipt["event"])
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise EvidenceInvalid(f"receipt: {error}", place="receipt") from error
    proven, checkpoint = verify_proof(proof, leaf, vkeys)
    facts = check_evidence(evidence, seal, leaf, origin=checkpoint.origin, index=proven, trust=trust, at=at)
    claims = {"index": (index, proven), "event": (event, facts.event), "envelope": (envelope, str(facts.said.get("msg", "")))}
    for name, values in claims.items():
        if values[0] != values[1]:
            raise EvidenceInvalid(f"the parts of the receipt do not agree on the {name}", place="receipt")
    return ReceiptFinding(
        envelope=envelope,
        event=event,
        index=index,
        at=facts.at,
        sender=facts.sender,
        recipient=facts.recipient,
        document_id=facts.document_id,
        package_sha256=facts.digest,
        leaf=leaf,
        seal=facts.seal,
        checkpoint=checkpoint,
    )


def read_leaf(leaf: bytes) -> dict[str, Any]:
    """What a log entry says.

    Raises:
        EvidenceInvalid: not a JSON object.
    """
    try:
        said = json.loads(leaf)
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid("log entry is not JSON", place="log") from error
    if not isinstance(said, dict):
        raise EvidenceInvalid("log entry is not an object", place="log")
    return said


def _part(said: dict[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def _local(node: etree._Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _reason_codes(reasons: tuple[tuple[str, str], ...]) -> str:
    """Codes as the log entry says them; how the sender was known counts where nothing else is to be said."""
    codes = [code for code, _ in reasons]
    return "; ".join([code for code in codes if not code.startswith("Origin.")] or codes)


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > _LARGEST:
        raise EvidenceInvalid("receipt too large", place="receipt")
    try:
        value = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid("receipt is not JSON", place="receipt") from error
    if not isinstance(value, dict):
        raise EvidenceInvalid("receipt is not an object", place="receipt")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):  # another program might read the other one
        raise EvidenceInvalid("a name stands twice in the receipt", place="receipt")
    return value


def parse_xml(data: bytes) -> etree._Element:
    """Hardened parse of small sealed XML.

    Raises:
        EvidenceInvalid: not well-formed, or with a DTD.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EvidenceInvalid(f"XML: {error}"[:200]) from error
    if b"<!DOCTYPE" in data:
        raise EvidenceInvalid("XML with a DOCTYPE")
    return root


def text(root: etree._Element, path: str) -> str:
    """Text along a path of local names, "" when absent."""
    node: etree._Element | None = root
    for step in path.split("/"):
        node = next((c for c in node if _local(c) == step), None) if node is not None else None
    return (node.text or "") if node is not None else ""
