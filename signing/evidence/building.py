"""building — lập tệp chứng cứ: members, manifest and the hub's CAdES seal into one ASiC-E container."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from signing.container import MANIFEST, SIGNATURE, write_container
from signing.evidence.instructions import verify_text
from signing.evidence.manifest import SEAL_MIME, Member, write_manifest
from signing.keys import SigningKey
from signing.seal import sign_seal


def build(target: Path, members: Sequence[Member], key: SigningKey, *, now: datetime, timestamp: Callable[[bytes], bytes] | None = None) -> None:
    """Write the evidence file `target`, sealed with `key` (with `timestamp`: CAdES-T).

    Adds ``report/VERIFY.txt`` and ``report/SHA256SUMS``; the order of `members` is kept.

    Raises:
        TimestampUnavailable: no authority gave a time-stamp; nothing is written.
    """
    text = verify_text([m.name for m in members], epoch=int(now.timestamp()))
    files = [*members, Member("report/VERIFY.txt", text.encode(), "text/plain")]
    digests = [(m, m.digest()) for m in files]
    sums = Member("report/SHA256SUMS", "".join(f"{digest.hex()}  {m.name}\n" for m, digest in digests).encode(), "text/plain")
    digests.append((sums, sums.digest()))
    manifest = write_manifest([(m.name, m.mime, digest) for m, digest in digests], signature=SIGNATURE, mime=SEAL_MIME)
    seal = sign_seal(hashlib.sha256(manifest).digest(), key, timestamp=timestamp)
    write_container(target, [*((m.name, m.data) for m, _ in digests), (MANIFEST, manifest), (SIGNATURE, seal)], at=now)
