"""What one file costs the caged verifier: a process of its own under the limits of `signing.sandbox`.

Memory is the high-water mark of that process, interpreter and libraries included. It is forked from a fresh
interpreter that has loaded the verifier and nothing else, as a worker of the sandbox is: what a long test run
holds would count otherwise.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from signing.policy import judge
from signing.sandbox import CPU_SECONDS, MEMORY_MB
from signing.trust import Trust
from signing.verify_pdf import verify_pdf

KILLED = "pdf.limit"


@dataclass(frozen=True, slots=True)
class Cost:
    """One file: seconds of CPU, peak megabytes, the verdict and the codes of its reasons (`pdf.limit`: ended at a limit)."""

    name: str
    size: int
    seconds: float
    megabytes: float
    verdict: str
    codes: tuple[str, ...]

    @property
    def within(self) -> bool:
        return self.seconds <= CPU_SECONDS + 0.05 and self.megabytes <= MEMORY_MB


def cost(path: Path, trust: Trust, at: datetime, name: str = "") -> Cost:
    """Verify one file in a fork of this process under the limits of the sandbox; what ends there is a cost too."""
    into, out = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(into)
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts at what is resident now
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MB << 20, MEMORY_MB << 20))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            found = judge(verify_pdf(path, trust, at=at), policy="crypto-only")
            os.write(out, json.dumps([found.verdict.value, [r.code for r in found.reasons]]).encode()[:60_000])
        finally:
            os._exit(0)
    os.close(out)
    with os.fdopen(into, "rb") as answer:
        said = answer.read()
    _, _, usage = os.wait4(child, 0)
    verdict, codes = json.loads(said) if said else ("undetermined", [KILLED])
    return Cost(name or path.name, path.stat().st_size, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, verdict, tuple(dict.fromkeys(codes)))


class Costing(Protocol):
    """`cost`, asked in a fresh interpreter."""

    def __call__(self, path: Path, trust: Trust, at: datetime, name: str = "") -> Cost: ...


@contextmanager
def costing() -> Iterator[Costing]:
    """A fresh interpreter that forks one process a file."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:

        def ask(path: Path, trust: Trust, at: datetime, name: str = "") -> Cost:
            return fresh.submit(cost, path, trust, at, name).result()

        yield ask
