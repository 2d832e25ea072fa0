"""The LGSP profile against a real hub process, and packages that enter by one profile and leave by another."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchange.receipt import from_bytes
from tests.connectors import LgspClient, Sdk, give_secrets
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("lgsp"), more="max_package_bytes = 3000000")
    give_secrets(process)
    process.start()
    yield process
    process.stop()


def waiting(client: LgspClient, kind: str = "edoc", more: str = "") -> list[dict[str, str]]:
    status, answer = client.call(f"/v1/syncReceivedEdocList?messageType={kind}{more}")
    assert status == 200 and answer["success"], answer
    lines: list[dict[str, str]] = answer["data"]
    return lines


def bearer(client: LgspClient, path: str, token: str) -> dict[str, Any]:
    """The answer to a call that carries nothing but a token."""
    request = urllib.request.Request(client.url + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, context=client.tls, timeout=30) as answer:
        value: dict[str, Any] = json.loads(answer.read())
        return value


def test_the_loop_of_a_client_of_the_live_server(hub: HubProcess, maker: House) -> None:
    """It logs in first, goes by `code` and not by `success`, and takes the package out of data.data."""
    client, recipient = LgspClient.of(hub, SENDER), LgspClient.of(hub, PULLER)
    form = {"username": client.system, "password": client.secret, "applicationCode": "x", "otp": None, "twoFactorProvider": None, "typeObjs": [0, 1]}
    _, answer = client.call("/v1/auth/login?allow_anonymous=true", json.dumps(form).encode())
    token = answer["data"]["token"]
    assert answer["code"] == 200 and token
    listed = bearer(client, "/v1/getAgenciesList", token)
    assert listed["code"] == 200 and SENDER in {line["orgCode"] for line in listed["data"]} and listed["count"] == len(listed["data"])
    for wrong in ("", "00", token[:-2] + "00", "x"):
        assert bearer(client, "/v1/getAgenciesList", wrong)["code"] == 15
    assert bearer(client, "/v1/syncReceivedEdocList?messageType=edoc", token)["success"] is False  # a token opens the directory only
    for name, key in ((client.system, "sai"), ("khong.co", client.secret), (client.system, ""), ("", "")):
        _, refused = client.call("/v1/auth/login", json.dumps({"username": name, "password": key}).encode())
        assert refused["code"] in (15, 22) and not refused["data"].get("token")

    data = maker.package(f"{SENDER},2026/11/20,l0/QĐ-UBND", recipients=(PULLER,)).read_bytes()
    assert client.send(data)["code"] == 200
    _, answer = recipient.call("/v1/syncReceivedEdocList?messageType=edoc")
    assert (answer["code"], answer["count"], len(answer["data"])) == (200, 1, 1)
    (line,) = answer["data"]
    assert (line["serviceType"], line["statusDesc"]) == ("eDoc", "Khởi tạo") and line["createdTime"] and line["updatedTime"]
    _, got = recipient.call(f"/v1/getEdoc?docId={line['docId']}")
    assert got["code"] == 200 and base64.b64decode(got["data"]["data"]) == data
    assert recipient.call("/v1/updateStatus", json.dumps({"docId": line["docId"], "status": "done"}).encode())[1]["code"] == 200
    _, refused = recipient.call("/v1/getEdoc?docId=khong-co")
    assert refused["code"] == 10 and refused["success"] is False


def test_the_loop(hub: HubProcess, maker: House) -> None:
    document_id = f"{SENDER},2026/11/20,l1/QĐ-UBND"
    data = maker.package(document_id, recipients=(PULLER,)).read_bytes()
    sender, recipient = LgspClient.of(hub, SENDER), LgspClient.of(hub, PULLER)
    sent = sender.send(data)
    assert sent["success"] and sent["docId"] == sent["data"]["docId"] and sent["data"]["errorCode"] == "0"
    assert sender.send(data) == sent

    today = datetime.now(UTC)
    (line,) = waiting(recipient)
    assert waiting(recipient, more=f"&fromDate={today.year - 1}/01/01&toDate={today.year + 1}/12/31") == [line]
    assert waiting(recipient, more="&fromDate=2001/01/01&toDate=2001/01/31") == []
    assert (line["from"], line["to"], line["status"]) == (SENDER, PULLER, "INITIAL")
    _, got = recipient.call(f"/v1/getEdoc?docId={line['docId']}")
    value = got["data"]
    assert value["edxml"].encode() == data == base64.b64decode(value["data"])
    assert (value["from"], value["fromName"], value["edocCode"]) == (SENDER, "Cơ quan gửi (mô phỏng)", "125/QĐ-UBND")
    assert value["edocAbstract"] == "V/v thử nghiệm liên thông"
    assert [a["fileName"] for a in value["attachments"]] == ["125_QĐ-UBND.pdf", "phu-luc.pdf"]
    assert base64.b64decode(value["attachments"][0]["fileContent"]) == maker.pki.document.read_bytes()

    for state, left in (("PROCESSING", ["PROCESSING"]), ("DONE", [])):
        body = json.dumps({"docId": line["docId"], "status": state}).encode()
        assert recipient.call("/v1/updateStatus", body)[1]["success"]
        assert [x["status"] for x in waiting(recipient)] == left
    status, _ = maker.status("01", document_id=document_id)
    assert recipient.send(status, "status")["success"]
    (back,) = waiting(sender, "status")
    assert "<edXML:StatusCode>01<" in sender.call(f"/v1/getEdoc?docId={back['docId']}")[1]["data"]["edxml"]

    _, receipt = sender.call(f"/v1/getReceipt?docId={sent['docId']}")
    parts = from_bytes(json.dumps(receipt).encode())
    assert b"Origin.lgsp-key" in parts.evidence and json.loads(parts.leaf)["obj"]["type"] == "lgsp-key"


def test_states_told_by_their_numbers(hub: HubProcess, maker: House) -> None:
    """One known client sends the numbers of QĐ 28 to updateStatus: the sender gets a status message for each, under that system's name."""
    document_id = f"{SENDER},2026/11/20,so/QĐ-UBND"
    sender, recipient = LgspClient.of(hub, SENDER), LgspClient.of(hub, PULLER)

    def tell(ref: str, **value: object) -> dict[str, Any]:
        answer: dict[str, Any] = recipient.call("/v1/updateStatus", json.dumps({"docId": ref, **value}).encode())[1]
        return answer

    def messages() -> list[str]:
        lines = waiting(sender, "status")
        bodies = [sender.call(f"/v1/getEdoc?docId={line['docId']}")[1]["data"]["edxml"] for line in lines]
        assert all(sender.call("/v1/updateStatus", json.dumps({"docId": line["docId"], "status": "DONE"}).encode())[1]["success"] for line in lines)
        return bodies

    messages()
    assert sender.send(maker.package(document_id, recipients=(PULLER,)).read_bytes())["success"]
    ref = waiting(recipient)[-1]["docId"]
    for number in ("03", "04", "05", "06"):
        answer = tell(ref, status=number)
        assert (answer["code"], answer["data"]["status"]) == (200, number), answer
    time.sleep(1.1)  # a message of another second would have other bytes
    assert tell(ref, status="06")["success"]  # a repeat: nothing new
    assert ref not in {line["docId"] for line in waiting(recipient)}
    said = messages()
    assert [text.partition("StatusCode>")[2][:2] for text in said] == ["03", "04", "05", "06"]
    assert all(f"<edXML:DocumentId>{document_id}<" in text and f"<edXML:OrganId>{PULLER}<" in text for text in said)

    refused = f"{SENDER},2026/11/20,so2/QĐ-UBND"
    assert sender.send(maker.package(refused, recipients=(PULLER,)).read_bytes())["success"]
    ref = waiting(recipient)[-1]["docId"]
    assert tell(ref, status="02")["success"]
    (text,) = messages()
    assert ">02<" in text and "Không nêu lý do" in text
    for wrong in ("13", "15", "07", "99", "", "٠٣"):
        assert tell(ref, status=wrong)["code"] == 22, wrong
    assert sender.call("/v1/updateStatus", json.dumps({"docId": ref, "status": "03"}).encode())[1]["success"] is False  # not its document to report on
    assert messages() == []


def test_in_by_one_profile_out_by_another(hub: HubProcess, maker: House, tmp_path: Path) -> None:
    """Each way in, each way out: the same bytes, and each says how the sender was known."""
    ids = {way: f"{SENDER},2026/11/20,{way}/QĐ-UBND" for way in ("lgsp", "vxp", "native")}
    packages = {way: maker.package(i, recipients=(PULLER,)) for way, i in ids.items()}
    assert LgspClient.of(hub, SENDER).send(packages["lgsp"].read_bytes())["success"]
    assert Sdk.of(hub, SENDER).send(packages["vxp"].read_bytes(), SENDER, [PULLER])["status"] == "OK"

    async def go() -> dict[str, str]:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as recipient:
            await sender.submit(packages["native"], now=datetime.now(UTC))
            items, _ = await recipient.inbox(limit=500)
            methods = {}
            for way, document_id in ids.items():
                line = next(i for i in items if i["document_id"] == document_id)
                await recipient.fetch(line["delivery"], tmp_path / way)
                assert (tmp_path / way).read_bytes() == packages[way].read_bytes()
                methods[way] = (await sender.timeline(line["envelope"]))["origin"]["method"]
            return methods

    assert asyncio.run(go()) == {"lgsp": "lgsp-key", "vxp": "vxp-hmac", "native": "seal"}
    lgsp, vxp = LgspClient.of(hub, PULLER), Sdk.of(hub, PULLER)
    lines = waiting(lgsp)
    found = {lgsp.call(f"/v1/getEdoc?docId={x['docId']}")[1]["data"]["edxml"].encode() for x in lines}
    assert {p.read_bytes() for p in packages.values()} <= found
    listed = vxp.call("getReceivedEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc"))["data"]
    assert {x["docId"] for x in listed} == {x["docId"] for x in lines}
    assert found == {base64.b64decode(vxp.call("getEdoc", ("docId", x["docId"]))["data"]) for x in listed}


def test_refusals_by_the_guides_numbers(hub: HubProcess, maker: House) -> None:
    client = LgspClient.of(hub, SENDER)
    unknown = maker.package(f"{SENDER},2026/11/20,l2/QĐ-UBND", recipients=("H56.404",)).read_bytes()
    foreign = maker.package(f"{SENDER},2026/11/20,l3/QĐ-UBND", recipients=(PULLER,)).read_bytes()
    assert client.send(unknown)["data"]["errorCode"] == "18"
    assert client.send(b"khong phai XML")["data"]["errorCode"] == "22"
    assert client.send(b"x" * 4_000_000)["data"]["errorCode"] == "10"
    assert LgspClient.of(hub, PULLER).send(foreign)["data"]["errorCode"] == "19"
    client.secret = "sai khoa"
    answer = client.send(foreign)
    assert answer["success"] is False and answer["data"]["errorCode"] == "15" and "access.bad_secret" in answer["data"]["errorDesc"]


def test_malformed_calls(hub: HubProcess) -> None:
    client = LgspClient.of(hub, SENDER)
    mark, end = "multipart/form-data; boundary=b", b"\r\n--b--\r\n"
    file = b'--b\r\nContent-Disposition: form-data; name="edocFile"\r\n\r\n<a/>'
    for body, content in (
        (b"{}", "application/json"),
        (b"", mark),
        (b"khong phai", mark),
        (file, mark),  # cut before its end
        (file + end, mark),  # no messageType
        (file + b"\r\n" + file + end, mark),
        (b'--b\r\nContent-Disposition: form-data; name="la"\r\n\r\n1' + end, mark),
        (file + end, "multipart/form-data"),
        (b'--b\r\nContent-Disposition: form-data; name="messageType"\r\n\r\nedoc' + end, mark),
    ):
        status, answer = client.call("/v1/sendEdoc", body, content)
        assert (status, answer["success"]) == (200, False), (body, answer)
        assert "request.invalid" in answer["data"]["errorDesc"], (body, answer)
    for body in (b"", b"[]", b"[" * 9000, b'{"docId":"x"}', b'{"status":"DONE"}'):
        assert client.call("/v1/updateStatus", body)[1]["success"] is False
    for path in ("/v1/getEdoc", "/v1/getEdoc?docId=" + "a" * 300, "/v1/syncReceivedEdocList?fromDate=11/20/2026", "/v1/syncReceivedEdocList?messageType=x"):
        assert client.call(path)[1]["success"] is False
    _, listed = client.call("/api/lgspedoc/organizations")
    assert SENDER in {a["code"] for a in listed["data"]}
