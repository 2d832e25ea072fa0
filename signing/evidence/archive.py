"""archive — lưu trữ lâu dài: archive time-stamps over an evidence file, and their renewal (EN 319 162-1 A.7).

Each renewal covers every member before it, earlier renewals too, and brings the revocation
data of its moment along. The chain is judged from the newest stamp back: each shows that
the one before was there while it was still good (RFC 4998 time-stamp renewal).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from signing.container import MIMETYPE, Container, write_container
from signing.errors import EvidenceInvalid, TimestampInvalid
from signing.evidence.manifest import TOKEN_MIME, Layout, Member, archive_names, read_layout, write_manifest
from signing.evidence.statutory import Signed, data_for
from signing.signed_data import read_signed_data
from signing.timestamps import Token, read_token
from signing.trust import Trust

_MIMES = {".xml": "application/xml", ".p7s": "application/pkcs7-signature", ".tst": TOKEN_MIME, ".json": "application/json", ".pdf": "application/pdf"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """An archive time-stamp that holds: its time, who made it, and until when its certificate is good."""

    time: datetime
    authority: str
    until: datetime


def renew(source: Path, target: Path, *, trust: Trust, timestamp: Callable[[bytes], bytes], now: datetime) -> int:
    """Write `source` with one more archive time-stamp to `target`, which may be the same file; its number.

    Args:
        trust: what is known now; CRLs and OCSP answers about the seals go into the file.
        timestamp: SHA-256 digest → verified token.

    Raises:
        EvidenceInvalid: not an evidence file, or a member does not match its digest.
        TimestampUnavailable: no authority answered; nothing is written.
    """
    with Container.open(source) as container, ExitStack() as stack:
        layout = read_layout(container)
        _check_digests(container, layout)
        number = len(layout.renewals) + 1
        folder, name, token_name = archive_names(number)
        added = [Member(folder + file, data, mime) for file, data, mime in _data(container, trust, now)]
        listed = [(n, _mime(n), container.digest(n)) for n in container.order if n != MIMETYPE]
        listed += [(m.name, m.mime, m.digest()) for m in added]
        manifest = write_manifest(listed, signature=token_name, mime=TOKEN_MIME)
        token = timestamp(hashlib.sha256(manifest).digest())
        old = [(n, stack.enter_context(container.extracted(n))) for n in container.order if n != MIMETYPE]
        new: list[tuple[str, bytes | Path]] = [*old, *((m.name, m.data) for m in added), (name, manifest), (token_name, token)]
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".renewal-")
        os.close(descriptor)
        try:
            write_container(Path(temporary), new, at=now)
            if source.exists() and target.exists() and source.samefile(target):
                shutil.copymode(source, temporary)
            else:
                os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return number


def _check_digests(container: Container, layout: Layout) -> None:
    """What is stamped again must still be what was sealed: a stamp over a damaged file would mislead."""
    if layout.problems:
        code, place = layout.problems[0]
        raise EvidenceInvalid(code, place=place)
    for files in (layout.listed, *layout.renewals):
        for name, digest in files:
            if container.digest(name) != digest:
                raise EvidenceInvalid("member was changed", place=name)


def _data(container: Container, trust: Trust, now: datetime) -> list[tuple[str, bytes, str]]:
    signed = []
    for name in container.order:
        if name.endswith((".p7s", ".tst")):
            parts = read_signed_data(container.read(name))
            certificates = list(parts.certificates)
            tokens = [read_signed_data(t) for t in parts.tokens]
            certificates += [c for t in tokens for c in t.certificates]
            signed += [Signed(name, "", c, tuple(certificates), now) for c in certificates]
    _, crls, ocsps = data_for(trust, signed)
    known = {container.digest(n) for n in container.names}
    fresh = [(f"{i:02d}.crl", d, "application/pkix-crl") for i, d in enumerate(crls, 1)]
    fresh += [(f"{i:02d}.ocsp", d, "application/ocsp-response") for i, d in enumerate(ocsps, 1)]
    return [(n, d, m) for n, d, m in fresh if hashlib.sha256(d).digest() not in known]


def _mime(name: str) -> str:
    return _MIMES.get(Path(name).suffix, "application/octet-stream")


def check_stamps(container: Container, layout: Layout, trust: Trust) -> list[Stamp]:
    """Gate: every archive time-stamp holds; oldest first. `trust` knows the revocation data of the file.

    Raises:
        EvidenceInvalid: a member is not what the archive manifest says.
        TimestampInvalid: a stamp does not hold, or is older than one that it covers.
    """
    stamps: list[Stamp] = []
    later: datetime | None = None
    for number in range(len(layout.renewals), 0, -1):
        _, name, token_name = archive_names(number)
        for member, digest in layout.renewals[number - 1]:
            if member in container.names and container.digest(member) != digest:
                raise EvidenceInvalid("member is not what the archive manifest says", place=member)
        token = _read(container, name, token_name, trust, later)
        if later is not None and token.time > later:
            raise TimestampInvalid("older than what it covers", place=archive_names(number + 1)[2])
        later = token.time
        stamps.insert(0, Stamp(token.time, token.authority, x509.load_der_x509_certificate(token.certificate).not_valid_after_utc))
    return stamps


def _read(container: Container, name: str, token_name: str, trust: Trust, later: datetime | None) -> Token:
    digest = hashlib.sha256(container.read(name)).digest()
    try:
        return read_token(container.read(token_name), digest, trust, seen_at=later)
    except TimestampInvalid as error:
        raise TimestampInvalid(error.detail, place=token_name) from error
