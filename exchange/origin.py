"""origin — nguồn gốc gói tin: what stands for the sender's word when a package or a status comes in.

On the native interface that is the agency's own seal, or that of the gateway
which the directory names for it. On the VXP and LGSP profiles it is a shared
secret: the hub then seals the exact bytes in the agency's place. Everything that
is written says so (DESIGN section 6).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Method(StrEnum):
    """How the sender was authenticated; the value goes into the custody leaf."""

    SEAL = "seal"
    VXP_HMAC = "vxp-hmac"
    LGSP_KEY = "lgsp-key"
    GATEWAY_SEAL = "gateway-seal"


METHOD_TEXTS: dict[Method, tuple[str, str]] = {
    Method.SEAL: ("Niêm phong của cơ quan gửi", "Sealed by the sending agency"),
    Method.VXP_HMAC: (
        "Không có niêm phong của cơ quan gửi: xác thực bằng HMAC của hồ sơ VXP, trục niêm phong thay",
        "No seal of the sending agency: authenticated by the VXP profile's HMAC, sealed by the hub in its place",
    ),
    Method.LGSP_KEY: (
        "Không có niêm phong của cơ quan gửi: xác thực bằng khóa của hồ sơ LGSP, trục niêm phong thay",
        "No seal of the sending agency: authenticated by the LGSP profile's key, sealed by the hub in its place",
    ),
    Method.GATEWAY_SEAL: (
        "Niêm phong của cơ quan đầu mối gửi thay theo danh bạ",
        "Sealed by the gateway that the directory names for the sending agency",
    ),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent and how it is known.

    `system` is the connected system (a gateway's code), `key` the id of its secret (never the
    secret), `verb` the call. `signed` and `mac` are the text and its HMAC as
    received: whoever holds the secret can check them again. `body_sha256` is
    lower hex of the bytes that were taken.
    """

    method: Method
    system: str
    key: str
    verb: str
    body_sha256: str = ""
    signed: str = ""
    mac: str = ""

    def proof(self) -> bytes:
        """The record that is kept as a blob; its digest goes into the custody leaf."""
        value: dict[str, Any] = {"v": 1, "method": self.method.value, "system": self.system, "key": self.key, "verb": self.verb}
        value |= {name: item for name, item in (("body_sha256", self.body_sha256), ("signed", self.signed), ("mac", self.mac)) if item}
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    def why(self, proof_sha256: str) -> str:
        """What the leaf says beside the method."""
        return f"Origin.{self.method.value}: system={self.system[:60]} key={self.key} proof={proof_sha256}"


def origin_reasons(method: Method) -> tuple[tuple[str, str], ...]:
    """What a receipt says of the origin; nothing when the agency sealed."""
    if method is Method.SEAL:
        return ()
    vi, en = METHOD_TEXTS[method]
    return ((f"Origin.{method.value}", f"{vi} / {en}"),)


_WHY = re.compile(r"Origin\.([a-z-]+): system=(.*) key=(\S*) proof=[0-9a-f]{64}")
_SHORT: dict[Method, tuple[str, str]] = {
    Method.SEAL: ("niêm phong", "seal"),
    Method.VXP_HMAC: ("HMAC của hồ sơ VXP", "HMAC of the VXP profile"),
    Method.LGSP_KEY: ("khóa của hồ sơ LGSP", "key of the LGSP profile"),
    Method.GATEWAY_SEAL: ("niêm phong của đầu mối", "seal of the gateway"),
}


def in_words(why: str) -> tuple[str, str]:
    """What a leaf says of an origin, for people in both languages: how, which system, which key. Any other reason as it is."""
    found = _WHY.fullmatch(why)
    if found is None or found[1] not in set(Method):
        return why, why
    vi, en = _SHORT[Method(found[1])]
    return f"{vi}; hệ thống {found[2]}, khóa {found[3]}", f"{en}; system {found[2]}, key {found[3]}"
