"""Other people's verifiers as one-method objects: a signed PDF in, an opinion out.

Each says which package brings it, which algorithms it knows, and what it was told.
Content and CMS are cut out of the file here by the byte range alone, so that the
opinion of `openssl` does not rest on any PDF reader of ours.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from asn1crypto import cms, tsp

JAVA_FOLDER = Path("/usr/share/java")
JARS = ("pdfbox2.jar", "fontbox2.jar", "bcprov.jar", "bcpkix.jar", "bcutil.jar", "commons-logging.jar")
JAVA_SOURCE = Path(__file__).with_name("PdfBoxCheck.java")
UNJUDGED = "not judged"
assert tsp.TSTInfo  # importing it teaches asn1crypto.cms the RFC 3161 types


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one tool holds of one file; `said` is for people."""

    tool: str
    accepts: bool
    said: str


@dataclass(frozen=True, slots=True)
class Cut:
    """One signature as cut out of the file: CMS and the bytes it covers."""

    der: bytes
    content: bytes

    @property
    def is_timestamp(self) -> bool:
        return bool(cms.ContentInfo.load(self.der)["content"]["encap_content_info"]["content_type"].native == "tst_info")


class Tool(Protocol):
    name: str

    def missing(self) -> str:
        """What is not installed, "" when the tool can be used."""

    def knows(self, scheme: str) -> bool:
        """Can it judge signatures of this scheme (`rsa-2048-pss` …) at all?"""

    def check(self, path: Path) -> Opinion: ...


def cuts(data: bytes) -> list[Cut]:
    """Every signature of a file by its /ByteRange. Raises ValueError where the gap is not one hex string."""
    found = []
    for match in re.finditer(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", data):
        start, size, second, rest = (int(n) for n in match.groups())
        gap = data[start + size : second]
        if gap[:1] != b"<" or gap[-1:] != b">":
            raise ValueError("the gap of the byte range is not a hex string")
        padded = bytes.fromhex(gap[1:-1].decode("ascii"))
        found.append(Cut(padded[: _length(padded)], data[start : start + size] + data[second : second + rest]))
    return found


def _all_but_stamps(said: list[str], path: Path) -> bool:
    """Every signature is accepted, and what the tool cannot judge are exactly the document time-stamps."""
    try:
        stamps = sum(c.is_timestamp for c in cuts(path.read_bytes()))
    except (ValueError, TypeError):
        return False
    judged = [s for s in said if s != UNJUDGED]
    return bool(judged) and all(s == "ok" for s in judged) and len(said) - len(judged) == stamps


def _length(der: bytes) -> int:
    if der[:1] != b"\x30" or len(der) < 6:
        raise ValueError("no CMS in /Contents")
    if der[1] < 0x80:
        return 2 + der[1]
    octets = der[1] & 0x7F
    return 2 + octets + int.from_bytes(der[2 : 2 + octets], "big")


def run(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def absent(*programs: str) -> str:
    return ", ".join(p for p in programs if shutil.which(p) is None)


@dataclass
class PdfSig:
    """poppler with NSS; a document time-stamp is "not yet verified" to it (poppler 22.12)."""

    folder: Path
    anchors: list[Path]
    name: str = "pdfsig"
    _ready: bool = field(default=False, init=False)

    def missing(self) -> str:
        return absent("pdfsig", "certutil")

    def knows(self, scheme: str) -> bool:
        return True

    def check(self, path: Path) -> Opinion:
        self._prepare()
        code, text = run("pdfsig", "-nssdir", f"sql:{self.folder}", path)
        blocks = re.split(r"^Signature #\d+:", text, flags=re.M)[1:]
        said = [self._one(block) for block in blocks]
        return Opinion(self.name, _all_but_stamps(said, path), "; ".join(said) or text.strip()[-200:] or f"exit {code}")

    @staticmethod
    def _one(block: str) -> str:
        if "Signature Type: unknown" in block and "has not yet been verified" in block:
            return UNJUDGED
        signature = re.search(r"Signature Validation: (.*)", block)
        certificate = re.search(r"Certificate Validation: (.*)", block)
        if signature is None or signature.group(1) != "Signature is Valid.":
            return signature.group(1) if signature else "no answer"
        trusted = certificate.group(1) if certificate is not None else "no answer about the certificate"
        return "ok" if trusted == "Certificate is Trusted." else trusted

    def _prepare(self) -> None:
        if self._ready:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        run("certutil", "-N", "-d", f"sql:{self.folder}", "--empty-password")
        for number, anchor in enumerate(self.anchors):
            code, text = run("certutil", "-A", "-d", f"sql:{self.folder}", "-n", f"anchor-{number}", "-t", "CT,C,C", "-i", anchor)
            if code:
                raise RuntimeError(text)
        self._ready = True


@dataclass
class MuTool:
    """MuPDF: digest and "edits since signing"; it knows neither PSS nor RFC 3161 and has no trust list here."""

    name: str = "mutool"

    def missing(self) -> str:
        return absent("mutool")

    def knows(self, scheme: str) -> bool:
        return not scheme.endswith("pss")

    def check(self, path: Path) -> Opinion:
        code, text = run("mutool", "sign", "-v", path)
        blocks = re.split(r"^Verifying signature \d+:", text, flags=re.M)[1:]
        if code or not blocks:
            return Opinion(self.name, False, text.strip()[-200:] or f"exit {code}")
        said = [self._one(block) for block in blocks]
        return Opinion(self.name, _all_but_stamps(said, path), "; ".join(said))

    @staticmethod
    def _one(block: str) -> str:
        if "Signature is not signed." in block:
            return UNJUDGED
        return "ok" if "unchanged since signing" in block or "signature is valid but" in block else " ".join(block.split()[-12:])


@dataclass
class QPdf:
    """Syntax and streams only; it says nothing about signatures."""

    name: str = "qpdf"

    def missing(self) -> str:
        return absent("qpdf")

    def knows(self, scheme: str) -> bool:
        return True

    def check(self, path: Path) -> Opinion:
        code, text = run("qpdf", "--check", path)
        clean = code == 0 and "No syntax or stream encoding errors found" in text and "WARNING" not in text
        return Opinion(self.name, clean, "ok" if clean else text.strip()[-200:])


@dataclass
class OpenSsl:
    """`openssl cms -verify -cades` on each CMS and `openssl ts -verify` on each time-stamp, with the chain to `root`."""

    folder: Path
    root: Path
    issuing: Path
    name: str = "openssl"

    def missing(self) -> str:
        return absent("openssl")

    def knows(self, scheme: str) -> bool:
        return True

    def check(self, path: Path) -> Opinion:
        try:
            found = cuts(path.read_bytes())
            said = [self.stamp(c.der, c.content) if c.is_timestamp else self.signature(c.der, c.content) for c in found]
        except (ValueError, TypeError, KeyError) as error:
            return Opinion(self.name, False, f"cannot be cut out: {error}"[:200])
        return Opinion(self.name, bool(said) and all(s == "ok" for s in said), "; ".join(said) or "no signature")

    def signature(self, der: bytes, content: bytes) -> str:
        """A detached CMS over `content`, and the time-stamp over its signature value where it carries one."""
        signed, file = self._write("cms.der", der), self._write("content.bin", content)
        command = ("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", signed, "-content", file, "-out", os.devnull)
        code, text = run(*command, "-CAfile", self.root, "-purpose", "any")
        if code:
            return f"cms: {text.strip()[-150:]}"
        signer = cms.ContentInfo.load(der)["content"]["signer_infos"][0]
        for attribute in signer["unsigned_attrs"] or ():
            if attribute["type"].native == "signature_time_stamp_token":
                return self.stamp(attribute["values"][0].dump(), signer["signature"].native)
        return "ok"

    def stamp(self, token: bytes, content: bytes) -> str:
        """An RFC 3161 token over `content`."""
        file = self._write("token.der", token)
        imprint = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed["message_imprint"]
        digest = hashlib.new(imprint["hash_algorithm"]["algorithm"].native, content).hexdigest()
        command = ("openssl", "ts", "-verify", "-digest", digest, "-in", file, "-token_in")
        code, text = run(*command, "-CAfile", self.root, "-untrusted", self.issuing)
        return "ok" if code == 0 and "Verification: OK" in text else f"ts: {text.strip()[-150:]}"

    def _write(self, name: str, data: bytes) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)
        return self.folder / name


@dataclass
class PdfBox:
    """PDFBox 2 with BouncyCastle: every signature dictionary, its CMS, its time-stamps, whole or part. One Java process for all files."""

    folder: Path
    name: str = "pdfbox"
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def missing(self) -> str:
        jars = ", ".join(j for j in JARS if not (JAVA_FOLDER / j).exists())
        return ", ".join(m for m in (absent("java", "javac"), jars) if m)

    def knows(self, scheme: str) -> bool:
        return True

    def check(self, path: Path) -> Opinion:
        process = self._process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        said = []
        for line in iter(process.stdout.readline, ""):
            if line.strip() == "END":
                break
            _, part, answer = line.rstrip("\n").split("\t")
            said.append(f"{answer} {part}" if answer == "ok" else answer)
        return Opinion(self.name, bool(said) and all(s.startswith("ok ") for s in said), "; ".join(said) or "no signature")

    def _start(self) -> subprocess.Popen[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(str(JAVA_FOLDER / j) for j in JARS)
        subprocess.run(["javac", "-cp", path, "-d", self.folder, JAVA_SOURCE], check=True, capture_output=True, timeout=120)
        command = ["java", "-XX:+UseSerialGC", "-Xmx256m", "-cp", f"{path}{os.pathsep}{self.folder}", "PdfBoxCheck"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def close(self) -> None:
        """End the Java process."""
        if self._process is not None:
            self._process.communicate(timeout=30)
            self._process = None
