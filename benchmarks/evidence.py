"""What verifying an evidence file costs: ten events, two signed PDFs, full policy, in this process.

Run by ``python -m benchmarks.evidence``. The bar: 200 ms of CPU. Beside it, in the same
rounds, the file without its PDFs and one with the content withheld.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
import zipfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks.measure import cpu_ms, interleaved
from signing.evidence import EvidenceReport, check
from signing.policy import judge
from signing.report import PdfVerdict
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests.evidence_material import Made, make_evidence
from tests.house import make_house_pki

BAR_MS = 200.0
ROUNDS = 9
STATUSES = ("01", "03", "04", "05", "06")
MORE = ("04", "05", "06")  # said again with other words: ten events in all


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def verify(made: Made, path: Path, trust: Trust, *, pdfs: bool) -> EvidenceReport:
    """Verify one file as ``vanthu verify`` does, without its worker process."""

    def pdf(file: Path, kind: str) -> PdfVerdict:
        return judge(verify_pdf(file, trust, at=now()), policy="nd30", kind=kind, number="")

    return check(path, trust=trust, vkeys=[made.vkey], at=now(), verify=pdf if pdfs else None)


def measure(folder: Path) -> dict[str, object]:
    """Make the files, verify them in turns, and give the figures."""
    pki = make_house_pki(folder / "pki")
    made = make_evidence(pki, folder, statuses=(*STATUSES, *MORE))
    trust = made.trust()
    report = verify(made, made.file, trust, pdfs=True)
    if not report.ok or len(report.events) != 10:
        raise SystemExit(f"{len(report.events)} events: {report.reasons}")
    with zipfile.ZipFile(made.file) as archive:
        members, size = len(archive.namelist()), made.file.stat().st_size
    sides = {
        "everything": lambda: cpu_ms(lambda: verify(made, made.file, made.trust(), pdfs=True)),
        "without the PDFs": lambda: cpu_ms(lambda: verify(made, made.file, trust, pdfs=False)),
        "content withheld": lambda: cpu_ms(lambda: verify(made, made.digests, trust, pdfs=False)),
    }
    taken = interleaved(sides, ROUNDS)
    medians = {name: round(statistics.median(values), 1) for name, values in taken.items()}
    least = {name: round(min(values), 1) for name, values in taken.items()}
    return {"events": 10, "members": members, "bytes": size, "cpu_ms": medians, "least_ms": least, "bar_ms": BAR_MS, "held": medians["everything"] <= BAR_MS}


def main() -> int:
    """Print the figures; exit code 1 when the bar is not held."""
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    console.print(f"{platform.platform()}, Python {platform.python_version()}, cryptography {version('cryptography')}, {ROUNDS} rounds, CPU time")
    console.print_json(json.dumps(found))
    return 0 if found["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
