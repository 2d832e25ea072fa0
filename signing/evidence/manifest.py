"""manifest — danh mục: ASiCManifest and ASiCArchiveManifest (EN 319 162-1 A.4, A.7), written and read.

The order of the container is the order of its manifests, so that no member can be moved,
added or left out: mimetype, the listed files, manifest, seal; then for each renewal its
files, its archive manifest and its time-stamp.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from signing.container import MANIFEST, MIMETYPE, SIGNATURE, Container
from signing.errors import EvidenceInvalid
from signing.receipt_check import parse_xml, text

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SEAL_MIME = "application/pkcs7-signature"
TOKEN_MIME = "application/vnd.etsi.timestamp-token"


@dataclass(frozen=True, slots=True)
class Member:
    """A file to put in: `data` are its bytes, or the path of a file."""

    name: str
    data: bytes | Path
    mime: str

    def digest(self) -> bytes:
        """SHA-256."""
        if isinstance(self.data, bytes):
            return hashlib.sha256(self.data).digest()
        with self.data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()


@dataclass(frozen=True, slots=True)
class Listed:
    """A manifest as read: the signature it names, and (name, SHA-256) of its files in order."""

    signature: str
    files: tuple[tuple[str, bytes], ...]


def write_manifest(files: Sequence[tuple[str, str, bytes]], *, signature: str, mime: str) -> bytes:
    """The manifest over `files` as (name, MIME type, SHA-256); `signature` names what signs it."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{XMLDSIG}">',
        f"<asic:SigReference URI={quoteattr(signature)} MimeType={quoteattr(mime)}/>",
    ]
    for name, kind, digest in files:
        value = escape(base64.b64encode(digest).decode())
        lines.append(
            f"<asic:DataObjectReference URI={quoteattr(name)} MimeType={quoteattr(kind)}>"
            f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{value}</ds:DigestValue></asic:DataObjectReference>'
        )
    lines.append("</asic:ASiCManifest>")
    return ("\n".join(lines) + "\n").encode()


def read_manifest(data: bytes, place: str) -> Listed:
    """Read a manifest strictly.

    Raises:
        EvidenceInvalid: not such a manifest, another digest than SHA-256, or a file listed twice.
    """
    try:
        root = parse_xml(data)
    except EvidenceInvalid as error:
        raise EvidenceInvalid(error.detail, place=place) from error  # the member is named, whatever is wrong with it
    if root.tag != f"{{{ASIC}}}ASiCManifest" or not len(root) or root[0].tag != f"{{{ASIC}}}SigReference":
        raise EvidenceInvalid("not an ASiCManifest", place=place)
    files: dict[str, bytes] = {}
    for node in list(root)[1:]:
        name, method = node.get("URI") or "", node.find(f"{{{XMLDSIG}}}DigestMethod")
        if node.tag != f"{{{ASIC}}}DataObjectReference" or not name or method is None or method.get("Algorithm") != SHA256:
            raise EvidenceInvalid("data object reference", place=place)
        if name in files:
            raise EvidenceInvalid("listed twice", place=name)
        try:
            files[name] = base64.b64decode(text(node, "DigestValue"), validate=True)
        except ValueError as error:
            raise EvidenceInvalid("digest value", place=name) from error
    return Listed(root[0].get("URI") or "", tuple(files.items()))


def archive_names(number: int) -> tuple[str, str, str]:
    """(folder of added files, archive manifest, token) of renewal `number`, from 1."""
    return f"trust/renewal{number:03d}/", f"META-INF/ASiCArchiveManifest{number:03d}.xml", f"META-INF/timestamp{number:03d}.tst"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where what stands: `listed` files of the seal, and for each renewal what it covers (names in order)."""

    listed: tuple[tuple[str, bytes], ...]
    renewals: tuple[tuple[tuple[str, bytes], ...], ...]
    problems: tuple[tuple[str, str], ...]


def read_layout(container: Container) -> Layout:
    """Compare the members, in their order, with the manifests.

    `problems` are (reason code, member): ``evidence.missing``, ``evidence.unlisted``, ``evidence.order``.

    Raises:
        EvidenceInvalid: a manifest that cannot be read.
    """
    main = read_manifest(container.read(MANIFEST), MANIFEST)
    if main.signature != SIGNATURE:
        raise EvidenceInvalid("names another signature", place=MANIFEST)
    expected = [MIMETYPE, *(name for name, _ in main.files), MANIFEST, SIGNATURE]
    renewals = []
    for number in range(1, 1000):
        folder, name, token = archive_names(number)
        if name not in container.names:
            break
        archive = read_manifest(container.read(name), name)
        if archive.signature != token:
            raise EvidenceInvalid("names another time-stamp", place=name)
        expected += [*(n for n in container.order if n.startswith(folder)), name, token]
        renewals.append(archive.files)
    problems = [("evidence.missing", name) for name in expected if name not in container.names]
    problems += [("evidence.unlisted", name) for name in container.order if name not in set(expected)]
    if not problems and tuple(expected) != container.order:
        problems = [("evidence.order", next(a for a, b in zip(container.order, expected, strict=False) if a != b))]
    for number, files in enumerate(renewals, 1):
        name = archive_names(number)[1]
        if name in expected and [n for n, _ in files] != expected[1 : expected.index(name)]:
            problems.append(("evidence.archive_incomplete", name))
    return Layout(main.files, tuple(renewals), tuple(problems))
