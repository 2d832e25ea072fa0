"""`vanthu simulate` as processes, against a real node and a real hub: every scenario sees a sound system and says so.

A few of each kind here, within seconds; all of them, and longer looks behind each, with VANTHU_ALL_SCENARIOS=1 (ten minutes).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.demo_house import free_ports
from exchange.simulate.bad_node import SCENARIOS as NODES
from exchange.simulate.hub_scenarios import SCENARIOS as HUBS
from exchange.simulate.observed import SUBMIT
from exchange.simulate.sender_scenarios import SCENARIOS as SENDERS
from exchange.simulate.stage import PARTNER
from tests.connectors import give_secrets
from tests.house import PUSHER, SENDER, House, Pki, letter
from tests.journey.processes import HubProcess
from tests.journey.test_conformance import parties

ALL = bool(os.environ.get("VANTHU_ALL_SCENARIOS"))
FEW = ("H-01", "H-13", "H-20", "H-22", "N-01", "N-07", "S-10", "S-12", "S-13")


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


def ended(process: subprocess.Popen[bytes], report: Path, log: Path, numbers: Sequence[str], seconds: int) -> None:
    """It ended by itself with 0 and a report that has every scenario as met."""
    assert process.wait(seconds) == 0, log.read_text()
    told = json.loads(report.read_text())
    assert [c["number"] for c in told["criteria"]] == list(numbers) and {c["verdict"] for c in told["criteria"]} == {"met"}, told


def announced(process: subprocess.Popen[bytes], log: Path, number: str) -> None:
    """Wait until the partner says that it plays this scenario."""
    end = time.monotonic() + (300 if ALL else 60)
    while f"{number}: " not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def test_bad_hubs_against_our_node(tmp_path: Path) -> None:
    """One node process, one hub after the other at its address: what it sends arrives once, what it collects it acknowledges once."""
    port, local = free_ports(2)
    numbers = [n for n in HUBS if ALL or n in FEW]
    folder, log, report = tmp_path / "sim", tmp_path / "hub.log", tmp_path / "hub.json"
    chosen = [f"--scenario={number}" for number in numbers]
    timing = ("--times", "1", "--seconds", "200" if ALL else "20", "--settle", "3" if ALL else "0.6")
    with started(log, "simulate", "hub", *chosen, "--folder", str(folder), "--port", str(port), *timing, "-o", str(report)) as bad:
        until_listening(port, bad, log)
        config = folder / "node.toml"
        config.write_text(f"{config.read_text()}local_port = {local}\nretry_first_seconds = 0.2\nretry_longest_seconds = 0.4\n")
        package = tmp_path / "thu.edxml"
        facts = ("--to", PARTNER, "--number", "1", "--notation", "CV-MP", "--subject", "Thử (mô phỏng)", "-o", str(package))
        command = [sys.executable, "-m", "exchange.cli", "pack", "--config", str(config), str(letter(tmp_path / "thu.pdf")), *facts]
        subprocess.run(command, check=True, capture_output=True)
        with started(tmp_path / "node.log", "node", "--config", str(config)) as node:
            for turn, number in enumerate(numbers):
                announced(bad, log, number)
                if HUBS[number].kind == SUBMIT:
                    hand_in(local, folder / "node" / "token", another(package.read_bytes(), turn))
            ended(bad, report, log, numbers, 1200 if ALL else 60)
            assert node.poll() is None
    assert "Traceback" not in (tmp_path / "node.log").read_text()


def another(package: bytes, turn: int) -> bytes:
    """The same letter as another document."""
    return package.replace(b"1/CV-MP", b"%d/CV-MP" % (turn + 2)).replace(b"CodeNumber>1<", b"CodeNumber>%d<" % (turn + 2))


def hand_in(port: int, token: Path, package: bytes) -> None:
    """Give a package to the node as an agency's own system does."""
    for _ in range(400):
        try:
            headers = {"Authorization": f"Bearer {token.read_text().strip()}"}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/outbox", data=package, headers=headers, method="POST")
            urllib.request.urlopen(request, timeout=5).close()
            return
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the node does not answer")


def test_bad_nodes_against_our_hub(pki: Pki, tmp_path: Path) -> None:
    """One hub process, one node after the other at the agency's address: each document is delivered once, or known as failed."""
    (port,) = free_ports(1)
    log, report, tls = tmp_path / "bad-node.log", tmp_path / "bad-node.json", pki.folder / "tls"
    hub = HubProcess(pki, tmp_path / "hub", push=f"https://127.0.0.1:{port}", more="retry_longest_seconds = 0.4")
    maker = House(pki, tmp_path / "maker")
    keys = ("--tls-certificate", str(tls / f"{PUSHER}.pem"), "--tls-ca", str(tls / "ca.pem"))
    numbers = [n for n in NODES if ALL or n in FEW]
    chosen = [f"--scenario={number}" for number in numbers]
    timing = ("--times", "1", "--seconds", "60", "--settle", "2" if ALL else "0.3")
    try:
        with started(log, "simulate", "node", *chosen, *keys, "--port", str(port), *timing, "-o", str(report)) as bad:
            until_listening(port, bad, log)
            hub.start()

            async def go() -> list[str]:
                async with hub.client(SENDER) as sender:
                    envelopes = []
                    for number in numbers:
                        await asyncio.to_thread(announced, bad, log, number)
                        package = maker.package(f"{SENDER},2026/11/20,{number}/QĐ-UBND", recipients=(PUSHER,), subject=number)
                        envelopes.append((await sender.submit(package, now=datetime.now(UTC))).finding.envelope)
                    await asyncio.to_thread(ended, bad, report, log, numbers, 120)
                    return [(await sender.timeline(e))["deliveries"][0]["state"] for e in envelopes]

            states = dict(zip(numbers, asyncio.run(go()), strict=True))
            assert states == {number: "failed" if NODES[number].final else "delivered" for number in numbers}
    finally:
        hub.stop()
        maker.close()
    assert "Traceback" not in (hub.folder / "hub.log").read_text()


@pytest.mark.parametrize("profile", ["native", "vxp", "lgsp"] if ALL else ["vxp"])
def test_the_bad_sender_against_our_hub(pki: Pki, tmp_path: Path, profile: str) -> None:
    """`simulate sender` as a process: lost answers, a reused id, 10,000 files, a slow-loris."""
    hub = HubProcess(pki, tmp_path / "hub", more="patience_seconds = 0.5\nidle_seconds = 1.0")
    give_secrets(hub)
    hub.start()
    log, report = tmp_path / "sender.log", tmp_path / "sender.json"
    numbers = [s.number for s in SENDERS.values() if ALL or s.number in FEW]
    chosen = [f"--scenario={number}" for number in numbers]
    url = hub.url if profile == "native" else f"{hub.url}/{profile}"
    play = ("--against", url, "--profile", profile, "--parties", str(parties(pki, tmp_path)), *chosen, "--lines", "5", "--patience", "20", "-o", str(report))
    try:
        with started(log, "simulate", "sender", *play) as bad:
            assert bad.wait(600) == 0, log.read_text()
    finally:
        hub.stop()
    told = json.loads(report.read_text())
    assert [c["number"] for c in told["criteria"]] == numbers and told["met"] >= len(numbers) - (2 if ALL else 0), told
    assert "not met" not in {c["verdict"] for c in told["criteria"]} and "Traceback" not in (hub.folder / "hub.log").read_text()
