"""What tests of the VXP and LGSP profiles share: a running hub with secrets, and clients that speak as the known ones do."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

from exchange.config import load_hub
from exchange.profiles import vxp
from exchange.server import open_hub
from tests.house import PULLER, PUSHER, SENDER
from tests.journey.processes import HubProcess

SECRETS = {code: f"bi-mat-mo-phong-{code}".encode() for code in (SENDER, PULLER, PUSHER)}


def unpadded(digest: bytes) -> str:
    """As the SDK prints it: each byte without its leading zero."""
    return "".join(f"{byte:x}" for byte in digest)


def said(answer: dict[str, Any]) -> str:
    """Our stable code in a VXP answer, "" when it was done."""
    assert (answer["status"] == "OK") == (answer["ErrorCode"] == "0")
    return str(answer["ErrorDesc"]).partition(":")[0]


def give_secrets(process: HubProcess, *, profiles: Sequence[str] = ("vxp", "lgsp")) -> None:
    """Each agency is its own system ``sys.CODE``, with the same secret on both profiles. The hub must not run yet."""
    hub = open_hub(load_hub(process.config, {}))
    try:
        for profile in profiles:
            for code, secret in SECRETS.items():
                hub.connector.add_secret(profile, f"sys.{code}", code, secret, by="test", overlap=timedelta(0))
    finally:
        hub.close()


@dataclass
class Sdk:
    """Calls as the official Java SDK 2.0.1 makes them, without a client certificate."""

    url: str
    tls: SSLContext
    system: str
    secret: bytes

    @classmethod
    def of(cls, process: HubProcess, code: str) -> Sdk:
        return cls(f"{process.url}/vxp", create_default_context(cafile=str(process.pki.folder / "tls" / "ca.pem")), f"sys.{code}", SECRETS[code])

    def headers(
        self, own: Sequence[tuple[str, str]] = (), *, last: Sequence[tuple[str, str]] = (), content: str = "application/json", at: datetime | None = None
    ) -> dict[str, str]:
        moment = vxp.write_time(at or datetime.now(UTC))
        return vxp.sign(self.secret, [("systemid", self.system), *own, ("timestamp", moment), ("Content-Type", content), *last])

    def post(self, verb: str, headers: dict[str, str], body: bytes = b"", *, content: str = "application/json", method: str = "POST") -> tuple[int, bytes]:
        sent = {**headers, "Content-Type": content}
        request = urllib.request.Request(f"{self.url}/{verb}", data=body if method == "POST" else None, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def call(self, verb: str, *own: tuple[str, str], last: Sequence[tuple[str, str]] = (), body: bytes = b"") -> dict[str, Any]:
        status, data = self.post(verb, self.headers(own, last=last), body)
        assert status in (200, 503), data
        answer: dict[str, Any] = json.loads(data)
        return answer

    def send(self, data: bytes, sender: str, to: Sequence[str], kind: str = "edoc") -> dict[str, Any]:
        own = [
            ("servicetype", "eDoc"),
            ("messagetype", kind),
            ("hash-file", unpadded(hashlib.sha256(data).digest())),
            ("from", sender),
            ("to", json.dumps(list(to), separators=(",", ":"))),
        ]
        content = "application/octet-stream"
        status, answer = self.post("sendEdoc", self.headers(own, content=content), data + b"\r\n", content=content)
        assert status == 200, answer
        value: dict[str, Any] = json.loads(answer)
        return value


@dataclass
class LgspClient:
    """Calls as the clients of the provincial connector make them."""

    url: str
    tls: SSLContext
    system: str
    secret: str

    @classmethod
    def of(cls, process: HubProcess, code: str) -> LgspClient:
        tls = create_default_context(cafile=str(process.pki.folder / "tls" / "ca.pem"))
        return cls(f"{process.url}/lgsp", tls, f"sys.{code}", SECRETS[code].decode())

    def call(self, path: str, body: bytes | None = None, content: str = "application/json") -> tuple[int, dict[str, Any]]:
        headers = {"X-SystemId": self.system, "X-SecretKey": self.secret, "Content-Type": content}
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method="GET" if body is None else "POST")
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def send(self, data: bytes, kind: str = "edoc") -> dict[str, Any]:
        mark = "ranh-gioi-mo-phong"
        body = (
            f'--{mark}\r\nContent-Disposition: form-data; name="messageType"\r\n\r\n{kind}\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="edocFile"; filename="goi.edxml"\r\nContent-Type: application/octet-stream\r\n\r\n'
        ).encode()
        status, answer = self.call("/v1/sendEdoc", body + data + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}")
        assert status == 200, answer
        return answer


def captures() -> list[tuple[str, list[tuple[bytes, bytes]], bytes]]:
    """(request line, headers, body) of each captured request, from VANTHU_SAMPLES or beside the checkout; empty when not there."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "samples"
    file = Path(os.environ.get("VANTHU_SAMPLES", beside)) / "vxp" / "vxp-sdk-2.0.1-requests.txt"
    if not file.exists():
        return []
    found = []
    for block in file.read_bytes().split(b"=== REQUEST\n")[1:]:
        head, _, body = block.partition(b"\n\n")
        first, *lines = [line.rstrip(b"\r") for line in head.split(b"\n")]
        pairs = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]
        length = next((int(value) for name, value in pairs if name == b"Content-Length"), 0)
        found.append((first.decode(), pairs, body[:length]))
    return found
