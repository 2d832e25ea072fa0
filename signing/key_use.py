"""key_use — sổ sử dụng khóa: who used a key for which document, one JSON line each (NĐ 30/2020 Art 32, 33.2)."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from signing.errors import KeyUnusable
from signing.keys import Holder
from signing.wording import VIETNAM


def record(log: Path, holder: Holder, *, who: str, document: str, sha256: str, field: str, now: datetime) -> None:
    """Append one use to `log` and flush it to disk, before the signature is made.

    Args:
        document, sha256: name of the file to be signed and lower-hex SHA-256 of its bytes.

    Raises:
        KeyUnusable: the log cannot be written; a key whose use cannot be recorded is not used.
    """
    entry = {
        "time": now.astimezone(VIETNAM).isoformat(timespec="seconds"),
        "who": who,
        "certificate": holder.certificate.subject.rfc4514_string(),
        "serial": f"{holder.certificate.serial_number:x}",
        "document": document,
        "sha256": sha256,
        "field": field,
    }
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError("short write")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyUnusable(f"key log: {error}", place=str(log)) from error
