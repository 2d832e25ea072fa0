"""speech — tiếng nói: how the bad sender speaks each interface; the words are those of the conformance kits."""

from __future__ import annotations

import hashlib
import json
from typing import Protocol

from exchange.conformance.criteria import NotAsked
from exchange.conformance.lgsp_kit import LgspKit
from exchange.conformance.native_kit import NativeKit
from exchange.conformance.parties import Material, Party
from exchange.conformance.vxp_kit import EDOC, SERVICE, VxpKit
from exchange.conformance.wire import Answer, Wire
from exchange.simulate.raw_http import Capture, Request, captured


class Speech(Protocol):
    """What a scenario needs of an interface."""

    material: Material

    def submit(self, package: bytes) -> Request:
        """The request that submits a package as it should be."""
        ...

    def wrong_hash(self, package: bytes) -> Request:
        """The same, naming another digest."""
        ...

    def wrong_signer(self, package: bytes) -> Request:
        """The same, signed with a key that is not the sender's."""
        ...

    def stale(self, package: bytes) -> Request:
        """The same, proven by what was made for another call."""
        ...

    def twice_named(self) -> Request:
        """A request in whose JSON a name stands twice."""
        ...

    def taken(self, answer: Answer | None) -> bytes:
        """What a repeat must give again when the answer is an acceptance; b"" when it is none."""
        ...

    def listed(self, package: bytes) -> int:
        """How many times the recipient is shown this package."""
        ...

    def alive(self) -> Request:
        """A small proper request."""
        ...


class Native:
    """The hub's own interface."""

    def __init__(self, url: str, material: Material) -> None:
        self.material = material
        self.kit, self.held = NativeKit(url, material), NativeKit(url, material)
        self.held.wires = {code: Capture(wire) for code, wire in self.kit.wires.items()}

    def submit(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package))

    def wrong_hash(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package, declared=b"other"))

    def wrong_signer(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package, sealer=self.held.recipient))

    def stale(self, package: bytes) -> Request:
        other = dict(self.submit(self.material.package("STALE")).headers)["Vanthu-Seal"]
        request = self.submit(package)
        return Request(request.wire, request.method, request.path, tuple((n, other if n == "Vanthu-Seal" else v) for n, v in request.headers), package)

    def twice_named(self) -> Request:
        raise NotAsked("no JSON in requests of this interface")

    def taken(self, answer: Answer | None) -> bytes:
        return answer.body if answer is not None and answer.status in (200, 201) and answer.json().get("envelope") else b""

    def listed(self, package: bytes) -> int:
        wire = self.kit.wires[self.kit.recipient.agency]
        ours = [line for line in self.kit.items(self.kit.recipient) if f">{line.get('document_id')}<".encode() in package]
        return sum(wire.call("GET", f"/v1/deliveries/{line['delivery']}/package").body == package for line in ours)

    def alive(self) -> Request:
        return Request(self.kit.wires[self.kit.recipient.agency], "GET", "/v1/inbox?after=0&limit=1", ())


class Vxp:
    """The national connector."""

    def __init__(self, url: str, material: Material) -> None:
        self.material = material
        wire = Wire(url, ca=material.parties.tls_ca)
        self.kit, self.held = VxpKit(wire, material), VxpKit(Capture(wire), material)
        self.wire = wire
        self._known: dict[str, bytes] = {}  # what an id stands for never changes

    def submit(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package))

    def wrong_hash(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package, declared=b"other"))

    def wrong_signer(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package, party=_without_secret(self.held.sender)))

    def stale(self, package: bytes) -> Request:
        old, fresh = (self.kit.headers(self.kit.sender, [SERVICE], late=hours) for hours in (24, 0))
        headers = {**old, "XroadVnpt-timestamp": fresh["XroadVnpt-timestamp"]}
        return Request(self.wire, "POST", "/countReceiveEdoc", tuple(headers.items()), b"{}")

    def twice_named(self) -> Request:
        headers = self.kit.headers(self.kit.recipient, [SERVICE, EDOC])
        text = headers["XroadVnpt-sign-header"]
        headers["XroadVnpt-sign-header"] = text[:-1] + ',"XroadVnpt-messagetype":"status"}'
        return Request(self.wire, "POST", "/getReceivedEdocList", tuple(headers.items()))

    def taken(self, answer: Answer | None) -> bytes:
        value = answer.json() if answer is not None and answer.status == 200 else {}
        return str(value.get("DocId") or "OK").encode() if value.get("status") == "OK" else b""

    def listed(self, package: bytes) -> int:
        lines = self.kit.post(self.kit.recipient, "getReceivedEdocList", SERVICE, EDOC)["data"]
        for line in lines:
            if line["docId"] not in self._known:
                self._known[line["docId"]] = hashlib.sha256(self.kit.bytes_of(line["docId"])).digest()
        return [self._known[line["docId"]] for line in lines].count(hashlib.sha256(package).digest())

    def alive(self) -> Request:
        return Request(self.wire, "POST", "/countReceiveEdoc", tuple(self.kit.headers(self.kit.sender, [SERVICE]).items()), b"{}")


class Lgsp:
    """The provincial connector."""

    def __init__(self, url: str, material: Material) -> None:
        self.material = material
        wire = Wire(url, ca=material.parties.tls_ca)
        self.kit, self.held = LgspKit(wire, material), LgspKit(Capture(wire), material)
        self.wire = wire
        self._known: dict[str, bytes] = {}  # what an id stands for never changes

    def submit(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package))

    def wrong_hash(self, package: bytes) -> Request:
        raise NotAsked("no digest in this interface")

    def wrong_signer(self, package: bytes) -> Request:
        return captured(lambda: self.held.submit(package, party=_without_secret(self.held.sender)))

    def stale(self, package: bytes) -> Request:
        raise NotAsked("calls of this interface carry no time and no signature")

    def twice_named(self) -> Request:
        body = json.dumps({"docId": "khong-co", "status": "DONE"})[:-1] + ', "status": "PROCESSING"}'
        return captured(lambda: self.held.call(self.held.recipient, "/v1/updateStatus", body.encode()))

    def taken(self, answer: Answer | None) -> bytes:
        value = answer.json() if answer is not None and answer.status == 200 else {}
        return str(value.get("docId") or (value.get("data") or {}).get("docId") or "").encode() if value.get("success") is True else b""

    def listed(self, package: bytes) -> int:
        lines = self.kit.done(self.kit.call(self.kit.recipient, "/v1/syncReceivedEdocList?messageType=edoc"))["data"]
        for line in lines:
            if line["docId"] not in self._known:
                text = str(self.kit.facts(self.kit.recipient, line["docId"])["edxml"])
                self._known[line["docId"]] = hashlib.sha256(text.encode()).digest()
        return [self._known[line["docId"]] for line in lines].count(hashlib.sha256(package).digest())

    def alive(self) -> Request:
        return captured(lambda: self.held.call(self.held.sender, "/v1/syncReceivedEdocList?messageType=status"))


def _without_secret(party: Party) -> Party:
    return Party(party.agency, party.name, system=party.system, secret=b"khong phai khoa / not the key")


def speech_of(profile: str, url: str, material: Material) -> Speech:
    """The interface called `profile` (native, vxp, lgsp) at `url`."""
    kinds: dict[str, type[Native] | type[Vxp] | type[Lgsp]] = {"native": Native, "vxp": Vxp, "lgsp": Lgsp}
    return kinds[profile](url, material)
