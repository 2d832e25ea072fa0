"""What other verifiers make of changed copies of a signed document: a table for docs/benchmarks.md.

Run by `make bench-opinions`. Every copy is refused by this project (a test
holds that); the table says which of the others accept it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.measure import markdown, write_block
from benchmarks.signing import PAGE
from tests.house import make_house_pki
from tests.interop.calls import judged
from tests.interop.material import Case, Office, make
from tests.interop.tampered import BASE, FAMILIES
from tests.interop.tools import JAVA_FOLDER, MuTool, OpenSsl, PdfBox, PdfSig, Tool, run

COMMANDS = {"pdfsig": ("pdfsig", "-v"), "mutool": ("mutool", "-v"), "openssl": ("openssl", "version")}


def opinions(folder: Path) -> tuple[list[str], list[list[str]]]:
    """(columns, rows): one row for the untouched document, then one for each change."""
    office = Office(make_house_pki(folder / "pki").folder)
    box = PdfBox(folder / "classes")
    tools: list[Tool] = [PdfSig(folder / "nss", [office.root]), MuTool(), OpenSsl(folder / "cut", office.root, office.issuing), box]
    usable = [tool for tool in tools if not tool.missing()]
    good = make(Case(*BASE), office, folder)
    rows, changed = [], folder / "changed.pdf"
    for family in ("(untouched)", *FAMILIES):
        data = good.read_bytes()
        changed.write_bytes(FAMILIES[family](data) if family in FAMILIES else data)
        verdict = judged(changed, office.trust, kind="document")
        rows.append([family, verdict.verdict.vi, *("accepts" if tool.check(changed).accepts else "refuses" for tool in usable)])
    box.close()
    return ["change", "vanthu", *(tool.name for tool in usable)], rows


def version(name: str) -> str:
    """What a tool says about itself; the libraries by the names of their files."""
    if name == "pdfbox":
        jars = [path.stem for stem in ("pdfbox2-[0-9]*.jar", "bcprov-[0-9]*.jar") for path in sorted(JAVA_FOLDER.glob(stem))]
        return " with ".join(jars)
    return run(*COMMANDS[name])[1].splitlines()[0].split(" (")[0]


@click.command()
@click.option("--write", is_flag=True, help="Put the table into docs/benchmarks.md.")
def main(write: bool) -> None:
    """Show changed copies to other verifiers."""
    folder = Path(tempfile.mkdtemp(prefix="vanthu-opinions-"))
    try:
        columns, rows = opinions(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)
    missed = ", ".join(f"{name} {sum(row[2 + n] == 'accepts' for row in rows[1:])}" for n, name in enumerate(columns[2:]))
    versions = ", ".join(version(name) for name in columns[2:])
    if write:
        write_block(PAGE, "opinions", f"Accepted of {len(rows) - 1} changed copies: vanthu 0, {missed}.\nVersions: {versions}.\n\n{markdown(columns, rows)}")


if __name__ == "__main__":
    main()
