"""`openssl cms` accepts our seals and `openssl ts` our time-stamps, and both refuse them over other bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from signing.report import Role
from signing.seal import sign_seal
from tests.interop.material import SCHEMES, Office
from tests.interop.tools import OpenSsl, Tool

pytestmark = pytest.mark.xdist_group("interop")
CONTENT = b"Noi dung goi tin (mo phong)\r\n\x00\xff"
SEALERS = sorted({s.removesuffix("-pss").removesuffix("-pkcs1") for s in SCHEMES})


@pytest.fixture
def openssl(tools: dict[str, Tool]) -> OpenSsl:
    tool = tools["openssl"]
    assert isinstance(tool, OpenSsl)
    if tool.missing():
        pytest.skip("openssl not installed")
    return tool


@pytest.mark.parametrize("stamped", [False, True], ids=["plain", "stamped"])
@pytest.mark.parametrize("kind", SEALERS)
def test_seals(kind: str, stamped: bool, office: Office, openssl: OpenSsl) -> None:
    digest = hashlib.sha256(CONTENT).digest()
    seal = sign_seal(digest, office.key(kind, Role.AGENCY), timestamp=office.stamp() if stamped else None)
    assert openssl.signature(seal, CONTENT) == "ok"
    assert openssl.signature(seal, CONTENT + b".") != "ok"


def test_time_stamps(office: Office, openssl: OpenSsl) -> None:
    stamp: Callable[[bytes], bytes] = office.stamp()
    token = stamp(hashlib.sha256(CONTENT).digest())
    assert openssl.stamp(token, CONTENT) == "ok"
    assert openssl.stamp(token, CONTENT + b".") != "ok"
