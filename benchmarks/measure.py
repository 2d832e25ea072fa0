"""Measuring: interleaved rounds, one row of the table, and the table itself on screen and in a document.

Everything that is compared is run in turns within the same rounds, so that a
busy neighbour slows both sides. A ratio is the median of the ratios of the rounds.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

COLUMNS = ("what", "median", "min", "against", "ratio", "bar", "held")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: numbers as text, and whether its bar was held (None: no bar, or nothing to compare with)."""

    what: str
    median: str
    least: str
    against: str = ""
    ratio: str = ""
    bar: str = ""
    held: bool | None = None

    def cells(self) -> tuple[str, ...]:
        held = "" if self.held is None else "yes" if self.held else "NO"
        return (self.what, self.median, self.least, self.against, self.ratio, self.bar, held)


def cpu_ms(work: Callable[[], object], calls: int = 1) -> float:
    """CPU milliseconds of this process for one call: median of `calls` in a row, each timed, garbage collected before."""
    gc.collect()
    taken = []
    for _ in range(calls):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) * 1000)
    return statistics.median(taken)


def interleaved(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each side measures itself once per round, in turns, after one round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            value = side()
            if number:
                taken[name].append(value)
    return taken


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def shown(value: float, unit: str = "ms") -> str:
    return f"{value:.2f} {unit}" if value < 10 else f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"


def at_most(what: str, values: Sequence[float], bar: float | None = None, *, unit: str = "ms") -> Row:
    """A row measured against a fixed ceiling, or against nothing."""
    middle = statistics.median(values)
    limit = "" if bar is None else f"≤ {bar:g} {unit}"
    return Row(what, shown(middle, unit), shown(min(values), unit), bar=limit, held=None if bar is None else middle <= bar)


def compared(what: str, ours: Sequence[float], name: str, theirs: Sequence[float], bar: float | None = None) -> Row:
    """A row measured against a peer or a floor of the same rounds; `bar` is the highest ratio."""
    value, against = ratio(ours, theirs), f"{name}: {shown(statistics.median(theirs))}"
    limit = "" if bar is None else f"≤ {bar:g} ×"
    return Row(what, shown(statistics.median(ours)), shown(min(ours)), against, f"{value:.2f} ×", limit, None if bar is None else value <= bar)


def machine() -> list[str]:
    """What was measured on, line by line."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    names = ("cryptography", "pyhanko", "pyhanko-certvalidator", "asn1crypto")
    return [
        f"{os.cpu_count()} processors of a shared virtual machine ({cpu}), Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start",
        f"Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in names),
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    ]


def show(console: Console, title: str, rows: Sequence[Row]) -> None:
    table = Table(*COLUMNS, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row.cells(), style="bold red" if row.held is False else "")
    console.print(table)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows])


def write_block(page: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of `name` in a document.

    Raises:
        ValueError: the marks are not there.
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.read_text().partition(opening)
    _, closed, after = rest.partition(closing)
    if not found or not closed:
        raise ValueError(f"{page} has no block {name}")
    page.write_text(f"{before}{opening}\n\n{text}\n\n{closing}{after}")
