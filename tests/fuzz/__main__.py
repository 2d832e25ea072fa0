"""Coverage-guided fuzzing (a development extra: wants atheris, which is not in the lock file).

    python -m tests.fuzz TARGET CORPUS_FOLDER… -runs=1000000 -max_len=20000

TARGET is a module of this folder with `one_input`. New inputs go to the first corpus folder;
whatever is raised is a crash with its input kept beside the working directory. docs/fuzzing.md
has what was run and found; tests/fuzz/corpus is replayed in every test run.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOMS = ["exchange", "signing", "zipfile", "json"]


def main() -> None:
    if find_spec("atheris") is None:
        sys.exit("atheris is not installed: pip install atheris, in an environment of its own")
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=ROOMS):
        one_input = import_module(f"tests.fuzz.{sys.argv[1]}").one_input
    folder = Path(tempfile.mkdtemp(prefix="vanthu-fuzz-"))

    def target(data: bytes) -> None:
        one_input(data, folder)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
