"""The edXML reader under any bytes: every input must get findings (a refusal is one), within the limits.

The same target is run over mutations made by hypothesis in tests/property/test_edxml_any_bytes.py.
"""

from __future__ import annotations

import shutil
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

