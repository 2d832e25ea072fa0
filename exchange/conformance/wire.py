"""wire — đường truyền: plain HTTP calls to the hub under test, without any of our own client's care."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0
LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} when it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def __str__(self) -> str:
        return f"HTTP {self.status} {self.body[:200].decode(errors='replace')}"


class Wire:
    """Calls below one base address, each over a connection of its own."""

    def __init__(self, url: str, *, ca: Path | None = None, certificate: Path | None = None) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port
        self.path, self.secure = parts.path.rstrip("/"), parts.scheme == "https"
        self.tls = ssl.create_default_context(cafile=str(ca) if ca is not None else None)
        if certificate is not None:
            self.tls.load_cert_chain(str(certificate))

    def connection(self) -> http.client.HTTPConnection:
        """A new connection, not yet open."""
        if self.secure:
            return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=SECONDS)
        return http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """One call; OSError or HTTPException when there is no answer."""
        connection = self.connection()
        try:
            connection.request(method, self.path + path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read(LARGEST))
        finally:
            connection.close()

    def answers_expect(self, path: str, headers: Mapping[str, str], body: bytes, *, seconds: float) -> bool:
        """Within `seconds`: does ``Expect: 100-continue`` get its interim answer before the body goes out?"""
        connection = self.connection()
        try:
            connection.putrequest("POST", self.path + path)
            for name, value in {**headers, "Content-Length": str(len(body)), "Expect": "100-continue"}.items():
                connection.putheader(name, value)
            connection.endheaders()
            connection.sock.settimeout(seconds)
            first = connection.sock.recv(64)
            connection.send(body)
            return first.startswith(b"HTTP/1.1 100")
        except TimeoutError:
            return False
        finally:
            connection.close()
