"""Writes what is generated: docs/errors.md, the help in README.md, and the schema of the JSON report.

Run by `make docs`; a test compares.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from exchange import change_errors, directory_errors
from exchange.cli import cli
from exchange.client import Refused
from exchange.errors import every_error
from signing import errors as signing_errors
from signing.report_json import schema

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- help -->\n```\n", "```\n<!-- /help -->"


def errors_page() -> str:
    """docs/errors.md."""
    lines = [
        "# Errors",
        "",
        "Generated from the code by `make docs`. Codes are stable; *retry* says whether the same request may succeed later.",
        "",
        "## Exchange",
        "",
        "| code | HTTP | retry | Tiếng Việt | English |",
        "|---|---|---|---|---|",
    ]
    assert {change_errors.AlreadyRecalled, directory_errors.NotServed} <= set(every_error())  # parts of the tree in modules of their own
    for error in (*every_error(), Refused):
        if f"| `{error.code}` |" not in "\n".join(lines):
            lines.append(f"| `{error.code}` | {error.status} | {'yes' if error.retry else 'no'} | {error.vi} | {error.en} |")
    lines += ["", "## Signing", "", "| code | retry | Tiếng Việt | English |", "|---|---|---|---|"]
    for value in vars(signing_errors).values():
        if isinstance(value, type) and issubclass(value, signing_errors.SigningError):
            lines.append(f"| `{value.code}` | {'yes' if value.retry else 'no'} | {value.vi} | {value.en} |")
    return "\n".join(lines) + "\n"


def help_text() -> str:
    """What `vanthu --help` prints."""
    return CliRunner().invoke(cli, ["--help"], prog_name="vanthu", terminal_width=100).output


def with_help(page: str) -> str:
    """The page with the help between its marks."""
    pattern = re.escape(START) + ".*?" + re.escape(END)
    return re.sub(pattern, lambda _: START + help_text() + END, page, flags=re.DOTALL)


def report_schema() -> str:
    """schemas/report.schema.json."""
    return json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    (ROOT / "schemas" / "report.schema.json").write_text(report_schema())
    (ROOT / "docs" / "errors.md").write_text(errors_page())
    for name in ("README.md", "README.vi.md"):
        page = ROOT / name
        page.write_text(with_help(page.read_text()))
