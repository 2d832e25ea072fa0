"""Stock pyHanko in a process of its own, without our changes to it: one JSON request a line, one JSON answer a line.

Imports nothing of this project, on purpose. Certificates, CRLs and the key are read once.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from asn1crypto import pem, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

_signers: dict[str, Any] = {}


def certificates(folder: Path) -> list[Any]:
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        found.append(x509.Certificate.load(pem.unarmor(data)[2] if pem.detect(data) else data))
    return found


def sign(ask: dict[str, Any]) -> bool:
    if ask["key"] not in _signers:
        _signers[ask["key"]] = signers.SimpleSigner.load_pkcs12(ask["key"], passphrase=ask["password"].encode())  # type: ignore[no-untyped-call]
    metadata = signers.PdfSignatureMetadata(field_name="CoQuan", md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES)
    with open(ask["source"], "rb") as source, open(ask["target"], "wb") as target:
        signers.sign_pdf(IncrementalPdfFileWriter(source), metadata, signer=_signers[ask["key"]], output=target)
    return True


def verify(ask: dict[str, Any], trust: dict[str, Any]) -> bool:
    with open(ask["source"], "rb") as source:
        found = PdfFileReader(source).embedded_signatures
        return bool(found) and all(
            validate_pdf_signature(signature, ValidationContext(allow_fetching=False, revocation_mode="require", **trust)).bottom_line for signature in found
        )


def main() -> None:
    folder = Path(sys.argv[1])
    crls = [path.read_bytes() for path in sorted((folder / "crls").iterdir())]
    trust = {"trust_roots": certificates(folder / "anchors"), "other_certs": certificates(folder / "intermediates"), "crls": crls}
    for line in sys.stdin:
        ask = json.loads(line)
        gc.collect()
        taken, holds = [], True
        for _ in range(ask["calls"]):
            start = time.process_time()
            holds = (sign(ask) if ask["do"] == "sign" else verify(ask, trust)) and holds
            taken.append((time.process_time() - start) * 1000)
        milliseconds = statistics.median(taken)
        peak = next(int(row.split()[1]) for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM")) / 1024
        print(json.dumps({"ms": milliseconds, "holds": holds, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
