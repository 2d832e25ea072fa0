"""cli_custody_witness — the verbs about witnesses: what the hub knows of them, and what a witness itself keeps."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from exchange import publishing
from exchange.cli_agency import CONFIG as NODE_CONFIG
from exchange.cli_hub import CONFIG, hub_of
from exchange.config import NodeSettings, load_hub, load_node
from exchange.mirror import write
from exchange.node.agent import vkeys
from exchange.node.witness import Witness, open_witness
from exchange.store import witness_log
from exchange.store.engine import Store
from signing.cosignature import make_keys, save_keys
from signing.errors import SigningError
from signing.show import Screen, local, options, refused
from signing.witness_policy import WitnessPolicy, default_threshold, load_policy, parse_policy, policy_text


@click.group()
def witness() -> None:
    """Witnesses: how they answer (hub), what one has seen and refused (node)."""


def policy_of(config: Path) -> WitnessPolicy | None:
    """The hub's witness policy, None when it asks nobody."""
    file = load_hub(config, os.environ).witness_policy
    return load_policy(file) if file is not None else None


@witness.command("state")
@CONFIG
@options
def state(config: Path, screen: Screen) -> None:
    """How each witness of the hub's policy answers, and who is missing.

    Exit codes: 0 enough witnesses, 1 too few, 2 wrong usage.
    """
    policy = policy_of(config)
    with hub_of(config) as hub:
        found = publishing.log_state(hub.office, policy)
    screen.value(found)
    if policy is None:
        screen.say("Trục này không có chính sách chứng kiến.", "This hub has no witness policy.")
    columns = (
        ("Chứng kiến", "Witness"),
        ("Có mặt", "Present"),
        ("Số mục", "Entries"),
        ("Ký lúc", "Cosigned at"),
        ("Lỗi", "Failures"),
        ("Lỗi gần nhất", "Last error"),
    )
    rows = [
        (
            w["name"],
            "✓" if w["present"] else "✗",
            str(w["size"]),
            local(datetime.fromisoformat(w["cosigned_at"])) if w["cosigned_at"] else "",
            str(w["failures"]),
            w["last_error"],
        )
        for w in found["witnesses"]
    ]
    if rows:
        screen.table(("Chứng kiến", "Witnesses"), columns, rows)
    screen.say(
        f"Đã ký {found['signed']}, công bố {found['published']}, niêm phong {found['sealed']}, đóng dấu thời gian {found['stamped']}",
        f"Signed {found['signed']}, published {found['published']}, sealed {found['sealed']}, time-stamped {found['stamped']}",
    )
    sys.exit(0 if found["quorum"] else 1)


@witness.command("kept")
@NODE_CONFIG
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Write heads and refused requests into this folder.")
@options
def kept(config: Path, output: Path | None, screen: Screen) -> None:
    """What this node's witness has cosigned, and the signed heads it refused.

    Exit codes: 0 nothing was refused, 1 something was, 2 wrong usage.
    """
    settings = load_node(config, os.environ)
    store = Store.open(settings.database_url, blobs=settings.data / "blobs", schema="node")
    try:
        with store.read() as connection:
            heads, refused = witness_log.all_seen(connection), witness_log.refused(connection)
    finally:
        store.close()
    screen.value(
        {
            "heads": [{"origin": h.origin, "size": h.size, "root": h.root.hex(), "seconds": h.seconds, "note": h.note} for h in heads],
            "refused": [{"origin": r.origin, "reason": r.reason, "size": r.size, "root": r.root.hex(), "at": r.at.isoformat()} for r in refused],
        }
    )
    if output is not None:
        for h in heads:
            write(output / f"{h.size:012d}-{h.root.hex()[:16]}.note", h.note.encode())
        for r in refused:
            write(output / f"refused-{r.id:06d}.request", r.request)
            write(output / f"refused-{r.id:06d}.own.note", r.own_note.encode())
    seen = [(h.origin, str(h.size), h.root.hex()[:16] + "…", local(datetime.fromtimestamp(h.seconds, UTC))) for h in heads]
    screen.table(("Đã chứng kiến", "Cosigned"), (("Sổ", "Log"), ("Số mục", "Entries"), ("Gốc", "Root"), ("Lúc", "At")), seen)
    rows = [(r.origin, r.reason, str(r.size), r.root.hex()[:16] + "…", local(r.at)) for r in refused]
    if rows:
        columns = (("Sổ", "Log"), ("Lý do", "Reason"), ("Số mục", "Entries"), ("Gốc", "Root"), ("Lúc", "At"))
        screen.table(("Đã từ chối", "Refused"), columns, rows)
    sys.exit(1 if refused else 0)


@witness.command("init")
@NODE_CONFIG
@click.option("--name", default="", help="Key name of a new witness, a URL without its scheme; by default made of the agency's code.")
@options
def init(config: Path, name: str, screen: Screen) -> None:
    """Make this node's witness keys if there are none, begin, and print its lines for a policy file."""
    settings = load_node(config, os.environ)
    if settings.witness_key is not None and not settings.witness_key.exists():
        save_keys(settings.witness_key, make_keys(name or f"{settings.agency}.witness.vn"))
    with _witness(settings) as found:
        found.enrol()
        lines = found.vkeys()
    screen.value({"name": found.name, "vkeys": lines})
    if not screen.as_json:
        url = f"https://{settings.host}:{settings.witness_port}/witness"
        for number, vkey in enumerate(lines):
            click.echo(f"witness {settings.agency}{'-ML-DSA-44' if number else ''} {vkey} {url}")


@witness.command("policy")
@CONFIG
@click.argument("lines", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1, required=True)
@click.option(
    "--threshold", type=click.IntRange(1), help="How many must cosign; by default enough that the dishonest ones allowed for cannot split them: 5 of 7."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the policy to this file.")
@options
def policy(config: Path, lines: tuple[Path, ...], threshold: int | None, output: Path | None, screen: Screen) -> None:
    """Make the policy file of this hub's log from what `witness init` printed at each agency (LINES: files).

    The Ed25519 line of each counts for the quorum; ML-DSA-44 lines stand beside it, for sealed heads.
    """
    found = [line.split() for file in lines for line in file.read_text().splitlines() if line.startswith("witness ")]
    if any(len(parts) != 4 for parts in found):
        raise click.UsageError("LINES: witness NAME VKEY URL")
    counted = [(name, vkey, url) for _, name, vkey, url in found if not name.endswith("-ML-DSA-44")]
    second = [" ".join(parts) + "\n" for parts in found if parts[1].endswith("-ML-DSA-44")]
    with hub_of(config) as hub:
        text = "".join(second) + policy_text([(hub.office.vkeys()[0], "")], counted, threshold)
    try:
        read = parse_policy(text)
    except SigningError as error:
        sys.exit(refused(screen, error))
    count, of = default_threshold(len(counted)) if threshold is None else threshold, len(counted)
    bad, down = max(0, 2 * count - of - 1), of - count
    screen.value({"policy": text, "threshold": count, "witnesses": [w.name for w in read.counted()], "dishonest": bad, "down": down})
    if output is None:
        if not screen.as_json:
            click.echo(text, nl=False)
        return
    write(output, text.encode())
    screen.say(
        f"Đã ghi {output}: {count} trong {of} bên phải ký; chịu được {bad} bên gian dối và {down} bên vắng mặt",
        f"Written {output}: {count} of {of} must cosign; {bad} may be dishonest, {down} may be down",
    )


@witness.command("recover")
@NODE_CONFIG
@click.confirmation_option(prompt="Đã tìm hiểu vì sao cơ sở dữ liệu hoặc tệp mốc bị mất? / Is it known why the database or the mark was lost?")
@options
def recover(config: Path, screen: Screen) -> None:
    """After a lost or restored database: go on from the largest head that this witness is known to have cosigned."""
    with _witness(load_node(config, os.environ)) as found:
        sizes = found.recover()
    screen.value(sizes)
    for origin, size in sizes.items():
        screen.say(f"{origin}: tiếp tục từ {size} mục", f"{origin}: going on from {size} entries")


@contextmanager
def _witness(settings: NodeSettings) -> Iterator[Witness]:
    store = Store.open(settings.database_url, blobs=settings.data / "blobs", migrate=True, schema="node")
    try:
        yield open_witness(settings, store, vkeys(settings.trust), lambda: datetime.now(UTC))
    finally:
        store.close()
