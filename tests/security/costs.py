"""What hostile and public files cost the caged verifier: CPU and peak resident memory, against the limits.

``python -m tests.security.costs [FOLDER]`` prints the ten worst of each; the exit code is 1 when a file passes
a limit. Every generated file of `tests.security.attacks`, and the files of FOLDER, VANTHU_CORPUS or the folder
beside the checkout when there are any (`tests.security.corpus`). Each file has a process of its own under the
limits of `signing.sandbox` (`tests.security.caged`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from signing.sandbox import CPU_SECONDS, MEMORY_MB
from tests.house import make_house_pki
from tests.security import corpus
from tests.security.attacks import ALL
from tests.security.attacks.workshop import Workshop
from tests.security.caged import KILLED, Cost, Costing, costing

WORST = 10


def generated(folder: Path, cost: Costing) -> Iterator[Cost]:
    """Every generated file in turn."""
    workshop, path = Workshop(make_house_pki(folder / "pki")), folder / "case.pdf"
    for case in ALL:
        path.write_bytes(workshop.file(case))
        yield cost(path, case.trust(workshop) if case.trust else workshop.trust, workshop.now + case.later, case.id)


def public(place: Path, now: datetime, cost: Costing) -> Iterator[Cost]:
    """Every file of a folder with an index, each with its own topmost certificates as anchors."""
    for entry in corpus.read_index(place):
        data = entry.path.read_bytes()
        yield cost(entry.path, corpus.own_trust(data) or corpus.no_trust(), corpus.claimed_time(data, now), entry.name)


def table(title: str, costs: list[Cost]) -> Table:
    rows = Table("file", "KB", "CPU s", "peak MB", "verdict", "reasons", title=title, title_justify="left", box=None)
    for one in costs:
        rows.add_row(one.name, f"{one.size / 1024:.0f}", f"{one.seconds:.2f}", f"{one.megabytes:.0f}", one.verdict, " ".join(one.codes[:3]))
    return rows


def main(arguments: list[str]) -> int:
    """Measure all, print the worst."""
    console, progress = Console(width=None if sys.stdout.isatty() else 160), Console(stderr=True)
    place = Path(arguments[0]) if arguments else corpus.folder()
    costs: list[Cost] = []
    with costing() as cost:
        with tempfile.TemporaryDirectory(prefix="vanthu-costs-") as folder:
            costs += track(generated(Path(folder), cost), description="generated", total=len(ALL), console=progress)
        if place is not None:
            costs += track(public(place, datetime.now(UTC), cost), description=str(place), console=progress)
    console.print(table(f"{WORST} worst of {len(costs)} by CPU", sorted(costs, key=lambda c: -c.seconds)[:WORST]))
    console.print(table(f"{WORST} worst by peak resident memory", sorted(costs, key=lambda c: -c.megabytes)[:WORST]))
    ended = [c for c in costs if KILLED in c.codes]
    console.print(f"limits: {CPU_SECONDS} s, {MEMORY_MB} MB; ended at a limit: {len(ended)} ({', '.join(c.name for c in ended) or 'none'})")
    beyond = [c for c in costs if not c.within]
    console.print(f"beyond a limit: {len(beyond)} ({', '.join(c.name for c in beyond) or 'none'})")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
