"""Evidence files with cosigned and sealed heads, and a CA's policy: what an auditor's own policy makes of them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from exchange.cli import cli
from exchange.publishing import Publisher
from exchange.receipt import from_bytes
from exchange.sealing import Sealer
from exchange.store import custody_log, heads
from exchange.store.heads import PublishedHead
from signing.checkpoint import LogKey, parse_note
from signing.cosignature import CosignerKey, Kind, add_lines
from signing.errors import EvidenceInvalid
from signing.evidence import Standing, commands
from signing.sandbox import Sandbox
from signing.witness_policy import parse_policy, policy_text
from tests.evidence_material import Made, Members, now, stamper
from tests.house import ORIGIN, PULLER, SENDER, House, Pki


@dataclass
class Witnessed:
    """A file whose head two of three witnesses cosigned. `policy` wants two of three."""

    made: Made
    policy: str
    strict: str


@pytest.fixture(scope="module")
def witnessed(pki: Pki, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witnessed]:
    folder = tmp_path_factory.mktemp("witnessed")
    house = House(pki, folder / "hub", sandbox=sandbox)
    house.register()
    hub, office = house.hub, house.hub.office
    envelope = from_bytes(house.submit(house.package(recipients=(PULLER,)))).envelope
    hub.acknowledge(PULLER, hub.inbox(PULLER, after=0, limit=5)[0]["delivery"], *house.status("01"))
    office.timestamp = stamper(pki)
    witnesses = [CosignerKey.generate(f"witness-{n}.example.vn") for n in range(3)]
    sealer = Sealer(Publisher(office, None), CosignerKey.generate(ORIGIN, Kind.ML_DSA_44), worker="one")
    slot = sealer.due()
    assert slot is not None
    round_ = sealer.begin(slot)
    assert round_ is not None and sealer.finish(slot, round_) is not None
    hub.report_status(PULLER, *house.status("03"))
    head = parse_note(office.head())
    note = add_lines(head.note, [w.cosign(head, at=now()) for w in witnesses[:2]])
    with office.store.read() as connection:
        epoch = custody_log.current_epoch(connection).number
    office.store.write(lambda c: heads.publish(c, PublishedHead(epoch, head.size, head.root, note, now(), True)))
    hub.ca_policies = folder / "policies"
    hub.ca_policies.mkdir()
    issuing = x509.load_pem_x509_certificate((pki.folder / "trust" / "intermediates" / "issuing.pem").read_bytes())
    (hub.ca_policies / f"{issuing.fingerprint(hashes.SHA256()).hex()}.txt").write_text("Quy chế chứng thực (mô phỏng)")
    hub.evidence(SENDER, envelope, folder / "file.asice")
    logs = [(office.vkeys()[0], "")]
    names = [(f"w{n}", w.vkey(), "") for n, w in enumerate(witnesses)]
    made = Made(pki, folder, office.vkeys()[0])
    yield Witnessed(made, policy_text(logs, names, 2), policy_text(logs, names, 3))
    house.close()


def test_the_quorum_is_proven(witnessed: Witnessed) -> None:
    report = witnessed.made.check(witnessed.made.file, policy=parse_policy(witnessed.policy))
    assert report.ok, report.reasons
    assert report.witnesses == ("w0", "w1")
    proven = [s.en for s in report.statements if s.standing is Standing.PROVEN]
    assert any("2 witnesses: w0, w1" in s for s in proven)
    assert any("3 events were in the log by" in s for s in proven), "the sealed head's own time-stamp"
    assert any("covers 3 of 4 events only" in s.en for s in report.statements if s.standing is Standing.MISSING)
    assert any(s.startswith("The CA's policy: kept") for s in proven)


def test_too_few_witnesses(witnessed: Witnessed) -> None:
    report = witnessed.made.check(witnessed.made.file, policy=parse_policy(witnessed.strict))
    assert {r.code for r in report.reasons} >= {"custody.quorum_missing"}


def test_a_policy_of_another_log(witnessed: Witnessed) -> None:
    other = policy_text([(LogKey.generate("other.example.vn/custody").vkey(), "")], [])
    assert not witnessed.made.check(witnessed.made.file, policy=parse_policy(other)).ok


@pytest.mark.parametrize("victim", ["log/sealed", "log/sealed.p7s", "log/sealed.tst", "log/sealed.consistency"])
def test_a_sealed_head_that_does_not_fit(witnessed: Witnessed, victim: str) -> None:
    def change(members: Members) -> None:
        data = bytearray(members[victim])
        data[-3] = ord("0") if data[-3] != ord("0") else ord("1")
        members[victim] = bytes(data)

    with contextlib.suppress(EvidenceInvalid):
        assert not witnessed.made.check(witnessed.made.sealed_again(change)).ok


def test_the_printed_commands_for_a_sealed_head(witnessed: Witnessed, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    with zipfile.ZipFile(witnessed.made.file) as archive:
        archive.extractall(tmp_path)
    shutil.copyfile(witnessed.made.pki.folder / "trust" / "anchors" / "root.pem", tmp_path / "ROOT.pem")
    shutil.copyfile(tmp_path / "trust" / "log.pem", tmp_path / "LOG.pem")
    printed = commands((tmp_path / "report" / "VERIFY.txt").read_text())
    assert len(printed) == 9
    for command in printed:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"


def test_the_verb_with_a_policy(witnessed: Witnessed, tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    shutil.copytree(witnessed.made.pki.folder / "trust", trust)
    policy = tmp_path / "policy.txt"
    policy.write_text(witnessed.policy)
    arguments = ["verify", str(witnessed.made.file), "--trust", str(trust)]
    expected = {
        "vi": ("HỢP LỆ", "ĐÃ CHỨNG MINH", "CHỈ TỰ KHAI", "CÒN THIẾU", "2 bên chứng kiến"),
        "en": ("VALID", "PROVEN", "CLAIMED", "MISSING", "2 witnesses"),
    }
    for lang, words in expected.items():
        shown = CliRunner().invoke(cli, [*arguments, "--policy", str(policy), "--lang", lang])
        assert shown.exit_code == 0, shown.output
        assert all(w in shown.output for w in words), shown.output
    policy.write_text(witnessed.strict)
    refused = CliRunner().invoke(cli, [*arguments, "--policy", str(policy), "--lang", "en"])
    assert refused.exit_code == 1 and "custody.quorum_missing" in refused.output
    (trust / "witness-policy.txt").write_text(witnessed.policy)
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert CliRunner().invoke(cli, [*arguments, "--policy", "nothing"]).exit_code == 2
