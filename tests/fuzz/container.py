"""The reader of evidence containers under any bytes: a container or `EvidenceInvalid`, never more read than the file holds.

An input that starts with ``PK`` is the file itself. Any other is a recipe for one, as a fuzzer
would not guess check sums and offsets by itself: lines ``NAME=TEXT`` are members, and lines
``@PLACE=HEX`` overwrite bytes of the finished file (a place below 0 counts from the end).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from signing.container import MIMETYPE, Container, write_container
from signing.errors import EvidenceInvalid
from signing.evidence import check
from signing.trust import Trust

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
NOBODY = Trust(())


def one_input(data: bytes, folder: Path) -> bool:
    """Whether the container was taken; False: refused. Whatever it holds, `check` describes it."""
    path = folder / "evidence.asice"
    path.write_bytes(data if data.startswith(b"PK") else made(data, path))
    size = path.stat().st_size
    try:
        with Container.open(path) as container:
            read = 0
            for name in container.order:
                assert not name.startswith("/") and ".." not in name.split("/") and "\\" not in name
                read += _read(container, name)
            assert read <= size
    except EvidenceInvalid as error:
        assert error.code and error.vi and error.en
        return False
    try:
        report = check(path, trust=NOBODY, vkeys=[], at=NOW)
    except EvidenceInvalid:
        return True
    assert not report.ok and report.reasons  # nobody is trusted here
    return True


def _read(container: Container, name: str) -> int:
    try:
        body = container.read(name)
        assert len(body) == sum(len(c) for c in container.chunks(name)) and len(container.digest(name)) == 32
        return len(body)
    except EvidenceInvalid:
        return 0  # a check sum that does not hold


def made(recipe: bytes, scratch: Path) -> bytes:
    """The file of a recipe."""
    members: list[tuple[str, bytes | Path]] = []
    edits = []
    for line in recipe.split(b"\n")[:40]:
        name, _, value = line.partition(b"=")
        if name.startswith(b"@"):
            edits.append((name[1:], value))
        elif (text := name.decode("utf-8", "replace")[:100]) and text != MIMETYPE:
            members.append((text.replace("\x00", "0"), value))
    write_container(scratch, members, at=NOW)
    file = bytearray(scratch.read_bytes())
    for place, value in edits:
        try:
            at, patch = int(place), bytes.fromhex(value.decode("ascii"))
        except ValueError:
            continue
        at = at if at >= 0 else len(file) + at
        if 0 <= at <= len(file):
            file[at : at + len(patch)] = patch
    return bytes(file)
