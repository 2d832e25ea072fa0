"""demo_house — folders, keys, configurations and processes of the demonstration."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exchange.agency import Agency, Mode
from exchange.config import load_hub
from exchange.server import open_hub, post
from signing.dev_pki import make_pki
from signing.keys import SigningKey, open_key
from signing.timestamps import http_timestamper
from signing.trust import Trust
from signing.witness_policy import policy_text

SENDER, PULLER, PUSHER = "000.00.99.H56", "000.00.98.H56", "H56.97"
AGENCIES = {
    SENDER: "Sở Khoa học và Công nghệ (mô phỏng)",
    PULLER: "Ủy ban nhân dân xã Một (mô phỏng)",
    PUSHER: "Ủy ban nhân dân phường Hai (mô phỏng)",
}
PERSON = ("lanh-dao", "Nguyễn Văn A (mô phỏng)", SENDER)
START_SECONDS = 30.0


class Failed(Exception):
    """A step of the demonstration did not hold."""


class DemoHouse:
    """Everything of one demonstration below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self.width = 120

    def config(self, who: str) -> Path:
        """Configuration file of the hub or of an agency's node."""
        return self.folder / f"{who}.toml"

    def person_key(self) -> SigningKey:
        """The authorised person's key."""
        return open_key(self.folder / "pki" / "persons" / f"{PERSON[0]}.pem")

    def seal_key(self, code: str) -> SigningKey:
        """An agency's seal key."""
        return open_key(self.folder / "pki" / "agencies" / code / "seal.pem")

    def timestamper(self, trust: Trust) -> Callable[[bytes], bytes]:
        """Time-stamps from the demonstration's authority."""
        return http_timestamper([self._tsa_url()], post, trust)

    def _tsa_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['tsa']}/"

    def build(self, *, witnesses: bool = False) -> None:
        """PKI, configurations, and the directory in the hub's database; with `witnesses`
        each agency cosigns heads, and two of the three must."""
        pki = self.folder / "pki"
        make_pki(pki, now=datetime.now(UTC), agencies=list(AGENCIES.items()), persons=[PERSON])
        names = ("hub", "tsa", "push", *AGENCIES, *(f"{code} witness" for code in AGENCIES if witnesses))
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        more = _HUB_WITNESSES if witnesses else 'witnesses = "none"\n'
        self.config("hub").write_text(_HUB.format(port=self._ports["hub"], tsa=self._tsa_url()) + more)
        for code, name in AGENCIES.items():
            mode = "push" if code == PUSHER else "pull"
            text = _NODE.format(code=code, name=name, hub=self._ports["hub"], mode=mode, push=self._ports["push"], local=self._ports[code])
            more = _NODE_WITNESS.format(code=code, port=self._ports[f"{code} witness"]) if witnesses else ""
            self.config(code).write_text(text + more)
        if witnesses:
            self._enrol(pki)
        hub = open_hub(load_hub(self.config("hub"), {}), migrate=True)
        try:
            for code, name in AGENCIES.items():
                endpoint = f"https://127.0.0.1:{self._ports['push']}" if code == PUSHER else ""
                agency = Agency(code=code, name=name, mode=Mode.PUSH if endpoint else Mode.PULL, endpoint=endpoint)
                seal, tls = pki / "agencies" / code / "seal.pem", pki / "tls" / f"{code}.pem"
                hub.add_agency(agency, seal_pem=seal.read_bytes(), tls_pem=tls.read_bytes(), by="demo")
        finally:
            hub.close()

    def _enrol(self, pki: Path) -> None:
        """The policy file, and every witness with its own verb."""
        vkeys = {code: (pki / "agencies" / code / "witness.vkey").read_text().split() for code in AGENCIES}
        url = "https://127.0.0.1:{}/witness"
        lines = [(code, vkeys[code][0], url.format(self._ports[f"{code} witness"])) for code in AGENCIES]
        second = [f"witness {code}-ML-DSA-44 {vkeys[code][1]} {url.format(self._ports[f'{code} witness'])}\n" for code in AGENCIES]
        log = (pki / "trust" / "log.vkey").read_text().strip()
        (pki / "witness-policy.txt").write_text("".join(second) + policy_text([(log, "")], lines))
        for code in AGENCIES:
            self.vanthu("custody", "witness", "init", "--config", str(self.config(code)))

    def start(self) -> None:
        """Start all processes and wait until each answers."""
        self._spawn("tsa", "keys", "tsa", str(self.folder / "pki" / "tsa" / "tsa.pem"), "--port", str(self._ports["tsa"]))
        self._spawn("hub", "serve", "--config", str(self.config("hub")))
        for code in AGENCIES:
            self._spawn(code, "node", "--config", str(self.config(code)))
        for name in self._ports:
            self._await(name)

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "exchange.cli", *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def _await(self, name: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            process = self._processes.get(name.removesuffix(" witness"))
            if process is not None and process.poll() is not None:
                raise Failed(f"{name} ended with {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._ports[name])) == 0:
                    return
            time.sleep(0.05)
        raise Failed(f"{name} does not answer")

    def stop(self, name: str) -> None:
        """Stop one process in order."""
        process = self._processes.pop(name, None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop_all(self) -> None:
        """Stop whatever still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name in list(self._processes):
            self.stop(name)

    def call(self, code: str, method: str, path: str, body: bytes | None = None) -> Any:
        """Call an agency's local interface."""
        token = (self.folder / "data" / code / "token").read_text().strip()
        url = f"http://127.0.0.1:{self._ports[code]}{path}"
        request = urllib.request.Request(url, data=body, method=method, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path}: {error.read().decode(errors='replace')[:300]}") from error
        except OSError as error:
            raise Failed(f"{method} {path}: {error}") from error

    def vanthu(self, *arguments: str) -> str:
        """Run a verb in a process of its own; it must succeed."""
        code, text = self.run_vanthu(*arguments)
        if code != 0:
            raise Failed(f"vanthu {arguments[0]}: {text[-400:]}")
        return text

    def run_vanthu(self, *arguments: str) -> tuple[int, str]:
        """Run a verb in a process of its own: (exit code, what it printed)."""
        environment = {**os.environ, "COLUMNS": str(self.width)}
        done = subprocess.run([sys.executable, "-m", "exchange.cli", *arguments], capture_output=True, text=True, env=environment, timeout=60)
        return done.returncode, (done.stdout + done.stderr).rstrip()

    def addresses(self) -> list[str]:
        """What runs where, and commands to try."""
        node, hub = self.config(PULLER), self.config("hub")
        lines = [f"hub    https://127.0.0.1:{self._ports['hub']}  (openapi.json)"]
        for code in AGENCIES:
            lines.append(f"node   http://127.0.0.1:{self._ports[code]}  {code}  token: {self.folder / 'data' / code / 'token'}")
        lines += [f"vanthu queue --config {hub}", f"vanthu inbox --config {node}", f"vanthu custody verify --config {hub}"]
        return lines

    def last_words(self) -> list[str]:
        """The end of each process's log."""
        lines = []
        for path in sorted(self.folder.glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-5:]
            lines += [f"{path.stem}: {line}" for line in tail]
        return lines


def free_ports(count: int) -> list[int]:
    """Free loopback ports, below those that a system gives to clients: none takes one before its server is up."""
    found: list[int] = []
    for port in random.sample(_SERVER_PORTS, len(_SERVER_PORTS)):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free port on this machine")


_SERVER_PORTS = range(20_000, 32_768)
_HUB = """[hub]
data = "data/hub"
trust = "pki/trust"
tls_certificate = "pki/tls/hub.pem"
tls_ca = "pki/tls/ca.pem"
seal_key = "pki/hub/seal.pem"
log_key = "pki/hub/log.key"
port = {port}
tsa_urls = ["{tsa}"]
"""
_NODE = """[node]
agency = "{code}"
name = "{name}"
data = "data/{code}"
hub_url = "https://127.0.0.1:{hub}"
trust = "pki/trust"
tls_certificate = "pki/tls/{code}.pem"
tls_ca = "pki/tls/ca.pem"
seal_key = "pki/agencies/{code}/seal.pem"
mode = "{mode}"
push_port = {push}
local_port = {local}
"""
_HUB_WITNESSES = """witness_policy = "pki/witness-policy.txt"
log_key_second = "pki/hub/log-second.key"
publish_seconds = 0.3
"""
_NODE_WITNESS = """witness_policy = "pki/witness-policy.txt"
witness_key = "pki/agencies/{code}/witness.key"
witness_port = {port}
"""
