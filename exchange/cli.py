"""cli — the `vanthu` command: every verb in one place, each loaded only when it is called.

Loading all of them takes a second; an auditor's `vanthu verify` needs none of the hub.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import get_completion_class

from exchange.errors import ExchangeError
from signing import __version__
from signing.errors import SigningError
from signing.show import Screen

INTERRUPTED = 130
_HUB, _AGENCY = "exchange.cli_hub", "exchange.cli_agency"
PLACES = {
    **dict.fromkeys(("serve", "agency", "queue", "trace", "hold", "release", "resend", "migrate", "doctor"), _HUB),
    **dict.fromkeys(("node", "pack", "submit", "inbox", "fetch", "acknowledge", "status", "life"), _AGENCY),
    **dict.fromkeys(("recall", "take-back", "update", "replace"), "exchange.cli_changes"),
    **dict.fromkeys(("sign", "timestamp", "sign-prepare", "sign-complete"), "signing.cli_sign"),
    "custody": "exchange.cli_custody",
    "verify": "signing.cli_verify",
    "inspect": "signing.cli_inspect",
    "trust": "signing.cli_trust",
    "keys": "signing.cli_keys",
    "edxml": "exchange.cli_edxml",
    "conformance": "exchange.cli_conformance",
    "simulate": "exchange.cli_simulate",
    "directory": "exchange.cli_directory",
    "demo": "exchange.demo",
}


class Verbs(click.Group):
    """A group whose verbs are loaded from `PLACES` at first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs."""
        return sorted({*PLACES, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, loaded now if need be."""
        if cmd_name in PLACES and cmd_name not in self.commands:
            found = getattr(import_module(PLACES[cmd_name]), cmd_name.replace("-", "_"))
            if isinstance(found, click.Command):
                self.add_command(found, cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; Ctrl-C is no verdict, so it has an exit code of its own (128 + SIGINT)."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nvanthu: đã dừng theo yêu cầu. / stopped.", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version=__version__, prog_name="vanthu")
def cli() -> None:
    """Digitally signed document exchange between agencies (Trục liên thông văn bản).

    Exit codes: 0 it holds, 1 it does not hold, 2 wrong usage, 130 stopped by Ctrl-C.
    """


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell completion script: eval "$(vanthu completion bash)"."""
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(cli, {}, "vanthu", "_VANTHU_COMPLETE").source())


def main(arguments: Sequence[str] | None = None) -> None:
    """Console script: errors become one line with a code, and exit status 1. `arguments`: those of the process when None."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        cli(given, prog_name="vanthu")
    except (ExchangeError, SigningError) as error:
        lang = "en" if "--lang=en" in given or ("--lang" in given and "en" in given) else "vi"
        # A refusal by the hub carries the hub's own words.
        said = [getattr(error, f"hub_{part}", "") or getattr(error, part) for part in ("code", "vi", "en")]
        Screen(lang=lang).fail(*said, place=error.place, detail=error.detail)
        sys.exit(1)


if __name__ == "__main__":
    main()
