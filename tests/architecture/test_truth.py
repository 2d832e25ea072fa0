"""Documentation says what the code does; style and types hold."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

from exchange import cli_agency, cli_changes, cli_conformance, cli_custody, cli_directory, cli_edxml, cli_hub, cli_simulate
from exchange.cli import PLACES
from exchange.errors import every_error
from signing import cli as signing_cli
from signing import errors as signing_errors

ROOT = Path(__file__).resolve().parents[2]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_errors_page_is_current() -> None:
    assert (ROOT / "docs" / "errors.md").read_text() == generator().errors_page()


def test_help_in_the_readmes_is_current() -> None:
    for name in ("README.md", "README.vi.md"):
        page = (ROOT / name).read_text()
        assert "Usage: vanthu" in page and page == generator().with_help(page)


def test_every_module_has_its_line_on_the_page_of_the_architecture() -> None:
    named = set(re.findall(r"`([\w*]+)`", (ROOT / "docs" / "architecture.md").read_text()))
    modules = {path.stem for room in ("exchange", "signing") for path in (ROOT / room).iterdir() if path.suffix in ("", ".py") and path.stem.isidentifier()}
    assert sorted(m for m in modules if not m.startswith("__") and not any(fnmatch(m, pattern) for pattern in named)) == []


def test_the_two_commands_come_first() -> None:
    for name in ("README.md", "README.vi.md"):
        head = (ROOT / name).read_text()[:400]
        assert "make demo" in head and "make test" in head


def test_error_codes_are_stable_names_in_two_languages() -> None:
    classes = [*every_error(), *(v for v in vars(signing_errors).values() if isinstance(v, type) and issubclass(v, signing_errors.SigningError))]
    for error in classes:
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", error.code), error
        assert error.vi.endswith(".") and error.en.endswith(".") and error.vi != error.en, error.code
    codes = [e.code for e in every_error()]
    assert len(codes) == len(set(codes))


def test_every_error_code_is_used_in_a_test() -> None:
    text = "\n".join(p.read_text() for p in (ROOT / "tests").rglob("*.py"))
    unused = [e.code for e in every_error() if f'"{e.code}"' not in text and not re.search(rf"\b{e.__name__}\b", text)]
    assert unused == []


def test_links_in_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "keys" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_ruff() -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_mypy_strict() -> None:
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_verb_is_in_its_place() -> None:
    verbs = {"completion": "exchange.cli"}
    for module in (cli_hub, cli_custody, cli_agency, cli_changes, cli_edxml, cli_conformance, cli_directory, cli_simulate, signing_cli):
        verbs |= {str(command.name): (command.callback.__module__ if command.callback else "") for command in module.VERBS}
    verbs["demo"] = "exchange.demo"
    assert verbs == {**PLACES, "completion": "exchange.cli"}
