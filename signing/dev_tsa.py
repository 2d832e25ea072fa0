"""dev_tsa — a small RFC 3161 authority on loopback for development and demonstrations.

Real tokens by the development PKI's time-stamp key; not for production.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asn1crypto import cms, tsp
from cryptography.hazmat.primitives.serialization import Encoding

from signing.cms import signature_algorithm, tlv
from signing.keys import Scheme, SigningKey

POLICY = "2.16.704.99.1"
LARGEST = 64 * 1024


def respond(request: bytes, key: SigningKey, *, now: datetime, serial: int) -> bytes:
    """DER of the TimeStampResp to the DER of a TimeStampReq; malformed ones are rejected by status."""
    try:
        asked = tsp.TimeStampReq.load(request, strict=True)
        imprint = asked["message_imprint"]
        info = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": imprint,
            "serial_number": serial,
            "gen_time": now.replace(microsecond=0),
        }
        if asked["nonce"].native is not None:
            info["nonce"] = asked["nonce"].native
        content = tsp.TSTInfo(info).dump()
    except (ValueError, TypeError):
        rejected: bytes = tlv(0x30, tsp.PKIStatusInfo({"status": "rejection"}).dump())
        return rejected
    answer: bytes = tlv(0x30, tsp.PKIStatusInfo({"status": "granted"}).dump(), _token(content, key))
    return answer


def _token(content: bytes, key: SigningKey) -> bytes:
    attributes = [
        cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}).dump(),
        cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}).dump(),
    ]
    certificate_id = tlv(0x30, tlv(0x30, tlv(0x04, hashlib.sha256(key.der).digest())))
    attributes.append(tlv(0x30, cms.CMSAttributeType("signing_certificate_v2").dump(), tlv(0x31, tlv(0x30, certificate_id))))
    signed = b"".join(sorted(attributes))
    certificate = cms.Certificate.load(key.der)
    scheme = key.scheme(Scheme.PKCS1V15)
    signer = tlv(
        0x30,
        b"\x02\x01\x01",
        tlv(0x30, certificate.issuer.dump(), certificate["tbs_certificate"]["serial_number"].dump()),
        cms.DigestAlgorithm({"algorithm": "sha256"}).dump(),
        tlv(0xA0, signed),
        signature_algorithm(scheme, "sha256"),
        tlv(0x04, key.sign(tlv(0x31, signed), scheme, digest="sha256")),
    )
    encapsulated = tlv(0x30, cms.ContentType("tst_info").dump(), tlv(0xA0, tlv(0x04, content)))
    chain = [c.public_bytes(Encoding.DER) for c in key.chain]
    data = tlv(
        0x30,
        b"\x02\x01\x03",
        tlv(0x31, cms.DigestAlgorithm({"algorithm": "sha256"}).dump()),
        encapsulated,
        tlv(0xA0, key.der, *chain),
        tlv(0x31, signer),
    )
    return tlv(0x30, cms.ContentType("signed_data").dump(), tlv(0xA0, data))


def make_server(host: str, port: int, key: SigningKey, *, clock: Callable[[], datetime]) -> ThreadingHTTPServer:
    """An HTTP server that answers time-stamp requests; the caller runs and closes it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(min(size, LARGEST))
            answer = respond(body, key, now=clock(), serial=int.from_bytes(os.urandom(8), "big"))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    return ThreadingHTTPServer((host, port), Handler)
