"""The Rust peer in its own environment: one JSON request a line, one JSON answer a line. Imports nothing of this project."""

import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pdfsigner  # type: ignore[import-not-found]


def work(ask: dict[str, Any]) -> bool:
    if ask["do"] == "sign":
        pdfsigner.sign_pdf(ask["source"], ask["target"], ask["key"], ask["password"])
        return True
    return bool(pdfsigner.verify_pdf_report(ask["source"], ask["root"])["all_trusted"])


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        gc.collect()
        taken, holds = [], True
        for _ in range(ask["calls"]):
            start = time.process_time()
            holds = (work(ask)) and holds
            taken.append((time.process_time() - start) * 1000)
        milliseconds = statistics.median(taken)
        peak = next(int(row.split()[1]) for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM")) / 1024
        print(json.dumps({"ms": milliseconds, "holds": holds, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
