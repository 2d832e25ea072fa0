"""Coverage-guided fuzzing of the edXML reader (a development extra: wants atheris, which is not in the lock file).

    python -m tests.fuzz.edxml_reader CORPUS_FOLDER -runs=1000000 -max_len=20000

Every input must get findings (a refusal is one), within the limits; anything else is a crash with its input kept.
Without atheris, the same target is run over mutations made by hypothesis in tests/property/test_edxml_any_bytes.py.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from exchange.edxml.convert import lint
from exchange.edxml.parser import Limits
from exchange.envelope import Severity

LIMITS = Limits(size=1_000_000, elements=2000, text=200_000, attachments=20, unwrapped=2_000_000)


def one_input(data: bytes, folder: Path) -> bool:
    """Whether it was read; False: refused."""
    source, work = folder / "input", folder / "work"
    work.mkdir(exist_ok=True)
    source.write_bytes(data)
    try:
        findings = lint(source, workdir=work, limits=LIMITS)
        assert all(f.code and f.vi and f.en for f in findings)
    finally:
        assert sum(p.stat().st_size for p in work.iterdir()) <= LIMITS.size + LIMITS.unwrapped
        shutil.rmtree(work)
    return not any(f.severity is Severity.REJECT for f in findings)


def main() -> None:
    if find_spec("atheris") is None:
        sys.exit("atheris is not installed: pip install atheris, in an environment of its own")
    atheris = import_module("atheris")
    folder = Path(tempfile.mkdtemp(prefix="vanthu-fuzz-"))

    def target(data: bytes) -> None:
        one_input(data, folder)

    atheris.instrument_all()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
