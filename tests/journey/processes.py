"""Real hub processes for tests: started, killed, restarted; ended by their id."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from ssl import create_default_context

from exchange.agency import Agency, Mode
from exchange.client import Client
from exchange.config import load_hub
from exchange.demo_house import free_ports
from exchange.server import open_hub
from signing.trust import Trust
from tests.house import AGENCIES, PUSHER, Pki


class HubProcess:
    """One hub in `folder` over the PKI; agencies are registered, the second recipient by push."""

    def __init__(self, pki: Pki, folder: Path, *, push: str = "https://127.0.0.1:9", database: str = "", more: str = "") -> None:
        self.pki, self.folder, self.database = pki, folder, database
        folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = free_ports(1)
        self.config = folder / "hub.toml"
        self.config.write_text(
            f"""[hub]
data = "data"
trust = "{pki.folder}/trust"
tls_certificate = "{pki.folder}/tls/hub.pem"
tls_ca = "{pki.folder}/tls/ca.pem"
seal_key = "{pki.folder}/hub/seal.pem"
log_key = "{pki.folder}/hub/log.key"
port = {self.port}
database = "{database}"
retry_first_seconds = 0.2
verifier_workers = 2
{more if "witness_policy" in more else f'witnesses = "none"{chr(10)}{more}'}
"""
        )
        hub = open_hub(load_hub(self.config, {}), migrate=True)
        for code, name in AGENCIES:
            mode = Mode.PUSH if code == PUSHER else Mode.PULL
            agency = Agency(code=code, name=name, mode=mode, endpoint=push if mode is Mode.PUSH else "")
            seal, tls = pki.folder / "agencies" / code / "seal.pem", pki.folder / "tls" / f"{code}.pem"
            hub.add_agency(agency, seal_pem=seal.read_bytes(), tls_pem=tls.read_bytes(), by="test")
        hub.close()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "hub.log").open("ab") as log:
            command = [sys.executable, "-m", "exchange.cli", "serve", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        context = create_default_context(cafile=str(self.pki.folder / "tls" / "ca.pem"))
        for _ in range(400):
            try:
                urllib.request.urlopen(f"{self.url}/health", context=context, timeout=2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "hub.log").read_text()[-2000:])

    def kill(self) -> None:
        """As a power cut."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def client(self, code: str) -> Client:
        trust = self.pki.folder / "trust"
        return Client(
            self.url,
            tls_certificate=self.pki.folder / "tls" / f"{code}.pem",
            tls_ca=self.pki.folder / "tls" / "ca.pem",
            key=self.pki.seal(code),
            trust=Trust.load(trust),
            vkeys=(trust / "log.vkey").read_text().split(),
        )
