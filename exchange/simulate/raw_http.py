"""raw_http — HTTP by hand: requests as the kits make them, sent as no decent client would."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exchange.conformance.wire import LARGEST, SECONDS, Answer, Wire


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent in any way, and where to."""

    wire: Wire
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def head(self, *more: tuple[str, str], without: str = "") -> bytes:
        """The request line and fields; Content-Length is added unless `without` names it or it is given."""
        fields = [("Host", f"{self.wire.host}:{self.wire.port}"), *self.headers, *more]
        fields = [(n, v) for n, v in fields if n.lower() != without.lower()]
        if without.lower() != "content-length" and not any(n.lower() == "content-length" for n, _ in fields):
            fields.append(("Content-Length", str(len(self.body))))
        lines = [f"{self.method} {self.wire.path}{self.path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def whole(self) -> bytes:
        """Head and body."""
        return self.head() + self.body

    def with_body(self, body: bytes) -> Request:
        """The same head with another body."""
        return replace(self, body=body)


class Captured(Exception):
    """A request that a kit wanted to send."""

    def __init__(self, request: Request) -> None:
        super().__init__("captured")
        self.request = request


class Capture(Wire):
    """A wire that sends nothing: what a kit gives it comes out as `Captured`."""

    def __init__(self, inner: Wire) -> None:
        self.inner = inner

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """Raises the request."""
        raise Captured(Request(self.inner, method, path, tuple((headers or {}).items()), body or b""))


def captured(act: Callable[[], Any]) -> Request:
    """The request that `act` makes of a kit whose wires are `Capture`."""
    try:
        act()
    except Captured as found:
        return found.request
    raise RuntimeError("nothing was sent")


class Line:
    """One connection, held in the hand. A context manager."""

    def __init__(self, wire: Wire, *, seconds: float = SECONDS) -> None:
        raw = socket.create_connection((wire.host, wire.port or (443 if wire.secure else 80)), timeout=seconds)
        try:
            self.socket: socket.socket = wire.tls.wrap_socket(raw, server_hostname=wire.host) if wire.secure else raw
        except BaseException:
            raw.close()
            raise

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all; a partner that has closed already is no error here."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def cut(self) -> None:
        """Go without a word: RST rather than an orderly end."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()

    def answer(self, method: str = "POST") -> Answer | None:
        """The next answer; None when the partner closed, cut it short, or stayed silent."""
        response = http.client.HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read(LARGEST))
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def rest(self, seconds: float) -> bytes:
        """Everything that still comes until the partner closes or `seconds` are over."""
        end, data = time.monotonic() + seconds, bytearray()
        while (left := end - time.monotonic()) > 0 and len(data) < LARGEST:
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
        return bytes(data)

    def closed(self) -> bool:
        """Has the partner closed, or answered and so ended what we trickled?"""
        self.socket.settimeout(0.01)
        try:
            self.socket.recv(65536)
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


def exchange(request: Request, *, seconds: float = SECONDS) -> Answer | None:
    """Send a request whole over a new connection; its answer, None when there was none."""
    try:
        with Line(request.wire, seconds=seconds) as line:
            line.send(request.whole())
            return line.answer(request.method)
    except OSError:
        return None
