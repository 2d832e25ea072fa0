"""mime_parts — SOAP with attachments as MIME parts (CV 512, CV 2803): the XML part and its files, by stream.

The parts become Attachment elements of the tree, so that everything above reads
them like any other package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import IO

from exchange.edxml.parser import Limits, Node, Reader
from exchange.edxml.payload import PAYLOAD, Decoder, Payload
from exchange.errors import NotXml, TooLarge

_CHUNK = 256 * 1024
_HEADERS = 16 * 1024
_START = re.compile(rb"\s*(?:--[^\s<>-]|(?:mime-version|content-[a-z-]+|message-id):)", re.IGNORECASE)
_BOUNDARY = re.compile(rb"--([0-9A-Za-z'()+_,./:=? -]{1,200}?)[ \t]*\r?\n")


def is_multipart(file: IO[bytes]) -> bool:
    """Whether the file starts like a MIME message; the position is put back."""
    head = file.read(200)
    file.seek(0)
    return _START.match(head) is not None


class _Source:
    """The file's bytes, up to a mark at a time."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._buffer, self._size = b"", 0

    def _more(self) -> bool:
        data = self._file.read(_CHUNK)
        self._size += len(data)
        if self._size > self._limits.size:
            raise TooLarge(f"more than {self._limits.size} bytes", place="MIME")
        self._buffer += data
        return bool(data)

    def line(self) -> bytes:
        """The next line, its end included."""
        while b"\n" not in self._buffer and len(self._buffer) < _HEADERS:
            if not self._more():
                break
        cut = self._buffer.find(b"\n") + 1
        if not cut and len(self._buffer) >= _HEADERS:
            raise TooLarge("MIME headers", place="MIME")
        if not cut:
            raise NotXml("a MIME header is cut short", place="MIME")
        found, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return found

    def headers(self) -> Message:
        """Header lines up to the empty one."""
        block = b""
        while (line := self.line()).strip():
            block += line
            if len(block) > _HEADERS:
                raise TooLarge("MIME headers", place="MIME")
        return BytesHeaderParser().parsebytes(block)

    def ended(self) -> bool:
        """What follows a boundary: True after the last one."""
        while len(self._buffer) < 2 and self._more():
            pass
        if self._buffer.startswith(b"--"):
            return True
        self.line()
        return False

    def until(self, mark: bytes) -> Iterator[bytes]:
        """Everything before `mark`, which is passed over."""
        while True:
            at = self._buffer.find(mark)
            if at >= 0:
                found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
                yield found
                return
            keep = len(mark) - 1
            if len(self._buffer) > keep:
                found, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                yield found
            if not self._more():
                raise NotXml("a MIME part is cut short", place="MIME")


def parse_multipart(file: IO[bytes], limits: Limits, workdir: Path | None) -> Reader:
    """Read the XML part through a `Reader`; the other parts become its Attachment elements.

    Raises:
        EnvelopeError: cut short, over the limits, or the XML part is refused.
    """
    source = _Source(file, limits)
    mark = b"\n--" + _boundary(source)
    reader: Reader | None = None
    files: list[Node] = []
    ended = False
    while not ended:
        headers = source.headers()
        if reader is None:
            reader = _xml_part(source, mark, limits, workdir)
        else:
            if workdir is None or len(files) >= limits.attachments:
                raise TooLarge("attachments", place="MIME")
            number = len(files) + 1
            files.append(_file_part(headers, _save(source, mark, headers, workdir / f"part-{number}"), number))
        ended = source.ended()
    if reader is None or reader.root is None:
        raise NotXml("no XML part", place="MIME")
    if files:
        reader.root.children.append(Node("AttachmentEncoded", key="attachmentencoded", children=files))
    return reader


def _boundary(source: _Source) -> bytes:
    """From the first line that opens a part."""
    for _ in range(200):
        match = _BOUNDARY.fullmatch(source.line())
        if match is not None:
            return match[1]
    raise NotXml("no MIME part", place="MIME")


def _xml_part(source: _Source, mark: bytes, limits: Limits, workdir: Path | None) -> Reader:
    reader = Reader(limits, workdir)
    try:
        last = b""
        for piece in source.until(mark):
            reader.feed(last, final=False)
            last = piece
        reader.feed(last.removesuffix(b"\r"), final=True)
    except BaseException:
        reader.abandon()
        raise
    return reader


def _save(source: _Source, mark: bytes, headers: Message, path: Path) -> Payload:
    encoding = str(headers.get("Content-Transfer-Encoding", "binary")).strip().lower()
    decoder = Decoder(path)
    try:
        if encoding not in ("base64", "binary", "8bit", "7bit"):
            decoder.damaged(f"Content-Transfer-Encoding {encoding[:30]}")
        take = decoder.feed if encoding == "base64" else decoder.bytes
        last = b""
        for piece in source.until(mark):
            take(last)
            last = piece
        take(last.removesuffix(b"\r"))
    except BaseException:
        decoder.abandon()
        raise
    return decoder.close()


def _file_part(headers: Message, payload: Payload, number: int) -> Node:
    identity = str(headers.get("Content-ID", "")).strip().strip("<>")
    name = headers.get_filename() or str(headers.get("Content-Description", "")) or f"part-{number}"
    facts = {"ContentId": identity, "AttachmentName": name, "ContentType": headers.get_content_type()}
    children = [Node(n, text=t, key=n.lower()) for n, t in facts.items()]
    children.append(Node(PAYLOAD, key=PAYLOAD.lower(), payload=payload))
    return Node("Attachment", key="attachment", children=children)
