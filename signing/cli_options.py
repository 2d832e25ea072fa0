"""cli_options — what the auditor's verbs share: the trust folder, an existing file, the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

FILE = click.Path(path_type=Path, exists=True)
TRUST = click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", required=True, help="Folder with anchors/, intermediates/, crls/, log.vkey.")


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)
