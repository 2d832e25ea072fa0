"""The reader of status messages under any bytes: a message with its findings, or a refusal with a code and a place."""

from __future__ import annotations

from pathlib import Path

from exchange.edxml.status import inspect_status, read_status, write_status
from exchange.envelope import Severity
from exchange.errors import EnvelopeError


def one_input(data: bytes, _folder: Path | None = None) -> bool:
    """Whether it was taken; False: refused. What is taken and written again says the same."""
    try:
        message = inspect_status(data)
    except EnvelopeError as error:
        assert error.code.startswith("envelope.") and error.vi and error.en
        return False
    assert all(f.code and f.vi and f.en for f in message.findings)
    rejected = any(f.severity is Severity.REJECT for f in message.findings)
    try:
        read_status(data)
        assert not rejected
    except EnvelopeError:
        assert rejected
        return False
    again = read_status(write_status(message))
    assert (again.sender, again.response_for, again.code) == (message.sender, message.response_for, message.code)
    return True
