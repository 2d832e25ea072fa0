"""lgsp_kit — the criteria of the LGSP profile, asked as the clients of guide v2.2 ask."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from exchange.conformance.criteria import Criterion, needed, want
from exchange.conformance.parties import Material, Party, one_page, with_doctype
from exchange.conformance.wire import Answer, Wire

GUIDE = "Hướng dẫn kết nối LGSP v2.2"
MARK = "vanthu-conformance"


class LgspKit:
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
        law = "QĐ 28/2018/QĐ-TTg"
        return [
            (Criterion("L-01", f"{GUIDE}: X-SystemId", "Nhận khóa đúng", "Takes the right key"), self.key),
            (Criterion("L-02", f"{GUIDE}: 15", "Khóa sai: mã 15", "A wrong key: code 15"), self.wrong_key),
            (Criterion("L-03", f"{GUIDE}: sendEdoc", "Nhận gói tin multipart, trả docId", "Takes a multipart package, answers docId"), self.send),
            (Criterion("L-04", "Luật 20/2023 Điều 15", "Gửi lại cùng gói tin: cùng docId", "The same package again: the same docId"), self.again),
            (Criterion("L-05", "NĐ 30/2020 Phụ lục VI", "Cùng mã, khác nội dung: từ chối", "The same id with other bytes: refused"), self.conflict),
            (Criterion("L-06", f"{GUIDE}: 18", "Đơn vị nhận không tồn tại: mã 18", "An unknown recipient: code 18"), self.unknown),
            (Criterion("L-07", f"{GUIDE}: 19", "Gửi thay cơ quan khác: mã 19", "Sending for another agency: code 19"), self.foreign),
            (Criterion("L-08", f"{GUIDE}: 22", "Sai định dạng: mã 22", "A wrong format: code 22"), self.malformed),
            (Criterion("L-09", "QCVN 102:2016/BTTTT, XML", "DOCTYPE và thực thể: từ chối", "DOCTYPE and entities: refused"), self.doctype),
            (Criterion("L-10", f"{GUIDE}: syncReceivedEdocList", "Bên nhận thấy văn bản, INITIAL", "The recipient sees it as INITIAL"), self.listed),
            (Criterion("L-11", "TT 41/2017/TT-BTTTT Điều 4", "getEdoc trả đúng gói tin và tệp", "getEdoc gives the exact package and file"), self.fetched),
            (Criterion("L-12", f"{GUIDE}: updateStatus", "PROCESSING, DONE; hết trong danh sách", "PROCESSING, DONE; then listed no more"), self.settled),
            (Criterion("L-13", f"{law} Điều 6.3, 9.2", "Trạng thái 01 đến được bên gửi", "Status 01 reaches the sender"), self.status),
        ]

    def call(self, party: Party, path: str, body: bytes | None = None, content: str = "application/json") -> Answer:
        """One call with the party's key."""
        headers = {"X-SystemId": party.system, "X-SecretKey": party.secret.decode(), "Content-Type": content}
        return self.wire.call("GET" if body is None else "POST", path, headers, body)

    def submit(self, package: bytes, *, party: Party | None = None, kind: str = "edoc") -> Answer:
        """sendEdoc."""
        head = f'--{MARK}\r\nContent-Disposition: form-data; name="messageType"\r\n\r\n{kind}\r\n--{MARK}\r\n'
        head += 'Content-Disposition: form-data; name="edocFile"; filename="package.edxml"\r\nContent-Type: application/octet-stream\r\n\r\n'
        body = head.encode() + package + f"\r\n--{MARK}--\r\n".encode()
        return self.call(party or self.sender, "/v1/sendEdoc", body, f"multipart/form-data; boundary={MARK}")

    def done(self, answer: Answer) -> dict[str, Any]:
        """The answer, which must be a success."""
        value = answer.json()
        want(answer.status == 200 and value.get("success") is True, answer)
        return value

    def refused(self, answer: Answer, code: str = "") -> str:
        """The reason of an answer that must be a refusal, with this code if one is wanted."""
        value = answer.json()
        data = value.get("data") or {}
        want(value.get("success") is False and answer.status < 500 and (not code or str(data.get("errorCode")) == code), answer)
        return f"{data.get('errorCode')}: {value.get('message')}"

    def key(self) -> None:
        self.done(self.call(self.sender, "/v1/syncReceivedEdocList?messageType=edoc"))

    def wrong_key(self) -> str:
        wrong = Party(self.sender.agency, system=self.sender.system, secret=b"not the key")
        return self.refused(self.call(wrong, "/v1/syncReceivedEdocList?messageType=edoc"), "15")

    def send(self) -> str:
        package = self.material.package("L1")
        value = self.done(self.submit(package))
        identity = str(value.get("docId") or (value.get("data") or {}).get("docId") or "")
        want(identity, value)
        self.package, self.sent = package, identity
        return identity

    def again(self) -> None:
        value = self.done(self.submit(needed(self.package, "L-03")))
        want(str(value.get("docId") or value["data"]["docId"]) == self.sent, value)

    def conflict(self) -> str:
        needed(self.package, "L-03")
        return self.refused(self.submit(self.material.package("L1", subject="Nội dung khác")))

    def unknown(self) -> str:
        return self.refused(self.submit(self.material.package("L2", to="H99.KHONG.CO")), "18")

    def foreign(self) -> str:
        return self.refused(self.submit(self.material.package("L3"), party=self.recipient), "19")

    def malformed(self) -> str:
        return self.refused(self.submit(b"not XML"), "22")

    def doctype(self) -> str:
        return self.refused(self.submit(with_doctype(self.material.package("L4"))))

    def facts(self, party: Party, identity: str) -> dict[str, Any]:
        """What getEdoc gives the party."""
        value: dict[str, Any] = self.done(self.call(party, f"/v1/getEdoc?docId={quote(identity)}"))["data"]
        return value

    def listed(self) -> str:
        package = needed(self.package, "L-03")
        end = time.monotonic() + self.wait
        while True:
            for line in self.done(self.call(self.recipient, "/v1/syncReceivedEdocList?messageType=edoc"))["data"]:
                if str(self.facts(self.recipient, line["docId"])["edxml"]).encode() == package:
                    want(line["status"] == "INITIAL", line)
                    self.received = str(line["docId"])
                    return self.received
            want(time.monotonic() < end, f"not listed within {self.wait:.0f} s")
            time.sleep(0.5)

    def fetched(self) -> None:
        value = self.facts(self.recipient, needed(self.received, "L-10"))
        want(value["from"] == self.sender.agency and value["edxml"].encode() == self.package, "other bytes")
        want([base64.b64decode(a["fileContent"]) for a in value["attachments"]] == [one_page()], "other file")

    def settled(self) -> None:
        identity = needed(self.received, "L-10")
        for state, left in (("PROCESSING", ["PROCESSING"]), ("DONE", [])):
            self.done(self.call(self.recipient, "/v1/updateStatus", json.dumps({"docId": identity, "status": state}).encode()))
            lines = self.done(self.call(self.recipient, "/v1/syncReceivedEdocList?messageType=edoc"))["data"]
            want([line["status"] for line in lines if line["docId"] == identity] == left, state)

    def status(self) -> None:
        needed(self.received, "L-10")
        message = self.material.status("L1", "01")
        self.done(self.submit(message, party=self.recipient, kind="status"))
        lines = self.done(self.call(self.sender, "/v1/syncReceivedEdocList?messageType=status"))["data"]
        want(any(self.facts(self.sender, line["docId"])["edxml"].encode() == message for line in lines), f"{len(lines)} lines")
