"""`vanthu simulate hub` and `simulate node` as processes, against a real node and a real hub: they see sound systems and say so."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from exchange.demo_house import free_ports
from exchange.simulate.stage import PARTNER
from tests.house import PUSHER, SENDER, House, Pki, letter
from tests.journey.processes import HubProcess


@contextmanager
def started(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `vanthu` process; ended by its id."""
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "exchange.cli", *arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=log.parent)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        if f":{port}" in log.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def ended(process: subprocess.Popen[bytes], report: Path, log: Path, number: str) -> None:
    """It ended by itself with 0 and a report that has its scenario as met."""
    assert process.wait(60) == 0, log.read_text()
    told = json.loads(report.read_text())
    assert (told["met"], told["of"]) == (1, 1) and number in report.read_text()


def test_a_bad_hub_against_our_node(tmp_path: Path) -> None:
    port, local = free_ports(2)
    folder, log, report = tmp_path / "sim", tmp_path / "hub.log", tmp_path / "hub.json"
    play = ("simulate", "hub", "--scenario", "H-01", "--folder", str(folder), "--port", str(port), "--times", "1", "--seconds", "40", "-o", str(report))
    with started(log, *play) as bad:
        until_listening(port, bad, log)
        config = folder / "node.toml"
        config.write_text(f"{config.read_text()}local_port = {local}\nretry_first_seconds = 0.2\n")
        package = tmp_path / "thu.edxml"
        facts = ("--to", PARTNER, "--number", "1", "--notation", "CV-MP", "--subject", "Thử (mô phỏng)", "-o", str(package))
        command = [sys.executable, "-m", "exchange.cli", "pack", "--config", str(config), str(letter(tmp_path / "thu.pdf")), *facts]
        subprocess.run(command, check=True, capture_output=True)
        with started(tmp_path / "node.log", "node", "--config", str(config)):
            hand_in(local, folder / "node" / "token", package.read_bytes())
            ended(bad, report, log, "H-01")


def hand_in(port: int, token: Path, package: bytes) -> None:
    """Give a package to the node as an agency's own system does."""
    for _ in range(400):
        try:
            headers = {"Authorization": f"Bearer {token.read_text().strip()}"}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/outbox", data=package, headers=headers, method="POST")
            urllib.request.urlopen(request, timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the node does not answer")


def test_a_bad_node_against_our_hub(pki: Pki, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    log, report, tls = tmp_path / "bad-node.log", tmp_path / "bad-node.json", pki.folder / "tls"
    hub = HubProcess(pki, tmp_path / "hub", push=f"https://127.0.0.1:{port}")
    maker = House(pki, tmp_path / "maker")
    keys = ("--tls-certificate", str(tls / f"{PUSHER}.pem"), "--tls-ca", str(tls / "ca.pem"))
    play = ("simulate", "node", "--scenario", "N-01", *keys, "--port", str(port), "--times", "1", "--seconds", "40", "-o", str(report))
    try:
        with started(log, *play) as bad:
            until_listening(port, bad, log)
            hub.start()

            async def go() -> None:
                async with hub.client(SENDER) as sender:
                    await sender.submit(maker.package(f"{SENDER},2026/11/20,sim/QĐ-UBND", recipients=(PUSHER,)), now=datetime.now(UTC))

            asyncio.run(go())
            ended(bad, report, log, "N-01")
    finally:
        hub.stop()
        maker.close()
