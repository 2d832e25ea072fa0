"""Coverage-guided fuzzing of the VXP header reader (a development extra: wants atheris, which is not in the lock file).

    python -m tests.fuzz.vxp_headers CORPUS_FOLDER -runs=1000000 -max_len=4000

An input is a list of header lines. Each gets a call or a plain refusal, and a call is only
what its HMAC covers. Without atheris, the same target is run in tests/unit/test_profiles.py.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from exchange.errors import BadRequest, BadSecret
from exchange.profiles import vxp

SECRET = b"dummy-test-secret"


def one_input(data: bytes) -> bool:
    """Whether it was a well-formed call; False: refused."""
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    try:
        call = vxp.read_call(pairs)
    except BadRequest:
        return False
    sent = {name.decode("latin-1").lower(): value for name, value in pairs}
    for name, value in call.parameters.items():
        assert sent[vxp.PREFIX + name] == value.encode()
        assert value.encode("unicode_escape") in call.signed or value in call.signed.decode() or "\\" in call.signed.decode()
    for text in (call.get("to"), call.get("hash-file")):
        vxp.same_digest(text, b"\x00" * 32)
        try:
            vxp.recipients(text)
        except BadRequest:
            continue
    try:
        vxp.check_mac(call, [("k", SECRET)])
    except BadSecret:
        return True
    assert call.mac.lower() == vxp.mac_of(SECRET, call.signed)
    return True


def main() -> None:
    if find_spec("atheris") is None:
        sys.exit("atheris is not installed: pip install atheris, in an environment of its own")
    atheris = import_module("atheris")

    def target(data: bytes) -> None:
        one_input(data)

    atheris.instrument_all()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
