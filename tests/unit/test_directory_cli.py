"""`vanthu directory` as an operator uses it; its tables at 80 and 100 columns; the examples of docs/directory.md."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.hashes import SHA256

from exchange.agency import AgencyStatus
from exchange.cli import cli
from exchange.config import load_hub
from exchange.server import open_hub
from tests.directory_material import file_of, sealed, unit
from tests.house import SENDER, Pki
from tests.journey.processes import HubProcess

ROOT = Path(__file__).resolve().parents[2]
CLOSED = AgencyStatus.CLOSED
OLD = [
    unit("H56.T01", "Sở Kế hoạch và Đầu tư tỉnh Thanh Hóa (mô phỏng)"),
    unit("H56.T02", "Sở Tài chính tỉnh Thanh Hóa (mô phỏng)"),
    unit("H56.T03", "Ủy ban nhân dân thành phố Sầm Sơn (mô phỏng)"),
    unit("H56.T04", "Trung tâm Tin học (mô phỏng)"),
]
NEW = [
    unit("H56.T01", "Sở Kế hoạch và Đầu tư tỉnh Thanh Hóa (mô phỏng)", status=CLOSED, successor="H56.T02", valid_until=date(2025, 6, 30)),
    unit("H56.T02", "Sở Tài chính tỉnh Thanh Hóa (mô phỏng)", legacy_code="000.00.02.H56", aliases=("H56.TC",)),
    unit("H56.T03", "Ủy ban nhân dân thành phố Sầm Sơn (mô phỏng)", status=CLOSED),
    unit("H56.T04", "Trung tâm Công nghệ thông tin (mô phỏng)", parent="H56.T02", gateway="H56.T02"),
    unit("H56.T05", "Phường Nam Sầm Sơn (mô phỏng)", parent="H56.T02", valid_from=date(2025, 7, 1), hub="001.00.20.TT2"),
]
NARROW = """\
 Việc        Mã        Tên                          Thay đổi
 ──────────────────────────────────────────────────────────────────────────────
 → kế thừa   H56.T01   Sở Kế hoạch và Đầu tư tỉnh   trạng thái: hoạt động → đã
                       Thanh Hóa (mô phỏng)         đóng
                                                    kế thừa: — → H56.T02
                                                    đến ngày: — → 2025-06-30
 ~ mã khác   H56.T02   Sở Tài chính tỉnh Thanh      mã cũ: — → 000.00.02.H56
                       Hóa (mô phỏng)               mã khác: — → H56.TC
 × đóng      H56.T03   Ủy ban nhân dân thành phố    trạng thái: hoạt động → đã
                       Sầm Sơn (mô phỏng)           đóng
 ⇄ đầu mối   H56.T04   Trung tâm Công nghệ thông    tên: Trung tâm Tin học (mô
                       tin (mô phỏng)               phỏng) → Trung tâm Công
                                                    nghệ thông tin (mô phỏng)
                                                    cấp trên: — → H56.T02
                                                    đầu mối: — → H56.T02
 + thêm      H56.T05   Phường Nam Sầm Sơn (mô       cấp trên: H56.T02
                       phỏng)                       từ ngày: 2025-07-01
                                                    trục: 001.00.20.TT2
"""
WIDE = """\
 What          Code      Name                                  Change
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 → succeeded   H56.T01   Sở Kế hoạch và Đầu tư tỉnh Thanh      status: open → closed
                         Hóa (mô phỏng)                        successor: — → H56.T02
                                                               until: — → 2025-06-30
 ~ codes       H56.T02   Sở Tài chính tỉnh Thanh Hóa (mô       legacy code: — → 000.00.02.H56
                         phỏng)                                aliases: — → H56.TC
 × closed      H56.T03   Ủy ban nhân dân thành phố Sầm Sơn     status: open → closed
                         (mô phỏng)
 ⇄ gateway     H56.T04   Trung tâm Công nghệ thông tin (mô     name: Trung tâm Tin học (mô phỏng) →
                         phỏng)                                Trung tâm Công nghệ thông tin (mô
                                                               phỏng)
                                                               parent: — → H56.T02
                                                               gateway: — → H56.T02
 + added       H56.T05   Phường Nam Sầm Sơn (mô phỏng)         parent: H56.T02
                                                               from: 2025-07-01
                                                               hub: 001.00.20.TT2
"""


@pytest.fixture
def folder(pki: Pki, tmp_path: Path) -> Iterator[Path]:
    """A hub's configuration, and `danh-ba.json` with its seal, beside each other; the working folder of the test."""
    key = pki.seal(SENDER)
    process = HubProcess(pki, tmp_path, more=f'directory_signers = ["{key.certificate.fingerprint(SHA256()).hex()}"]')
    hub = open_hub(load_hub(process.config, {}))
    for agency in OLD:
        hub.directory.add(agency, {}, by="test")
    hub.close()
    data = file_of(NEW, version=7)
    (tmp_path / "danh-ba.json").write_bytes(data)
    (tmp_path / "danh-ba.json.p7s").write_bytes(sealed(data, key))
    (tmp_path / "niem-phong-moi.pem").write_bytes((pki.folder / "hub" / "seal.pem").read_bytes())
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def vanthu(*arguments: str, columns: int = 80) -> Result:
    env = {"COLUMNS": str(columns), "VANTHU_CONFIG": "hub.toml", "VANTHU_OPERATOR": "vận hành (mô phỏng)"}
    result = CliRunner(env=env).invoke(cli, ["directory", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def table(output: str) -> str:
    """The table in it, line ends trimmed."""
    lines = [line.rstrip() for line in output.splitlines()]
    start = next(n for n, line in enumerate(lines) if set(line.strip()) == {"─"}) - 1
    end = next((n for n in range(start, len(lines)) if not lines[n]), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def test_the_difference_at_80_and_100_columns(folder: Path) -> None:
    told = vanthu("import", "danh-ba.json")
    assert table(told.output) == NARROW
    assert table(vanthu("import", "danh-ba.json", "--lang", "en", columns=100).output) == WIDE
    for line in ("danh-ba.mo-phong.vn, phiên bản 7", "thêm 1, kế thừa 1, đóng 1, đầu mối 1, mã khác 1", "3, trong đó 3 không có trong tệp", "Chưa thay đổi gì"):
        assert line in told.output
    assert max(len(line.rstrip()) for line in told.output.splitlines()) <= 80


def test_nothing_changes_before_apply_and_all_of_it_after(folder: Path) -> None:
    entries = json.loads(vanthu("find", "--json").output)
    vanthu("import", "danh-ba.json")
    assert json.loads(vanthu("find", "--json").output) == entries
    told = json.loads(vanthu("import", "danh-ba.json", "--apply", "--json").output)
    assert (told["applied"], told["taken"], told["counts"]) == (True, False, {"added": 1, "succeeded": 1, "closed": 1, "gateway": 1, "codes": 1})
    assert told["changes"][0]["fields"][0] == {"field": "status", "before": "", "after": "closed"}
    shown = json.loads(vanthu("show", "H56.TC", "--json").output)
    assert (shown["code"], shown["serves"]) == ("H56.T02", ["H56.T04"])
    assert json.loads(vanthu("show", "H56.T01", "--json").output)["succeeded_by"] == "H56.T02"
    assert "đã được áp dụng" in vanthu("import", "danh-ba.json", "--apply").output
    (version,) = json.loads(vanthu("versions", "--json").output)
    assert (version["version"], version["kind"], version["by"]) == (7, "import", "vận hành (mô phỏng)")
    # One custody entry names the file; its leaf says version, counts and digest.
    hub = open_hub(load_hub(folder / "hub.toml", {}))
    try:
        with hub.store.read() as connection:
            leaf = json.loads(connection.exec_driver_sql("SELECT leaf FROM custody_entry ORDER BY seq DESC LIMIT 1").scalar() or b"")
        assert leaf["ev"] == "urn:vanthu:event:DirectoryChange" and leaf["obj"]["sha256"] == told["sha256"]
        assert leaf["data"] == {"version": 7, "agencies": 5} and "succeeded=1" in leaf["why"]
        assert hub.store.blobs.path(told["sha256"]).read_bytes() == (folder / "danh-ba.json").read_bytes()
    finally:
        hub.close()


def test_many_changes_are_cut_and_said_so(folder: Path, pki: Pki) -> None:
    data = file_of([*NEW, *(unit(f"H56.M{n:03d}") for n in range(60))], version=8)
    (folder / "lon.json").write_bytes(data)
    (folder / "lon.json.p7s").write_bytes(sealed(data, pki.seal(SENDER)))
    told = vanthu("import", "lon.json").output
    assert "… và 25 thay đổi nữa" in told and "H56.T01" in told and "H56.M059" not in told
    assert "H56.M059" in vanthu("import", "lon.json", "--all").output


def test_wrong_use(folder: Path) -> None:
    (folder / "khong-dau.json").write_bytes(b"{}")
    for arguments in (("import", "khong-dau.json"), ("set", "H56.T01"), ("certificate", "H56.T01"), ("find", "--status", "x")):
        assert vanthu(*arguments).exit_code == 2
    assert vanthu("codes", "khong-co").exit_code == 1


def test_code_lists_are_shown_with_source_and_confidence() -> None:
    told = json.loads(vanthu("codes", "--json").output)
    assert told["status_codes"]["confidence"] == "seen" and told["province_mergers_2025"]["source"]
    rows = json.loads(vanthu("codes", "province_mergers_2025", "--json").output)["rows"]
    assert len(rows) == 29 and "Vĩnh Phúc" in vanthu("codes", "province_mergers_2025").output
    assert "OrganId" in vanthu("codes", "field_max_length").output and "Mã lỗi" in vanthu("codes").output


def test_the_examples_of_the_page(folder: Path) -> None:
    """Every command of docs/directory.md, in order, in one folder."""
    page = (ROOT / "docs" / "directory.md").read_text()
    lines = [line for block in re.findall(r"```\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    commands = [line.split(" # ")[0] for line in lines if line.startswith("vanthu directory ")]
    assert len(commands) >= 12
    for command in commands:
        done = vanthu(*shlex.split(command)[2:])
        assert done.exit_code == 0, f"{command}: {done.output}"
    assert (folder / "danh-ba-ra.csv").exists() and (folder / "danh-ba-ra.csv.p7s").exists()
