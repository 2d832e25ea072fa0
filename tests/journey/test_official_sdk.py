"""The official SDK's service objects, as long-lived as in known clients, against a real hub: only `service.endpoint` changes."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ssl import SSLContext, create_default_context

import pytest

from tests.connectors import SECRETS, Sdk, give_secrets, said, unpadded
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess
from tests.sdk_object import SdkObject

EDOC, STATUS = ({"servicetype": "eDoc", "messagetype": kind} for kind in ("edoc", "status"))
TO = {**EDOC, "from": SENDER, "to": [PULLER]}


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("official"))
    give_secrets(process)
    process.start()
    yield process
    process.stop()


def tls_of(hub: HubProcess) -> SSLContext:
    return create_default_context(cafile=str(hub.pki.folder / "tls" / "ca.pem"))


def made(hub: HubProcess, code: str, *, path: str = "/vxp", days: float = 3) -> SdkObject:
    """An object of the SDK that was made days ago, by a machine whose clock is UTC."""
    then = datetime.now(UTC) - timedelta(days=days, hours=7)
    return SdkObject(hub.url + path, tls_of(hub), f"sys.{code}", SECRETS[code], made=then)


def test_two_objects_that_live_for_days_do_the_whole_loop_twice(hub: HubProcess, maker: House) -> None:
    sender, recipient = made(hub, SENDER), made(hub, PULLER)
    for number in ("sdk1", "sdk2"):
        document_id = f"{SENDER},2026/11/20,{number}/QĐ-UBND"
        data = maker.package(document_id, recipients=(PULLER,)).read_bytes()
        sent = sender.send(data, TO)
        assert sent["status"] == "OK" and sender.send(data, TO) == sent
        (line,) = recipient.call("getReceivedEdocList", EDOC)["data"]
        assert recipient.get(line["docId"]) == data == recipient.download(line["docId"])
        for state in ("processing", "done"):
            assert recipient.call("updateStatus", {"status": state, "docid": line["docId"]})["status"] == "OK"
            assert recipient.get(line["docId"]) == data  # docId and docid side by side from here on
        told, _ = maker.status("01", document_id=document_id)
        assert recipient.send(told, {**STATUS, "from": PULLER, "to": [SENDER]})["status"] == "OK"
        assert recipient.call("countReceiveEdoc", {"servicetype": "eDoc"})["count"] == 0
        (back,) = sender.call("getReceivedEdocList", STATUS)["data"]
        assert sender.get(back["docId"]) == told
        assert sender.call("updateStatus", {"docid": back["docId"], "status": "done"})["status"] == "OK"
        assert sender.call("countReceiveStatus", {"servicetype": "eDoc"})["count"] == 0
        (there,) = sender.call("getSentEdocList", {**EDOC, "docId": sent["DocId"]})["data"]
        assert (there["receiveStatus"], there["toCode"]) == ("done", PULLER)


def test_what_is_refused_reaches_the_callers_eyes(hub: HubProcess, maker: House) -> None:
    """The SDK keeps no reason where DocId is missing, none beyond US-ASCII, and takes any body of downloadEdoc for the file."""
    sdk = made(hub, SENDER)
    data = maker.package(f"{SENDER},2026/11/20,sdk3/QĐ-UBND", recipients=("H56.404",)).read_bytes()
    answer = sdk.send(data, {**EDOC, "from": SENDER, "to": ["H56.404"]})
    assert (answer["status"], answer["ErrorCode"], answer["DocId"]) == ("FAIL", "18", "") and "danh bạ" in answer["ErrorDesc"]
    assert sdk.get("khong-co") is None and sdk.download("khong-co") == b""
    sdk.secret = b"khoa sai hoan toan"
    assert sdk.send(data, {**EDOC, "from": SENDER, "to": ["H56.404"]})["ErrorCode"] == "15" and sdk.download("khong-co") == b""


def test_the_directory_by_one_object(hub: HubProcess) -> None:
    sdk = made(hub, SENDER, path="/vxp/")
    for verb in ("getAgenciesList", "getAgenciesListQD20", "getSynchronizeUnit"):
        assert sdk.call(verb, {"level": "1"} if "QD20" in verb else {})["status"] == "OK"
    for number in (1, 2, 2):
        unit = {"id": "", "pcode": SENDER, "code": f"{SENDER}.S{number}", "name": "Đơn vị (mô phỏng)", "mail": "", "mobile": "", "fax": ""}
        for mark in (b"", b"\xef\xbb\xbf"):
            assert sdk.call("registerAgency", body=mark + json.dumps(unit, ensure_ascii=False).encode())["status"] == "OK"
    assert sdk.call("deleteAgency", {"AgencyCode": f"{SENDER}.S1"})["status"] == "OK"
    states = {unit["code"]: unit["deleted"] for unit in sdk.call("getSynchronizeUnit")["data"]}
    assert (states[f"{SENDER}.S1"], states[f"{SENDER}.S2"]) == (True, False)


def test_a_gateway_that_writes_its_systems_name_as_from(hub: HubProcess, maker: House) -> None:
    sdk = made(hub, SENDER)
    data = maker.package(f"{SENDER},2026/11/20,sdk4/QĐ-UBND", recipients=(PULLER,)).read_bytes()
    assert sdk.send(data, {**EDOC, "from": f"sys.{SENDER}"})["status"] == "OK"
    foreign = maker.package(f"{PULLER},2026/11/20,sdk5/QĐ-UBND", sender=PULLER, recipients=(SENDER,)).read_bytes()
    assert said(sdk.send(foreign, {**EDOC, "from": f"sys.{SENDER}"})) == "access.not_the_sender"
    assert said(sdk.send(data, {**EDOC, "from": f"sys.{PULLER}"})) == "access.not_the_sender"
    assert sdk.call("getReceivedEdocList", {**EDOC, "from": f"sys.{SENDER}", "pageSize": "20", "pageIndex": "1", "fromDate": "01/11/2026"})["status"] == "OK"
    for kept in made(hub, PULLER).call("getReceivedEdocList", EDOC)["data"]:
        assert made(hub, PULLER).call("updateStatus", {"docid": kept["docId"], "status": "done"})["status"] == "OK"


def test_the_same_call_in_other_http(hub: HubProcess, maker: House) -> None:
    """Chunks, lower-case names, slashes, HTTP/1.0, one connection for many calls: the same answer."""
    sdk, tls = Sdk.of(hub, SENDER), tls_of(hub)
    data = maker.package(f"{SENDER},2026/11/20,sdk6/QĐ-UBND", recipients=(PULLER,)).read_bytes()
    own = [*EDOC.items(), ("hash-file", unpadded(hashlib.sha256(data).digest())), ("from", SENDER), ("to", json.dumps([PULLER]))]
    kept = http.client.HTTPSConnection("127.0.0.1", hub.port, context=tls, timeout=20)
    seen = []
    for path, more, body in (
        ("/vxp/sendEdoc", {}, data + b"\r\n"),
        ("/vxp//sendEdoc/", {}, data),
        ("/vxp/sendEdoc?v=2", {"Content-Encoding": "identity"}, data + b"\r\n"),
        ("/vxp/sendEdoc", {"Transfer-Encoding": "chunked"}, data),
    ):
        content = "application/octet-stream"
        headers = {name.lower(): value for name, value in {**sdk.headers(own, content=content), "Content-Type": content, **more}.items()}
        chunked = "Transfer-Encoding" in more
        kept.request("POST", path, iter([body[:7], body[7:]]) if chunked else body, headers, encode_chunked=chunked)
        answer = kept.getresponse()
        seen.append((answer.status, json.loads(answer.read())["DocId"]))
    assert len(set(seen)) == 1 and seen[0][0] == 200 and seen[0][1]
    # No known client compresses what it sends: refused by name, nothing is unpacked.
    headers = {**sdk.headers(own, content=content), "Content-Type": content, "Content-Encoding": "gzip"}
    kept.request("POST", "/vxp/sendEdoc", gzip.compress(data + b"\r\n"), headers)
    refused = json.loads(kept.getresponse().read())
    assert said(refused) == "request.invalid" and "Content-Encoding" in refused["ErrorDesc"]
    kept.close()
    head = "".join(f"{n}: {v}\r\n" for n, v in Sdk.of(hub, PULLER).headers(list(EDOC.items())).items())
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as plain, tls.wrap_socket(plain, server_hostname="127.0.0.1") as wire:
        wire.sendall(f"POST /vxp/getReceivedEdocList HTTP/1.0\r\n{head}Content-Length: 0\r\n\r\n".encode())
        got = b"".join(iter(lambda: wire.recv(65536), b""))
    assert got.startswith(b"HTTP/1.0 200") and b'"ErrorCode": "0"' in got and b"chunked" not in got.lower()
