"""evidence — tệp chứng cứ: one ASiC-E file (EN 319 162-1, CAdES) that proves a document's life.

Built by the hub, checked by anybody: no network, no database, no hub code. The
check describes (`EvidenceReport`); a malformed container raises.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from signing.checkpoint import verify_note, verify_proof
from signing.container import MANIFEST, MIMETYPE, SIGNATURE, Container, write_container
from signing.errors import EvidenceInvalid, SigningError
from signing.keys import SigningKey
from signing.receipt_check import check_receipt, parse_xml, text
from signing.report import PdfVerdict, Reason, SealFinding, Verdict
from signing.seal import sign_seal, verify_seal
from signing.trust import Trust

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
PACKAGE = "documents/package.edxml"

Verify = Callable[[Path, str], PdfVerdict]
"""(file, "document" | "attachment") → verdict."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file to put in: `data` are its bytes, or the path of a file."""

    name: str
    data: bytes | Path
    mime: str


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What an evidence file proves. `ok` only if every check held; `events` are log leaves in order."""

    ok: bool
    reasons: tuple[Reason, ...]
    seal: SealFinding | None
    origin: str
    log_size: int
    document_id: str
    sender: str
    package_sha256: str
    events: tuple[dict[str, Any], ...]
    files: tuple[tuple[str, str, str], ...]
    statuses: tuple[tuple[str, str, str], ...]


_VERIFY_TXT = """Kiểm tra tệp chứng cứ này bằng công cụ có sẵn, không cần hỏi hệ thống đã lập ra nó.
How to check this evidence file with stock tools, without asking the system that made it.

1. Giải nén / unpack:                  unzip FILE.asice -d evidence && cd evidence
2. Dấu niêm phong / the hub's seal (ROOT.pem: gốc tin cậy của bạn / your own trust anchor):
{seal}
3. Các tệp không đổi / no file changed:
{sums}
4. Niêm phong của bên gửi / the sender's own seal:
{sender}
5. Tất cả / everything, with the log:   vanthu verify FILE.asice --trust TRUST-FOLDER
"""
COMMANDS = {
    "seal": f"openssl cms -verify -binary -inform der -in {SIGNATURE} -content {MANIFEST} -CAfile ROOT.pem -purpose any -out /dev/null",
    "sums": "sha256sum --check --quiet report/SHA256SUMS",
    "sender": f"openssl cms -verify -binary -inform der -in {PACKAGE}.p7s -content {PACKAGE} -CAfile ROOT.pem -purpose any -out /dev/null",
}


def build(target: Path, members: Sequence[Member], key: SigningKey, *, now: datetime, timestamp: Callable[[bytes], bytes] | None = None) -> None:
    """Write the evidence file `target`, sealed with `key` (with `timestamp`: CAdES-T)."""
    digests = [(member, _digest(member.data)) for member in members]
    sums = "".join(f"{digest.hex()}  {member.name}\n" for member, digest in digests)
    extra = [
        Member("report/SHA256SUMS", sums.encode(), "text/plain"),
        Member("report/VERIFY.txt", _VERIFY_TXT.format(**{k: "   " + v for k, v in COMMANDS.items()}).encode(), "text/plain"),
    ]
    digests += [(member, _digest(member.data)) for member in extra]
    manifest = _manifest(digests)
    seal = sign_seal(hashlib.sha256(manifest).digest(), key, timestamp=timestamp)
    files = [(member.name, member.data) for member, _ in digests]
    write_container(target, [*files, (MANIFEST, manifest), (SIGNATURE, seal)], at=now)


def _digest(data: bytes | Path) -> bytes:
    if isinstance(data, bytes):
        return hashlib.sha256(data).digest()
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _manifest(digests: Sequence[tuple[Member, bytes]]) -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{XMLDSIG}">',
        f'<asic:SigReference URI="{SIGNATURE}" MimeType="application/pkcs7-signature"/>',
    ]
    for member, digest in digests:
        value = escape(base64.b64encode(digest).decode())
        lines.append(
            f"<asic:DataObjectReference URI={quoteattr(member.name)} MimeType={quoteattr(member.mime)}>"
            f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{value}</ds:DigestValue></asic:DataObjectReference>'
        )
    lines.append("</asic:ASiCManifest>")
    return ("\n".join(lines) + "\n").encode()


class _Check:
    """Collects reasons while the parts are checked one by one."""

    def __init__(self, container: Container, trust: Trust, vkeys: Sequence[str], at: datetime) -> None:
        self.container, self.trust, self.vkeys, self.at = container, trust, vkeys, at
        self.reasons: list[Reason] = []

    def fail(self, code: str, vi: str, en: str, place: str) -> None:
        self.reasons.append(Reason(code, vi, en, place))

    def caught(self, error: SigningError, place: str) -> None:
        detail = f" ({error.detail})" if error.detail else ""
        self.fail(error.code, error.vi + detail, error.en + detail, place)


def check(path: Path, *, trust: Trust, vkeys: Sequence[str], at: datetime, verify: Verify | None = None) -> EvidenceReport:
    """Report: everything the evidence file proves, judged at the moment `at`.

    Args:
        vkeys: verifier keys of the log, from the auditor's own policy, never from the file.
        verify: judges one PDF; None leaves the PDFs to their digests.

    Raises:
        EvidenceInvalid: not a well-formed container.
    """
    try:
        return _check(path, trust, vkeys, at, verify)
    except SigningError:
        raise
    except Exception as error:  # whatever a hostile file raises, it does not hold
        raise EvidenceInvalid(f"{type(error).__name__}: {error}"[:200], place=path.name) from error


def _check(path: Path, trust: Trust, vkeys: Sequence[str], at: datetime, verify: Verify | None) -> EvidenceReport:
    with Container.open(path) as container:
        c = _Check(container, trust, vkeys, at)
        seal = _check_manifest(c)
        events, origin, size = _check_log(c)
        package = _check_package(c)
        receipts = _check_receipts(c, package)
        statuses = _check_statuses(c, events)
        files = _check_files(c, verify)
        first = next(iter(events), {})
        if not receipts:
            c.fail("evidence.no_receipt", "Không có biên nhận nào.", "There is no receipt.", "evidence/")
        document = first.get("doc", {})
        return EvidenceReport(
            ok=not c.reasons,
            reasons=tuple(c.reasons),
            seal=seal,
            origin=origin,
            log_size=size,
            document_id=str(document.get("id", "")),
            sender=str(first.get("from", "")),
            package_sha256=str(document.get("sha256", "")),
            events=tuple(events),
            files=tuple(files),
            statuses=tuple(statuses),
        )


def _check_manifest(c: _Check) -> SealFinding | None:
    manifest = c.container.read(MANIFEST)
    seal: SealFinding | None = None
    try:
        seal = verify_seal(hashlib.sha256(manifest).digest(), c.container.read(SIGNATURE), c.trust, at=c.at)
    except SigningError as error:
        c.caught(error, SIGNATURE)
    listed: set[str] = set()
    for node in parse_xml(manifest).iter(f"{{{ASIC}}}DataObjectReference"):
        name = str(node.get("URI"))
        if name in listed:
            raise EvidenceInvalid("listed twice", place=name)
        listed.add(name)
        if name not in c.container.names:
            c.fail("evidence.missing", "Thiếu tệp có trong danh mục.", "A listed file is missing.", name)
        elif base64.b64encode(c.container.digest(name)).decode() != text(node, "DigestValue"):
            c.fail("evidence.changed", "Tệp đã bị thay đổi.", "The file was changed.", name)
    for name in sorted(c.container.names - listed - {MIMETYPE, MANIFEST, SIGNATURE}):
        c.fail("evidence.unlisted", "Tệp không có trong danh mục.", "The file is not listed.", name)
    return seal


def _check_log(c: _Check) -> tuple[list[dict[str, Any]], str, int]:
    events: list[dict[str, Any]] = []
    origin, size = "", 0
    try:
        head = verify_note(c.container.read("log/checkpoint").decode(), c.vkeys)
        origin, size = head.origin, head.size
    except SigningError as error:
        c.caught(error, "log/checkpoint")
    except UnicodeDecodeError:
        c.fail("custody.checkpoint_invalid", "Đầu sổ hỏng.", "The checkpoint is damaged.", "log/checkpoint")
    for name in c.container.under("log/leaves/"):
        leaf = c.container.read(name)
        proof = name.replace("log/leaves/", "log/proofs/").replace(".json", ".tlog-proof")
        try:
            index, checkpoint = verify_proof(c.container.read(proof).decode(), leaf, c.vkeys)
            if checkpoint.origin != origin:
                c.fail("evidence.other_log", "Chứng minh thuộc sổ khác.", "The proof is from another log.", proof)
            events.append({"index": index, **json.loads(leaf)})
        except SigningError as error:
            c.caught(error, proof)
        except ValueError:
            c.fail("custody.proof_invalid", "Mục sổ hoặc chứng minh hỏng.", "The log entry or its proof is damaged.", name)
    events.sort(key=lambda e: int(e["index"]))
    _check_chains(c, events)
    return events, origin, size


def _check_chains(c: _Check, events: Sequence[dict[str, Any]]) -> None:
    """Each (document, recipient) chain counts from 0 without a gap."""
    expected: dict[str, int] = {}
    for event in events:
        recipient = str(event.get("to", ""))
        if event.get("n") != expected.get(recipient, 0):
            c.fail("evidence.gap", "Thiếu một sự kiện trong chuỗi lưu giữ.", "An event of the custody chain is missing.", f"log/leaves {recipient}")
        expected[recipient] = int(event.get("n", 0)) + 1


def _check_package(c: _Check) -> bytes | None:
    if PACKAGE not in c.container.names:
        return None
    digest = c.container.digest(PACKAGE)
    try:
        verify_seal(digest, c.container.read(f"{PACKAGE}.p7s"), c.trust, at=c.at)
    except SigningError as error:
        c.caught(error, f"{PACKAGE}.p7s")
    return digest


def _check_receipts(c: _Check, package: bytes | None) -> int:
    count = 0
    for name in c.container.under("evidence/", ".json"):
        try:
            receipt = check_receipt(c.container.read(name), trust=c.trust, vkeys=c.vkeys, at=c.at)
            count += 1
            if receipt.event.endswith("SubmissionAcceptance") and package is not None and receipt.package_sha256 != package.hex():
                c.fail("evidence.other_package", "Biên nhận nói về gói tin khác.", "The receipt is about another package.", name)
        except SigningError as error:
            c.caught(error, name)
    return count


def _check_statuses(c: _Check, events: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Each agency's sealed status: (file, signer, digest); its digest must be in the log."""
    proven = {e.get("obj", {}).get("sha256") for e in events}
    found = []
    for name in c.container.under("evidence/", ".edxml"):
        digest = c.container.digest(name)
        try:
            seal = verify_seal(digest, c.container.read(f"{name}.p7s"), c.trust, at=c.at)
            found.append((name, seal.signer, digest.hex()))
        except SigningError as error:
            c.caught(error, f"{name}.p7s")
        if digest.hex() not in proven:
            c.fail("evidence.not_logged", "Thông báo trạng thái không có trong sổ.", "The status message is not in the log.", name)
    return found


def _check_files(c: _Check, verify: Verify | None) -> list[tuple[str, str, str]]:
    """Each file of the package: (name, digest, verdict); it must be a part of the package's bytes by digest."""
    found = []
    for position, name in enumerate(c.container.under("documents/files/")):
        verdict = ""
        if verify is not None and name.lower().endswith(".pdf"):
            with c.container.extracted(name) as file:
                result = verify(file, "document" if position == 0 else "attachment")
            verdict = result.verdict.value
            if result.verdict is Verdict.INVALID:
                for reason in result.reasons:
                    c.fail(reason.code, reason.vi, reason.en, name)
        found.append((name, c.container.digest(name).hex(), verdict))
    return found
