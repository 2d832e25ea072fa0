"""The VXP header reader under any header lines: a call or a plain refusal, and a call is only what its HMAC covers.

The same target is run over mutations made by hypothesis in tests/unit/test_profiles.py.
"""

from __future__ import annotations

from pathlib import Path

from exchange.errors import BadRequest, BadSecret
from exchange.profiles import vxp

SECRET = b"dummy-test-secret"


def one_input(data: bytes, _folder: Path | None = None) -> bool:
    """Whether it was a well-formed call; False: refused."""
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    try:
        call = vxp.read_call(pairs)
    except BadRequest:
        return False
    sent: dict[str, list[bytes]] = {}
    for name, value in pairs:
        sent.setdefault(name.decode("latin-1").lower(), []).append(value)
    signed: dict[str, list[bytes]] = {}
    for name, value in call.parameters.items():
        signed.setdefault(name.lower(), []).append(value.encode())
        assert value.encode("unicode_escape") in call.signed or value in call.signed.decode() or "\\" in call.signed.decode()
    for name, values in signed.items():  # every header of the name was signed, and at least one is there
        assert set(sent[vxp.PREFIX + name]) <= set(values) and len(sent[vxp.PREFIX + name]) <= len(values)
    for wanted in ("to", "hash-file", "docId", "docid", "nonce", "window"):
        try:
            text = call.get(wanted)
            vxp.same_digest(text, b"\x00" * 32)
            vxp.recipients(text)
            assert call.window is None or 1 <= call.window.total_seconds() <= 86400
        except BadRequest:
            continue
    try:
        vxp.check_mac(call, [("k", SECRET)])
    except BadSecret:
        return True
    assert call.mac.lower() == vxp.mac_of(SECRET, call.signed)
    return True

