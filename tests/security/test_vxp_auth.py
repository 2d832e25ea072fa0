"""Shared secrets under attack: replay, clocks, wrong digests, injected and oversized headers, another agency's key."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.connector import Connector
from exchange.errors import BadRequest, BadSecret, ConfigError, NotFound, NotTheSender, ReplayedRequest, StaleRequest, UnknownAgency
from exchange.profiles import vxp
from exchange.store import connectors
from exchange.store.secret_box import SecretBox
from tests.connectors import LgspClient, Sdk, captures, give_secrets, said, unpadded
from tests.house import PULLER, PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess

SECRET = b"bi-mat-mo-phong-cua-mot-he-thong"


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("vxp-auth"))
    give_secrets(process)
    process.start()
    yield process
    process.stop()


def call_at(moment: datetime, *own: tuple[str, str], secret: bytes = SECRET, system: str = "he.thong") -> vxp.Call:
    headers = vxp.sign(secret, [("systemid", system), *own, ("timestamp", vxp.write_time(moment))])
    return vxp.read_call([(n.encode(), v.encode()) for n, v in headers.items()])


@pytest.fixture
def connector(house: House) -> Connector:
    house.hub.connector.add_secret("vxp", "he.thong", SENDER, SECRET, by="test", overlap=timedelta(0))
    return house.hub.connector


def now() -> datetime:
    return datetime.now(UTC)


def test_captured_requests_are_accepted_whenever_they_come(house: House) -> None:
    """The SDK signs the time when its object was made; a hub may want fresh times of all, by configuration."""
    requests = captures()
    if not requests:
        pytest.skip("the captured requests are not here")
    there = house.hub.connector
    there.add_secret("vxp", "test.system.01", SENDER, b"dummy-test-secret", by="test", overlap=timedelta(0))
    strict = Connector(there.office, there.box, always=True)
    for ahead in (timedelta(0), timedelta(minutes=20), timedelta(days=300), -timedelta(hours=7)):
        house.ahead = datetime(2026, 11, 23, 0, 51, 20, tzinfo=UTC) + ahead - now()
        for _, headers, _ in requests:
            assert there.authenticate_vxp(vxp.read_call(headers)).agencies == (SENDER,)
            if ahead:
                with pytest.raises(StaleRequest):
                    strict.authenticate_vxp(vxp.read_call(headers))
            else:
                strict.authenticate_vxp(vxp.read_call(headers))


def test_the_callers_own_window_and_nonce_bind_it_to_its_time(connector: Connector) -> None:
    connector.authenticate_vxp(call_at(now() - timedelta(days=2)))
    for own in (("nonce", "mot-lan-thoi-cu"), ("window", "900"), ("window", "86400")):
        with pytest.raises(StaleRequest):  # the hub's own window is the widest
            connector.authenticate_vxp(call_at(now() - timedelta(minutes=16), own))
        connector.authenticate_vxp(call_at(now() - timedelta(minutes=14), own))
    with pytest.raises(StaleRequest):
        connector.authenticate_vxp(call_at(now() - timedelta(seconds=40), ("window", "30")))
    for wrong in ("0", "-1", "86401", "1.5", "1e3", "١٢", " 5", "x"):
        with pytest.raises(BadRequest):
            connector.authenticate_vxp(call_at(now(), ("window", wrong)))


def test_a_nonce_is_taken_once_for_each_system(connector: Connector) -> None:
    first = call_at(now(), ("nonce", "mot-lan-thoi"))
    assert connector.authenticate_vxp(first).system == "he.thong"
    with pytest.raises(ReplayedRequest):
        connector.authenticate_vxp(first)
    with pytest.raises(ReplayedRequest):  # a new time does not make an old nonce new
        connector.authenticate_vxp(call_at(now() + timedelta(seconds=1), ("nonce", "mot-lan-thoi")))
    connector.add_secret("vxp", "he.khac", PULLER, SECRET, by="test", overlap=timedelta(0))
    connector.authenticate_vxp(call_at(now(), ("nonce", "mot-lan-thoi"), system="he.khac"))


def test_without_a_nonce_only_changes_of_the_directory_are_once(house: House, connector: Connector) -> None:
    call = call_at(now())
    connector.authenticate_vxp(call)
    connector.authenticate_vxp(call)  # a repeated reading or sending does nothing twice
    for body in (b"{}", b"{}", b'{"code":"a"}'):  # a lost answer; another registration of the same SDK object
        connector.take_once(call, body)
    house.ahead = timedelta(days=30)
    connector.authenticate_vxp(call_at(now() + house.ahead, ("nonce", "lam-sach-bo-nho")))
    connector.take_once(call, b'{"code":"b"}')
    for body in (b"{}", b'{"code":"a"}'):
        with pytest.raises(ReplayedRequest):
            connector.take_once(call, body)
    strict = Connector(connector.office, connector.box, always=True)
    strict.take_once(call, b"1")
    with pytest.raises(ReplayedRequest):
        strict.take_once(call, b"2")


def test_a_nonce_is_remembered_longer_than_the_window(house: House, connector: Connector) -> None:
    early = call_at(now() + timedelta(minutes=14), ("nonce", "gui-truoc-gio"))
    connector.authenticate_vxp(early)
    house.ahead = timedelta(minutes=28)
    connector.authenticate_vxp(call_at(now() + house.ahead, ("nonce", "lam-sach-bo-nho")))
    with pytest.raises(ReplayedRequest):
        connector.authenticate_vxp(early)


def test_a_wrong_mac_uses_up_no_nonce(connector: Connector) -> None:
    with pytest.raises(BadSecret):
        connector.authenticate_vxp(call_at(now(), ("nonce", "khong-bi-chiem"), secret=b"khoa cua ke khac"))
    connector.authenticate_vxp(call_at(now(), ("nonce", "khong-bi-chiem")))


def test_unknown_system_and_wrong_secret_read_the_same(connector: Connector) -> None:
    told = []
    for call in (call_at(now(), system="khong.co"), call_at(now(), secret=b"khoa cua ke khac")):
        with pytest.raises(BadSecret) as caught:
            connector.authenticate_vxp(call)
        told.append((caught.value.detail, caught.value.place, caught.value.vi))
    assert told[0] == told[1]
    with pytest.raises(BadSecret):  # what an unknown system is compared with opens nothing
        connector.authenticate_vxp(call_at(now(), system="khong.co", secret=b"no secret"))
    with pytest.raises(BadSecret):
        connector.authenticate_lgsp("khong.co", "no secret")
    with pytest.raises(BadSecret):  # a VXP secret is no LGSP key
        connector.authenticate_lgsp("he.thong", SECRET.decode())


def test_secrets_roll_over_with_overlap(house: House, connector: Connector) -> None:
    connector.add_secret("vxp", "he.thong", SENDER, b"khoa moi du dai 16 byte", by="test", overlap=timedelta(minutes=5))
    keys = {connector.authenticate_vxp(call_at(now(), secret=s)).key for s in (SECRET, b"khoa moi du dai 16 byte")}
    assert len(keys) == 2
    house.ahead = timedelta(minutes=6)
    with pytest.raises(BadSecret):
        connector.authenticate_vxp(call_at(now() + house.ahead))
    connector.authenticate_vxp(call_at(now() + house.ahead, secret=b"khoa moi du dai 16 byte"))


def test_bad_secrets_and_agencies_are_not_stored(connector: Connector) -> None:
    for secret in (b"ngan", b"x" * 513, b"hai dong\nkhong duoc 16"):
        with pytest.raises(BadRequest):
            connector.add_secret("vxp", "he.moi", SENDER, secret, by="test", overlap=timedelta(0))
    with pytest.raises(UnknownAgency):
        connector.add_secret("vxp", "he.moi", "H56.404", SECRET, by="test", overlap=timedelta(0))
    with pytest.raises(BadSecret):
        connector.authenticate_vxp(call_at(now(), system="he.moi"))


def test_secrets_are_encrypted_and_bound_to_their_system(house: House, connector: Connector, tmp_path: Path) -> None:
    connector.add_secret("vxp", "he.khac", PULLER, b"khoa cua he khac 16", by="test", overlap=timedelta(0))
    with house.hub.store.read() as connection:
        (mine,) = connectors.keys_of(connection, "vxp", "he.thong", at=now())
        (other,) = connectors.keys_of(connection, "vxp", "he.khac", at=now())
    assert SECRET not in mine.secret
    assert connector.box.open(mine.secret, about=f"vxp/he.thong/{mine.id}") == SECRET
    with pytest.raises(ConfigError):  # another system's row moved here
        connector.box.open(other.secret, about=f"vxp/he.thong/{mine.id}")
    with pytest.raises(ConfigError):
        connector.box.open(mine.secret[:-1] + bytes([mine.secret[-1] ^ 1]), about=f"vxp/he.thong/{mine.id}")
    key = connector.box.path
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for mode in (0o640, 0o604, 0o666):
        key.chmod(mode)
        with pytest.raises(ConfigError):
            SecretBox(key).open(mine.secret, about=f"vxp/he.thong/{mine.id}")
    with pytest.raises(ConfigError):
        SecretBox(tmp_path / "khong-co").open(mine.secret, about="x")


def test_one_agencys_key_is_not_anothers(hub: HubProcess, pki: Pki, tmp_path: Path) -> None:
    maker = House(pki, tmp_path / "maker")
    try:
        data = maker.package(f"{SENDER},2026/11/20,a1/QĐ-UBND", recipients=(PULLER,)).read_bytes()
        status, _ = maker.status("01", document_id=f"{SENDER},2026/11/20,a1/QĐ-UBND")
    finally:
        maker.close()
    owner, recipient, stranger = (Sdk.of(hub, code) for code in (SENDER, PULLER, PUSHER))
    assert said(stranger.send(data, SENDER, [PULLER])) == "access.not_the_sender"
    assert said(stranger.send(data, PUSHER, [PULLER])) == "access.not_the_sender"
    assert LgspClient.of(hub, PUSHER).send(data)["data"]["errorCode"] == "19"
    envelope = owner.send(data, SENDER, [PULLER])["DocId"]
    (line,) = recipient.call("getReceivedEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc"))["data"]
    for verb, own in (("getEdoc", "docId"), ("getReceipt", "docId")):
        assert said(stranger.call(verb, (own, line["docId"]))) == "not_found"
    assert said(recipient.call("getReceipt", ("docId", envelope))) == "not_found"
    assert said(stranger.call("updateStatus", ("docid", line["docId"]), last=[("status", "done")])) == "not_found"
    assert said(owner.call("updateStatus", ("docid", line["docId"]), last=[("status", "done")])) == "not_found"
    assert said(stranger.send(status, PUSHER, [SENDER], "status")) == "access.not_the_sender"
    assert stranger.call("getSentEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc"), ("docId", envelope))["data"] == []
    assert LgspClient.of(hub, PUSHER).call(f"/v1/getEdoc?docId={line['docId']}")[1]["success"] is False
    assert recipient.call("getReceivedEdocList", ("servicetype", "eDoc"), ("messagetype", "edoc"))["data"][0]["status"] == "initial"


def test_a_wrong_hash_file_takes_nothing(hub: HubProcess) -> None:
    sdk, content = Sdk.of(hub, SENDER), "application/octet-stream"
    own = [("servicetype", "eDoc"), ("messagetype", "edoc"), ("from", SENDER), ("to", f'["{PULLER}"]')]
    for body, declared in (
        (b"<a/>\r\n", hashlib.sha256(b"<b/>").hexdigest()),
        (b"<a/>\n", hashlib.sha256(b"<a/>").hexdigest()),
        (b"<a/>xx", hashlib.sha256(b"<a/>").hexdigest()),
        (b"<a/>\r\n\r\n", hashlib.sha256(b"<a/>").hexdigest()),
        (b"", hashlib.sha256(b"x").hexdigest()),
        (b"<a/>", ""),
        (b"<a/>", "g" * 64),
    ):
        _, answer = sdk.post("sendEdoc", sdk.headers([*own, ("hash-file", declared)], content=content), body, content=content)
        assert said(json.loads(answer)) in ("envelope.digest_mismatch", "request.invalid"), (body, declared)
    # The right digest comes as far as the reader, with and without the SDK's line end.
    for body in (b"<a/>", b"<a/>\r\n"):
        digest = unpadded(hashlib.sha256(b"<a/>").digest())
        _, answer = sdk.post("sendEdoc", sdk.headers([*own, ("hash-file", digest)], content=content), body, content=content)
        assert said(json.loads(answer)) == "envelope.not_edxml"


def test_a_signed_body_hash_holds_on_every_call(hub: HubProcess) -> None:
    sdk = Sdk.of(hub, SENDER)
    headers = sdk.headers([("servicetype", "eDoc"), ("hash-body", hashlib.sha256(b"{}").hexdigest())])
    assert json.loads(sdk.post("countReceiveEdoc", headers, b"{}")[1])["status"] == "OK"
    assert said(json.loads(sdk.post("countReceiveEdoc", headers, b'{"a":1}')[1])) == "envelope.digest_mismatch"


def test_replayed_over_the_wire(hub: HubProcess) -> None:
    sdk = Sdk.of(hub, SENDER)
    headers = sdk.headers([("servicetype", "eDoc"), ("nonce", "mot-lan-qua-mang")])
    assert json.loads(sdk.post("countReceiveEdoc", headers, b"{}")[1])["status"] == "OK"
    assert said(json.loads(sdk.post("countReceiveEdoc", headers, b"{}")[1])) == "access.replayed"
    old = sdk.headers([("servicetype", "eDoc"), ("window", "900")], at=now() - timedelta(hours=1))
    assert said(json.loads(sdk.post("countReceiveEdoc", old, b"{}")[1])) == "access.stale"
    moved = {**sdk.headers([("servicetype", "eDoc")]), "XroadVnpt-timestamp": vxp.write_time(now() + timedelta(seconds=5))}
    assert said(json.loads(sdk.post("countReceiveEdoc", moved, b"{}")[1])) == "request.invalid"


def raw(hub: HubProcess, head: bytes) -> bytes:
    """The answer to bytes that no client library would send."""
    sdk = Sdk.of(hub, SENDER)
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as plain, sdk.tls.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        tls.sendall(head)
        return tls.recv(65536)


def test_injected_repeated_and_oversized_headers(hub: HubProcess) -> None:
    sdk = Sdk.of(hub, SENDER)
    good = "".join(f"{n}: {v}\r\n" for n, v in sdk.headers([("servicetype", "eDoc")]).items())
    start, end = "POST /vxp/countReceiveEdoc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n", "\r\n"
    assert b'"status": "OK"' in raw(hub, (start + good + end).encode())
    for more in (
        "XroadVnpt-systemid: he.thong.khac\r\n",
        "xroadvnpt-SERVICETYPE: eDoc\r\n",
        "XroadVnpt-rac: \xff\r\n",
        "".join(f"XroadVnpt-a{n}: 1\r\n" for n in range(80)),
        f"XroadVnpt-to: {'a' * 40000}\r\n",
        "XroadVnpt-a: 1\r\n XroadVnpt-b: 2\r\n",
        "XroadVnpt-a: 1\x00\r\n",
    ):
        answer = raw(hub, (start + good + more + end).encode("latin-1"))
        assert b'"status": "OK"' not in answer and b" 500 " not in answer.splitlines()[0], more[:40]
    assert json.loads(sdk.post("countReceiveEdoc", sdk.headers([("servicetype", "eDoc")]), b"{}")[1])["status"] == "OK"


def test_a_mac_over_something_else_by_the_right_secret(hub: HubProcess) -> None:
    """The HMAC holds, but it is over headers that were not sent."""
    sdk = Sdk.of(hub, SENDER)
    headers = sdk.headers([("servicetype", "eDoc")])
    text = json.dumps({"XroadVnpt-systemid": sdk.system}, separators=(",", ":"))
    headers |= {"XroadVnpt-sign-header": text, "XroadVnpt-sign-header-key": "systemid"}
    headers["XroadVnpt-hash-header"] = hmac.new(sdk.secret, text.encode(), "sha256").hexdigest()
    assert said(json.loads(sdk.post("countReceiveEdoc", headers, b"{}")[1])) == "request.invalid"


def test_a_client_certificate_is_no_substitute_for_a_secret(hub: HubProcess) -> None:
    sdk = Sdk.of(hub, SENDER)
    tls = sdk.tls
    tls.load_cert_chain(str(hub.pki.folder / "tls" / f"{SENDER}.pem"))
    sdk.secret = b"khoa sai hoan toan"
    assert said(sdk.call("getAgenciesList")) == "access.bad_secret"
    # And a secret opens nothing of the native interface.
    without = Sdk.of(hub, SENDER)
    without.url = hub.url
    assert without.post("v1/inbox", without.headers(), method="GET")[0] == 401


def test_on_behalf_takes_only_served_agencies(connector: Connector) -> None:
    caller = connector.authenticate_vxp(call_at(now()))
    assert connector.on_behalf(caller, SENDER, place="x") == SENDER
    for code in (PULLER, "H56.404", ""):
        with pytest.raises(NotTheSender):
            connector.on_behalf(caller, code, place="x")
    with pytest.raises(NotFound):
        connector.tell(caller, "khong-co", "done")


def test_one_system_acts_for_its_agencies_and_no_others(house: House, connector: Connector) -> None:
    for code in (PULLER, SENDER):
        connector.add_secret("lgsp", "cong.chung", code, SECRET, by="test", overlap=timedelta(0))
    caller = connector.authenticate_lgsp("cong.chung", SECRET.decode())
    assert caller.agencies == (PULLER, SENDER)
    package = house.package(f"{SENDER},2026/11/20,nhieu/QĐ-UBND", recipients=(PULLER,))
    other = house.package(f"{PUSHER},2026/11/20,nhieu/QĐ-UBND", sender=PUSHER, recipients=(PULLER,))
    sent = []
    for source in (package, other):
        incoming = house.hub.store.blobs.temporary()
        incoming.write_bytes(source.read_bytes())
        try:
            sent.append(connector.send(caller, incoming, hashlib.sha256(source.read_bytes()).hexdigest()))
        except NotTheSender as error:
            sent.append(error.code)
        finally:
            incoming.unlink(missing_ok=True)
    assert sent[1] == "access.not_the_sender"
    life = house.hub.timeline(None, sent[0])
    assert (life["from"], life["origin"]["system"]) == (SENDER, "cong.chung")
    assert [w.recipient for w in connector.received(caller, "edoc")] == [PULLER]
