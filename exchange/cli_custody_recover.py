"""cli_custody_recover — the verb for the bad day: the database and the last signed head disagree.

It explains first. Nothing is changed without --yes, and no second history is ever signed: either
the missing entries come back byte for byte, or the log is given up openly and a new one begins.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from exchange.cli_custody_follow import log_keys
from exchange.cli_hub import CONFIG, hub_of, operator
from exchange.hub import Hub
from exchange.office import new_salt
from exchange.store import custody_log, custody_recovery
from exchange.store.custody_recovery import Diagnosis
from signing.checkpoint import parse_note
from signing.errors import SigningError
from signing.merkle import TILE
from signing.show import Screen, options, refused
from signing.tile_log import entries_of, folder_log, new_tiles, signed_head

FILE = click.Path(path_type=Path, exists=True)
STATES = {
    "ok": ("✓ khớp", "✓ they agree"),
    "behind": ("✗ cơ sở dữ liệu đi sau đầu sổ đã ký", "✗ the database is behind the last signed head"),
    "forked": ("✗ cơ sở dữ liệu chứa lịch sử khác", "✗ the database holds another history"),
    "mark_lost": ("✗ mất tệp mực nước cao", "✗ the high-water file is lost"),
    "mark_damaged": ("✗ tệp mực nước cao bị hỏng", "✗ the high-water file is damaged"),
    "damaged": ("✗ có mục hoặc ô băm bị hỏng", "✗ an entry or a tile is damaged"),
}


@click.command("recover")
@CONFIG
@click.option("--from", "mirror", type=FILE, help="A mirror (vanthu custody mirror) that has the missing entries: put them back.")
@click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", help="Folder with log.vkey; for --from and --head.")
@click.option("--head", "note", type=FILE, help="The newest head that a witness or a mirror holds: set a lost high-water mark by it.")
@click.option("--close-epoch", is_flag=True, help="Give this log up and begin another, which names the last signed head and what was found.")
@click.option("--origin", default="", help="Name of the new log, with --close-epoch; by default the old one with -2, -3 …")
@click.option("--reason", default="", help="Why; goes into the new log, with --close-epoch.")
@click.option("--yes", is_flag=True, help="Do it; without this it is only explained.")
@options
def recover(
    config: Path, mirror: Path | None, trust_folder: Path | None, note: Path | None, close_epoch: bool, origin: str, reason: str, yes: bool, screen: Screen
) -> None:
    """Explain why heads are no longer signed, and do what is lawful about it.

    Exit codes: 0 log and mark agree, 1 they do not, 2 wrong usage. Stop the hub first.
    """
    if sum((mirror is not None, note is not None, close_epoch)) > 1:
        raise click.UsageError("one of --from, --head, --close-epoch")
    if (mirror is not None or note is not None) and trust_folder is None:
        raise click.UsageError("--trust is needed to check what the mirror or the witness holds")
    if close_epoch and not reason.strip():
        raise click.UsageError("--close-epoch needs --reason")
    with hub_of(config) as hub:
        found = _diagnose(hub)
        done = ""
        if yes:
            try:
                done = _act(hub, mirror, log_keys(trust_folder) if trust_folder else [], note, origin or _next_origin(hub), reason, close_epoch)
            except SigningError as error:
                sys.exit(refused(screen, error))
            found = _diagnose(hub) if done else found
        vkey = hub.office.vkeys()[0]
    _show(screen, found, done, vkey if close_epoch and done else "")
    if not yes and (mirror or note or close_epoch):
        screen.say("Chưa làm gì. Thêm --yes để thực hiện.", "Nothing was done. Add --yes to do it.")
    sys.exit(0 if found.state == "ok" else 1)


def _diagnose(hub: Hub) -> Diagnosis:
    return custody_recovery.diagnose(hub.store, hub.office.high_water, origin=hub.office.origin)


def _act(hub: Hub, mirror: Path | None, keys: list[str], note: Path | None, origin: str, reason: str, close_epoch: bool) -> str:
    office = hub.office
    if mirror is not None:
        count = custody_recovery.replay(hub.store, office.high_water, _missing(hub, mirror, keys))
        return f"replayed {count}"
    if note is not None:
        mark = custody_recovery.adopt_mark(hub.store, office.high_water, note.read_text(), keys)
        return f"mark {mark.size}"
    if close_epoch:
        why = f"{operator()}: {reason}"[:400]
        vkey = office.log_key.under(origin).vkey()
        custody_recovery.close_epoch(hub.store, office.high_water, origin=origin, vkey=vkey, now=office.clock(), salts=new_salt, why=why)
        return f"epoch {parse_note(office.head()).origin}"
    return ""


def _missing(hub: Hub, mirror: Path, keys: list[str]) -> Iterator[bytes]:
    """Entries of the mirror after the newest one stored; the mirror's own head is checked first."""
    fetch = folder_log(mirror)
    head = signed_head(fetch, keys)
    with hub.store.read() as connection:
        count = custody_log.head(connection)[0]
    for index, first, width in new_tiles(count, head.size):
        yield from entries_of(fetch, index, min(TILE, width))[first:]


def _next_origin(hub: Hub) -> str:
    with hub.store.read() as connection:
        known = {epoch.origin or hub.office.origin for epoch in custody_log.epochs(connection)}
        last = custody_log.current_epoch(connection).origin or hub.office.origin
    stem, _, name = last.rpartition("/")
    year = name.partition("-")[0]
    return next(f"{stem}/{year}-{n}" for n in range(2, 1000) if f"{stem}/{year}-{n}" not in known)


def _show(screen: Screen, found: Diagnosis, done: str, vkey: str) -> None:
    signed = found.signed
    screen.value(
        {
            "state": found.state,
            "size": found.size,
            "root": found.root.hex(),
            "signed": {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()} if signed is not None else None,
            "detail": found.detail,
            "done": done,
            "vkey": vkey,
        }
    )
    rows = [(screen.word("Trong cơ sở dữ liệu", "In the database"), str(found.size), found.root.hex()[:16] + "…")]
    if signed is not None:
        rows.append((screen.word("Đã ký", "Signed") + f" ({signed.origin})", str(signed.size), signed.root.hex()[:16] + "…"))
    screen.table(STATES[found.state], (("", ""), ("Số mục", "Entries"), ("Gốc", "Root")), rows)
    if done:
        screen.say(f"Đã làm: {done}", f"Done: {done}")
    screen.say(found.vi, found.en)
    if vkey:
        screen.say(
            f"Gửi dòng khóa này cho mọi cơ quan và bên chứng kiến (thêm vào log.vkey): {vkey}",
            f"Give this key line to every agency and witness (add it to log.vkey): {vkey}",
        )
