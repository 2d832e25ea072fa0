"""Reading, checking and writing edXML packages: CPU time per package, speed and memory with one attachment of 1 GB.

Run by `make bench-edxml`. The floor in the same rounds is what cannot be saved: base64 and SHA-256 of the same bytes in memory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pybase64
from rich.console import Console

from benchmarks.measure import COLUMNS, Row, at_most, cpu_ms, interleaved, machine, markdown, ratio, show, shown, write_block
from exchange.edxml.read import read_package
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing

ROUNDS = 7
SMALL, MIDDLE, LARGE = 100_000, 20_000_000, 1_000_000_000
PAGE = Path(__file__).resolve().parents[1] / "docs" / "edxml.md"
HEADER = Header(
    Organ("000.00.99.H56", "Cơ quan gửi (mô phỏng)"),
    (Organ("000.00.98.H56", "Cơ quan nhận (mô phỏng)"),),
    "000.00.99.H56,2026/11/20,125/QĐ-UBND",
    subject="V/v đo thời gian đọc và ghi gói tin",
    code_number="125",
    code_notation="QĐ-UBND",
)


def pdf(path: Path, size: int) -> Path:
    """A file that starts like a PDF; the rest is random, as compressed scans are."""
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")
        for _ in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size)))
    os.truncate(path, size)
    return path


def package(folder: Path, size: int) -> tuple[Path, Path]:
    source, target = pdf(folder / f"{size}.pdf", size), folder / f"{size}.edxml"
    write_package(target, HEADER, [Outgoing("125_QĐ-UBND.pdf", "Văn bản chính", "application/pdf", source)])
    return source, target


def rows_of(folder: Path, size: int, name: str, read_bar: float, write_bar: float, calls: int) -> list[Row]:
    source, target = package(folder, size)
    work, out = folder / "work", folder / "out.edxml"
    work.mkdir(exist_ok=True)
    data = source.read_bytes()
    text = pybase64.b64encode(data)
    outgoing = [Outgoing("125_QĐ-UBND.pdf", "Văn bản chính", "application/pdf", source)]
    taken = interleaved(
        {
            "read": lambda: cpu_ms(lambda: read_package(target, workdir=work), calls),
            "write": lambda: cpu_ms(lambda: write_package(out, HEADER, outgoing), calls),
            "read floor": lambda: cpu_ms(lambda: hashlib.sha256(pybase64.b64decode(text, validate=True)).digest(), calls),
            "write floor": lambda: cpu_ms(lambda: hashlib.sha256(pybase64.b64encode(data)).digest(), calls),
        },
        ROUNDS,
    )
    made = []
    for what, bar in (("read", read_bar), ("write", write_bar)):
        own, floor = taken[what], taken[f"{what} floor"]
        row = at_most(f"{what}{' and validate' if what == 'read' else ''} a package with a {name} PDF, CPU", own, bar)
        against = f"base64 + SHA-256: {shown(statistics.median(floor))}"
        made.append(Row(row.what, row.median, row.least, against, f"{ratio(own, floor):.2f} ×", row.bar, row.held))
    return made


def peak_kb() -> int:
    """The peak of this process since it was last forgotten; getrusage would give the parent's."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))


def child(what: str, size: int, folder: Path) -> None:
    """In a process of its own: growth of the peak (MB) and seconds for one package; `copy` is what the disk alone takes."""
    small, large = folder / "warm.edxml", folder / f"{size}.edxml"
    work = folder / "work"
    work.mkdir(exist_ok=True)
    outgoing = [Outgoing("a.pdf", "", "application/pdf", folder / f"{size}.pdf")]
    if what == "read":
        read_package(small, workdir=work)
    Path("/proc/self/clear_refs").write_text("5")
    before, start = peak_kb(), time.perf_counter()
    if what == "read":
        read_package(large, workdir=work)
    elif what == "write":
        write_package(large, HEADER, outgoing)
    else:
        with large.open("rb") as source, (work / "copy").open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 18)
    took = time.perf_counter() - start
    print((peak_kb() - before) / 1024, took)


def measured(what: str, folder: Path) -> tuple[float, float]:
    """Growth in MB, and MB of the package per second."""
    told = subprocess.run([sys.executable, "-m", "benchmarks.edxml", what, str(LARGE), str(folder)], capture_output=True, text=True, check=True)
    grown, took = map(float, told.stdout.split())
    return grown, (folder / f"{LARGE}.edxml").stat().st_size / took / 1e6


def large_rows(folder: Path) -> list[Row]:
    warm = pdf(folder / "warm.pdf", SMALL)
    write_package(folder / "warm.edxml", HEADER, [Outgoing("a.pdf", "", "application/pdf", warm)])
    pdf(folder / f"{LARGE}.pdf", LARGE)
    write_package(folder / f"{LARGE}.edxml", HEADER, [Outgoing("a.pdf", "", "application/pdf", folder / f"{LARGE}.pdf")])
    taken: dict[str, list[tuple[float, float]]] = {"write": [], "read": [], "copy": []}
    for _ in range(5):
        for what, values in taken.items():
            values.append(measured(what, folder))
    copy = [speed for _, speed in taken["copy"]]
    rows = []
    for what in ("write", "read"):
        growth, speed = [g for g, _ in taken[what]], [s for _, s in taken[what]]
        name, middle = f"{what} a package with one attachment of 1 GB", statistics.median(speed)
        rows.append(at_most(f"{name}: growth of memory", growth, 60, unit="MB"))
        against = f"copying it: {statistics.median(copy):.0f} MB/s"
        bar = f"{middle:.0f} MB/s", f"{min(speed):.0f} MB/s", against, f"{ratio(speed, copy):.2f} ×", "≥ 150 MB/s", middle >= 150
        rows.append(Row(f"{name}: speed", *bar))
    return rows


def main() -> None:
    console, facts = Console(), machine()
    folder = Path(tempfile.mkdtemp(prefix="vanthu-bench-edxml-"))
    try:
        rows = rows_of(folder, SMALL, "100 KB", 3, 2, 20) + rows_of(folder, MIDDLE, "20 MB", 120, 100, 1) + large_rows(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in facts:
        console.print(line)
    show(console, f"edXML, medians of {ROUNDS} rounds (1 GB: 5)", rows)
    table = markdown(COLUMNS, [row.cells() for row in rows])
    write_block(PAGE, "bench-edxml", "\n".join(f"* {line}" for line in facts) + f"\n* medians of {ROUNDS} interleaved rounds (1 GB: 5)\n\n" + table)
    sys.exit(0 if all(row.held is not False for row in rows) else 1)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
