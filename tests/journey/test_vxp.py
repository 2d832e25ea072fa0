"""The VXP profile against a real hub process: the official SDK's calls, the receiver's loop, and crossing to other profiles."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.cli_hub import agency as agency_verbs
from exchange.cli_hub import trace
from exchange.envelope import Business, Kind, Replacement
from exchange.node.desk import Desk
from exchange.profiles import vxp
from exchange.receipt import from_bytes
from exchange.store.engine import Store
from signing.evidence import check
from signing.receipt_check import check_receipt
from signing.seal import sign_seal, verify_seal
from signing.trust import Trust
from tests.connectors import Sdk, give_secrets, said
from tests.house import PULLER, PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess

DOC, EDOC, STATUS = "eDoc", ("messagetype", "edoc"), ("messagetype", "status")
SERVICE = ("servicetype", DOC)


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("vxp"))
    give_secrets(process)
    process.start()
    yield process
    process.stop()


def now() -> datetime:
    return datetime.now(UTC)


def trust_of(hub: HubProcess) -> tuple[Trust, list[str]]:
    folder = hub.pki.folder / "trust"
    return Trust.load(folder), (folder / "log.vkey").read_text().split()


def test_the_loop_of_every_known_client(hub: HubProcess, maker: House) -> None:
    document_id = f"{SENDER},2026/11/20,v1/QĐ-UBND"
    data = maker.package(document_id, recipients=(PULLER,)).read_bytes()
    sender, recipient = Sdk.of(hub, SENDER), Sdk.of(hub, PULLER)
    first = sender.send(data, SENDER, [PULLER])
    assert (first["status"], first["ErrorCode"]) == ("OK", "0")
    assert sender.send(data, SENDER, [PULLER]) == first  # a lost answer, sent again

    lines = recipient.call("getReceivedEdocList", SERVICE, EDOC)["data"]
    (line,) = [x for x in lines if x["from"] == SENDER]
    assert (line["to"], line["status"], line["messageType"], line["serviceType"]) == (PULLER, "initial", "edoc", DOC)
    assert recipient.call("countReceiveEdoc", SERVICE, body=b"{}")["count"] == len(lines)
    recipient.call("updateStatus", ("docid", line["docId"]), last=[("status", "processing")], body=b"{}")
    assert [x["status"] for x in recipient.call("getReceivedEdocList", SERVICE, EDOC)["data"] if x["docId"] == line["docId"]] == ["processing"]

    got = recipient.call("getEdoc", ("docId", line["docId"]), ("filePath", "/opt/kho"), body=b"{}")
    assert base64.b64decode(got["data"]) == data
    _, raw = recipient.post("downloadEdoc", recipient.headers([("docId", line["docId"]), ("filePath", "/opt/kho")]), method="GET")
    assert raw == data
    assert recipient.call("updateStatus", ("docid", line["docId"]), last=[("status", "done")], body=b"{}")["status"] == "OK"
    assert all(x["docId"] != line["docId"] for x in recipient.call("getReceivedEdocList", SERVICE, EDOC)["data"])

    (sent,) = sender.call("getSentEdocList", SERVICE, EDOC, ("docId", first["DocId"]))["data"]
    assert (sent["senderDocId"], sent["receiverDocId"], sent["receiveStatus"], sent["notation"]) == (first["DocId"], line["docId"], "done", "125/QĐ-UBND")
    for code in ("01", "03"):
        status, _ = maker.status(code, document_id=document_id)
        assert recipient.send(status, PULLER, [SENDER], "status")["status"] == "OK"
    back = sender.call("getReceivedEdocList", SERVICE, STATUS)["data"]
    assert len(back) == sender.call("countReceiveStatus", SERVICE, body=b"{}")["count"] == 2
    told = sender.call("getEdoc", ("docId", back[0]["docId"]), ("filePath", ""), body=b"{}")
    assert b"<edXML:StatusCode>01<" in base64.b64decode(told["data"])
    sender.call("updateStatus", ("docid", back[0]["docId"]), last=[("status", "done")], body=b"{}")
    assert [x["docId"] for x in sender.call("getReceivedEdocList", SERVICE, STATUS)["data"]] == [back[1]["docId"]]
    assert len(recipient.call("getSentEdocList", SERVICE, STATUS)["data"]) == 2


def test_the_receipt_and_the_custody_log_say_that_it_was_an_hmac(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    document_id = f"{SENDER},2026/11/20,v2/QĐ-UBND"
    data = maker.package(document_id, recipients=(PULLER,)).read_bytes()
    sdk = Sdk.of(hub, SENDER)
    envelope = sdk.send(data, SENDER, [PULLER])["DocId"]
    _, receipt = sdk.post("getReceipt", sdk.headers([("docId", envelope)]))
    trust, vkeys = trust_of(hub)
    finding = check_receipt(receipt, trust=trust, vkeys=vkeys, at=now())
    assert (finding.envelope, finding.package_sha256, finding.sender) == (envelope, hashlib.sha256(data).hexdigest(), SENDER)
    parts = from_bytes(receipt)
    assert b"Origin.vxp-hmac" in parts.evidence and "không có niêm phong" in parts.evidence.decode().lower()
    leaf = json.loads(parts.leaf)
    assert leaf["obj"]["type"] == "vxp-hmac" and f"system=sys.{SENDER} key=" in leaf["why"]

    async def go() -> None:
        async with hub.client(SENDER) as native:
            life = await native.timeline(envelope)
            assert (life["origin"]["method"], life["origin"]["system"]) == ("vxp-hmac", f"sys.{SENDER}")
            assert life["events"][0]["object_type"] == "vxp-hmac"
            status, _ = maker.status("01", document_id=document_id)
            assert said(await asyncio.to_thread(Sdk.of(hub, PULLER).send, status, PULLER, [SENDER], "status")) == ""
            assert (await native.timeline(envelope))["events"][-1]["object_type"] == "edxml-status+vxp-hmac"
            await native.evidence(envelope, tmp_path / "e.asice")

    asyncio.run(go())
    report = check(tmp_path / "e.asice", trust=trust, vkeys=vkeys, at=now())
    assert report.ok, report.reasons
    shown = CliRunner().invoke(trace, [document_id, "--config", str(hub.config)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0 and "HMAC" in shown.output and f"sys.{SENDER}" in shown.output


def test_in_by_vxp_out_by_the_native_interface_and_back(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    by_vxp, by_native = (f"{SENDER},2026/11/20,{n}/QĐ-UBND" for n in ("v3", "v4"))
    data = maker.package(by_vxp, recipients=(PULLER,)).read_bytes()
    Sdk.of(hub, SENDER).send(data, SENDER, [PULLER])

    async def go() -> None:
        async with hub.client(PULLER) as recipient, hub.client(SENDER) as sender:
            items, _ = await recipient.inbox(limit=500)
            line = next(i for i in items if i["document_id"] == by_vxp)
            got = await recipient.fetch(line["delivery"], tmp_path / "got.edxml")
            assert (tmp_path / "got.edxml").read_bytes() == data and got.seal
            status, seal = maker.status("01", document_id=by_vxp)
            await recipient.acknowledge(line["delivery"], status, now=now(), seal=seal)
            await sender.submit(maker.package(by_native, recipients=(PULLER,)), now=now())

    asyncio.run(go())
    sender, recipient = Sdk.of(hub, SENDER), Sdk.of(hub, PULLER)
    told = [base64.b64decode(sender.call("getEdoc", ("docId", x["docId"]))["data"]) for x in sender.call("getReceivedEdocList", SERVICE, STATUS)["data"]]
    assert any(by_vxp.encode() in t for t in told)
    lines = recipient.call("getReceivedEdocList", SERVICE, EDOC)["data"]
    found = [base64.b64decode(recipient.call("getEdoc", ("docId", x["docId"]))["data"]) for x in lines]
    assert maker.package(by_native, recipients=(PULLER,)).read_bytes() in found and data not in found


def test_a_node_takes_what_came_without_an_agency_seal(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    """The hub's own seal stands over the bytes, so that a recipient's node still has something to check."""
    data = maker.package(f"{SENDER},2026/11/20,v5/QĐ-UBND", recipients=(PUSHER,)).read_bytes()
    sdk = Sdk.of(hub, SENDER)
    envelope = sdk.send(data, SENDER, [PUSHER])["DocId"]
    (line,) = sdk.call("getSentEdocList", SERVICE, EDOC, ("docId", envelope))["data"]
    assert line["toCode"] == PUSHER and line["receiveStatus"] in ("initial", "processing")

    async def seal() -> bytes:
        async with hub.client(SENDER) as native:
            return (await native.fetch(line["receiverDocId"], tmp_path / "got.edxml")).seal

    store = Store.open(f"sqlite:///{tmp_path / 'node.sqlite'}", blobs=tmp_path / "blobs", migrate=True, schema="node")
    try:
        trust, _ = trust_of(hub)
        assert maker.sandbox is not None
        desk = Desk(PUSHER, "Cơ quan nhận hai (mô phỏng)", store, hub.pki.seal(PUSHER), lambda: trust, maker.sandbox, now)
        given, sha256 = asyncio.run(seal()), hashlib.sha256(data).hexdigest()
        assert verify_seal(bytes.fromhex(sha256), given, trust, at=now()).signer != verify_seal(
            hashlib.sha256(b"x").digest(), sign_seal(hashlib.sha256(b"x").digest(), hub.pki.seal(SENDER)), trust, at=now()
        ).signer
        row = desk.receive(delivery=line["receiverDocId"], envelope=envelope, package=tmp_path / "got.edxml", sha256=sha256, seal=given, facts={})
        assert (row.sender, row.package_sha256) == (SENDER, sha256)
    finally:
        store.close()


def test_fail_is_shown_to_the_sender_and_can_be_made_good(hub: HubProcess, maker: House) -> None:
    data = maker.package(f"{SENDER},2026/11/20,v6/QĐ-UBND", recipients=(PULLER,)).read_bytes()
    sender, recipient = Sdk.of(hub, SENDER), Sdk.of(hub, PULLER)
    envelope = sender.send(data, SENDER, [PULLER])["DocId"]

    def seen() -> dict[str, str]:
        (line,) = sender.call("getSentEdocList", SERVICE, EDOC, ("docId", envelope))["data"]
        return line  # type: ignore[no-any-return]

    docid = seen()["receiverDocId"]
    recipient.call("updateStatus", ("docid", docid), last=[("status", "fail")], body=b"{}")
    assert seen()["receiveStatus"] == "fail"
    recipient.call("updateStatus", ("docid", docid), last=[("status", "done")], body=b"{}")
    recipient.call("updateStatus", ("docid", docid), last=[("status", "fail")], body=b"{}")
    assert seen()["receiveStatus"] == "done"
    assert said(recipient.call("updateStatus", ("docid", docid), last=[("status", "xong")], body=b"{}")) == "request.invalid"


def test_what_was_recalled_and_replaced_is_told_in_the_lists(hub: HubProcess, maker: House) -> None:
    """The transport states stay those of the profile; the words say what became of each delivery by law."""
    sender, recipient = Sdk.of(hub, SENDER), Sdk.of(hub, PULLER)
    names = [f"{SENDER},2026/11/20,doi-{n}/QĐ-UBND" for n in range(3)]

    def send(package: Path) -> str:
        answer = sender.send(package.read_bytes(), SENDER, [PULLER])
        assert said(answer) == ""
        return str(answer["DocId"])

    def seen(envelope: str) -> tuple[str, str]:
        (line,) = sender.call("getSentEdocList", SERVICE, EDOC, ("docId", envelope))["data"]
        return line["receiveStatus"], line["receiveStatusDesc"]

    def done(envelope: str) -> None:
        (line,) = sender.call("getSentEdocList", SERVICE, EDOC, ("docId", envelope))["data"]
        recipient.call("getEdoc", ("docId", line["receiverDocId"]))
        recipient.call("updateStatus", ("docid", line["receiverDocId"]), last=[("status", "done")], body=b"{}")

    never, taken, replaced = (send(maker.package(n, recipients=(PULLER,))) for n in names)
    done(taken)
    done(replaced)
    send(maker.recall(names[0], recipients=(PULLER,)))
    recall = send(maker.recall(names[1], recipients=(PULLER,)))
    business = Business(kind=Kind.REPLACE, reason="Sai căn cứ", replacements=(Replacement(names[2], ()),))
    send(maker.package("thay-the-mo-phong", recipients=(PULLER,), business=business))
    assert seen(never) == ("fail", vxp.GONE) and seen(replaced) == ("done", vxp.REPLACED_LATER)
    assert seen(taken) == ("done", vxp.STATE_TEXTS["done"])  # asked, not answered yet
    waiting = {x["docId"] for x in recipient.call("getReceivedEdocList", SERVICE, EDOC)["data"]}
    (line,) = sender.call("getSentEdocList", SERVICE, EDOC, ("docId", recall))["data"]
    assert line["receiverDocId"] in waiting
    agreed, _ = maker.status("15", document_id=names[1])
    assert said(recipient.send(agreed, PULLER, [SENDER], "status")) == ""
    assert seen(taken) == ("done", vxp.GONE_LATER)


def test_the_directory(hub: HubProcess) -> None:
    sdk = Sdk.of(hub, SENDER)
    listed = sdk.call("getAgenciesList")["data"]
    assert {SENDER, PULLER, PUSHER} <= {a["code"] for a in listed} and set(listed[0]) == {"id", "pid", "code", "name", "mail", "oldCode"}
    assert {a["code"] for a in sdk.call("getAgenciesListQD20", ("level", "2"))["data"]} == {PUSHER}
    assert all("code102" in a for a in sdk.call("getAgenciesListQD20", ("level", "4"))["data"])
    unit = {"id": "", "pcode": SENDER, "code": "000.01.99.H56", "name": "Đơn vị thử (mô phỏng)", "mail": "", "mobile": "", "fax": ""}
    body = json.dumps(unit, ensure_ascii=False).encode()
    assert sdk.call("registerAgency", body=body)["status"] == "OK"
    assert sdk.call("registerAgency", body=body)["status"] == "OK"  # signed anew: the same again is no error
    foreign = json.dumps({**unit, "pcode": PULLER, "code": "000.02.99.H56"}).encode()
    assert said(sdk.call("registerAgency", body=foreign)) == "access.not_the_sender"
    assert [a["pid"] for a in sdk.call("getAgenciesList")["data"] if a["code"] == unit["code"]] == [SENDER]
    assert said(sdk.call("deleteAgency", ("AgencyCode", SENDER), body=b"{}")) == "access.denied"
    assert sdk.call("deleteAgency", ("AgencyCode", "000.01.99.H56"), body=b"{}")["status"] == "OK"
    assert all(a["code"] != unit["code"] for a in sdk.call("getAgenciesList")["data"])
    assert [a["deleted"] for a in sdk.call("getSynchronizeUnit")["data"] if a["code"] == unit["code"]] == [True]
    assert said(sdk.call("khongCo")) == "not_found"


def test_refusals_in_the_profiles_own_words(hub: HubProcess, maker: House) -> None:
    sdk = Sdk.of(hub, SENDER)
    data = maker.package(f"{SENDER},2026/11/20,v7/QĐ-UBND", recipients=("H56.404",)).read_bytes()
    answer = sdk.send(data, SENDER, ["H56.404"])
    assert (answer["status"], answer["ErrorCode"], said(answer)) == ("FAIL", "18", "agency.unknown")
    assert answer["DocId"] == "" and set(answer) == {"status", "ErrorCode", "ErrorDesc", "DocId"}  # the SDK keeps no reason without it
    assert said(sdk.send(b"<khong/>", SENDER, [PULLER])).startswith("envelope.")
    data = maker.package(f"{SENDER},2026/11/20,v8/QĐ-UBND", recipients=(PULLER,)).read_bytes()
    assert said(sdk.send(data, SENDER, [PUSHER])) == "envelope.invalid_field"  # the header contradicts the package
    assert said(sdk.call("getEdoc", ("docId", "khong-co"))) == "not_found"
    assert said(sdk.call("getReceivedEdocList", SERVICE)) == "request.invalid"


def test_expect_100_continue_is_answered_before_the_body(hub: HubProcess) -> None:
    sdk = Sdk.of(hub, SENDER)
    connection = http.client.HTTPSConnection("127.0.0.1", hub.port, context=sdk.tls, timeout=10)
    connection.putrequest("POST", "/vxp/countReceiveEdoc")
    for name, value in {**sdk.headers([SERVICE]), "Content-Type": "application/json", "Content-Length": "2", "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.sock.recv(64).startswith(b"HTTP/1.1 100")
    connection.send(b"{}")
    assert b'"status": "OK"' in connection.sock.recv(4096)
    connection.close()


def test_the_verb_gives_a_secret_that_nobody_sees(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    target = tmp_path / "khoa.secret"
    arguments = ["secret", SENDER, "--system", "he.thong.moi", "--to", str(target), "--config", str(hub.config)]
    done = CliRunner().invoke(agency_verbs, arguments)
    assert done.exit_code == 0, done.output
    value = target.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600 and value.decode() not in done.output
    sdk = Sdk.of(hub, SENDER)
    sdk.system, sdk.secret = "he.thong.moi", value
    assert sdk.call("getAgenciesList")["status"] == "OK"
    database = b"".join(p.read_bytes() for p in (hub.folder / "data").glob("hub.sqlite*"))
    assert value not in database
    assert CliRunner().invoke(agency_verbs, arguments).exit_code == 1  # never over an existing file
    # Rolled over without overlap: the old one ends, the new one holds.
    own = tmp_path / "own.secret"
    own.write_bytes(b"khoa-tu-dat-du-dai-16\n")
    arguments = ["secret", SENDER, "--system", "he.thong.moi", "--from", str(own), "--overlap-hours", "0", "--config", str(hub.config)]
    os.chmod(own, 0o644)
    refused = CliRunner().invoke(agency_verbs, arguments)
    assert refused.exit_code == 1 and "0644" in str(refused.exception)
    os.chmod(own, 0o600)
    assert CliRunner().invoke(agency_verbs, arguments).exit_code == 0
    assert said(sdk.call("getAgenciesList")) == "access.bad_secret"
    sdk.secret = b"khoa-tu-dat-du-dai-16"
    assert sdk.call("getAgenciesList")["status"] == "OK"
