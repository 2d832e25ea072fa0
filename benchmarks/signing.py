"""Bars of the signing room, measured on this machine in one run: `make bench-signing`.

`--write` also puts the table into docs/benchmarks.md; `--quick` takes fewer
rounds and a batch of 100 files. Floors and peers run in turns with ours, over
the same files.
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from rich.console import Console

from benchmarks import children
from benchmarks.files import marked, pdf_of, reference
from benchmarks.measure import COLUMNS, Row, at_most, compared, cpu_ms, interleaved, machine, markdown, ratio, show, write_block
from benchmarks.peers import PINNED, Peer, Unavailable, rust, stock
from signing.report import PdfVerdict, Role, Verdict
from tests.house import make_house_pki
from tests.interop.calls import judged, sign
from tests.interop.material import Office

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PASSWORD = "bench"
SIZES = (
    ("50 KB", 50_000, 3, 21),
    ("1 MB", 1_000_000, 20, 11),
    ("20 MB", 20_000_000, 60, 3),
)  # name, bytes, pages, calls in a row: the cost in a running service
SCHEMES = (("RSA-2048", "rsa-2048-pkcs1"), ("RSA-2048 PSS", "rsa-2048-pss"), ("RSA-3072", "rsa-3072-pkcs1"), ("P-256", "ecdsa-p256"))
SIGN_BARS = {("50 KB", "rsa-2048-pkcs1"): 3.5, ("50 KB", "rsa-2048-pss"): 3.5, ("20 MB", "rsa-2048-pkcs1"): 1.6, ("20 MB", "rsa-2048-pss"): 1.6}
VERIFY_BARS = {"50 KB": 8.0, "20 MB": 25.0}
Kind = Literal["document", "attachment"]
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


@dataclass
class Bench:
    """One run: where files go, whose keys, how many rounds, and the peers that could be had."""

    folder: Path
    office: Office
    rounds: int
    batch: int
    peers: dict[str, Peer]

    def key_file(self, scheme: str) -> Path:
        return self.office.key_file(scheme.removesuffix("-pss").removesuffix("-pkcs1"), Role.AGENCY)

    @property
    def trust_folder(self) -> Path:
        return self.office.pki / "trust"


def raw_operation(key_file: Path, scheme: str, data: bytes) -> Callable[[], object]:
    """The floor of a signature: SHA-256 of the file and one private operation."""
    private = load_pem_private_key(key_file.read_bytes(), None)
    if isinstance(private, rsa.RSAPrivateKey):
        pad = _PSS if scheme.endswith("-pss") else padding.PKCS1v15()
        return lambda: (hashlib.sha256(data).digest(), private.sign(b"x", pad, hashes.SHA256()))
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return lambda: (hashlib.sha256(data).digest(), private.sign(b"x", ec.ECDSA(hashes.SHA256())))


def raw_check(key_file: Path, signatures: int, data: bytes) -> Callable[[], object]:
    """The floor of a verdict: SHA-256 of the file and the public operations of signatures and their chain of three."""
    private = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    public, value = private.public_key(), private.sign(b"x", padding.PKCS1v15(), hashes.SHA256())

    def check() -> None:
        hashlib.sha256(data).digest()
        for _ in range(signatures + 2):
            public.verify(value, b"x", padding.PKCS1v15(), hashes.SHA256())

    return check


def must_hold(verdict: PdfVerdict) -> None:
    if verdict.verdict is not Verdict.VALID:
        raise RuntimeError(f"a file of the benchmark is not valid: {verdict.reasons}")


def asked(peer: Peer, **request: Any) -> Callable[[], float]:
    """A side of a round: the peer's own CPU milliseconds."""

    def side() -> float:
        answer = peer.ask(**request)
        if not answer["holds"]:
            raise Unavailable(f"{peer.name} does not accept {Path(request['source']).name}")
        return float(answer["ms"])

    return side


def signing(bench: Bench) -> Iterator[Row]:
    """CPU time of one signature, certificate checked, file to file, flushed to disk."""
    trust = bench.office.trust
    for size_name, size, pages, calls in SIZES:
        source = pdf_of(bench.folder / "draft.pdf", size, pages)
        data = source.read_bytes()
        for name, scheme in SCHEMES:
            key, target = bench.office.key(scheme, Role.AGENCY), bench.folder / f"signed-{scheme}-{size}.pdf"
            work = lambda: sign(source, target, key, trust, role=Role.AGENCY, kind="attachment", scheme=scheme)  # noqa: E731
            floor = raw_operation(bench.key_file(scheme), scheme, data)
            sides = {"ours": lambda: cpu_ms(work, calls), "floor": lambda: cpu_ms(floor, calls)}
            compare = bench.peers if scheme in ("rsa-2048-pkcs1", "ecdsa-p256") else {}
            p12 = bench.office.key_file(bench.key_file(scheme).stem.rsplit("-", 1)[0], Role.AGENCY, password=PASSWORD.encode())
            for peer in compare.values():
                into = f"{target}.{peer.name}"
                sides[peer.name] = asked(peer, do="sign", source=str(source), target=into, key=str(p12), password=PASSWORD, calls=-(-calls // 4))
            taken = interleaved(sides, bench.rounds)
            what = f"sign {size_name}, {name}"
            yield compared(what, taken["ours"], "raw operation + SHA-256", taken["floor"], SIGN_BARS.get((size_name, scheme)))
            for peer in compare.values():
                bar = 0.6 if (peer.name, size_name, scheme) == ("pdfsignerpy", "50 KB", "rsa-2048-pkcs1") else None
                yield compared(f"… against {peer.name}", taken["ours"], peer.name, taken[peer.name], bar)


def verifying(bench: Bench) -> Iterator[Row]:
    """CPU time of one verdict: an attachment with its mark, then the reference document, then one bare signature of each scheme."""
    for size_name, size, pages, calls in SIZES:
        signed = marked(pdf_of(bench.folder / "draft.pdf", size, pages), bench.folder / f"marked-{size}.pdf", bench.office)
        yield from _verified(
            bench, f"verify {size_name}, one signature with its mark", signed, "attachment", calls, VERIFY_BARS.get(size_name), size_name == "20 MB"
        )
    document = reference(bench.folder / "reference.pdf", bench.office)
    yield from _verified(bench, "verify the reference document (two signatures, 100 KB)", document, "document", 20, 12.0, False)
    for name, scheme in SCHEMES:
        signed = bench.folder / f"signed-{scheme}-50000.pdf"
        work = partial(judged, signed, bench.office.trust, kind="attachment", policy="legacy-accept")
        yield at_most(
            f"verify 50 KB, one bare signature, {name}", interleaved({"ours": lambda: cpu_ms(lambda: must_hold(work()), 20)}, bench.rounds)["ours"], 8.0
        )


def _verified(bench: Bench, what: str, path: Path, kind: Kind, calls: int, bar: float | None, peer_bar: bool) -> Iterator[Row]:
    """Ours under the policy nd30 against the bar, then in turns with the floor, the full path alone, and the peers."""
    trust, data = bench.office.trust, path.read_bytes()
    floor = raw_check(bench.key_file("rsa-2048-pkcs1"), 1 if kind == "attachment" else 2, data)
    sides = {
        "ours": lambda: cpu_ms(lambda: must_hold(judged(path, trust, kind=kind)), calls),
        "full": lambda: cpu_ms(lambda: must_hold(judged(path, trust, kind=kind, full=True)), calls),
        "floor": lambda: cpu_ms(floor, calls),
    }
    for peer in bench.peers.values():
        sides[peer.name] = asked(peer, do="verify", source=str(path), root=str(bench.office.root), calls=calls)
    taken = interleaved(sides, bench.rounds)
    yield at_most(what, taken["ours"], bar)
    yield compared("… against the full path", taken["ours"], "the same without the quick path", taken["full"])
    yield compared("… against the floor", taken["ours"], "public operations + SHA-256", taken["floor"])
    for peer in bench.peers.values():
        limit = 0.1 if peer_bar and peer.name == "pdfsignerpy" else None
        yield compared(f"… against {peer.name}", taken["ours"], peer.name, taken[peer.name], limit)


def memory(bench: Bench) -> Iterator[Row]:
    """Peak resident memory with 105 MB, each job in a fresh process."""
    source, target = pdf_of(bench.folder / "large.pdf", 105_000_000, 100), bench.folder / "large-signed.pdf"
    key = bench.key_file("rsa-2048-pkcs1")
    signed = marked(source, bench.folder / "large-marked.pdf", bench.office)
    jobs: tuple[tuple[str, Path], ...] = (("sign", source), ("verify", signed))
    for what, path in jobs:
        peaks = [children.peak_mb(what, key, bench.trust_folder, path, target) for _ in range(5)]
        yield at_most(f"{what} 105 MB, peak resident memory", peaks, 80, unit="MB")
    yield at_most(
        "… of a process that signs 50 KB", [children.peak_mb("sign", key, bench.trust_folder, bench.folder / "small.pdf", target) for _ in range(5)], unit="MB"
    )


def scaling(bench: Bench) -> Iterator[Row]:
    """Throughput of two processes against one, wall clock, 50 KB and RSA-2048; beside it what the machine itself gives to a second process."""
    key, trust, target = bench.key_file("rsa-2048-pkcs1"), bench.trust_folder, bench.folder / "many.pdf"
    small, signed = bench.folder / "small.pdf", bench.folder / "marked-50000.pdf"
    jobs: dict[str, tuple[Path, int]] = {"raw": (small, 1500), "sign": (small, 200), "group": (small, 6), "verify": (signed, 150)}
    sides = {}
    for what, (source, count) in jobs.items():
        for processes in (1, 2):
            sides[f"{what} {processes}"] = partial(children.wall_seconds, processes, what, key, trust, source, target, count)
    taken = interleaved(sides, 5)
    for what, (_, count) in jobs.items():
        count *= children.GROUP if what == "group" else 1
        alone, both = taken[f"{what} 1"], taken[f"{what} 2"]
        gain = 2 * ratio(alone, both)
        rates = [2 * count / seconds for seconds in both]
        name = {
            "raw": "RSA-2048 private operations in two processes (the machine)",
            "sign": "sign 50 KB in two processes, each file flushed by itself",
            "group": f"sign 50 KB in two processes, {children.GROUP} files flushed together",
        }.get(what, f"{what} 50 KB in two processes")
        # Files flushed one by one wait in the file system's one line (docs/adr/0007): shown, without a bar.
        barred = what in ("group", "verify")
        against, bar = f"one process: {count / statistics.median(alone):.0f} /s", "≥ 1.8 ×" if barred else ""
        held = gain >= 1.8 if barred else None
        yield Row(name, f"{statistics.median(rates):.0f} /s", f"{min(rates):.0f} /s", against, f"{gain:.2f} ×", bar, held)


def batch(bench: Bench) -> Iterator[Row]:
    """`vanthu verify FOLDER` over different copies of the reference document, wall clock."""
    folder = bench.folder / "batch"
    folder.mkdir()
    for number in range(bench.batch):
        reference(folder / f"{number:04d}.pdf", bench.office)
    line = [sys.executable, "-c", "from exchange.cli import main; main()", "verify", str(folder), "--trust", str(bench.trust_folder)]
    rates, used = [], []
    for _ in range(5):
        start, before = time.perf_counter(), children.finished_cpu_seconds()
        done = subprocess.run(line, cwd=children.ROOT, capture_output=True, text=True)
        rates.append(bench.batch / (time.perf_counter() - start))
        used.append((children.finished_cpu_seconds() - before) / bench.batch * 1000)
        if done.returncode:
            raise RuntimeError(f"vanthu verify: {(done.stdout + done.stderr)[-400:]}")
    middle = statistics.median(rates)
    what = f"vanthu verify FOLDER, {bench.batch} reference documents"
    cpu = f"CPU, start included: {statistics.median(used):.1f} ms a file"
    yield Row(what, f"{middle:.0f} files/s", f"{min(rates):.0f} files/s", cpu, bar="≥ 100 files/s", held=middle >= 100)


SECTIONS: tuple[tuple[str, Callable[[Bench], Iterator[Row]]], ...] = (
    ("Signing (CPU)", signing),
    ("Verifying, full policy (CPU)", verifying),
    ("Memory", memory),
    ("Two processes (wall clock)", scaling),
    ("Batch (wall clock)", batch),
)


def measured(console: Console, folder: Path, *, quick: bool) -> tuple[list[str], list[Row]]:
    """All sections in turn, shown as they come: (facts about the machine, rows)."""
    office, about, rows = Office(make_house_pki(folder / "pki").folder), machine(), []
    pdf_of(folder / "small.pdf", 50_000, 3)
    with ExitStack() as stack:
        peers = {}
        try:
            peers["pdfsignerpy"] = stack.enter_context(rust(folder))
            about.append(f"peers: {PINNED} in an environment of its own, and pyHanko as it comes, each in its own process")
        except Unavailable as error:
            about.append(f"left out: {error}")
        peers["pyhanko"] = stack.enter_context(stock(folder, office.pki / "trust"))
        bench = Bench(folder, office, 5 if quick else 15, 100 if quick else 1000, peers)
        console.print("\n".join(about))
        for title, section in SECTIONS:
            found = list(section(bench))
            show(console, title, found)
            rows += found
    return about, rows


@click.command()
@click.option("--write", is_flag=True, help="Put the table into docs/benchmarks.md.")
@click.option("--quick", is_flag=True, help="Fewer rounds, a batch of 100 files.")
def main(write: bool, quick: bool) -> None:
    """Measure the signing room against its bars."""
    console = Console()
    if not console.is_terminal:
        console.width = 150
    folder = Path(tempfile.mkdtemp(prefix="vanthu-bench-"))
    try:
        about, rows = measured(console, folder, quick=quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    missed: Sequence[Row] = [row for row in rows if row.held is False]
    console.print(f"{sum(row.held is True for row in rows)} bars held, {len(missed)} missed")
    if write:
        write_block(PAGE, "signing", "\n".join(f"* {line}" for line in about) + "\n\n" + markdown(COLUMNS, [row.cells() for row in rows]))


if __name__ == "__main__":
    main()
