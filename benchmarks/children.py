"""What is measured in a fresh process of its own: peak memory of one job, and many jobs side by side.

    python -m benchmarks.children peak sign|verify KEY TRUST SOURCE TARGET
    python -m benchmarks.children work sign|group|verify|raw KEY TRUST SOURCE TARGET COUNT

`peak` prints the process's own high-water mark in MB (VmHWM: `ru_maxrss` of a
child also counts the parent it was forked from). `work` says "ready", waits for
a line, does COUNT jobs and says "done".
"""

from __future__ import annotations

import itertools
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from signing.keys import Scheme, open_key
from signing.report import Role, Verdict
from signing.sign_pdf import Together
from signing.trust import Trust
from tests.interop.calls import judged, sign

GROUP = 50  # files signed together
ROOT = Path(__file__).resolve().parents[1]


def high_water_mb() -> float:
    """Peak resident memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def finished_cpu_seconds() -> float:
    """CPU of all children that ended so far, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def job(what: str, key_file: Path, trust_folder: Path, source: Path, target: Path) -> Callable[[], object]:
    """What is done again and again.

    One signature onto `source` into a new file named after `target`, `GROUP` of them together, one verdict on `source`,
    which must hold, or one bare private operation.
    """
    trust = Trust.load(trust_folder)
    fresh = (target.with_name(f"{number}-{target.name}") for number in itertools.count())  # as a registry signs: each into a file of its own
    if what == "raw":
        bare = open_key(key_file)
        return lambda: bare.sign(b"x", Scheme.PKCS1V15)
    if what == "sign":
        key = open_key(key_file)
        return lambda: sign(source, next(fresh), key, trust, role=Role.AGENCY, kind="attachment", scheme="pkcs1")
    if what == "group":
        own = open_key(key_file)

        def together() -> None:
            with Together() as group:
                for _ in range(GROUP):
                    sign(source, next(fresh), own, trust, role=Role.AGENCY, kind="attachment", scheme="pkcs1", group=group)

        return together

    def verify() -> None:
        verdict = judged(source, trust, kind="attachment")
        if verdict.verdict is not Verdict.VALID:
            raise SystemExit(f"not valid: {verdict.reasons}")

    return verify


def command(mode: str, what: str, *rest: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks.children", mode, what, *(str(r) for r in rest)]


def peak_mb(what: str, key: Path, trust: Path, source: Path, target: Path) -> float:
    """Peak resident memory of a fresh process that does one job."""
    done = subprocess.run(command("peak", what, key, trust, source, target), cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    return float(done.stdout)


def wall_seconds(processes: int, what: str, key: Path, trust: Path, source: Path, target: Path, count: int) -> float:
    """Wall seconds for `count` jobs in each of `processes` processes that start together, warmed up."""
    # A folder for each, as two workers have: in one folder they would wait for each other's names.
    folders = [target.with_name(f"{target.stem}-{number}") for number in range(processes)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    lines = [command("work", what, key, trust, source, folder / target.name, count) for folder in folders]
    started = [subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for line in lines]
    pipes = [(p.stdin, p.stdout) for p in started if p.stdin is not None and p.stdout is not None]
    for _, out in pipes:
        if out.readline() != "ready\n":
            raise RuntimeError("a worker did not start")
    start = time.perf_counter()
    for into, _ in pipes:
        into.write("go\n")
        into.flush()
    for _, out in pipes:
        if out.readline() != "done\n":
            raise RuntimeError("a worker failed")
    took = time.perf_counter() - start
    for process in started:
        process.communicate(timeout=60)
    for folder in folders:
        shutil.rmtree(folder)
    return took


def main() -> None:
    mode, what, *rest = sys.argv[1:]
    work = job(what, *(Path(p) for p in rest[:4]))
    if mode == "peak":
        work()
        print(high_water_mb())
        return
    for _ in range(5):
        work()
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(rest[4])):
        work()
    print("done", flush=True)


if __name__ == "__main__":
    main()
