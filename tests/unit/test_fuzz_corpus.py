"""What coverage-guided fuzzing found worth keeping, replayed in every run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import container, edxml_reader, edxml_status, vxp_headers

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
TARGETS: dict[str, Callable[[bytes, Path], bool]] = {
    "container": container.one_input,
    "edxml_reader": edxml_reader.one_input,
    "edxml_status": edxml_status.one_input,
    "vxp_headers": vxp_headers.one_input,
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("target", TARGETS)
def test_replayed(tmp_path: Path, target: str) -> None:
    inputs = sorted((CORPUS / target).iterdir())
    taken = [TARGETS[target](path.read_bytes(), tmp_path) for path in inputs]
    assert len(inputs) >= 10 and True in taken and False in taken


def test_the_corpus_is_small() -> None:
    assert sum(p.stat().st_size for p in CORPUS.rglob("*") if p.is_file()) < 200_000
