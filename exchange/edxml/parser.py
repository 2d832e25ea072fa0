"""parser — the hardened streaming reader under everything in edxml.

Expat is used rather than lxml because the payload is one text node of any
size: it is handed over in chunks, decoded and written to a file as it comes, so
memory stays flat. No DTD, no entity, no external reference, UTF-8 only.
Namespaces are not resolved: senders use every prefix, or none, or undeclared
ones; elements are matched by local name and the root's namespace is checked.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

import pybase64

from exchange.errors import DamagedAttachment, ForbiddenXml, MissingField, NotEdxml, NotXml, TooLarge

PAYLOAD = "ContentTransferEncoded"
NAMESPACES = frozenset({"http://www.mic.gov.vn/TBT/QCVN_102_2016", "http://www.e-doc.vn/Schema/", "http://www.go.vn/eDoc", ""})
ROOTS = frozenset({"edxml", "edxmlenvelope"})
_CHUNK = 256 * 1024
_REPLACEMENT = b"\xef\xbf\xbd"
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a package may be: bytes, depth, elements, characters outside payloads, attachments."""

    size: int = 2 * 1024**3
    depth: int = 64
    elements: int = 20_000
    text: int = 4_000_000
    attachments: int = 1000


@dataclass(slots=True)
class Node:
    """One element: local name, own text, children. `payload` is set on payload elements."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)
    payload: Payload | None = None

    def find(self, path: str) -> Node | None:
        """First descendant along `path` of local names (case ignored)."""
        node: Node | None = self
        for step in path.split("/"):
            node = next((c for c in node.children if c.name.lower() == step.lower()), None) if node else None
        return node

    def all(self, name: str) -> Iterator[Node]:
        """Children of that local name."""
        return (c for c in self.children if c.name.lower() == name.lower())

    def value(self, path: str) -> str:
        """Stripped text along `path`, "" when absent."""
        node = self.find(path)
        return node.text.strip() if node is not None else ""


@dataclass(slots=True)
class Payload:
    """A decoded attachment body in a file."""

    path: Path
    size: int
    sha256: str
    head: bytes
    replacements: int


class _Decoder:
    """Base64 text in, bytes on disk out."""

    def __init__(self, path: Path, number: int) -> None:
        self.path, self.place = path, f"AttachmentEncoded/Attachment[{number}]/{PAYLOAD}"
        self._file: IO[bytes] = path.open("wb")
        self._hash, self._rest, self._size, self._head = hashlib.sha256(), b"", 0, b""
        self._replacements, self._padded, self._tail = 0, False, b""

    def feed(self, text: str) -> None:
        try:
            data = text.encode("ascii").translate(None, _SPACE)
        except UnicodeEncodeError as error:
            raise DamagedAttachment("not base64", place=self.place) from error
        data = self._rest + data
        cut = len(data) - len(data) % 4
        self._rest = data[cut:]
        if cut:
            self._decode(data[:cut])

    def _decode(self, data: bytes) -> None:
        if self._padded:
            raise DamagedAttachment("base64 goes on after its padding", place=self.place)
        try:
            decoded = pybase64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DamagedAttachment("not base64", place=self.place) from error
        self._padded = data.endswith(b"=")
        self._hash.update(decoded)
        self._size += len(decoded)
        if len(self._head) < 512:
            self._head += decoded[: 512 - len(self._head)]
        self._replacements += (self._tail + decoded).count(_REPLACEMENT)
        self._tail = decoded[-2:]
        self._file.write(decoded)

    def close(self) -> Payload:
        self._file.close()
        if self._rest:
            raise DamagedAttachment("base64 is cut short", place=self.place)
        return Payload(self.path, self._size, self._hash.hexdigest(), self._head, self._replacements)

    def abandon(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class Reader:
    """Builds the element tree of one document; payloads go to files in `workdir` (None: refused)."""

    def __init__(self, limits: Limits, workdir: Path | None) -> None:
        self._limits, self._workdir = limits, workdir
        self._stack: list[Node] = []
        self._texts: list[list[str]] = []
        self._decoder: _Decoder | None = None
        self._elements = self._characters = self._size = self._payloads = 0
        self.root: Node | None = None
        self.namespace = ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = _CHUNK
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.ProcessingInstructionHandler = self._instruction
        self._parser.XmlDeclHandler = self._declaration

    def feed(self, data: bytes, *, final: bool) -> None:
        """Take the next bytes of the document.

        Raises:
            EnvelopeError: refused.
        """
        if self._size == 0 and (data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]):
            raise NotXml("only UTF-8 is accepted", place="1:1")
        self._size += len(data)
        if self._size > self._limits.size:
            raise TooLarge(f"more than {self._limits.size} bytes")
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, "syntax")
            raise NotXml(reason, place=f"{error.lineno}:{error.offset + 1}") from error
        except (ValueError, UnicodeError) as error:
            raise NotXml(str(error)[:100]) from error

    def abandon(self) -> None:
        """Let go of a half-written payload."""
        if self._decoder is not None:
            self._decoder.abandon()

    def _doctype(self, *_: Any) -> None:
        raise ForbiddenXml("DOCTYPE", place=f"{self._parser.CurrentLineNumber}:1")

    def _instruction(self, target: str, _data: str) -> None:
        raise ForbiddenXml(f"<?{target[:30]}", place=f"{self._parser.CurrentLineNumber}:1")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise NotXml(f"encoding {encoding[:20]}: only UTF-8 is accepted", place="1:1")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        prefix, _, local = name.rpartition(":")
        self._elements += 1
        if self._elements > self._limits.elements or len(self._stack) >= self._limits.depth:
            raise TooLarge("too many or too deep elements", place=self._path())
        if self._decoder is not None:
            raise DamagedAttachment("element inside base64", place=self._path())
        if local == "include" and any("XInclude" in v for v in attributes.values()) or name in ("xi:include", "xinclude:include"):
            raise ForbiddenXml("XInclude", place=self._path())
        if not self._stack:
            self.namespace = attributes.get(f"xmlns:{prefix}" if prefix else "xmlns", "")
            if local.lower() not in ROOTS or self.namespace not in NAMESPACES:
                raise NotEdxml(f"{{{self.namespace[:60]}}}{local[:40]}", place="/")
        node = Node(local)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node
        self._stack.append(node)
        self._texts.append([])
        if local.lower() == PAYLOAD.lower():
            self._payloads += 1
            if self._workdir is None or self._payloads > self._limits.attachments:
                raise TooLarge("attachments", place=self._path())
            self._decoder = _Decoder(self._workdir / f"attachment-{self._payloads}", self._payloads)

    def _end(self, _name: str) -> None:
        node, texts = self._stack.pop(), self._texts.pop()
        if self._decoder is not None:
            node.payload, self._decoder = self._decoder.close(), None
        else:
            node.text = "".join(texts)

    def _text(self, data: str) -> None:
        if self._decoder is not None:
            self._decoder.feed(data)
            return
        self._characters += len(data)
        if self._characters > self._limits.text:
            raise TooLarge("text outside attachments", place=self._path())
        if self._texts:
            self._texts[-1].append(data)

    def _path(self) -> str:
        return "/".join(node.name for node in self._stack)[:200]


def parse_file(path: Path, limits: Limits, workdir: Path | None) -> Reader:
    """Read a whole file through a `Reader`, in chunks."""
    reader = Reader(limits, workdir)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                reader.feed(chunk, final=False)
        reader.feed(b"", final=True)
    except BaseException:
        reader.abandon()
        raise
    return reader


def parse_bytes(data: bytes, limits: Limits) -> Reader:
    """Read a small document from memory; payloads are refused."""
    reader = Reader(limits, None)
    reader.feed(data, final=True)
    return reader


def header_of(reader: Reader) -> tuple[Node, Node]:
    """(edXMLHeader, MessageHeader) of a parsed document.

    Raises:
        MissingField: there is none.
    """
    root = reader.root
    envelope = root if root is not None and root.name.lower() == "edxmlenvelope" else root.find("edXMLEnvelope") if root else None
    header = envelope.find("edXMLHeader") if envelope else None
    message = header.find("MessageHeader") if header else None
    if header is None or message is None:
        raise MissingField("MessageHeader", place="edXMLEnvelope/edXMLHeader/MessageHeader")
    return header, message
