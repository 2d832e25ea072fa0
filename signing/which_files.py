"""which_files — những tệp nào: from names on the command line to files: folders, patterns, and what comes through a pipe.

Nothing that was named or found is passed over in silence: a folder that may not be opened and a
link that leads nowhere are given back like files, and end as "cannot be determined".
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

EVIDENCE = (".asice", ".asic", ".zip")
_IN_FOLDERS = (".pdf", ".asice", ".asic")
STANDARD_INPUT = "-"
_DEVICES = ("/dev/", "/proc/")


class NothingThere(Exception):
    """A name on the command line that is no file, no folder and no pattern that matches."""


def expand(names: Iterable[str]) -> list[Path]:
    """Files named, files in folders named (PDF and evidence files, recursively), and patterns such as ``**/*.pdf``.

    Raises:
        NothingThere: a name that is none of these.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += _within(path)
        elif path.exists() or path.is_symlink():
            found.append(path)
        else:
            matched = sorted(Path(m) for m in glob.glob(name, recursive=True)) if glob.has_magic(name) else []
            if not matched:
                raise NothingThere(name)
            found += expand(str(m) for m in matched)
    return list(dict.fromkeys(found))


def _within(folder: Path) -> list[Path]:
    closed: list[Path] = []  # a folder that cannot be listed takes the place of its files
    walked = os.walk(folder, onerror=lambda error: closed.append(Path(error.filename)))
    paths = [Path(parent, name) for parent, _, names in walked for name in names if name.lower().endswith(_IN_FOLDERS)]
    # Neither pipes nor devices; what cannot even be looked at is kept.
    return sorted([p for p in paths if os.path.isfile(p) or not os.path.exists(p)] + closed)


def spooled(names: Iterable[str], folder: Path, standard_input: IO[bytes] | None = None) -> tuple[list[str], dict[Path, Path]]:
    """(`names` with every pipe replaced by a file in `folder`, those files with the name to show for each).

    A verifier reads back and forth and in another process, so ``-``, ``/dev/stdin`` and ``<(…)`` are
    written down first; the caller removes the folder.

    Raises:
        OSError: it cannot be written or read.
    """
    given: list[str] = []
    shown: dict[Path, Path] = {}
    for name in names:
        path = Path(name)
        if name == STANDARD_INPUT or path.is_fifo():
            target = folder / f"pipe-{len(shown) + 1}"
            with target.open("wb") as out:
                if name == STANDARD_INPUT:
                    shutil.copyfileobj(standard_input or sys.stdin.buffer, out)
                else:
                    with path.open("rb") as pipe:
                        shutil.copyfileobj(pipe, out)
            with target.open("rb") as file:
                suffix = ".asice" if file.read(4) == b"PK\x03\x04" else ".pdf"
            kept = target.rename(target.with_suffix(suffix))
            shown[kept] = Path(("stdin" if name in (STANDARD_INPUT, "/dev/stdin", "/dev/fd/0") else path.name) + suffix)
            given.append(str(kept))
        else:
            # A descriptor of this process means something else to a worker.
            given.append(str(path.resolve()) if name.startswith(_DEVICES) and path.is_file() else name)
    return given, shown
