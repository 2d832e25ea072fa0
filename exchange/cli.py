"""cli — the `vanthu` command: every verb in one place; the verbs live in cli_hub, cli_custody, cli_agency and signing.cli."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

from exchange import cli_agency, cli_custody, cli_hub
from exchange.demo import demo
from exchange.errors import ExchangeError
from signing import cli as signing_cli
from signing.errors import SigningError
from signing.show import Screen


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version="0.1.0", prog_name="vanthu")
def cli() -> None:
    """Digitally signed document exchange between agencies (Trục liên thông văn bản).

    Exit codes: 0 it holds, 1 it does not hold, 2 wrong usage.
    """


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell completion script: eval "$(vanthu completion bash)"."""
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(cli, {}, "vanthu", "_VANTHU_COMPLETE").source())


for command in (*cli_hub.VERBS, *cli_custody.VERBS, *cli_agency.VERBS, *signing_cli.VERBS, demo):
    cli.add_command(command)


def main() -> None:
    """Console script: errors become one line with a code, and exit status 1."""
    try:
        cli(prog_name="vanthu")
    except (ExchangeError, SigningError) as error:
        lang = "en" if "--lang=en" in sys.argv or ("--lang" in sys.argv and "en" in sys.argv) else "vi"
        screen = Screen(lang=lang)
        code, vi, en = error.code, error.vi, error.en
        if isinstance(error, cli_agency.Refused):
            code, vi, en = error.hub_code, error.hub_vi, error.hub_en
        screen.fail(code, vi, en, place=error.place, detail=error.detail)
        sys.exit(1)


if __name__ == "__main__":
    main()
