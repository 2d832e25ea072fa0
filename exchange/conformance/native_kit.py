"""native_kit — the criteria of the native interface: seals, receipts, exact bytes, refusals that say why."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchange.conformance.criteria import Criterion, NotAsked, needed, want
from exchange.conformance.parties import Material, Party, with_doctype
from exchange.conformance.wire import Answer, Wire
from signing.keys import open_key
from signing.receipt_check import check_receipt
from signing.seal import sign_seal
from signing.trust import Trust

PROBLEM = {"type", "title", "title_vi", "status", "code", "detail", "retry"}


class NativeKit:
    """One run against one hub; what a criterion finds is kept for those behind it."""

    def __init__(self, url: str, material: Material, *, wait: float = 10.0) -> None:
        self.wait = wait  # seconds
        parties = material.parties
        self.material, self.sender, self.recipient = material, parties.sender, parties.recipient
        self.wires = {p.agency: Wire(url, ca=parties.tls_ca, certificate=p.tls_certificate) for p in (self.sender, self.recipient)}
        self.anonymous = Wire(url, ca=parties.tls_ca)
        self.package: bytes | None = None
        self.receipt: bytes | None = None
        self.envelope: str | None = None
        self.delivery: str | None = None

    def steps(self) -> list[tuple[Criterion, Callable[[], Any]]]:
        """The criteria in order."""
        law, safe = "QĐ 28/2018/QĐ-TTg", "QCVN 102:2016/BTTTT, XML"
        return [
            (Criterion("N-01", "RFC 8446 4.4.2", "Không có chứng thư khách: từ chối", "No client certificate: refused"), self.no_certificate),
            (Criterion("N-02", f"{law} Điều 8.2", "Nhận gói tin có niêm phong, trả biên nhận", "Takes a sealed package, answers a receipt"), self.send),
            (Criterion("N-03", "ETSI EN 319 522, RFC 9162", "Biên nhận tự chứng minh được", "The receipt proves itself"), self.proven),
            (Criterion("N-04", "Luật 20/2023 Điều 15", "Gửi lại: biên nhận giống từng byte", "Again: the receipt is byte-identical"), self.again),
            (Criterion("N-05", "NĐ 30/2020 Phụ lục VI", "Cùng mã, khác nội dung: 409", "The same id with other bytes: 409"), self.conflict),
            (Criterion("N-06", f"{law} Điều 9.1", "Thiếu niêm phong, niêm phong của bên khác: từ chối", "No seal, or another's: refused"), self.wrong_seal),
            (Criterion("N-07", "RFC 9530", "Repr-Digest sai: từ chối", "A wrong Repr-Digest: refused"), self.wrong_digest),
            (Criterion("N-08", f"{law} Điều 8.2", "Mã cơ quan nhận không có: từ chối", "An unknown recipient: refused"), self.unknown),
            (Criterion("N-09", f"{law} Điều 7.3", "Không gửi thay cơ quan khác", "Nobody sends for another agency"), self.foreign),
            (Criterion("N-10", safe, "DOCTYPE và thực thể: từ chối", "DOCTYPE and entities: refused"), self.doctype),
            (Criterion("N-11", "RFC 9457", "Từ chối nêu mã, nơi, thử lại hay không", "A refusal has code, place, retry"), self.problem),
            (Criterion("N-12", f"{law} Điều 9.2", "Bên nhận thấy văn bản", "The recipient sees the document"), self.listed),
            (Criterion("N-13", "TT 41/2017/TT-BTTTT Điều 4", "Lấy về đúng từng byte", "The exact bytes are fetched"), self.fetched),
            (Criterion("N-14", "NĐ 30/2020 Điều 21.2.c", "Nhận 01 có niêm phong, trả biên nhận", "Takes a sealed 01, answers a receipt"), self.acknowledged),
            (Criterion("N-15", f"{law} Điều 6.3, 9.2", "Trạng thái 01 đến được bên gửi", "Status 01 reaches the sender"), self.told),
        ]

    def submit(self, package: bytes, *, party: Party | None = None, sealer: Party | None = None, seal: bool = True, declared: bytes | None = None) -> Answer:
        """POST /v1/packages."""
        who, digest = party or self.sender, hashlib.sha256(package).digest()
        shown = base64.b64encode(digest if declared is None else hashlib.sha256(declared).digest()).decode()
        headers = {"Content-Type": "application/edxml+xml", "Repr-Digest": f"sha-256=:{shown}:"}
        if seal:
            headers["Vanthu-Seal"] = self._seal(sealer or who, digest)
        return self.wires[who.agency].call("POST", "/v1/packages", headers, package)

    def _seal(self, party: Party, digest: bytes) -> str:
        if party.seal_key is None:
            raise NotAsked("seal_key")
        return base64.b64encode(sign_seal(digest, open_key(party.seal_key))).decode()

    def refused(self, answer: Answer, *statuses: int) -> str:
        """The reason of an answer that must be a refusal."""
        want(400 <= answer.status < 500 and (not statuses or answer.status in statuses), answer)
        return str(answer.json().get("code", ""))

    def no_certificate(self) -> str:
        return self.refused(self.anonymous.call("GET", "/v1/inbox"), 401, 403)

    def send(self) -> str:
        package = self.material.package("N1")
        answer = self.submit(package)
        want(answer.status in (200, 201) and answer.json().get("envelope"), answer)
        self.package, self.receipt, self.envelope = package, answer.body, str(answer.json()["envelope"])
        return self.envelope

    def proven(self) -> str:
        receipt, package = needed(self.receipt, "N-02"), needed(self.package, "N-02")
        folder: Path = needed(self.material.parties.trust, "[hub] trust")
        vkeys = (folder / "log.vkey").read_text().split()
        finding = check_receipt(receipt, trust=Trust.load(folder), vkeys=vkeys, at=self.material.clock())
        want(finding.package_sha256 == hashlib.sha256(package).hexdigest(), "about other bytes")
        return f"#{finding.index}"

    def again(self) -> None:
        answer = self.submit(needed(self.package, "N-02"))
        want(answer.body == self.receipt, answer)

    def conflict(self) -> str:
        needed(self.package, "N-02")
        return self.refused(self.submit(self.material.package("N1", subject="Nội dung khác")), 409)

    def wrong_seal(self) -> None:
        package = self.material.package("N2")
        self.refused(self.submit(package, seal=False))
        self.refused(self.submit(package, sealer=self.recipient))

    def wrong_digest(self) -> str:
        return self.refused(self.submit(self.material.package("N3"), declared=b"other"))

    def unknown(self) -> str:
        return self.refused(self.submit(self.material.package("N4", to="H99.KHONG.CO")))

    def foreign(self) -> str:
        return self.refused(self.submit(self.material.package("N5"), party=self.recipient))

    def doctype(self) -> str:
        return self.refused(self.submit(with_doctype(self.material.package("N6"))))

    def problem(self) -> None:
        answer = self.submit(self.material.package("N7", to="H99.KHONG.CO"))
        value = answer.json()
        want(answer.headers.get("content-type", "").startswith("application/problem+json") and set(value) >= PROBLEM, answer)
        want(value["title"] and value["title_vi"] and value.get("place") and value["retry"] is False, answer)

    def items(self, party: Party) -> list[dict[str, Any]]:
        """Everything in a party's mailbox."""
        items: list[dict[str, Any]] = []
        after = 0
        while True:
            value = self.wires[party.agency].call("GET", f"/v1/inbox?after={after}&limit=500").json()
            if not value.get("items"):
                return items
            items += value["items"]
            after = int(value["next"])

    def listed(self) -> str:
        envelope = needed(self.envelope, "N-02")
        end = time.monotonic() + self.wait
        while True:
            for line in self.items(self.recipient):
                if line.get("envelope") == envelope and line.get("kind") == "document":
                    self.delivery = str(line["delivery"])
                    return self.delivery
            want(time.monotonic() < end, f"not listed within {self.wait:.0f} s")
            time.sleep(0.5)

    def fetched(self) -> None:
        answer = self.wires[self.recipient.agency].call("GET", f"/v1/deliveries/{needed(self.delivery, 'N-12')}/package")
        want(answer.status == 200 and answer.body == self.package, answer)

    def acknowledged(self) -> None:
        message = self.material.status("N1", "01")
        headers = {"Vanthu-Seal": self._seal(self.recipient, hashlib.sha256(message).digest()), "Content-Type": "application/edxml+xml"}
        path = f"/v1/deliveries/{needed(self.delivery, 'N-12')}/acknowledgement"
        answer = self.wires[self.recipient.agency].call("POST", path, headers, message)
        want(answer.status == 200 and answer.json().get("envelope") == self.envelope, answer)

    def told(self) -> None:
        envelope = needed(self.envelope, "N-02")
        lines = [line for line in self.items(self.sender) if line.get("kind") == "status" and line.get("envelope") == envelope]
        want([line["code"] for line in lines] == ["01"], lines)
