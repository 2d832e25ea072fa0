"""A service object as the official Java SDK makes it: what it signs, sends and reads, also after days of use.

Its time is that of its making. Every parameter of a call stays for the calls behind it.
All verbs but sendEdoc go through a client that sends two spellings of a name as two
headers and reads UTF-8; sendEdoc goes through one that keeps one spelling with the last value,
and reads US-ASCII. Fields are read as there: one that is missing or null ends the call without an answer.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

from exchange.profiles import vxp
from tests.connectors import unpadded

READ = {
    "getReceivedEdocList": "docId serviceType messageType created_time updated_time from to status status_desc",
    "getSentEdocList": "serviceType receiverDocId toCode receiveStatus title messageType notation receivedTime sentTime sendStatus "
    "sendStatusDesc senderDocId fromCode receiveStatusDesc",
    "getAgenciesList": "code id mail name pid oldCode",
    "getAgenciesListQD20": "code id mail name code102",
    "getSynchronizeUnit": "code id mail name pid centerCode modifyDate",
}
WITHOUT_BODY = {*READ}


class NoAnswer(Exception):
    """The SDK prints a stack trace and returns null, or a result without its fields."""


class SdkObject:
    """One service object with `service.endpoint` = `endpoint`."""

    def __init__(self, endpoint: str, tls: SSLContext, system: str, secret: bytes, *, made: datetime | None = None) -> None:
        self.endpoint, self.tls, self.secret = urlsplit(endpoint), tls, secret
        self.parameters = {"timestamp": vxp.write_time(made or datetime.now(UTC)), "systemid": system}

    def _signed(self, content: str, more: dict[str, str]) -> list[tuple[str, str]]:
        self.parameters |= {"Content-Type": content, **more}
        return [*vxp.sign(self.secret, list(self.parameters.items())).items(), ("Content-Type", content), ("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP")]

    def _exchange(self, method: str, verb: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(str(self.endpoint.hostname), self.endpoint.port, context=self.tls, timeout=30)
        try:
            connection.putrequest(method, f"{self.endpoint.path}/{verb}", skip_accept_encoding=True)
            for name, value in [*headers, ("Content-Length", str(len(body)))]:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, verb: str, more: dict[str, str] | None = None, body: bytes | None = None) -> dict[str, Any]:
        """The answer of a verb; every field that the SDK's classes read is there and is a text.

        Raises:
            NoAnswer: the SDK would have none.
        """
        sent = body if body is not None else b"" if verb in WITHOUT_BODY else b"{}"
        _, data = self._exchange("POST", verb, self._signed("application/json", more or {}), sent)
        answer = read(data.decode("utf-8", "replace"))
        if answer["ErrorCode"] == "0" and verb in READ:
            for line in answer["data"]:
                for name in READ[verb].split():
                    text(line, name)
            for unit in answer["data"] if verb == "getSynchronizeUnit" else ():
                if (type(unit["version"]), type(unit["deleted"]), type(unit["isAgency"])) != (int, bool, bool):
                    raise NoAnswer(unit)
        return answer

    def send(self, data: bytes, more: dict[str, Any]) -> dict[str, Any]:
        """sendEdoc of a file; `to` is a list."""
        values = {name: json.dumps(v, separators=(",", ":")) if isinstance(v, list) else v for name, v in more.items()}
        values["hash-file"] = unpadded(hashlib.sha256(data).digest())
        merged: dict[str, tuple[str, str]] = {}
        for name, value in self._signed("application/octet-stream", values):
            merged[name.lower()] = (merged.get(name.lower(), (name, ""))[0], value)
        _, answer = self._exchange("POST", "sendEdoc", list(merged.values()), data + b"\r\n")
        found = read(answer.decode("ascii", "replace"))
        text(found, "DocId")
        return found

    def get(self, identity: str, folder: str = "/opt/kho") -> bytes | None:
        """getEdoc: the file that it writes."""
        answer = self.call("getEdoc", {"filePath": folder, "docId": identity})
        if answer["status"] == "FAIL":
            return None
        return base64.b64decode(text(answer, "data")).decode("utf-8", "replace").encode()

    def download(self, identity: str) -> bytes:
        """downloadEdoc: whatever comes is the file, and only an empty one is a failure."""
        headers = self._signed("application/json", {"filePath": "/opt/kho", "docId": identity})
        return self._exchange("GET", "downloadEdoc", headers, b"")[1]


def text(value: dict[str, Any], name: str) -> str:
    """A member that must be there and no null."""
    found = value.get(name)
    if not isinstance(found, str):
        raise NoAnswer(f"{name}: {found!r} in {value}")
    return found


def read(answer: str) -> dict[str, Any]:
    """The three fields that every answer has."""
    value: dict[str, Any] = json.loads(answer)
    for name in ("status", "ErrorCode", "ErrorDesc"):
        text(value, name)
    return value
