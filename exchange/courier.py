"""courier — người chuyển: carry one package to one place."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is carried: exact bytes in `path`, the sender's seal, and where it goes."""

    delivery: str
    envelope: str
    endpoint: str
    path: Path
    sha256: str
    size: int
    seal: bytes
    facts: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of one attempt; `temporary` says whether trying again can help."""

    ok: bool
    temporary: bool = True
    detail: str = ""


class Courier(Protocol):
    """One way to carry a parcel."""

    async def carry(self, parcel: Parcel) -> Carried:
        """Carry it once; describes every failure, raises none."""
        ...


class HttpsPush:
    """POST to the recipient's node over mutual TLS."""

    def __init__(self, session: aiohttp.ClientSession, tls: ssl.SSLContext, *, timeout_seconds: float = 300.0) -> None:
        self._session, self._tls, self._timeout = session, tls, timeout_seconds

    async def carry(self, parcel: Parcel) -> Carried:
        """POST {endpoint}/v1/deliveries; 2xx means the node has it on disk."""
        headers = {
            "Content-Type": "application/edxml+xml",
            "Content-Length": str(parcel.size),
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(parcel.sha256)).decode()}:",
            "Vanthu-Seal": base64.b64encode(parcel.seal).decode(),
            "Vanthu-Envelope": parcel.envelope,
            "Vanthu-Delivery": parcel.delivery,
            "Vanthu-Facts": base64.b64encode(parcel.facts.encode()).decode(),
        }
        timeout = aiohttp.ClientTimeout(total=self._timeout, connect=10)
        url = parcel.endpoint.rstrip("/") + "/v1/deliveries"
        try:
            # A node that sends us elsewhere would have the hub's certificate open other doors.
            async with self._session.post(url, data=_read(parcel.path), headers=headers, ssl=self._tls, timeout=timeout, allow_redirects=False) as answer:
                text = (await answer.content.read(2000)).decode(errors="replace")
                if answer.status < 300:
                    return Carried(ok=True)
                # A refusal by the node is final; overload, its own failures and a wrong address are not.
                temporary = answer.status >= 500 or answer.status in (408, 429) or answer.status < 400
                return Carried(ok=False, temporary=temporary, detail=f"HTTP {answer.status}: {text[:300]}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Carried(ok=False, temporary=True, detail=f"{type(error).__name__}: {error}"[:300])


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def client_tls(certificate: Path, ca: Path) -> ssl.SSLContext:
    """TLS as a client with our own certificate, trusting only `ca`."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(certificate))
    return context


def server_tls(certificate: Path, ca: Path) -> ssl.SSLContext:
    """TLS as a server that asks for client certificates under `ca`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(str(certificate))
    return context
