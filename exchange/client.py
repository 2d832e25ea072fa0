"""client — what an agency's system imports to submit, collect, acknowledge and report.

A submission has three outcomes: a receipt that was verified here, a refusal, or
"unknown: ask again with the same id" (`HubUnreachable`). Never "sent" without proof.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import structlog

from exchange.courier import CHUNK, client_tls
from exchange.edxml.status import read_status
from exchange.errors import DigestMismatch, ExchangeError, HubUnreachable, NotWitnessed, ReceiptInvalid, TooLarge
from exchange.gossip import HEADER, HeldHeads, from_header
from exchange.lifecycle import parse_status
from signing.errors import QuorumMissing, SigningError
from signing.keys import SigningKey
from signing.receipt_check import ReceiptFinding, check_receipt, read_leaf
from signing.seal import sign_seal
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy, check_witnessed_proof

POLL_SECONDS = 0.25
LARGEST_ANSWER = 64 * 1024 * 1024  # of what is read into memory; packages and evidence go to files
LARGEST_FILE = 4 * 1024**3
log = structlog.get_logger()


class Refused(ExchangeError):
    """The hub refused; carries the hub's own code and sentences."""

    code = "client.refused"
    vi = "Máy chủ từ chối yêu cầu."
    en = "The hub refused the request."
    retry = False

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail", "")), place=str(problem.get("place", "")))
        self.hub_code = str(problem.get("code", "http"))
        self.hub_vi = str(problem.get("title_vi", ""))
        self.hub_en = str(problem.get("title", ""))
        self.hub_retry = bool(problem.get("retry", False))
        status = problem.get("status", 0)
        self.hub_status = status if isinstance(status, int) else 0


@dataclass(frozen=True, slots=True)
class Proven:
    """A receipt and what was found when it was verified."""

    data: bytes
    finding: ReceiptFinding
    replayed: bool = False
    witnessed_proof: str = ""  # tlog-proof in a head that satisfied the client's policy; "" without one


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package on disk whose digest was compared, with the sender's seal."""

    path: Path
    sha256: str
    size: int
    seal: bytes
    envelope: str


class Client:
    """One agency's connection to the hub. Use as an async context manager.

    Args:
        policy: when given, nothing counts as taken before a head that satisfies it covers the entry.
        witness_wait_seconds: how long to wait for that.
        heads: where heads that come with answers are held against each other; each call shows the newest.
        acting_for: a gateway names the agency that it acts for; "" for itself.
    """

    def __init__(
        self,
        hub_url: str,
        *,
        tls_certificate: Path,
        tls_ca: Path,
        key: SigningKey,
        trust: Trust,
        vkeys: Sequence[str],
        timeout_seconds: float = 120.0,
        policy: WitnessPolicy | None = None,
        witness_wait_seconds: float = 10.0,
        heads: HeldHeads | None = None,
        acting_for: str = "",
    ) -> None:
        self._acting_for = {"Vanthu-Agency": acting_for} if acting_for else {}
        self._url = hub_url.rstrip("/")
        self._tls = client_tls(tls_certificate, tls_ca)
        self._key, self._trust, self._vkeys = key, trust, tuple(vkeys)
        self._policy, self._wait = policy, witness_wait_seconds
        self.heads = heads
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=10)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=64)
        # Never unfolded, never followed elsewhere: a hub gives what it has, itself, or nothing.
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, max_field_size=32768, auto_decompress=False, middlewares=(self._gossip,), headers=self._acting_for
        )
        return self

    async def _gossip(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Show the hub the head we hold, and take the one that comes with its answer."""
        if self.heads is None:
            return await handler(request)
        try:
            if said := await asyncio.to_thread(self.heads.say):
                request.headers[HEADER] = said
        except OSError as error:  # documents go on without
            log.warning("heads", action="heads_unreadable", detail=str(error))
        answer = await handler(request)
        await asyncio.to_thread(self._heard, from_header(answer.headers.get(HEADER, "")))
        return answer

    def _heard(self, note: str) -> None:
        try:
            alert = self.heads.hear(note) if self.heads is not None else None
        except OSError as error:
            log.error("heads", action="heads_not_kept", detail=str(error))
            return
        if alert is not None:
            log.critical("heads", action=alert.reason.code, detail=alert.detail, vi=alert.reason.vi, en=alert.reason.en)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def submit(self, package: Path, *, now: datetime, seal: bytes | None = None) -> Proven:
        """Submit a package; a verified receipt.

        Raises:
            Refused: the hub's refusal. HubUnreachable: outcome unknown, ask again.
            ReceiptInvalid: an answer that proves nothing; not to be treated as sent.
            NotWitnessed: the receipt holds, but the policy's witnesses have not cosigned yet; ask again.
        """
        digest = await asyncio.to_thread(_digest, package)
        seal = seal or sign_seal(digest, self._key)
        headers = {**_sealed(seal), "Content-Type": "application/edxml+xml", "Repr-Digest": _header(digest)}
        headers["Content-Length"] = str(package.stat().st_size)
        status, _, data = await self._call("POST", "/v1/packages", data=_stream(package), headers=headers)
        proven = self._prove(data, digest.hex(), now, replayed=status == 200)
        if not proven.finding.event.endswith("/SubmissionAcceptance"):
            raise _proves_nothing(data, proven.finding.event)
        return await self._witnessed(proven)

    async def inbox(self, *, after: int = 0, limit: int = 50, wait: float = 0) -> tuple[list[dict[str, Any]], int]:
        """Mailbox lines above the cursor `after`, and the next cursor."""
        path = f"/v1/inbox?after={after}&limit={limit}&wait={int(wait)}"
        value = await self._json(path)
        try:
            return [dict(item) for item in value["items"]], int(value["next"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise HubUnreachable("the answer is not a list of lines", place=self._url) from error

    async def fetch(self, delivery: str, target: Path) -> Fetched:
        """Fetch a package to `target` (fsynced); its digest is compared.

        Raises:
            DigestMismatch: what arrived is not what the hub declared.
        """
        digest, size = hashlib.sha256(), 0
        session = self._open()
        try:
            async with session.get(f"{self._url}/v1/deliveries/{quote(delivery, safe='')}/package", allow_redirects=False) as answer:
                if answer.status >= 300:
                    raise await _refusal(answer)
                with target.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(CHUNK):
                        digest.update(chunk)
                        size += len(chunk)
                        if size > LARGEST_FILE:
                            raise TooLarge(f"more than {LARGEST_FILE} bytes", place="package")
                        file.write(chunk)
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                headers = answer.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachable(f"{type(error).__name__}: {error}", place=self._url) from error
        if headers.get("Repr-Digest") != _header(digest.digest()):
            raise DigestMismatch(digest.hexdigest(), place="Repr-Digest")
        seal = _decode(headers.get("Vanthu-Seal", ""))
        return Fetched(target, digest.hexdigest(), size, seal, headers.get("Vanthu-Envelope", ""))

    async def acknowledge(self, delivery: str, status: bytes, *, now: datetime, seal: bytes | None = None) -> Proven:
        """Send the sealed status 01 of a delivery; a verified receipt."""
        return await self._send(f"/v1/deliveries/{quote(delivery, safe='')}/acknowledgement", status, seal, now)

    async def send_status(self, status: bytes, *, now: datetime, seal: bytes | None = None) -> Proven:
        """Send a sealed status message; a verified receipt."""
        return await self._send("/v1/statuses", status, seal, now)

    async def status_message(self, status_id: str) -> tuple[bytes, bytes]:
        """A status message and its seal."""
        _, headers, data = await self._call("GET", f"/v1/statuses/{quote(status_id, safe='')}")
        return data, _decode(headers.get("Vanthu-Seal", ""))

    async def timeline(self, envelope: str) -> dict[str, Any]:
        """Facts, deliveries and events of a document."""
        return await self._json(f"/v1/documents/{quote(envelope, safe='')}/timeline")

    async def find(self, document_id: str) -> list[dict[str, Any]]:
        """Envelopes of a document."""
        return list((await self._json(f"/v1/documents?document_id={quote(document_id, safe='')}"))["items"])

    async def receipt(self, envelope: str) -> bytes:
        """The receipt of acceptance."""
        return (await self._call("GET", f"/v1/documents/{quote(envelope, safe='')}/receipt"))[2]

    async def proof(self, envelope: str) -> str:
        """Offline inclusion proof of the acceptance."""
        return (await self._call("GET", f"/v1/documents/{quote(envelope, safe='')}/proof"))[2].decode()

    async def evidence(self, envelope: str, target: Path, *, content: bool = True) -> None:
        """Write the evidence file to `target`."""
        url = f"{self._url}/v1/documents/{quote(envelope, safe='')}/evidence?content={int(content)}"
        try:
            async with self._open().get(url, allow_redirects=False) as answer:
                if answer.status >= 300:
                    raise await _refusal(answer)
                with target.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(CHUNK):
                        file.write(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachable(f"{type(error).__name__}: {error}", place=self._url) from error

    async def statements(self) -> list[dict[str, Any]]:
        """Our daily statements, newest first, without their entries."""
        return list((await self._json("/v1/statements"))["items"])

    async def statement(self, day: str) -> bytes:
        """The statement of a day (YYYY-MM-DD) with its entries; not checked here."""
        return (await self._call("GET", f"/v1/statements/{quote(day, safe='')}"))[2]

    async def agencies(self, query: str = "") -> list[dict[str, Any]]:
        """The directory."""
        return list((await self._json(f"/v1/agencies?q={quote(query, safe='')}"))["items"])

    async def _send(self, path: str, status: bytes, seal: bytes | None, now: datetime) -> Proven:
        digest = hashlib.sha256(status).digest()
        headers = {**_sealed(seal or sign_seal(digest, self._key)), "Content-Type": "application/edxml+xml"}
        _, _, data = await self._call("POST", path, data=status, headers=headers)
        proven = self._prove(data, digest.hex(), now)
        # The hub must have entered what the message says, not merely that there was one.
        said, wanted = read_leaf(proven.finding.leaf), read_status(status)
        named = said.get("data", {})  # another of our codes, where the message bears that
        by = named.get("written", said.get("by")) if isinstance(named, dict) else said.get("by")
        if (said.get("st"), by) != (parse_status(wanted.code).value, wanted.sender.code):
            raise _proves_nothing(data, f"entered as {said.get('st')} by {said.get('by')}")
        return await self._witnessed(proven)

    def _prove(self, data: bytes, sha256: str, now: datetime, *, replayed: bool = False) -> Proven:
        try:
            finding = check_receipt(data, trust=self._trust, vkeys=self._vkeys, at=now)
        except SigningError as error:
            raise _proves_nothing(data, f"{error.code}: {error.detail}") from error
        if finding.package_sha256 != sha256:
            raise _proves_nothing(data, "the receipt is about other bytes")
        self._heard(finding.checkpoint.note)
        return Proven(data, finding, replayed)

    async def _witnessed(self, proven: Proven) -> Proven:
        """With a policy: the receipt's entry in a head that the policy's quorum cosigned, asked for until it is there."""
        if self._policy is None:
            return proven
        finding, origin = proven.finding, proven.finding.checkpoint.origin
        path = f"/custody/v1/proof/{finding.index}?origin={quote(origin, safe='')}"
        end, why = time.monotonic() + self._wait, ""
        while True:
            try:
                text = (await self._call("GET", path))[2].decode()
                index, found = check_witnessed_proof(text, finding.leaf, self._policy)
                if (index, found.checkpoint.origin) != (finding.index, origin):
                    raise ReceiptInvalid("the witnessed proof is about another entry", place="proof")
                return replace(proven, witnessed_proof=text)
            except Refused as error:
                if error.hub_code != "custody.not_published":
                    raise
                why = error.hub_code
            except (HubUnreachable, QuorumMissing) as error:
                why = f"{error.code}: {error.detail}"
            except (SigningError, UnicodeDecodeError) as error:
                raise ReceiptInvalid(f"witnessed proof: {error}", place="proof") from error
            if time.monotonic() + POLL_SECONDS > end:
                raise NotWitnessed(why, place=origin)
            await asyncio.sleep(POLL_SECONDS)

    async def _json(self, path: str) -> dict[str, Any]:
        data = (await self._call("GET", path))[2]
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise HubUnreachable("the answer is not JSON", place=self._url) from error
        if not isinstance(value, dict):
            raise HubUnreachable("the answer is not a JSON object", place=self._url)
        return value

    async def _call(self, method: str, path: str, *, data: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        session = self._open()
        try:
            async with session.request(method, self._url + path, data=data, headers=headers, allow_redirects=False) as answer:
                if answer.status >= 300:
                    raise await _refusal(answer)
                return answer.status, answer.headers, await _whole(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachable(f"{type(error).__name__}: {error}", place=self._url) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the client as an async context manager")
        return self._session


def _proves_nothing(data: bytes, detail: str) -> ReceiptInvalid:
    error = ReceiptInvalid(detail[:300], place="receipt")
    error.data = data[:1_000_000]
    return error


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """An answer that is read into memory, which a hub must not fill."""
    data = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK):
        data += chunk
        if len(data) > LARGEST_ANSWER:
            raise HubUnreachable(f"an answer of more than {LARGEST_ANSWER} bytes")
    return bytes(data)


async def _refusal(answer: aiohttp.ClientResponse) -> ExchangeError:
    try:
        problem = json.loads(await _whole(answer))
    except (ValueError, RecursionError, aiohttp.ClientError):
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return HubUnreachable(f"HTTP {answer.status}")
    if problem["code"] == "internal" or answer.status in (502, 503):
        return HubUnreachable(f"HTTP {answer.status}: {problem['code']}")
    return Refused(problem)


def _sealed(seal: bytes) -> dict[str, str]:
    return {"Vanthu-Seal": base64.b64encode(seal).decode()}


def _header(digest: bytes) -> str:
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def _stream(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
