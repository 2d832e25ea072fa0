"""dev_ocsp — a small OCSP responder and CRL place on loopback for development and demonstrations.

Answers for the development PKI's issuing CA with a delegated responder key; what is
revoked is read from its CRL file at every question. Not for production.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp

from signing.chain import known
from signing.ocsp import issuer_hashes

LARGEST = 64 * 1024
LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Responder:
    """A delegated OCSP key and the CA it answers for; `crl` is the file that says what is revoked."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuer: x509.Certificate
    crl: Path

    @classmethod
    def open(cls, folder: Path) -> Responder:
        """The responder of a development PKI in `folder`.

        Raises:
            OSError, ValueError: a file is missing or is none.
        """
        data = (folder / "ocsp" / "responder.pem").read_bytes()
        key = load_pem_private_key(data, None)
        if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            raise ValueError("not a responder key")
        certificates = x509.load_pem_x509_certificates(data)
        return cls(key, certificates[0], certificates[1], folder / "trust" / "crls" / "issuing.crl")


def respond(request: bytes, responder: Responder, *, now: datetime) -> bytes:
    """DER of the OCSPResponse to the DER of an OCSPRequest; malformed ones are answered by status."""
    try:
        asked = ocsp.load_der_ocsp_request(request)
        algorithm = asked.hash_algorithm
        if (asked.issuer_name_hash, asked.issuer_key_hash) != issuer_hashes(known(responder.issuer), algorithm.name):
            return _status(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        nonces = [e.value for e in asked.extensions if isinstance(e.value, x509.OCSPNonce)]
        serial = asked.serial_number
    except (ValueError, TypeError):
        return _status(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    entry = x509.load_der_x509_crl(responder.crl.read_bytes()).get_revoked_certificate_by_serial_number(serial)
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        asked.issuer_name_hash,
        asked.issuer_key_hash,
        serial,
        algorithm,
        ocsp.OCSPCertStatus.GOOD if entry is None else ocsp.OCSPCertStatus.REVOKED,
        now - timedelta(minutes=1),
        now + LIFE,
        None if entry is None else entry.revocation_date_utc,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate).certificates([responder.certificate])
    for nonce in nonces:
        builder = builder.add_extension(nonce, critical=False)
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _status(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def make_server(host: str, port: int, responder: Responder, *, clock: Callable[[], datetime]) -> ThreadingHTTPServer:
    """An HTTP server: POST asks OCSP, GET ``/<name>.crl`` gives the PKI's lists. The caller runs and closes it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            self._give(200, respond(self.rfile.read(min(size, LARGEST)), responder, now=clock()), "application/ocsp-response")

        def do_GET(self) -> None:
            lists = {f"/{path.name}": path for path in responder.crl.parent.glob("*.crl")}
            path = lists.get(self.path)
            self._give(404 if path is None else 200, path.read_bytes() if path else b"", "application/pkix-crl")

        def _give(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    return ThreadingHTTPServer((host, port), Handler)
