"""The demonstration and the command line, as a person runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.cli import cli, main
from exchange.demo_letter import write_letter
from tests.house import PULLER, SENDER, House, Pki, letter
from tests.journey.processes import HubProcess


def told(*arguments: str, code: int = 0) -> str:
    """What a verb of `vanthu` says, and that it ends with `code`: in this process, since each start of one costs a second."""
    out, err, ended = StringIO(), StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            ended = int(end.code or 0)
    assert ended == code, out.getvalue() + err.getvalue()
    return out.getvalue() if code == 0 else out.getvalue() + err.getvalue()


def vanthu(*arguments: str, code: int = 0) -> str:
    """The same of a process of its own."""
    done = subprocess.run([sys.executable, "-m", "exchange.cli", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def test_the_demonstration(tmp_path: Path) -> None:
    text = vanthu("demo", "--lang", "en", "--dir", str(tmp_path))
    for line in ("VALID", "refused, with the reason", "Every step held."):
        assert line in text
    assert (tmp_path / "chung-cu.asice").exists()
    assert vanthu("verify", str(tmp_path / "chung-cu.asice"), "--trust", str(tmp_path / "pki" / "trust"))
    # The verifier needs neither the hub's code nor its data.
    check = "import sys, signing.cli; assert not any(m.split('.')[0] in ('exchange', 'sqlalchemy') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_demonstration_with_ones_own_pdf_and_witnesses(tmp_path: Path) -> None:
    text = vanthu("demo", "--lang", "en", "--witnesses", "--pdf", str(letter(tmp_path / "own.pdf")))
    assert "All three agencies cosigned the newest head." in text and "Every step held." in text


def test_the_letter_has_two_pages(tmp_path: Path) -> None:

    main, table = write_letter(tmp_path, number="125/SKHCN-CĐS", now=datetime.now(UTC))
    assert main.stat().st_size > 10_000 and table.stat().st_size > 5_000


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("hub"))
    process.start()
    yield process
    process.stop()


def node_config(hub: HubProcess, pki: Pki, code: str, folder: Path) -> str:
    path = folder / f"{code}.toml"
    path.write_text(
        f"""[node]
agency = "{code}"
name = "Cơ quan (mô phỏng)"
data = "{code}"
hub_url = "{hub.url}"
trust = "{pki.folder}/trust"
tls_certificate = "{pki.folder}/tls/{code}.pem"
tls_ca = "{pki.folder}/tls/ca.pem"
seal_key = "{pki.folder}/agencies/{code}/seal.pem"
"""
    )
    return str(path)


def test_a_document_by_hand(hub: HubProcess, pki: Pki, tmp_path: Path) -> None:
    sender, recipient = node_config(hub, pki, SENDER, tmp_path), node_config(hub, pki, PULLER, tmp_path)
    operator = ("--config", str(hub.config))
    key = str(pki.folder / "persons" / "lanh-dao.pem")
    trust = str(pki.folder / "trust")
    vanthu("sign", str(letter(tmp_path / "draft.pdf")), "--key", key, "--role", "person", "-o", str(tmp_path / "half.pdf"))
    seal = str(pki.folder / "agencies" / SENDER / "seal.pem")
    told("sign", str(tmp_path / "half.pdf"), "--key", seal, "--role", "agency", "--trust", trust, "-o", str(tmp_path / "done.pdf"))
    verified = json.loads(told("verify", str(tmp_path / "done.pdf"), "--trust", trust, "--json"))
    assert verified["documents"][0]["dual_signature"] == "complete"
    assert "KHÔNG" not in told("verify", str(tmp_path / "done.pdf"), "--trust", trust)
    assert "CHƯA ĐỦ CĂN CỨ" in vanthu("verify", str(tmp_path / "half.pdf"), "--trust", trust, code=1)
    told("inspect", str(tmp_path / "done.pdf"), "--trust", trust)
    package = str(tmp_path / "p.edxml")
    told("pack", "--config", sender, str(tmp_path / "done.pdf"), "--to", PULLER, "--number", "7", "--notation", "SKHCN", "--subject", "V/v", "-o", package)
    sent = json.loads(vanthu("submit", "--config", sender, package, "--json"))
    assert "đã" in told("submit", "--config", sender, package).lower()
    line = next(i for i in json.loads(told("inbox", "--config", recipient, "--json")) if i["envelope"] == sent["envelope"])
    vanthu("fetch", "--config", recipient, line["delivery"], "-o", str(tmp_path / "got.edxml"))
    assert (tmp_path / "got.edxml").read_bytes() == Path(package).read_bytes()
    assert "status.not_allowed" not in told("acknowledge", "--config", recipient, line["delivery"])
    told("status", "--config", recipient, line["delivery"], "03")
    vanthu("status", "--config", recipient, line["delivery"], "02", code=2)
    traced = json.loads(told("trace", *operator, sent["document_id"], "--json"))
    assert traced[0]["deliveries"][0]["status"] == "03"
    told("life", "--config", sender, sent["envelope"])
    assert "03" in told("queue", *operator)
    vanthu("custody", "head", *operator)
    assert "tlog-proof" in told("custody", "prove", *operator, sent["envelope"])
    told("custody", "prove", *operator, sent["envelope"], "-o", str(tmp_path / "e.asice"))
    told("verify", str(tmp_path / "e.asice"), "--trust", trust)
    assert json.loads(told("custody", "verify", *operator, "--json"))["ok"]
    told("doctor", *operator)
    told("migrate", *operator)
    told("keys", "inspect", seal)
    assert "H56" in told("agency", "list", *operator, "H56")
    unknown = told("fetch", "--config", recipient, "none", "-o", str(tmp_path / "x"), code=1)
    assert "not_found" in unknown


def test_operators_verbs(pki: Pki, tmp_path: Path) -> None:
    hub = HubProcess(pki, tmp_path / "hub")
    operator = ("--config", str(hub.config))
    told("agency", "add", *operator, "H56.01", "Xã mới (mô phỏng)", "--legacy-code", "000.00.01.H56")
    told("agency", "succeed", *operator, "H56.01", PULLER)
    assert "agency.exists" in told("agency", "add", *operator, "H56.01", "x", code=1)
    told("agency", "close", *operator, "H56.97")
    rows = {a["code"]: a for a in json.loads(told("agency", "list", *operator, "--json"))}
    assert rows["H56.01"]["successor"] == PULLER and rows["H56.97"]["status"] == "closed"
    assert "config.invalid" in told("queue", "--config", _broken(tmp_path), code=1)
    hub.config.write_text(hub.config.read_text().replace('witnesses = "none"\n', ""))
    refused = " ".join(vanthu("serve", *operator, code=1).split())
    assert "config.witnesses" in refused and "Chưa định ai chứng kiến sổ" in refused
    assert "WitnessesUndecided" in told("doctor", *operator, code=1)


def _broken(tmp_path: Path) -> str:
    path = tmp_path / "broken.toml"
    path.write_text("[hub]\n")
    return str(path)


def test_hold_release_resend(pki: Pki, tmp_path: Path) -> None:
    process = HubProcess(pki, tmp_path / "hub")
    process.start()
    maker = House(pki, tmp_path / "maker")
    try:
        config = node_config(process, pki, SENDER, tmp_path)
        sent = json.loads(vanthu("submit", "--config", config, str(maker.package(recipients=(PULLER,))), "--json"))
    finally:
        maker.close()
        process.stop()
    operator = ("--config", str(process.config))
    delivery = json.loads(told("trace", *operator, sent["envelope"], "--json"))[0]["deliveries"][0]["delivery"]
    vanthu("hold", *operator, delivery, "--reason", "kiểm tra")
    assert "delivery.state" in told("resend", *operator, delivery, code=1)
    told("release", *operator, delivery)
    events = json.loads(told("trace", *operator, sent["envelope"], "--json"))[0]["events"]
    assert [e["why"] for e in events if e["event"].endswith("OperatorAction")] == ["hold: kiểm tra", "release: "]


def test_usage_and_completion() -> None:
    assert CliRunner().invoke(cli, ["no-such-verb"]).exit_code == 2
    assert CliRunner().invoke(cli, ["verify"]).exit_code == 2
    for shell in ("bash", "zsh", "fish"):
        assert "_VANTHU_COMPLETE" in CliRunner().invoke(cli, ["completion", shell]).output
