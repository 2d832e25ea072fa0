"""Evidence files for tests: one made by a real hub, and copies of it with members changed and sealed again."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exchange.receipt import from_bytes
from signing.dev_tsa import respond
from signing.evidence import EvidenceReport, Member, build, check
from signing.evidence.manifest import read_manifest
from signing.keys import SigningKey, open_key
from signing.sandbox import Sandbox
from signing.timestamps import Timestamper, http_timestamper
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy
from tests.house import PULLER, SENDER, House, Pki

Members = dict[str, bytes]


def now() -> datetime:
    return datetime.now(UTC)


def stamper(pki: Pki, name: str = "tsa", *, ahead: timedelta = timedelta(0)) -> Timestamper:
    """Time-stamps by an authority of the PKI, made in this process; its clock may go wrong."""
    key = open_key(pki.folder / "tsa" / f"{name}.pem")
    return http_timestamper([name], lambda _u, b, _c: respond(b, key, now=now() + ahead, serial=1), Trust.load(pki.folder / "trust"))


@dataclass
class Made:
    """`file` holds everything, `digests` no content, `unstamped` no time-stamp. `vkey` is the log's."""

    pki: Pki
    folder: Path
    vkey: str

    @property
    def file(self) -> Path:
        return self.folder / "file.asice"

    @property
    def digests(self) -> Path:
        return self.folder / "digests.asice"

    @property
    def unstamped(self) -> Path:
        return self.folder / "unstamped.asice"

    def trust(self) -> Trust:
        return Trust.load(self.pki.folder / "trust")

    def check(self, path: Path, *, at: datetime | None = None, trust: Trust | None = None, policy: WitnessPolicy | None = None) -> EvidenceReport:
        return check(path, trust=trust or self.trust(), vkeys=[self.vkey], at=at or now(), policy=policy)

    def codes(self, path: Path) -> set[str]:
        return {r.code for r in self.check(path).reasons}

    def hub_key(self) -> SigningKey:
        return open_key(self.pki.folder / "hub" / "seal.pem")

    def sealed_again(self, change: Callable[[Members], None], *, source: Path | None = None, key: SigningKey | None = None) -> Path:
        """A copy whose members were changed, and that was then sealed again, as only its maker could."""
        with zipfile.ZipFile(source or self.file) as archive:
            listed = [name for name, _ in read_manifest(archive.read("META-INF/ASiCManifest001.xml"), "m").files]
            members = {n: archive.read(n) for n in listed if n not in ("report/VERIFY.txt", "report/SHA256SUMS")}
        change(members)
        target = self.folder / "sealed-again.asice"
        build(target, [Member(n, d, "application/octet-stream") for n, d in members.items()], key or self.hub_key(), now=now())
        return target


def make_evidence(pki: Pki, folder: Path, *, statuses: Sequence[str] = ("01", "03")) -> Made:
    """Evidence files of a document with these statuses; the hub is gone afterwards."""
    cage = Sandbox(workers=1)
    house = House(pki, folder / "hub", sandbox=cage)
    house.register()
    envelope = from_bytes(house.submit(house.package(recipients=(PULLER,)))).envelope
    delivery = house.hub.inbox(PULLER, after=0, limit=5)[0]["delivery"]
    for number, code in enumerate(statuses):
        if code == "01":
            house.hub.acknowledge(PULLER, delivery, *house.status("01"))
        else:
            house.hub.report_status(PULLER, *house.status(code, why=f"Trạng thái {code}, lần {number}"))
    house.hub.evidence(SENDER, envelope, folder / "unstamped.asice")
    house.hub.office.timestamp = stamper(pki)
    house.hub.evidence(SENDER, envelope, folder / "file.asice")
    house.hub.evidence(SENDER, envelope, folder / "digests.asice", content=False)
    made = Made(pki, folder, house.hub.office.vkeys()[0])
    house.close()
    cage.close()
    shutil.rmtree(folder / "hub")  # nothing of the hub is needed from here
    return made
