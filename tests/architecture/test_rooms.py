"""Who may import whom, and the shape of every module."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXCHANGE = [
    ["cli"],
    ["demo", "cli_custody"],
    ["cli_custody_day", "cli_custody_seal", "cli_custody_witness", "cli_custody_recover", "cli_changes"],
    ["cli_agency", "cli_conformance", "cli_simulate", "demo_house", "cli_custody_follow"],
    ["cli_directory"],
    ["cli_hub", "cli_edxml", "demo_letter", "demo_signing"],
    ["cli_secret"],
    ["simulate"],
    ["server"],
    ["live_trust"],
    ["web", "node", "conformance"],
    ["client_changes"],
    ["client", "custody_life", "monitor"],
    ["cosigning", "carrying"],
    ["hub", "sealing"],
    ["directory_exchange", "status_numbers"],
    ["connector", "evidence_file", "directory"],
    ["tickets", "evidence_causes", "intake", "dispatch", "mailbox", "audit", "clocks", "publishing", "statements", "fsck", "hearsay"],
    ["judging", "amendments", "history"],
    ["reports"],
    ["sealers"],
    ["vouching", "gossip", "attendance", "log_keys", "asking"],
    ["addressees"],
    ["office"],
    ["courier", "store", "mirror", "patience"],
    ["edxml", "copies"],
    ["receipt", "profiles", "succession"],
    ["envelope", "delivery", "lifecycle", "custody", "origin"],
    ["directory_diff"],
    ["agency_file"],
    ["agency", "event_reasons", "vocabularies"],
    ["config", "directory_errors", "change_errors"],
    ["errors"],
]
SIGNING = [
    ["cli"],
    ["cli_verify", "cli_inspect", "cli_sign", "cli_keys", "cli_trust"],
    ["cli_looks"],
    ["cli_options", "report_files", "show_evidence", "timeline_html"],
    ["timeline_steps"],
    ["show", "dev_pki", "dev_tsa", "dev_ocsp", "report_html", "report_pdf", "report_xml", "dev_images", "batch"],
    ["which_files"],
    ["report_json"],
    ["explain", "revisions", "render"],
    ["sub_verdicts"],
    ["evidence"],
    ["receipt_check", "container", "statement_check"],
    ["sandbox", "sign_pdf"],
    ["verify_pdf"],
    ["policy", "lint"],
    ["marks"],
    ["presentation"],
    ["fonts"],
    ["fetch"],
    ["seal"],
    ["timestamps"],
    ["trust_list"],
    ["sources"],
    ["trust", "xml_signature"],
    ["ocsp", "anchors"],
    ["revocation"],
    ["chain"],
    ["bindings"],
    ["cms", "signed_data", "pkcs11_keys", "key_use", "algorithms"],
    ["der"],
    ["witness_policy", "tile_log"],
    ["cosignature"],
    ["keys", "checkpoint"],
    ["note"],
    ["merkle"],
    ["reason_words"],
    ["policy_rules", "reasons", "wording"],
    ["reasons_of_presentation", "reasons_of_evidence", "reasons_of_following", "reasons_of_refusals"],
    ["report"],
    ["errors"],
]
PURE = {"succession", "copies", "vocabularies", "envelope", "delivery", "lifecycle", "custody", "receipt", "agency", "errors", "event_reasons", "origin"}
PURE |= {"agency_file", "directory_diff", "directory_errors", "change_errors"}
IMPURE = {"lxml", "pyhanko", "sqlalchemy", "aiohttp", "asyncio"}
ONLY = {
    "sqlalchemy": (
        "exchange/store/",
        "exchange/addressees.py",
        "exchange/office.py",
        "exchange/vouching.py",
        "exchange/sealers.py",
        "exchange/reports.py",
        "exchange/amendments.py",
        "exchange/history.py",
        "exchange/hub.py",
        "exchange/connector.py",
        "exchange/status_numbers.py",
        "exchange/directory.py",
        "exchange/directory_exchange.py",
        "exchange/intake.py",
        "exchange/dispatch.py",
        "exchange/mailbox.py",
        "exchange/audit.py",
        "exchange/clocks.py",
        "exchange/evidence_causes.py",
        "exchange/evidence_file.py",
        "exchange/publishing.py",
        "exchange/statements.py",
        "exchange/node/reconcile.py",
        "exchange/node/asked.py",
        "exchange/fsck.py",
        "exchange/sealing.py",
        "exchange/asking.py",
        "exchange/attendance.py",
        "exchange/log_keys.py",
        "exchange/node/witness.py",
    ),
    "lxml": (
        "signing/evidence/",
        "exchange/edxml/schema_check.py",
        "signing/verify_pdf/metadata.py",
        "signing/receipt_check.py",
        "signing/report_xml.py",
        "signing/trust_list.py",
        "signing/xml_signature.py",
    ),
    "xml": ("exchange/edxml/", "signing/evidence/"),
    "pyhanko": ("signing/sign_pdf/", "signing/verify_pdf/"),
    "aiohttp": (
        "exchange/web/",
        "exchange/node/",
        "exchange/client.py",
        "exchange/courier.py",
        "exchange/cosigning.py",
        "exchange/server.py",
        "exchange/simulate",
    ),
}
ASYNC = (
    "exchange/web/",
    "exchange/node/",
    "exchange/client.py",
    "exchange/client_changes.py",
    "exchange/courier.py",
    "exchange/carrying.py",
    "exchange/patience.py",
    "exchange/simulate/",
    "exchange/cosigning.py",
    "exchange/server.py",
    "exchange/cli_agency.py",
    "exchange/cli_changes.py",
    "exchange/cli_custody_seal.py",
    "exchange/cli_simulate.py",
    "signing/sign_pdf/",
    "signing/verify_pdf/",
)
CLOCKS = {
    "exchange/server.py",
    "exchange/node/agent.py",
    "exchange/cli_agency.py",
    "exchange/cli_hub.py",
    "exchange/cli_custody_day.py",
    "exchange/cli_custody_follow.py",
    "exchange/cli_custody_witness.py",
    "exchange/cli_conformance.py",
    "exchange/cli_simulate.py",
    "exchange/demo.py",
    "exchange/demo_house.py",
    "signing/cli_options.py",
}


def sources() -> Iterator[Path]:
    for room in ("signing", "exchange"):
        yield from sorted((ROOT / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module in ("exchange", "signing", "exchange.store", "exchange.web", "exchange.node", "exchange.edxml", "exchange.profiles"):
                yield from (f"{node.module}.{a.name}" for a in node.names if a.name != "__version__")  # no module


def violations(room: str, order: list[list[str]], module: str, imported: Iterator[str]) -> list[str]:
    """Imports of `module` (a part of `room`) that do not point strictly downwards."""
    rank = {name: level for level, names in enumerate(order) for name in names}
    if module not in rank:
        return [f"{room}.{module} has no place in the order"]
    found = []
    for name in imported:
        parts = name.split(".")
        if parts[0] == room and len(parts) > 1 and parts[1] != module and (parts[1] not in rank or rank[parts[1]] <= rank[module]):
            found.append(f"{room}.{module} imports {name}")
    return found


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[1].removesuffix(".py")


@pytest.mark.parametrize(("room", "order"), [("exchange", EXCHANGE), ("signing", SIGNING)])
def test_imports_point_downwards(room: str, order: list[list[str]]) -> None:
    found: list[str] = []
    for path in sorted((ROOT / room).rglob("*.py")):
        if part(path) != "__init__":
            found += violations(room, order, part(path), imports(ast.parse(path.read_text())))
    assert found == []


def test_the_order_check_fails_when_broken() -> None:
    assert violations("exchange", EXCHANGE, "store", iter(["exchange.intake"]))
    assert violations("exchange", EXCHANGE, "web", iter(["exchange.node.agent"]))
    assert violations("exchange", EXCHANGE, "utils", iter([]))
    assert not violations("exchange", EXCHANGE, "intake", iter(["exchange.store.queue"]))


def test_signing_is_alone() -> None:
    for path in sorted((ROOT / "signing").rglob("*.py")):
        tops = {n.split(".")[0] for n in imports(ast.parse(path.read_text()))}
        assert not tops & {"exchange", "aiohttp", "sqlalchemy"}, name_of(path)


def test_the_language_is_pure() -> None:
    for path in sources():
        if path.parent.name == "exchange" and part(path) in PURE:
            assert not {n.split(".")[0] for n in imports(ast.parse(path.read_text()))} & IMPURE, name_of(path)


def test_each_library_in_its_room() -> None:
    for path in sources():
        tops = {n.split(".")[0] for n in imports(ast.parse(path.read_text()))}
        for library, places in ONLY.items():
            if library in tops:
                assert name_of(path).startswith(places), f"{name_of(path)} imports {library}"


def test_sql_is_built_in_the_store_only() -> None:
    """Use cases pass a Connection through; they import nothing else of SQLAlchemy."""
    for path in sources():
        if "store" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
                assert [a.name for a in node.names] == ["Connection"], name_of(path)


def test_modules_and_functions_are_short() -> None:
    for path in sources():
        text = path.read_text()
        assert text.count("\n") <= 400, name_of(path)
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{name_of(path)}:{node.name} has {length} lines"


def test_async_at_the_rim_only() -> None:
    for path in sources():
        if any(isinstance(n, ast.AsyncFunctionDef) for n in ast.walk(ast.parse(path.read_text()))):
            assert name_of(path).startswith(ASYNC), name_of(path)


def test_wall_clock_in_few_places() -> None:
    for path in sources():
        if "datetime.now(" in path.read_text():
            assert name_of(path) in CLOCKS, name_of(path)


def test_public_things_are_documented() -> None:
    missing = []
    for path in sources():
        if "migrations" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree) or path.name == "__init__.py", name_of(path)
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{name_of(path)}:{node.name}")
    allowed = [m for m in missing if "/errors.py:" in m]
    assert sorted(set(missing) - set(allowed)) == []


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def test_names_say_something() -> None:
    bad = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
    assert [p for p in tracked() if Path(p).stem in bad] == []


def test_no_key_is_tracked() -> None:
    files = tracked()
    assert [p for p in files if p.startswith("keys/")] == ["keys/README.md"]
    marker = b"-----BEGIN " + b"%sPRIVATE KEY-----"
    for name in files:
        data = (ROOT / name).read_bytes() if (ROOT / name).exists() else b""
        assert not name.endswith((".p12", ".pfx", ".key")), name
        assert not any(marker % kind in data for kind in (b"", b"RSA ", b"EC ", b"ENCRYPTED ")), name


def test_no_patching_in_tests() -> None:
    words = ("mock." + "patch", "monkeypatch." + "setattr")
    for path in sorted((ROOT / "tests").rglob("*.py")):
        assert not any(word in path.read_text() for word in words), name_of(path)
