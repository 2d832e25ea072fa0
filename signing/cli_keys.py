"""cli_keys — the verbs under keys: development keys and authorities, a look at certificates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from signing.cli_options import FILE, now
from signing.dev_ocsp import Responder
from signing.dev_ocsp import make_server as make_ocsp_server
from signing.dev_pki import make_pki, write_crls
from signing.dev_tsa import make_server
from signing.keys import open_key
from signing.show import Screen, local, options


@click.group()
def keys() -> None:
    """Make development keys, look at certificates."""


@keys.command("dev")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--agency", "agencies", multiple=True, metavar="CODE=NAME", help="An agency; may be repeated.")
@click.option("--person", "persons", multiple=True, metavar="SLUG=NAME=CODE", help="A person of an agency; may be repeated.")
@click.option("--host", "hosts", multiple=True, help="A DNS name for TLS certificates; may be repeated.")
@click.option("--origin", default="hub.example.vn/custody/2026", show_default=True, help="Name of the custody log.")
@options
def dev(folder: Path, agencies: tuple[str, ...], persons: tuple[str, ...], hosts: tuple[str, ...], origin: str, screen: Screen) -> None:
    """Make a development PKI in FOLDER. Never for production."""
    if (folder / "trust").exists():
        screen.fail("key.exists", "Thư mục đã có khóa; không ghi đè.", "The folder has keys already; nothing is overwritten.", place=str(folder))
        sys.exit(1)
    pairs = [tuple(a.split("=", 1)) for a in agencies]
    triples = [tuple(p.split("=", 2)) for p in persons]
    if any(len(p) != 2 for p in pairs) or any(len(p) != 3 for p in triples):
        raise click.UsageError("--agency CODE=NAME, --person SLUG=NAME=CODE")
    make_pki(folder, now=now(), agencies=cast(Any, pairs), persons=cast(Any, triples), origin=origin, hosts=hosts)
    screen.value({"folder": str(folder)})
    screen.say(f"Đã tạo khóa thử nghiệm trong {folder}", f"Development keys made in {folder}")


@keys.command("crl")
@click.argument("folder", type=FILE)
@click.option("--revoke", "revoked", multiple=True, metavar="SERIAL", help="Serial number in hex; may be repeated.")
def crl(folder: Path, revoked: tuple[str, ...]) -> None:
    """Issue the development PKI's CRLs anew, with revoked serial numbers."""
    write_crls(folder, now=now(), revoked=[int(s, 16) for s in revoked])


@keys.command("inspect")
@click.argument("file", type=FILE)
@options
def inspect_key(file: Path, screen: Screen) -> None:
    """Show the certificates in a PEM or DER file; private parts are never shown."""
    data = file.read_bytes()
    try:
        found = x509.load_pem_x509_certificates(data) if b"-----BEGIN" in data else [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        screen.fail("key.unusable", "Không đọc được chứng thư.", "No certificate can be read.", place=str(file), detail=str(error))
        sys.exit(1)
    rows = [
        (c.subject.rfc4514_string(), c.issuer.rfc4514_string(), f"{c.serial_number:x}", local(c.not_valid_after_utc), c.fingerprint(hashes.SHA256()).hex())
        for c in found
    ]
    names = ("subject", "issuer", "serial", "not_after", "sha256")
    screen.value([dict(zip(names, row, strict=True)) for row in rows])
    columns = (("Chủ thể", "Subject"), ("Nơi cấp", "Issuer"), ("Số", "Serial"), ("Hết hạn", "Valid to"), ("SHA-256", "SHA-256"))
    screen.table(("Chứng thư", "Certificates"), columns, rows)


@keys.command("tsa")
@click.argument("key_file", type=FILE)
@click.option("--port", type=int, default=8318, show_default=True, help="Port on 127.0.0.1.")
def tsa(key_file: Path, port: int) -> None:
    """Run a time-stamp authority on loopback for development."""
    server = make_server("127.0.0.1", port, open_key(key_file), clock=now)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


@keys.command("ocsp")
@click.argument("folder", type=FILE)
@click.option("--port", type=int, default=8319, show_default=True, help="Port on 127.0.0.1.")
def ocsp(folder: Path, port: int) -> None:
    """Run an OCSP responder of the development PKI in FOLDER, with its CRLs, on loopback."""
    server = make_ocsp_server("127.0.0.1", port, Responder.open(folder), clock=now)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
