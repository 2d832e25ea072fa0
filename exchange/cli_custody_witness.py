"""cli_custody_witness — the verbs about witnesses: what the hub knows of them, and what a witness itself keeps."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from exchange import publishing
from exchange.cli_agency import CONFIG as NODE_CONFIG
from exchange.cli_hub import CONFIG, hub_of
from exchange.config import load_hub, load_node
from exchange.mirror import write
from exchange.store import witness_log
from exchange.store.engine import Store
from signing.show import Screen, local, options
from signing.witness_policy import WitnessPolicy, load_policy


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
