"""Public signed PDFs with verdicts stated by their own projects, against ours.

``python -m tests.security.corpus [FOLDER]`` prints a table; the exit code is 1 when a rule is broken.
A folder holds ``index.json`` (a list of objects with ``file``, ``sha256``, ``stated_verdict``,
``other_verifiers`` and ``pyhanko_0_38``) and the files. Without FOLDER: the environment variable
VANTHU_CORPUS, else the folder ``shared/corpus/pdf`` beside the checkout.

Each file is judged under ``crypto-only``, without network, in the sandbox, at the time its last
signature claims, with the topmost certificates found in its own signatures as anchors.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from rich.console import Console
from rich.progress import track
from rich.table import Table

from signing.reasons import CATALOGUE
from signing.report import PdfVerdict, Verdict
from signing.sandbox import Sandbox
from signing.trust import Trust

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "pdf"
MUST_NOT = ("ATTACK_MUST_REJECT", "FAIL", "REJECT_OR_RAISE")
MOST_CPU_MS = 2000
PLACEHOLDER = b"0" * 20
_CONTENTS = re.compile(rb"/Contents\s*<([0-9A-Fa-f\s]{40,})>")
_CLAIM = re.compile(rb"/M\s*\(([^)]{1,80})\)")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_TIME = re.compile(rb"D:(\d{14})([+\-Z]?)(\d\d)?'?(\d\d)?")
# Accepted by others, refused here for a reason: later changes that they do not judge, algorithms that are too weak.
WEAK = {"signature.weak_algorithm"}
UNLAWFUL = {"pdf.tampered.changed", "pdf.tampered.bytes", "signature.docmdp", "signature.undeclared_field", "signature.form_filled"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the index. `agreed`: pyHanko strictly, pdfsig and PDFBox with BouncyCastle all accept it."""

    path: Path
    name: str
    stated: str
    agreed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Our verdict on one file. `broken` are rules that it breaks, `differs` what somebody should look at."""

    entry: Entry
    verdict: PdfVerdict
    broken: tuple[str, ...]
    differs: str = ""

    @property
    def codes(self) -> list[str]:
        return list(dict.fromkeys(r.code for r in self.verdict.reasons))


def folder() -> Path | None:
    """The folder to check, when there is one."""
    named = os.environ.get("VANTHU_CORPUS", "")
    place = Path(named) if named else BESIDE
    return place if (place / "index.json").is_file() else None


def read_index(place: Path) -> list[Entry]:
    """The files that the index of `place` names and that are there, unchanged."""
    found = []
    for item in json.loads((place / "index.json").read_text(encoding="utf-8")):
        path = place / item["file"]
        if not path.is_file():
            continue
        if item.get("sha256") and hashlib.sha256(path.read_bytes()).hexdigest() != item["sha256"]:
            raise ValueError(f"{item['file']} is not the file that the index describes")
        found.append(Entry(path, item["file"], item.get("stated_verdict") or "", _agreed(item)))
    return found


def _agreed(item: dict[str, Any]) -> bool:
    others = item.get("other_verifiers") or {}
    strict = (item.get("pyhanko_0_38") or {}).get("strict", "")
    return strict == "ACCEPT" and str(others.get("pdfsig", "")).startswith("ACCEPT") and str(others.get("pdfbox_bc", "")).startswith("OK")


def own_trust(data: bytes) -> Trust | None:
    """The topmost certificates in the file's signatures as anchors, the others below them."""
    certificates: dict[bytes, x509.Certificate] = {}
    for der in _cms_values(data):
        for one in _certificates(der):
            certificates[one.public_bytes(Encoding.DER)] = one
    tops = [der for der, c in certificates.items() if not any(o.subject == c.issuer and o is not c for o in certificates.values()) or c.subject == c.issuer]
    rest = tuple(der for der in certificates if der not in tops)
    return Trust(tuple(tops), rest) if tops else None


def _cms_values(data: bytes) -> Iterator[bytes]:
    for match in _CONTENTS.finditer(data):
        digits = bytes(match[1].translate(None, b" \t\r\n\x0c\x00"))
        if not digits.startswith(PLACEHOLDER):
            yield bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())


def _certificates(der: bytes) -> Iterator[x509.Certificate]:
    try:
        # Public certificates break many small rules; that is for the verifier to say.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [x509.load_der_x509_certificate(c.chosen.dump()) for c in cms.ContentInfo.load(der)["content"]["certificates"]]
            found = [c for c in found if c.subject and c.issuer]
        yield from found
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def claimed_time(data: bytes, fallback: datetime) -> datetime:
    """The latest time that a signature dictionary or a signing-time attribute claims; without any, a moment
    at which all certificates of the file's signatures are valid; else `fallback`."""
    times = [moment for claim in _CLAIM.finditer(data) if (moment := _moment(claim[1])) is not None]
    times += [moment for der in _cms_values(data) for moment in _signing_times(der)]
    if times:
        return max(times)
    certificates = [c for der in _cms_values(data) for c in _certificates(der)]
    if not certificates:
        return fallback
    start, end = max(c.not_valid_before_utc for c in certificates), min(c.not_valid_after_utc for c in certificates)
    return start + (end - start) / 2 if start < end else fallback


def _moment(text: bytes) -> datetime | None:
    match = _TIME.match(_OCTAL.sub(lambda m: bytes((int(m[1], 8) & 0xFF,)), text))
    if match is None:
        return None
    try:
        sign = -1 if match[2] == b"-" else 1
        ahead = timedelta(hours=int(match[3] or 0), minutes=int(match[4] or 0)) * sign
        return datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=timezone(ahead)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _signing_times(der: bytes) -> Iterator[datetime]:
    try:
        for signer in cms.ContentInfo.load(der)["content"]["signer_infos"]:
            for attribute in signer["signed_attrs"]:
                if attribute["type"].native == "signing_time":
                    yield attribute["values"][0].native
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def judge_file(entry: Entry, sandbox: Sandbox, *, now: datetime) -> Outcome:
    """Verify one file and hold the answer against the rules."""
    data = entry.path.read_bytes()
    trust = own_trust(data) or no_trust()
    verdict = sandbox.verify(entry.path, trust, at=claimed_time(data, now), policy="crypto-only")
    return weigh(entry, verdict)


def weigh(entry: Entry, verdict: PdfVerdict) -> Outcome:
    """The rules: one verdict, reasons known and given, nothing bad accepted, nothing over its limits."""
    codes = {r.code for r in verdict.reasons}
    broken, differs = [], ""
    if not isinstance(verdict.verdict, Verdict):
        broken.append("no verdict")
    if verdict.verdict is not Verdict.VALID and not codes:
        broken.append("no reason")
    if codes - set(CATALOGUE):
        broken.append("unknown reason")
    if entry.stated in MUST_NOT and verdict.verdict is Verdict.VALID:
        broken.append("accepted")
    if verdict.findings.elapsed_ms > MOST_CPU_MS or "pdf.limit" in codes:
        broken.append("over the limits")
    if verdict.verdict is not Verdict.VALID and (entry.agreed or entry.stated == "PASS"):
        differs = "later change" if codes & UNLAWFUL else "weak algorithm" if codes & WEAK else "refused"
        if entry.agreed and differs == "refused":
            broken.append("accepted by all others")
    return Outcome(entry, verdict, tuple(broken), differs)


def no_trust() -> Trust:
    """For files that hold no certificate at all: an anchor that has signed nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Không ai (mô phỏng)")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    return Trust((certificate.public_bytes(Encoding.DER),))


def run(place: Path, *, now: datetime, seen: Callable[[list[Entry]], Iterator[Entry]] = iter) -> list[Outcome]:
    """All files of `place`, in one worker."""
    sandbox = Sandbox(workers=1)
    try:
        return [judge_file(entry, sandbox, now=now) for entry in seen(read_index(place))]
    finally:
        sandbox.close()


def summary(outcomes: list[Outcome]) -> dict[str, int]:
    """Counts: files, accepted and all per stated verdict, what differs, what breaks a rule."""
    counts = {"files": len(outcomes), "broken": sum(bool(o.broken) for o in outcomes), "degraded": sum(o.verdict.findings.degraded for o in outcomes)}
    for outcome in outcomes:
        stated = outcome.entry.stated or "unstated"
        for key in (f"{stated} all", f"{stated} {outcome.verdict.verdict.value}"):
            counts[key] = counts.get(key, 0) + 1
        if outcome.entry.agreed:
            counts["agreed all"] = counts.get("agreed all", 0) + 1
            counts["agreed accepted"] = counts.get("agreed accepted", 0) + (outcome.verdict.verdict is Verdict.VALID)
    counts["quick path"] = sum(o.verdict.findings.path == "quick" for o in outcomes)
    counts["slowest ms"] = round(max((o.verdict.findings.elapsed_ms for o in outcomes), default=0))
    return counts


def table(outcomes: list[Outcome]) -> Table:
    """One row for each file."""
    rows = Table("file", "stated", "ours", "path", "CPU s", "reasons", "rule", box=None)
    for o in outcomes:
        path = o.verdict.findings.path + (" degraded" if o.verdict.findings.degraded else "")
        seconds = f"{o.verdict.findings.elapsed_ms / 1000:.2f}"
        rule = ", ".join(o.broken) or (f"({o.differs})" if o.differs else "")
        rows.add_row(o.entry.name, o.entry.stated, o.verdict.verdict.value, path, seconds, " ".join(o.codes), rule)
    return rows


def main(arguments: list[str]) -> int:
    """Check a folder and print what was found."""
    place = Path(arguments[0]) if arguments else folder()
    console, progress = Console(width=None if sys.stdout.isatty() else 200), Console(stderr=True)
    if place is None or not (place / "index.json").is_file():
        progress.print("no index.json: name a folder, or set VANTHU_CORPUS")
        return 2
    outcomes = run(place, now=datetime.now(UTC), seen=lambda entries: iter(track(entries, description=str(place), console=progress)))
    console.print(table(outcomes))
    for name, count in summary(outcomes).items():
        console.print(f"{name}: {count}")
    return 1 if any(o.broken for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
