"""How soon an entry is under a witnessed head: seven witnesses on loopback, five of which must cosign.

Run by `make bench-witnesses`. The hub publishes on its tick of one second; witnesses are
processes of their own, each with its database and flushed mark. Beside the hub's figure
stands what one cosignature costs alone, and how much of the time is the tick's.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from exchange import asking, publishing
from exchange.cosigning import Cosigning
from exchange.custody import Entry, Event
from exchange.demo_house import free_ports
from exchange.node.witness import Witness
from exchange.publishing import Publisher
from exchange.sealing import Sealer
from exchange.store import custody_log
from exchange.store.engine import Store
from exchange.store.heads import LogState
from exchange.store.witness_log import WitnessMark
from signing.checkpoint import LogKey
from signing.cosignature import make_keys, save_keys
from signing.merkle import Edges, Tree, leaf_hash
from signing.witness_policy import parse_policy, policy_text
from tests.house import House, make_house_pki

WITNESSES, QUORUM, BAR_SECONDS = 7, 5, 2.0
TICK_SECONDS = 1.0
SECONDS = 60
PER_SECOND = 20
CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from aiohttp import web
from exchange.node.witness import Witness, witness_app
from exchange.store.engine import Store
from exchange.store.witness_log import WitnessMark
from signing.cosignature import CosignerKey
folder, port, vkey = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = Store.open(f"sqlite:///{folder / 'node.sqlite'}", blobs=folder / "blobs", migrate=True, schema="node")
witness = Witness(store, CosignerKey.load_all(folder / "witness.key"), [vkey], WitnessMark(folder / "mark"), lambda: datetime.now(UTC))
witness.enrol()
web.run_app(witness_app(witness), host="127.0.0.1", port=port, print=None, access_log=None)
"""


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` of them lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def measure(house: House, text: str) -> dict[str, list[float]]:
    """Seconds from append to: covered by a witnessed head; and of each round of asking."""
    office, policy = house.hub.office, parse_policy(text)
    publisher = Publisher(office, policy)
    delays: list[float] = []
    rounds: list[float] = []
    waiting: dict[int, float] = {}
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        cosigning = Cosigning(publisher, Sealer(publisher, None, worker="bench"), session, None)

        async def publish() -> None:
            while True:
                start = time.perf_counter()
                due = loop.time() + TICK_SECONDS
                head = await cosigning.publish_once()
                now = time.perf_counter()
                if head is not None and head.witnessed:
                    rounds.append(now - start)
                    for seq in [s for s in waiting if s < head.size]:
                        delays.append(now - waiting.pop(seq))
                await asyncio.sleep(max(0.1, due - loop.time()))

        publishing_loop = asyncio.create_task(publish())
        entry = Entry(Event.OPERATOR, datetime.now(UTC), "operator:bench", why="đo")
        for _ in range(SECONDS * PER_SECOND):
            due = loop.time() + 1 / PER_SECOND
            (seq,) = await asyncio.to_thread(office.store.write, lambda c: office.append(c, [entry]))
            waiting[seq] = time.perf_counter()
            await asyncio.sleep(max(0.0, due - loop.time()))
        end = time.monotonic() + 10
        while waiting and time.monotonic() < end:
            await asyncio.sleep(0.05)
        publishing_loop.cancel()
        await cosigning.settle()
    delays += [float("inf")] * len(waiting)
    with office.store.read() as connection:
        newest = custody_log.size(connection) - 1
    assert publishing.state_of(office, newest) in (LogState.PUBLISHED, LogState.SEALED)
    return {"delays": delays, "rounds": rounds}


def alone(folder: Path) -> float:
    """Median milliseconds of one add-checkpoint without HTTP: verify, prove, two cosignatures, database and mark flushed."""
    folder.mkdir()
    key = LogKey.generate("log.example.vn/bench")
    store = Store.open(f"sqlite:///{folder / 'node.sqlite'}", blobs=folder / "blobs", migrate=True, schema="node")
    witness = Witness(store, make_keys("w.example.vn"), [key.vkey()], WitnessMark(folder / "mark"), lambda: datetime.now(UTC))
    witness.enrol()
    leaves = [leaf_hash(str(n).encode()) for n in range(255)]
    requests = []
    for size in range(1, 200):
        tree = Tree(lambda level, index, width: b"".join(leaves[:width]), size)
        proof = tree.consistency(size - 1) if size > 1 else []
        edges = Edges()
        edges.append(leaves[:size], 0)
        requests.append(asking.request_body(size - 1, proof, key.sign_note(key.name, size, edges.root())))
    times = []
    for body in requests:
        start = time.perf_counter()
        assert witness.add_checkpoint(body).status == 200
        times.append((time.perf_counter() - start) * 1000)
    store.close()
    return statistics.median(times)


def main() -> int:
    """Measure and print; 1 when the bar is missed."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = make_house_pki(folder / "pki")
        vkey = (pki.folder / "trust" / "log.vkey").read_text().strip()
        ports = free_ports(WITNESSES)
        lines, children = [], []
        for number, port in enumerate(ports):
            own = folder / f"w{number}"
            own.mkdir()
            keys = make_keys(f"w{number}.example.vn")
            save_keys(own / "witness.key", keys)
            lines.append((f"w{number}", keys[0].vkey(), f"http://127.0.0.1:{port}/witness"))
            children.append(subprocess.Popen([sys.executable, "-c", CHILD, str(own), str(port), vkey]))
        house = House(pki, folder / "hub")
        try:
            time.sleep(8)
            found = asyncio.run(measure(house, policy_text([(vkey, "")], lines, QUORUM)))
        finally:
            house.close()
            for child in children:
                child.terminate()
                child.wait()
        single = alone(folder / "alone")
    delays, rounds = found["delays"], found["rounds"]
    table = Table(title=f"{WITNESSES} witnesses on loopback, {QUORUM} must cosign; {len(delays)} entries at {PER_SECOND}/s; tick {TICK_SECONDS:.0f} s")
    for heading in ("what", "median", "p95", "p99", "bar"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, values, bar in (("append → witnessed head", delays, f"{BAR_SECONDS:.0f} s"), ("one round of asking until the quorum", rounds, "")):
        table.add_row(what, *(f"{percentile(values, part) * 1000:.0f} ms" for part in (0.5, 0.95, 0.99)), bar)
    table.add_row("one add-checkpoint without HTTP (Ed25519 and ML-DSA-44, flushed)", f"{single:.1f} ms", "", "", "")
    console.print(table)
    load = os.getloadavg()[0]
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, cryptography {version('cryptography')}")
    good = percentile(delays, 0.99) <= BAR_SECONDS
    console.print(f"p99 {percentile(delays, 0.99):.2f} s: {'within' if good else 'MISSED'} the bar of {BAR_SECONDS:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
