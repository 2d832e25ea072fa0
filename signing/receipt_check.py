"""receipt_check — kiểm tra biên nhận: does a receipt prove what it says? Offline, no hub code.

Holds when the hub's seal covers the evidence XML, the evidence names the leaf and
its place, and the leaf is in a head signed by a known log key.
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


def check_receipt(data: bytes, *, trust: Trust, vkeys: Sequence[str], at: datetime) -> ReceiptFinding:
    """Gate: the receipt holds.

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
        said = json.loads(leaf)
    except (KeyError, ValueError, TypeError) as error:
        raise EvidenceInvalid(f"receipt: {error}", place="receipt") from error
    finding = verify_seal(hashlib.sha256(evidence).digest(), seal, trust, at=at)
    proven, checkpoint = verify_proof(proof, leaf, vkeys)
    root = parse_xml(evidence)
    digest = base64.b64decode(text(root, "UserContentInfo/PartInfo/DigestValue")).hex()
    claims = {
        "index": (str(index), text(root, "CustodyLog/Index"), str(proven)),
        "event": (event, text(root, "ERDSEventId"), str(said.get("ev"))),
        "leaf": (leaf_hash(leaf).hex(), text(root, "CustodyLog/LeafHash")),
        "origin": (checkpoint.origin, text(root, "CustodyLog/Origin")),
        "time": (str(said.get("at")), text(root, "EventTime")),
        "envelope": (envelope, str(said.get("msg", ""))),
    }
    for name, values in claims.items():
        if len(set(values)) != 1:
            raise EvidenceInvalid(f"the parts of the receipt do not agree on the {name}", place="receipt")
    # The event is about the package, or about the signed object that proves it.
    known = {said.get("doc", {}).get("sha256"), said.get("obj", {}).get("sha256")}
    if digest not in known:
        raise EvidenceInvalid("the evidence names a digest that the log entry does not", place="receipt")
    return ReceiptFinding(
        envelope=envelope,
        event=event,
        index=index,
        at=datetime.fromisoformat(text(root, "EventTime")),
        sender=text(root, "SenderDetails/Identifier"),
        recipient=text(root, "RecipientDetails/Identifier"),
        document_id=text(root, "MessageIdentifier"),
        package_sha256=digest,
        leaf=leaf,
        seal=finding,
        checkpoint=checkpoint,
    )


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > _LARGEST:
        raise EvidenceInvalid("receipt too large", place="receipt")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid("receipt is not JSON", place="receipt") from error
    if not isinstance(value, dict):
        raise EvidenceInvalid("receipt is not an object", place="receipt")
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
        node = next((c for c in node if str(c.tag).rpartition("}")[2] == step), None) if node is not None else None
    return (node.text or "") if node is not None else ""
