"""stage — sân khấu: keys, a real hub and a ready configuration for the system under test, in one folder.

The hub behind the bad hub is a real one: only its answers are played with, so that an honest
answer can follow and it can be seen whether anything was lost or doubled.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from exchange.agency import Agency
from exchange.config import load_hub
from exchange.conformance.parties import Material, Parties, Party
from exchange.hub import Hub
from exchange.server import open_hub
from signing.dev_pki import make_pki
from signing.keys import open_key
from signing.seal import sign_seal

UNDER_TEST, PARTNER = "000.00.97.H56", "000.00.96.H56"
NAMES = {UNDER_TEST: "Đơn vị được thử (mô phỏng)", PARTNER: "Đơn vị bạn (mô phỏng)"}
_HUB = """[hub]
data = "hub"
trust = "pki/trust"
tls_certificate = "pki/tls/hub.pem"
tls_ca = "pki/tls/ca.pem"
seal_key = "pki/hub/seal.pem"
log_key = "pki/hub/log.key"
verifier_workers = 1
"""
_NODE = """[node]
agency = "{code}"
name = "{name}"
data = "node"
hub_url = "https://{host}:{port}"
trust = "pki/trust"
tls_certificate = "pki/tls/{code}.pem"
tls_ca = "pki/tls/ca.pem"
seal_key = "pki/agencies/{code}/seal.pem"
poll_wait_seconds = 1.0
"""


class Stage:
    """Everything below `folder`; made at first use. `clock` gives the present moment."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self.folder, self.clock = folder, clock
        self.pki = folder / "pki"
        if not (folder / "hub.toml").exists():
            self._build()
        self.hub: Hub = open_hub(load_hub(folder / "hub.toml", {}), migrate=True)
        self.parties = Parties(self.party(PARTNER), self.party(UNDER_TEST), tls_ca=self.pki / "tls" / "ca.pem", trust=self.pki / "trust")
        self.material = Material(self.parties, clock)

    def close(self) -> None:
        """Close the hub."""
        self.hub.close()

    def party(self, code: str) -> Party:
        """One side, with its keys."""
        secret = (self.folder / f"{code}.secret").read_bytes().strip()
        return Party(code, NAMES[code], f"sys.{code}", secret, self.pki / "tls" / f"{code}.pem", self.pki / "agencies" / code / "seal.pem")

    def _build(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        make_pki(self.pki, now=self.clock(), agencies=list(NAMES.items()), persons=[])
        for code in NAMES:
            file = self.folder / f"{code}.secret"
            file.touch(0o600)
            file.write_text(secrets.token_hex(16))
        unfinished = self.folder / "hub.toml.new"
        unfinished.write_text(_HUB)
        hub = open_hub(load_hub(unfinished, {}), migrate=True)
        try:
            for code, name in NAMES.items():
                seal, tls = self.pki / "agencies" / code / "seal.pem", self.pki / "tls" / f"{code}.pem"
                hub.add_agency(Agency(code=code, name=name), seal_pem=seal.read_bytes(), tls_pem=tls.read_bytes(), by="simulate")
                for profile in ("vxp", "lgsp"):
                    secret = (self.folder / f"{code}.secret").read_bytes().strip()
                    hub.connector.add_secret(profile, f"sys.{code}", code, secret, by="simulate", overlap=timedelta(0))
        finally:
            hub.close()
        unfinished.rename(self.folder / "hub.toml")

    def configure(self, host: str, port: int) -> Path:
        """Write the configuration that a node of ours under test is started with."""
        file = self.folder / "node.toml"
        file.write_text(_NODE.format(code=UNDER_TEST, name=NAMES[UNDER_TEST], host=host, port=port))
        return file

    def partner_sends(self, name: str) -> bytes:
        """A document of the partner to the system under test; its receipt."""
        package = self.material.package(name)
        target = self.hub.store.blobs.temporary()
        target.write_bytes(package)
        seal = sign_seal(hashlib.sha256(package).digest(), open_key(self.pki / "agencies" / PARTNER / "seal.pem"))
        try:
            return self.hub.submit(PARTNER, target, hashlib.sha256(package).hexdigest(), seal)[0]
        finally:
            target.unlink(missing_ok=True)

    def package(self, name: str) -> Path:
        """A package of the system under test, ready to be sent by it."""
        turned = Material(Parties(self.parties.recipient, self.parties.sender), self.clock)
        target = self.folder / f"{name}-{turned.mark}.edxml"
        target.write_bytes(turned.package(name))
        return target

    def forget(self) -> None:
        """Remove the folder."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
