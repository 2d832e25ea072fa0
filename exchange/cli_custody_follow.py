"""cli_custody_follow — the verbs of a stranger: monitor, mirror, consistency. They need an address or a folder, and the log's key."""

from __future__ import annotations

import json
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from exchange.cli_hub import hub_of
from exchange.courier import client_tls
from exchange.errors import CustodyError
from exchange.gossip import Alert, from_header, heads_of_witnesses
from exchange.hub import Hub
from exchange.mirror import body_at, http_log, mirror
from exchange.monitor import Look, Monitor
from exchange.store import custody_log
from signing.checkpoint import Checkpoint, verify_note
from signing.errors import LogUnavailable, SigningError
from signing.show import Screen, options, refused
from signing.tile_log import CHECKPOINT, Fetch, consistency_of, folder_log, parse_path
from signing.witness_policy import load_policy
from signing.wording import local

FILE = click.Path(path_type=Path, exists=True)
FOLDER = click.Path(path_type=Path, file_okay=False)
TRUST = click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", required=True, help="Folder with log.vkey, the keys of the log.")
TLS_CA = click.option("--tls-ca", type=FILE, help="PEM with the authority of the hub's TLS certificate; the system's authorities by default.")
TLS_KEY = click.option("--tls-certificate", type=FILE, help="PEM with our own TLS certificate and key, where tiles are shown to members only.")


def log_keys(trust: Path) -> list[str]:
    """Verifier keys of the log from a trust folder.

    Raises:
        UsageError: there are none.
    """
    file = trust / "log.vkey"
    keys = file.read_text().split() if file.exists() else []
    if not keys:
        raise click.UsageError(f"no keys in {file}")
    return keys


def tls_of(ca: Path | None, certificate: Path | None) -> ssl.SSLContext:
    """TLS for reading a log."""
    if ca is not None and certificate is not None:
        return client_tls(certificate, ca)
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if certificate is not None:
        context.load_cert_chain(str(certificate))
    return context


def bar_of(screen: Screen) -> Progress:
    """A progress bar on standard error; none for programs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=screen.err, transient=True, disable=screen.as_json or not screen.err.is_terminal)


@click.command("monitor")
@click.argument("url")
@TRUST
@click.option("--state", "folder", type=FOLDER, default="custody-heads", show_default=True, help="Folder where heads and evidence are kept.")
@click.option("--once", is_flag=True, help="Look once and end: for cron.")
@click.option("--every", type=click.FloatRange(0.2), default=60.0, show_default=True, help="Seconds between looks.")
@click.option("--silence", type=click.FloatRange(0), default=30.0, show_default=True, help="Minutes without a valid answer that are too long.")
@click.option("--compare", "others", type=FILE, multiple=True, help="A head that somebody else was shown (.note, or a folder of them); may be repeated.")
@click.option("--policy", "policy_file", type=FILE, help="Witness policy (C2SP tlog-policy): alert when a head lacks its cosignatures.")
@click.option("--ask-witnesses", is_flag=True, help="With --policy: ask each witness for the head it holds, and compare.")
@click.option("--new-epoch", is_flag=True, help="Follow the log under its new name; its first entry was read.")
@TLS_CA
@TLS_KEY
@options
def monitor(
    url: str,
    trust_folder: Path,
    folder: Path,
    once: bool,
    every: float,
    silence: float,
    others: tuple[Path, ...],
    policy_file: Path | None,
    ask_witnesses: bool,
    new_epoch: bool,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    screen: Screen,
) -> None:
    """Follow the log at URL as a stranger would, and say when it does not hold.

    Exit codes: 0 all looks held, 1 an alert, 2 wrong usage. Without --once it runs until an alert.
    """
    if ask_witnesses and policy_file is None:
        raise click.UsageError("--ask-witnesses needs --policy")
    heard: list[str] = []
    context = tls_of(tls_ca, tls_certificate)
    fetch = http_log(url, context, heard=lambda value: heard.append(from_header(value)))
    policy = load_policy(policy_file) if policy_file is not None else None
    follower = Monitor(fetch, folder, log_keys(trust_folder), silence=timedelta(minutes=silence), policy=policy)
    while True:
        notes = [file.read_text() for other in others for file in (sorted(other.glob("**/*.note")) if other.is_dir() else [other])]
        try:
            if ask_witnesses and policy is not None and (kept := follower.kept()) is not None:
                heard += [note for _, note in heads_of_witnesses(policy, kept.origin, lambda address: body_at(address, context))]
            look = follower.look(datetime.now(UTC), others=notes, heard=heard, new_epoch=new_epoch)
            heard.clear()
        except SigningError as error:
            sys.exit(refused(screen, error))
        if once and look.ok and not look.answered and look.head is None:
            # Silence is judged by the time since the last answer; where there never was one, nothing held.
            look = replace(look, alerts=(Alert("unanswered", url),))
        _show_look(screen, look, folder, once=once)
        if once or not look.ok:
            sys.exit(0 if look.ok else 1)
        time.sleep(every)


def _show_look(screen: Screen, look: Look, folder: Path, *, once: bool) -> None:
    if screen.as_json:
        click.echo(json.dumps(look.to_json(), ensure_ascii=False, indent=2 if once else None))
        return
    moment, head = local(look.at), look.head
    if not look.answered:
        screen.say(f"{moment}  chưa có câu trả lời", f"{moment}  no answer")
    elif look.ok and head is not None:
        screen.say(
            f"{moment}  ✓ {head.origin}: {head.size} mục (+{look.grown}), nối tiếp đầu sổ trước, gốc {head.root.hex()[:16]}…",
            f"{moment}  ✓ {head.origin}: {head.size} entries (+{look.grown}), goes on from the head before, root {head.root.hex()[:16]}…",
        )
    for alert in look.alerts:
        screen.fail(alert.reason.code, alert.reason.vi, alert.reason.en)
        for name in alert.files:
            screen.err.print(f"  {screen.word('bằng chứng', 'evidence')}: {folder / name}", markup=False)


def _onto(bar: Progress, task: TaskID) -> Callable[[int, int], None]:
    return lambda done, total: bar.update(task, completed=done, total=total)


@click.command("mirror")
@click.argument("url")
@click.argument("folder", type=FOLDER)
@TRUST
@click.option("--hashes-only", is_flag=True, help="Copy tiles, not entries.")
@click.option("--every", type=click.FloatRange(0.2), help="Go on copying, with this many seconds between rounds.")
@TLS_CA
@TLS_KEY
@options
def mirror_log(
    url: str, folder: Path, trust_folder: Path, hashes_only: bool, every: float | None, tls_ca: Path | None, tls_certificate: Path | None, screen: Screen
) -> None:
    """Copy the log at URL into FOLDER, checking every hash; what is there is not fetched again.

    FOLDER can then be checked without the hub: vanthu custody verify FOLDER.
    """
    fetch, keys = http_log(url, tls_of(tls_ca, tls_certificate)), log_keys(trust_folder)
    while True:
        with bar_of(screen) as bar:
            task = bar.add_task(screen.word("Chép sổ", "Copying"), total=None)
            try:
                done = mirror(fetch, folder, keys, entries=not hashes_only, progress=_onto(bar, task))
            except SigningError as error:
                if every is None or not isinstance(error, LogUnavailable):
                    sys.exit(refused(screen, error))
                refused(screen, error)
                done = None
        if done is not None:
            kind = ("đủ mục", "with entries") if done.entries else ("chỉ mã băm", "hashes only")
            screen.value({"origin": done.head.origin, "size": done.head.size, "root": done.head.root.hex(), "fetched": done.fetched, "entries": done.entries})
            screen.say(
                f"Bản sao khớp đầu sổ: {done.head.size} mục của {done.head.origin} ({kind[0]}), tải {done.fetched} tệp vào {folder}",
                f"The copy meets the head: {done.head.size} entries of {done.head.origin} ({kind[1]}), {done.fetched} files fetched into {folder}",
            )
        if every is None:
            return
        time.sleep(every)


@click.command("consistency")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE, required=False)
@click.option("--live", "url", help="The log's address: tiles from there, and its newest head when NEW is left out.")
@click.option("--mirror", "folder", type=FILE, help="A mirror: tiles from there, and its head when NEW is left out.")
@click.option("--config", "config", type=FILE, envvar="VANTHU_CONFIG", help="The hub's configuration: tiles from its database.")
@TRUST
@TLS_CA
@TLS_KEY
@options
def consistency(
    old: Path,
    new: Path | None,
    url: str | None,
    folder: Path | None,
    config: Path | None,
    trust_folder: Path,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    screen: Screen,
) -> None:
    """Is the saved head OLD a part of NEW, with nothing changed before it?

    Two heads of one size need no tiles; otherwise say where these come from.
    """
    keys = log_keys(trust_folder)
    try:
        if url is not None or folder is not None:
            fetch = http_log(url, tls_of(tls_ca, tls_certificate)) if url is not None else folder_log(folder or Path())
            _consistent(screen, old, new, keys, fetch)
        elif config is not None:
            with hub_of(config) as hub:
                _consistent(screen, old, new, keys, hub_log(hub))
        else:
            _consistent(screen, old, new, keys, _nowhere)
    except SigningError as error:
        screen.value({"consistent": False, "code": error.code, "detail": error.detail})
        sys.exit(refused(screen, error))


def _nowhere(path: str) -> bytes:
    raise LogUnavailable("say where tiles come from: --live, --mirror or --config", place=path)


def _consistent(screen: Screen, old: Path, new: Path | None, keys: list[str], fetch: Fetch) -> None:
    first = verify_note(old.read_text(), keys)
    second = verify_note(new.read_text() if new is not None else fetch("checkpoint").decode(), keys)
    proof = consistency_of(fetch, first, second)
    low, high = sorted((first, second), key=lambda head: head.size)
    screen.value({"consistent": True, "old": _brief(low), "new": _brief(high), "proof": [part.hex() for part in proof]})
    screen.say(
        f"Nối tiếp: {low.size} mục đầu của đầu sổ {high.size} mục không đổi ({len(proof)} mã băm chứng minh)",
        f"Consistent: the first {low.size} entries stand unchanged in the head over {high.size} ({len(proof)} hashes prove it)",
    )


def _brief(head: Checkpoint) -> dict[str, object]:
    return {"origin": head.origin, "size": head.size, "root": head.root.hex()}


def hub_log(hub: Hub) -> Fetch:
    """The hub's own log, read from its database by the paths of tlog-tiles."""

    def fetch(path: str) -> bytes:
        if path == CHECKPOINT:
            return hub.checkpoint().encode()
        level, index, width = parse_path(path)
        try:
            with hub.store.read() as connection:
                return custody_log.entry_bundle(connection, index, width) if level is None else custody_log.tile(connection, level, index, width)
        except CustodyError as error:
            raise LogUnavailable(error.detail, place=path) from error

    return fetch


COMMANDS: tuple[click.Command, ...] = (monitor, mirror_log, consistency)
