"""receipt — biên nhận: the hub's sealed word that an event happened and is in the log.

A receipt is one JSON object (UTF-8, keys sorted) that carries the evidence XML
(EN 319 522-3 event URI), the hub's CAdES seal over exactly those bytes, the
custody leaf and its offline proof. It is stored once and given out byte-identical.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from exchange.errors import ReceiptInvalid


@dataclass(frozen=True, slots=True)
class Receipt:
    """`evidence` is XML, `seal` detached CAdES (DER), `leaf` the log entry,
    `proof` a c2sp.org/tlog-proof@v1 text. `envelope` is the hub's id."""

    envelope: str
    event: str
    index: int
    evidence: bytes
    seal: bytes
    leaf: bytes
    proof: str


def to_bytes(receipt: Receipt) -> bytes:
    """The receipt as given out."""
    value = {
        "v": 1,
        "envelope": receipt.envelope,
        "event": receipt.event,
        "index": receipt.index,
        "evidence": base64.b64encode(receipt.evidence).decode(),
        "seal": base64.b64encode(receipt.seal).decode(),
        "leaf": base64.b64encode(receipt.leaf).decode(),
        "proof": receipt.proof,
    }
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def from_bytes(data: bytes) -> Receipt:
    """Read a receipt; says nothing yet about whether it holds.

    Raises:
        ReceiptInvalid: not a receipt.
    """
    try:
        value: dict[str, Any] = json.loads(data)
        return Receipt(
            envelope=str(value["envelope"]),
            event=str(value["event"]),
            index=int(value["index"]),
            evidence=base64.b64decode(value["evidence"], validate=True),
            seal=base64.b64decode(value["seal"], validate=True),
            leaf=base64.b64decode(value["leaf"], validate=True),
            proof=str(value["proof"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReceiptInvalid(str(error)) from error
