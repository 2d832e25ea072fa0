"""vxp_kit — the criteria of the VXP profile, asked as the official SDK asks."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from exchange.conformance.criteria import Criterion, needed, want
from exchange.conformance.parties import Material, Party, with_doctype
from exchange.conformance.wire import Answer, Wire
from exchange.profiles import vxp

SDK = "SDK VXP 2.0.1"
SERVICE, EDOC, STATUS = ("servicetype", "eDoc"), ("messagetype", "edoc"), ("messagetype", "status")


class VxpKit:
    """One run against one hub; what a criterion finds is kept for those behind it."""

    def __init__(self, wire: Wire, material: Material, *, wait: float = 10.0) -> None:
        self.wait = wait  # seconds
        self.wire, self.material = wire, material
        self.sender, self.recipient = material.parties.sender, material.parties.recipient
        self.package: bytes | None = None
        self.sent: str | None = None
        self.received: str | None = None

    def steps(self) -> list[tuple[Criterion, Callable[[], Any]]]:
        """The criteria in order."""
        law, safe = "QĐ 28/2018/QĐ-TTg", "QCVN 102:2016/BTTTT, XML"
        return [
            (Criterion("V-01", f"{SDK}: sign-header", "Nhận lời gọi có chữ ký HMAC đúng", "Takes a call with a right HMAC"), self.signed),
            (Criterion("V-02", f"{SDK}: hash-header", "Từ chối khi tiêu đề bị sửa sau khi ký", "Refuses a header changed after signing"), self.changed),
            (Criterion("V-03", f"{SDK}: hash-header", "Từ chối khóa sai, hệ thống lạ", "Refuses a wrong secret, an unknown system"), self.wrong_secret),
            (
                Criterion("V-04", f"{SDK}: VnptService", "Nhận lời gọi của đối tượng SDK dùng lại", "Takes the calls of an SDK object that lives for days"),
                self.reused,
            ),
            (Criterion("V-05", "RFC 9110 10.1.1", "Trả lời Expect: 100-continue", "Answers Expect: 100-continue"), self.expect),
            (Criterion("V-06", f"{law} Điều 10.2", "Danh bạ có đủ hai bên, đủ trường", "The directory has both sides and all fields"), self.directory),
            (
                Criterion("V-07", f"{SDK}: hash-file", "Nhận gói tin như SDK gửi", "Takes hash-file without zeros, and CRLF"),
                self.send,
            ),
            (Criterion("V-08", "Luật 20/2023 Điều 15", "Gửi lại cùng gói tin: cùng DocId", "The same package again: the same DocId"), self.again),
            (Criterion("V-09", "NĐ 30/2020 Phụ lục VI", "Cùng mã, khác nội dung: từ chối", "The same id with other bytes: refused"), self.conflict),
            (Criterion("V-10", f"{SDK}: hash-file", "hash-file sai: từ chối", "A wrong hash-file: refused"), self.wrong_hash),
            (Criterion("V-11", f"{law} Điều 8.2", "Mã cơ quan nhận không có: từ chối", "An unknown recipient: refused"), self.unknown),
            (Criterion("V-12", f"{law} Điều 7.3", "Không gửi thay cơ quan khác", "Nobody sends for another agency"), self.foreign),
            (Criterion("V-13", safe, "DOCTYPE và thực thể: từ chối", "DOCTYPE and entities: refused"), self.doctype),
            (Criterion("V-14", f"{SDK}: getReceivedEdocList", "Bên nhận thấy văn bản, trạng thái initial", "The recipient sees it as initial"), self.listed),
            (Criterion("V-15", "TT 41/2017/TT-BTTTT Điều 4", "getEdoc trả đúng từng byte", "getEdoc gives the exact bytes"), self.fetched),
            (Criterion("V-16", "TT 41/2017/TT-BTTTT Điều 4", "downloadEdoc trả đúng từng byte", "downloadEdoc gives the exact bytes"), self.downloaded),
            (Criterion("V-17", f"{law} Điều 9.2", "processing, done; bên gửi thấy done", "processing, done; the sender sees done"), self.settled),
            (Criterion("V-18", f"{law} Điều 6.3, 9.2", "Trạng thái 01 đến được bên gửi", "Status 01 reaches the sender"), self.status),
            (Criterion("V-19", f"{SDK}: ErrorCode", "Văn bản không có: trả lời FAIL có lý do", "No such document: FAIL with its reason"), self.nothing),
            (
                Criterion("V-20", f"{SDK}: sendEdoc", "Từ chối sendEdoc mà SDK đọc được lý do", "A refused sendEdoc whose reason the SDK can read"),
                self.readable,
            ),
        ]

    # -- calls ----------------------------------------------------------------

    def headers(
        self, party: Party, own: Sequence[tuple[str, str]] = (), *, last: Sequence[tuple[str, str]] = (), content: str = "application/json", late: int = 0
    ) -> dict[str, str]:
        """Signed headers; `late` is how many hours old the call is."""
        moment = vxp.write_time(self.material.clock() - timedelta(hours=late))
        parameters = [("systemid", party.system), *own, ("timestamp", moment), ("Content-Type", content), *last]
        return {**vxp.sign(party.secret, parameters), "Content-Type": content}

    def post(self, party: Party, verb: str, *own: tuple[str, str], last: Sequence[tuple[str, str]] = (), body: bytes = b"") -> dict[str, Any]:
        """One call; its answer, which must be OK."""
        answer = self.wire.call("POST", f"/{verb}", self.headers(party, own, last=last), body)
        value = answer.json()
        want(answer.status == 200 and value.get("status") == "OK" and str(value.get("ErrorCode")) == "0", answer)
        return value

    def submit(self, package: bytes, *, party: Party | None = None, declared: bytes | None = None, kind: str = "edoc", to: str = "") -> Answer:
        """sendEdoc as the SDK does: unpadded hash-file, CRLF behind the file."""
        who, digest = party or self.sender, hashlib.sha256(package if declared is None else declared).digest()
        target = to or (self.sender if kind == "status" else self.recipient).agency
        own = [SERVICE, ("messagetype", kind), ("hash-file", "".join(f"{b:x}" for b in digest))]
        own += [("from", who.agency), ("to", json.dumps([target]))]
        content = "application/octet-stream"
        return self.wire.call("POST", "/sendEdoc", self.headers(who, own, content=content), package + b"\r\n")

    def refused(self, answer: Answer) -> str:
        """The reason of an answer that must be a refusal."""
        value = answer.json()
        want(answer.status != 200 or (value.get("status") == "FAIL" and str(value.get("ErrorCode")) not in ("", "0")), answer)
        want(answer.status < 500, answer)
        return f"{value.get('ErrorCode')}: {value.get('ErrorDesc')}"

    # -- criteria -------------------------------------------------------------

    def signed(self) -> None:
        self.post(self.sender, "countReceiveEdoc", SERVICE, body=b"{}")

    def changed(self) -> str:
        headers = self.headers(self.sender, [SERVICE, EDOC])
        return self.refused(self.wire.call("POST", "/getReceivedEdocList", {**headers, "XroadVnpt-messagetype": "status"}, b""))

    def wrong_secret(self) -> None:
        for party in (Party(self.sender.agency, system=self.sender.system, secret=b"not the secret"), Party("x", system="khong.co", secret=b"x")):
            self.refused(self.wire.call("POST", "/getReceivedEdocList", self.headers(party, [SERVICE, EDOC]), b""))

    def reused(self) -> None:
        """Its object signs the time when it was made, and what its earlier calls were about: docId beside docid."""
        before = [("filePath", "kho"), ("docId", "cua-lan-truoc"), ("docid", "cua-lan-truoc-nua"), ("status", "done"), SERVICE, EDOC]
        answer = self.wire.call("POST", "/getReceivedEdocList", self.headers(self.sender, before, late=24), b"")
        want(answer.status == 200 and answer.json().get("status") == "OK", answer)

    def expect(self) -> None:
        want(self.wire.answers_expect("/countReceiveEdoc", self.headers(self.sender, [SERVICE]), b"{}", seconds=self.wait), "no interim answer")

    def directory(self) -> str:
        lines = self.post(self.sender, "getAgenciesList")["data"]
        codes = {line["code"] for line in lines}
        want({self.sender.agency, self.recipient.agency} <= codes, f"{len(codes)} codes")
        want(all({"id", "pid", "code", "name", "mail", "oldCode"} <= set(line) for line in lines), lines[:1])
        return f"{len(lines)}"

    def send(self) -> str:
        package = self.material.package("V1")
        answer = self.submit(package)
        value = answer.json()
        want(answer.status == 200 and value.get("status") == "OK" and value.get("DocId"), answer)
        self.package, self.sent = package, str(value["DocId"])
        return self.sent

    def again(self) -> None:
        answer = self.submit(needed(self.package, "V-07"))
        want(answer.json().get("DocId") == self.sent, answer)

    def conflict(self) -> str:
        needed(self.package, "V-07")
        return self.refused(self.submit(self.material.package("V1", subject="Nội dung khác")))

    def wrong_hash(self) -> str:
        return self.refused(self.submit(self.material.package("V2"), declared=b"other"))

    def unknown(self) -> str:
        return self.refused(self.submit(self.material.package("V3", to="H99.KHONG.CO"), to="H99.KHONG.CO"))

    def foreign(self) -> str:
        return self.refused(self.submit(self.material.package("V4"), party=self.recipient, to=self.recipient.agency))

    def doctype(self) -> str:
        return self.refused(self.submit(with_doctype(self.material.package("V5"))))

    def listed(self) -> str:
        package = needed(self.package, "V-07")
        end = time.monotonic() + self.wait
        while True:
            for line in self.post(self.recipient, "getReceivedEdocList", SERVICE, EDOC)["data"]:
                if line["from"] == self.sender.agency and self.bytes_of(line["docId"]) == package:
                    want(line["status"] == "initial" and line["to"] == self.recipient.agency, line)
                    self.received = str(line["docId"])
                    return self.received
            want(time.monotonic() < end, f"not listed within {self.wait:.0f} s")
            time.sleep(0.5)

    def bytes_of(self, identity: str, party: Party | None = None) -> bytes:
        """What getEdoc gives the party, by default the recipient."""
        return base64.b64decode(self.post(party or self.recipient, "getEdoc", ("docId", identity), ("filePath", ""), body=b"{}")["data"])

    def fetched(self) -> None:
        want(self.bytes_of(needed(self.received, "V-14")) == self.package, "other bytes")

    def downloaded(self) -> None:
        headers = self.headers(self.recipient, [("docId", needed(self.received, "V-14")), ("filePath", "")])
        answer = self.wire.call("GET", "/downloadEdoc", headers)
        want(answer.status == 200 and answer.body == self.package, answer)

    def settled(self) -> None:
        identity = needed(self.received, "V-14")
        for state, left in (("processing", ["processing"]), ("done", [])):
            self.post(self.recipient, "updateStatus", ("docid", identity), last=[("status", state)], body=b"{}")
            lines = self.post(self.recipient, "getReceivedEdocList", SERVICE, EDOC)["data"]
            want([line["status"] for line in lines if line["docId"] == identity] == left, state)
        lines = self.post(self.sender, "getSentEdocList", SERVICE, EDOC, ("docId", needed(self.sent, "V-07")))["data"]
        want([line["receiveStatus"] for line in lines] == ["done"], lines)

    def status(self) -> None:
        needed(self.received, "V-14")
        message = self.material.status("V1", "01")
        answer = self.submit(message, party=self.recipient, kind="status")
        want(answer.json().get("status") == "OK", answer)
        lines = self.post(self.sender, "getReceivedEdocList", SERVICE, STATUS)["data"]
        want(any(self.bytes_of(line["docId"], self.sender) == message for line in lines), f"{len(lines)} lines")

    def nothing(self) -> str:
        return self.refused(self.wire.call("POST", "/getEdoc", self.headers(self.recipient, [("docId", "khong-co")]), b"{}"))

    def readable(self) -> str:
        """The SDK reads DocId before it keeps anything, and the answer as US-ASCII: without the one or in other letters the reason is lost."""
        answer = self.submit(self.material.package("V6", to="H99.KHONG.CO"), to="H99.KHONG.CO")
        said = self.refused(answer)
        want(isinstance(answer.json().get("DocId"), str) and answer.body.isascii(), answer)
        return said
