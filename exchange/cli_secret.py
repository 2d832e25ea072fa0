"""cli_secret — `vanthu agency secret`: give a connected system its shared secret, or roll it over. It is never shown."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path

import click

from exchange.config import load_hub
from exchange.connector import PROFILES
from exchange.errors import ConfigError
from exchange.server import open_hub
from exchange.store.secret_box import check_private, write_private
from signing.show import Screen, options

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("secret")
@click.option("--config", "config", type=FILE, envvar="VANTHU_CONFIG", default="hub.toml", show_default=True, help="The hub's configuration file.")
@click.argument("code")
@click.option("--profile", type=click.Choice(PROFILES), default="vxp", show_default=True, help="Which connector profile.")
@click.option("--system", default="", help="System id (systemid, X-SystemId); one system may act for several agencies.  [default: CODE]")
@click.option("--from", "source", type=FILE, help="Take the secret from this file, which only its owner may read.")
@click.option("--to", "target", type=FILE, help="Make a new secret and write it to this new file.  [default: CODE-PROFILE.secret]")
@click.option("--overlap-hours", default=24.0, show_default=True, type=click.FloatRange(0, 8760), help="How long the system's earlier secrets still hold.")
@options
def secret(config: Path, code: str, profile: str, system: str, source: Path | None, target: Path | None, overlap_hours: float, screen: Screen) -> None:
    """Give a system its shared secret, or roll it over.

    The secret is stored encrypted and never shown; hand the file over and delete it.
    """
    if source is not None and target is not None:
        raise click.UsageError("--from or --to, not both")
    by = os.environ.get("VANTHU_OPERATOR") or os.environ.get("USER") or "operator"
    hub = open_hub(load_hub(config, os.environ))
    try:
        hub.agency(code)
        if source is not None:
            check_private(source)
            value = source.read_bytes().rstrip(b"\r\n")
        else:
            target = target or Path(f"{code}-{profile}.secret")
            if target.exists():
                raise ConfigError("is there already", place=str(target))
            value = secrets.token_urlsafe(32).encode()
            # The file first: a stored secret that nobody has would lock the system out.
            write_private(target, value)
        key = hub.connector.add_secret(profile, system or code, code, value, by=by, overlap=timedelta(hours=overlap_hours))
    finally:
        hub.close()
    screen.value({"agency": code, "profile": profile, "system": system or code, "key": key, "file": str(target) if target else ""})
    where = f" → {target}" if target else ""
    screen.say(
        f"Đã đặt khóa {key} ({profile}) của hệ thống {system or code}, thay mặt {code}{where}",
        f"Secret {key} ({profile}) of system {system or code}, acting for {code}{where}",
    )
