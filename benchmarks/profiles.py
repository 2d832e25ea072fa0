"""One document sent by each way in — native, VXP, LGSP — to the same hub over kept connections: `python -m benchmarks.profiles`.

From the first byte of the request to the last of the answer, with the client's own
work (seal or HMAC, and the digest) inside; and the hub's CPU for each. In turns, so
that a busy neighbour slows all alike. Bar: VXP within 15 % of the native way.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from ssl import SSLContext, create_default_context

import aiohttp
from rich.console import Console

from benchmarks.files import REFERENCE, pdf_of
from benchmarks.measure import Row, compared, machine, show
from exchange.courier import client_tls
from exchange.profiles import vxp
from signing.report import Role
from signing.seal import sign_seal
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, sign_pdf
from signing.trust import Trust
from tests.connectors import SECRETS, give_secrets, unpadded
from tests.house import PULLER, SENDER, House, Pki, make_house_pki, promulgated
from tests.journey.processes import HubProcess

ROUNDS = 60
TEMPLATE = f"{SENDER},2026/11/20,MAU/QĐ-UBND"
BAR = 1.15


def hub_cpu_ms(process: HubProcess) -> float:
    """CPU milliseconds of the hub with its verifiers so far."""
    assert process.process is not None
    ticks, todo = 0, [process.process.pid]
    while todo:
        pid = todo.pop()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        for task in Path(f"/proc/{pid}/task").iterdir():
            todo += [int(child) for child in (task / "children").read_text().split()]
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


class Ways:
    """The three ways in, each over a connection of its own that is kept."""

    def __init__(self, hub: HubProcess, session: aiohttp.ClientSession) -> None:
        folder = hub.pki.folder / "tls"
        self.mutual: SSLContext = client_tls(folder / f"{SENDER}.pem", folder / "ca.pem")
        self.plain: SSLContext = create_default_context(cafile=str(folder / "ca.pem"))
        self.hub, self.session, self.key = hub, session, hub.pki.seal(SENDER)

    async def _post(self, path: str, tls: SSLContext, headers: dict[str, str], body: bytes) -> bytes:
        async with self.session.post(self.hub.url + path, data=body, headers=headers, ssl=tls) as answer:
            data = await answer.read()
            if answer.status not in (200, 201):
                raise RuntimeError(f"{path}: {answer.status} {data[:300]!r}")
            return data

    async def native(self, data: bytes) -> None:
        digest = hashlib.sha256(data).digest()
        headers = {
            "Vanthu-Seal": base64.b64encode(sign_seal(digest, self.key)).decode(),
            "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
            "Content-Type": "application/edxml+xml",
        }
        await self._post("/v1/packages", self.mutual, headers, data)

    async def vxp(self, data: bytes) -> None:
        own = [
            ("systemid", f"sys.{SENDER}"),
            ("servicetype", "eDoc"),
            ("messagetype", "edoc"),
            ("hash-file", unpadded(hashlib.sha256(data).digest())),
            ("from", SENDER),
            ("to", json.dumps([PULLER])),
            ("timestamp", vxp.write_time(datetime.now(UTC))),
            ("Content-Type", "application/octet-stream"),
        ]
        headers = {**vxp.sign(SECRETS[SENDER], own), "Content-Type": "application/octet-stream"}
        answer = json.loads(await self._post("/vxp/sendEdoc", self.plain, headers, data + b"\r\n"))
        if answer["status"] != "OK":
            raise RuntimeError(str(answer))

    async def lgsp(self, data: bytes) -> None:
        mark = "bench"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="messageType"\r\n\r\nedoc\r\n--{mark}\r\n'
        head += 'Content-Disposition: form-data; name="edocFile"; filename="a.edxml"\r\n\r\n'
        headers = {"X-SystemId": f"sys.{SENDER}", "X-SecretKey": SECRETS[SENDER].decode(), "Content-Type": f"multipart/form-data; boundary={mark}"}
        answer = json.loads(await self._post("/lgsp/v1/sendEdoc", self.plain, headers, head.encode() + data + f"\r\n--{mark}--\r\n".encode()))
        if not answer["success"]:
            raise RuntimeError(str(answer))


async def measure(hub: HubProcess, packages: dict[str, list[bytes]]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """(milliseconds of each send, hub CPU milliseconds per send), by way."""
    wall: dict[str, list[float]] = {way: [] for way in packages}
    async with aiohttp.ClientSession() as session:
        ways = Ways(hub, session)
        calls: dict[str, Callable[[bytes], Awaitable[None]]] = {"native": ways.native, "VXP": ways.vxp, "LGSP": ways.lgsp}
        for number in range(ROUNDS + 5):
            for way, call in calls.items():
                start = time.perf_counter()
                await call(packages[way][number])
                if number >= 5:
                    wall[way].append((time.perf_counter() - start) * 1000)
        cpu = {}
        for way, call in calls.items():
            before = hub_cpu_ms(hub)
            for data in packages[way][ROUNDS + 5 :]:
                await call(data)
            cpu[way] = (hub_cpu_ms(hub) - before) / len(packages[way][ROUNDS + 5 :])
    return wall, cpu


def reference(pki: Pki, folder: Path) -> Path:
    """A PDF of 100 KB signed by person and agency."""
    draft, half, done = pdf_of(folder / "draft.pdf", REFERENCE), folder / "half.pdf", folder / "done.pdf"
    now = datetime.now(UTC)
    sign_pdf(draft, half, pki.person(), now=now, role=Role.PERSON, field=PERSON_FIELD)
    sign_pdf(half, done, pki.seal(SENDER), now=now, role=Role.AGENCY, field=AGENCY_FIELD, trust=Trust.load(pki.folder / "trust"))
    return done


def numbered(template: bytes, way: str, place: int, number: int) -> bytes:
    """A package of its own: another id, and another date, since one number and date of an agency is one document."""
    was = promulgated(TEMPLATE).strftime("%Y/%m/%d")
    day = date(2000, 1, 1) + timedelta(days=place * (2 * ROUNDS + 5) + number)
    renamed = template.replace(b",MAU/", f",{way}{number}/".encode())
    return renamed.replace(f">{was}<".encode(), f">{day:%Y/%m/%d}<".encode())


def main() -> int:
    console = Console()
    with tempfile.TemporaryDirectory(prefix="vanthu-profiles-") as name:
        folder = Path(name)
        pki = make_house_pki(folder / "pki")
        document = reference(pki, folder)
        maker = House(pki, folder / "maker")
        template = maker.package(TEMPLATE, recipients=(PULLER,), document=document).read_bytes()
        maker.close()
        packages = {way: [numbered(template, way, place, n) for n in range(2 * ROUNDS + 5)] for place, way in enumerate(("native", "VXP", "LGSP"))}
        hub = HubProcess(pki, folder / "hub")
        give_secrets(hub)
        hub.start()
        try:
            wall, cpu = asyncio.run(measure(hub, packages))
        finally:
            hub.stop()
    rows: list[Row] = [compared(f"{way}: send to answer", wall[way], "native", wall["native"], BAR if way == "VXP" else None) for way in wall]
    rows += [Row(f"{way}: hub CPU per document", f"{value:.1f} ms", "", "native", f"{value / cpu['native']:.2f} ×") for way, value in cpu.items()]
    for line in machine():
        console.print(line)
    show(console, f"A {len(template) // 1000} KB package with two signed PDFs, {ROUNDS} rounds", rows)
    return 1 if any(row.held is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
