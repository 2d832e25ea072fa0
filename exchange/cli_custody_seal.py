"""cli_custody_seal — `vanthu custody seal`: a sealed and time-stamped head now, before evidence is handed out."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from exchange import server
from exchange.cli_hub import CONFIG
from exchange.config import load_hub
from exchange.store import custody_log, heads
from signing.show import Screen, local, options


@click.command("seal")
@CONFIG
@options
def seal_now(config: Path, screen: Screen) -> None:
    """Seal and time-stamp the newest head now, without waiting for the hour, so that evidence covers the last events.

    Exit codes: 0 the newest head is sealed (and stamped, where an authority is configured), 1 it is not, 2 wrong usage.
    """
    settings = load_hub(config, os.environ)
    hub = server.open_hub(settings)

    try:
        with hub.store.read() as connection:
            epoch = custody_log.current_epoch(connection)
            size, _ = custody_log.head(connection)
            known = heads.latest_sealed(connection, epoch.number)
            fresh = heads.anything_since(connection, epoch.first + known.size) if known is not None else size > 0
        head = asyncio.run(server.seal_now(hub, settings)) if fresh or known is None or (known.token is None and hub.office.timestamp is not None) else known
        stamped = head is not None and (head.token is not None or hub.office.timestamp is None)
    finally:
        hub.close()
    if head is None or not stamped:
        vi, en = "Chưa nơi nào cấp dấu thời gian; trục sẽ tự làm lại.", "No authority gave a time-stamp; the hub goes on trying by itself."
        screen.fail("custody.unstamped", vi, en)
        sys.exit(1)
    screen.value({"size": head.size, "slot": head.slot, "sealed_at": head.sealed_at, "stamped_at": head.stamped_at})
    screen.say(
        f"Đã niêm phong đầu sổ {head.size} mục, dấu thời gian {local(head.stamped_at)}",
        f"The head over {head.size} entries is sealed, time-stamp {local(head.stamped_at)}",
    )
