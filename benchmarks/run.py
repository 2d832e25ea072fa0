"""The whole hub on this machine: one command, medians, machine and versions named.

Run by `make bench`, against the limits of the design; what signing and
verifying cost is in `benchmarks.signing`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.files import REFERENCE, pdf_of
from exchange.edxml.read import read_package
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing
from signing.report import Role
from signing.seal import sign_seal, verify_seal
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, sign_pdf
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests.house import PULLER, SENDER, House, Pki, make_house_pki
from tests.journey.processes import HubProcess

RUNS = 7
DOCUMENTS = 200
SENDERS = 16


def now() -> datetime:
    return datetime.now(UTC)


def cpu_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median CPU milliseconds after one warm-up."""
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def stages(table: Table, pki: Pki, folder: Path) -> Path:
    """The reference document, and what each stage of accepting it costs."""
    trust = Trust.load(pki.folder / "trust")
    draft, half, done = pdf_of(folder / "d.pdf", REFERENCE, 3), folder / "h.pdf", folder / "reference.pdf"
    sign_pdf(draft, half, pki.person(), now=now(), role=Role.PERSON, field=PERSON_FIELD)
    sign_pdf(half, done, pki.seal(SENDER), now=now(), role=Role.AGENCY, field=AGENCY_FIELD, trust=trust)
    house = House(pki, folder / "stage")
    package = reference(folder, done, "stage")
    digest = hashlib.sha256(package.read_bytes()).digest()
    seal = sign_seal(digest, pki.seal(SENDER))
    work = folder / "work"
    work.mkdir()
    table.add_row("read the reference package (100 KB PDF)", f"{cpu_ms(lambda: read_package(package, workdir=work)):.2f} ms", "")
    table.add_row("verify its seal", f"{cpu_ms(lambda: verify_seal(digest, seal, trust, at=now())):.2f} ms", "")
    table.add_row("verify its PDF, two signatures", f"{cpu_ms(lambda: verify_pdf(done, trust, at=now())):.1f} ms", "")
    table.add_row("make a seal (P-256)", f"{cpu_ms(lambda: sign_seal(digest, house.hub.office.seal_key)):.2f} ms", "")
    house.close()
    return done


def reference(folder: Path, pdf: Path, name: str) -> Path:
    header = Header(Organ(SENDER), (Organ(PULLER),), f"{SENDER},2026/11/20,{name}/QĐ", subject="V/v đo", code_number=name, code_notation="QĐ")
    target = folder / f"{name}.edxml"
    write_package(target, header, [Outgoing("a.pdf", "Văn bản chính", "application/pdf", pdf)])
    return target


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process and its live children."""
    total, tick = 0.0, os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def peak_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def accepting(table: Table, hub: HubProcess, folder: Path, pdf: Path) -> None:
    """Accepted documents per second over kept mutual-TLS connections, sender on the same machine."""
    assert hub.process is not None
    pid = hub.process.pid
    async with hub.client(SENDER) as client:
        await asyncio.gather(*(client.submit(reference(folder, pdf, f"w{n}"), now=now()) for n in range(8)))
        rates, waits, cpu = [], [], tree_cpu(pid)
        for run in range(5):
            packages = [reference(folder, pdf, f"r{run}-{n}") for n in range(DOCUMENTS // 5)]
            gate = asyncio.Semaphore(SENDERS)

            async def one(package: Path, gate: asyncio.Semaphore = gate) -> None:
                async with gate:
                    start = time.perf_counter()
                    await client.submit(package, now=now())
                    waits.append((time.perf_counter() - start) * 1000)

            start = time.perf_counter()
            await asyncio.gather(*(one(p) for p in packages))
            rates.append(len(packages) / (time.perf_counter() - start))
        cpu = (tree_cpu(pid) - cpu) / DOCUMENTS * 1000
    waits.sort()
    table.add_row(f"accept the reference document, {SENDERS} at once", f"{statistics.median(rates):.0f} /s", "target 30 /s; both ends here")
    table.add_row("… answer p50 / p95", f"{waits[len(waits) // 2]:.0f} / {waits[len(waits) * 95 // 100]:.0f} ms", "")
    table.add_row("… hub CPU per document, verifiers included", f"{cpu:.1f} ms", "")


async def large(table: Table, hub: HubProcess, folder: Path) -> None:
    """Memory of the hub while a 200 MB document passes."""
    assert hub.process is not None
    # Forget the peak of the load before.
    Path(f"/proc/{hub.process.pid}/clear_refs").write_text("5")
    before = peak_kb(hub.process.pid)
    big = pdf_of(folder / "big.pdf", 200_000_000)
    async with hub.client(SENDER) as client:
        await client.submit(reference(folder, big, "big"), now=now())
    table.add_row("hub memory growth, 200 MB document", f"{(peak_kb(hub.process.pid) - before) / 1024:.0f} MB", "target 50 MB")


def main() -> None:
    console = Console()
    names = ("cryptography", "pyhanko", "aiohttp", "lxml", "sqlalchemy")
    console.print(f"{platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}")
    console.print(", ".join(f"{n} {version(n)}" for n in names) + f"; load {os.getloadavg()[0]:.1f}; medians of {RUNS} (rates: 5) runs")
    table = Table("what", "median", "against")
    folder = Path(tempfile.mkdtemp(prefix="vanthu-bench-"))
    try:
        pki = make_house_pki(folder / "pki")
        pdf = stages(table, pki, folder)
        hub = HubProcess(pki, folder / "hub")
        hub.start()
        try:
            asyncio.run(accepting(table, hub, folder, pdf))
            asyncio.run(large(table, hub, folder))
        finally:
            hub.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(table)
    console.print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
