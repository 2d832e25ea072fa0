"""parser — the hardened streaming reader under everything in edxml.

Expat is used rather than lxml because a payload is one text node of any size.
Markup goes through Expat; the base64 between a payload's tags goes straight to
the decoder, so memory stays flat and no character is handled one by one. No
DTD, entity, processing instruction or XInclude, UTF-8 only. Elements are
matched by local name; prefixes may be any, none or undeclared, but an element
whose declared namespace is not one of edXML's is foreign: kept, never believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from exchange.edxml.payload import PAYLOAD, Decoder, Payload
from exchange.errors import ForbiddenXml, MissingField, NotEdxml, NotXml, TooLarge

QCVN = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
EDOC = "http://www.e-doc.vn/Schema/"
GOVN = "http://www.go.vn/eDoc"
SOAP = frozenset({"http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"})
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
NAMESPACES = frozenset({QCVN, EDOC, EDOC.rstrip("/"), GOVN, ""})
XINCLUDE = ("http://www.w3.org/2001/XInclude", "http://www.w3.org/2003/XInclude")
ROOTS = frozenset({"edxml", "edxmlenvelope"})
_XML_PREFIXES = frozenset({"", "xml"})
_CHUNK = 256 * 1024
_TOKEN = 1 << 20  # one tag or comment: Expat holds it whole, so it must be small
_TAG = PAYLOAD.encode()
_HOLD = 4096  # a tag cut by the end of a chunk waits for its rest when it is shorter than this


@dataclass(frozen=True, slots=True)
class Limits:
    """What a package may be: bytes, depth, elements, characters outside payloads, attachments,
    bytes of all unwrapped ZIP entries together."""

    size: int = 2 * 1024**3
    depth: int = 64
    elements: int = 20_000
    text: int = 4_000_000
    attachments: int = 1000
    unwrapped: int = 2 * 1024**3


@dataclass(slots=True)
class Node:
    """One element: local name, own text, children, attributes as written.

    `key` is the name in lower case. `payload` is set on payload elements. `foreign`
    means a declared namespace that is not edXML's; `split`, a comment inside its text.
    """

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)
    payload: Payload | None = None
    prefix: str = ""
    foreign: bool = False
    split: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    key: str = ""

    def find(self, path: str) -> Node | None:
        """First descendant along `path` of local names (case ignored), foreign ones left out."""
        node: Node | None = self
        for step in path.lower().split("/"):
            node = next((c for c in node.children if c.key == step and not c.foreign), None) if node else None
        return node

    def all(self, name: str) -> Iterator[Node]:
        """Children of that local name."""
        key = name.lower()
        return (c for c in self.children if c.key == key and not c.foreign)

    def value(self, path: str) -> str:
        """Stripped text along `path`, "" when absent."""
        node = self.find(path)
        return node.text.strip() if node is not None else ""


class Reader:
    """Builds the element tree of one document; payloads go to files in `workdir` (None: refused)."""

    def __init__(self, limits: Limits, workdir: Path | None) -> None:
        self._limits, self._workdir = limits, workdir
        self._stack: list[Node] = []
        self._texts: list[list[str]] = []
        self._scopes: list[dict[str, str]] = [{}]
        self._decoder: Decoder | None = None
        self._raw, self._held, self._depth = False, b"", 0
        self._elements = self._characters = self._size = self._payloads = self._fed = self._skipped_lines = 0
        self.root: Node | None = None
        self.namespace = ""
        self.undeclared: dict[str, str] = {}  # prefix → where it was first met
        self.schema_location = ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = _CHUNK
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.CommentHandler = self._comment
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
            raise TooLarge(f"more than {self._limits.size} bytes", place=self._line())
        if self._held:
            data, self._held = self._held + data, b""
        at = 0
        while at < len(data):
            at = self._payload(data, at) if self._raw else self._markup(data, at, final)
        if final:
            self._parse(b"", True)

    def _payload(self, data: bytes, at: int) -> int:
        """Base64 up to the next tag, past Expat; a character reference hands the rest of it to Expat."""
        end = data.find(b"<", at)
        piece = data[at:end] if end >= 0 else data[at:]
        self._raw = end < 0 and b"&" not in piece
        if b"&" in piece:
            self._parse(piece, False)
        elif self._decoder is not None:
            if b"\n" in piece:
                self._skipped_lines += piece.count(b"\n")
            self._decoder.feed(piece)
        return at + len(piece)

    def _markup(self, data: bytes, at: int, final: bool) -> int:
        """What goes through Expat: up to the start tag of the next payload, or all there is."""
        found = data.find(_TAG, at)
        close = data.find(b">", found) if found >= 0 else -1
        end = close + 1 if close >= 0 else len(data)
        if close < 0 and not final and self._decoder is None:
            opening = data.rfind(b"<", at)
            if opening > data.rfind(b">", at) and len(data) - opening < _HOLD:
                end, self._held = opening, data[opening:]
        self._parse(data[at:end], False)
        # Only a start tag just ended leaves the decoder fresh: not a comment, CDATA or an end tag that spells the name.
        self._raw = close >= 0 and self._decoder is not None and self._decoder.fresh
        return len(data) if self._held else end

    def _parse(self, data: bytes, final: bool) -> None:
        self._fed += len(data)
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, "syntax")
            raise NotXml(reason, place=f"{error.lineno + self._skipped_lines}:{error.offset + 1}") from error
        except (ValueError, UnicodeError) as error:
            raise NotXml(str(error)[:100], place=self._line()) from error
        if self._fed - self._parser.CurrentByteIndex > _TOKEN:
            raise TooLarge(f"one tag or comment of more than {_TOKEN} bytes", place=self._line())

    @property
    def parsed(self) -> int:
        """Bytes that went through Expat: markup and header texts, not the payloads."""
        return self._fed

    def abandon(self) -> None:
        """Let go of a half-written payload."""
        if self._decoder is not None:
            self._decoder.abandon()

    def _doctype(self, *_: Any) -> None:
        raise ForbiddenXml("DOCTYPE", place=self._line())

    def _instruction(self, target: str, _data: str) -> None:
        raise ForbiddenXml(f"<?{target[:30]}", place=self._line())

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise NotXml(f"encoding {encoding[:20]}: only UTF-8 is accepted", place="1:1")

    def _comment(self, data: str) -> None:
        if self._stack:
            self._stack[-1].split = True
        if self._decoder is not None:
            self._decoder.damaged("comment inside base64")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        prefix, _, local = name.rpartition(":")
        self._elements += 1
        if self._elements > self._limits.elements or len(self._stack) >= self._limits.depth:
            raise TooLarge("too many or too deep elements", place=self._path())
        if self._decoder is not None:
            self._decoder.damaged("element inside base64")
        scope = self._attributes(attributes) if attributes else self._scopes[-1]
        self._scopes.append(scope)
        namespace = scope.get(prefix)
        if namespace is None and prefix:
            if local.lower() == "include" or prefix in ("xi", "xinclude"):
                raise ForbiddenXml("XInclude", place=self._path())
            self.undeclared.setdefault(prefix, self._path())
        if namespace in XINCLUDE:
            raise ForbiddenXml("XInclude", place=self._path())
        node = Node(local, prefix=prefix, attributes=attributes, key=local.lower())
        if self._stack:
            parent = self._stack[-1]
            node.foreign = parent.foreign or namespace is not None and not _known(namespace, node.key)
            parent.children.append(node)
        else:
            self._root(node, namespace or "")
        self._stack.append(node)
        self._texts.append([])
        if self._is_payload(node):
            self._open()

    def _attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """Counts them, and gives the namespaces in force."""
        self._characters += sum(len(n) + len(v) for n, v in attributes.items())
        self._count()
        scope = self._scopes[-1]
        for name, value in attributes.items():
            prefix, colon, local = name.rpartition(":")
            if name == "xmlns" or prefix == "xmlns":
                scope = {**scope, local if colon else "": value}
            elif local in ("schemaLocation", "noNamespaceSchemaLocation"):
                self.schema_location = self.schema_location or self._path() or "/"
        for name in attributes:
            prefix = name.rpartition(":")[0]
            if prefix not in scope and prefix not in _XML_PREFIXES and prefix != "xmlns":
                self.undeclared.setdefault(prefix, self._path())
        return scope

    def _root(self, node: Node, namespace: str) -> None:
        self.root, self.namespace = node, namespace
        if not (node.key in ROOTS and namespace in NAMESPACES or node.key == "envelope" and (namespace in SOAP or namespace in NAMESPACES)):
            raise NotEdxml(f"{{{namespace[:60]}}}{node.name[:40]}", place="/")

    def _is_payload(self, node: Node) -> bool:
        """ContentTransferEncoded anywhere; `value` (CV 2803) and `Content` (go.vn) inside an Attachment."""
        if self._decoder is not None or node.foreign:
            return False
        if node.key == PAYLOAD.lower():
            return True
        inside = len(self._stack) > 1 and self._stack[-2].key == "attachment"
        return inside and node.key == {GOVN: "content"}.get(self.namespace, "value")

    def _open(self) -> None:
        self._payloads += 1
        if self._workdir is None or self._payloads > self._limits.attachments:
            raise TooLarge("attachments", place=self._path())
        self._depth = len(self._stack) - 1
        self._decoder = Decoder(self._workdir / f"attachment-{self._payloads}")

    def _end(self, _name: str) -> None:
        node, texts = self._stack.pop(), self._texts.pop()
        self._scopes.pop()
        if self._decoder is not None:
            if len(self._stack) == self._depth:  # not an element inside the payload
                node.payload, self._decoder, node.split = self._decoder.close(), None, False
            return
        node.text = "".join(texts)
        node.split = node.split and not node.children and bool(node.text.strip())

    def _text(self, data: str) -> None:
        if self._decoder is not None:
            self._decoder.text(data)
            return
        self._characters += len(data)
        self._count()
        if self._texts:
            self._texts[-1].append(data)

    def _count(self) -> None:
        if self._characters > self._limits.text:
            raise TooLarge("text outside attachments", place=self._path() or "/")

    def _line(self) -> str:
        return f"{self._parser.CurrentLineNumber + self._skipped_lines}:{self._parser.CurrentColumnNumber + 1}"

    def _path(self) -> str:
        return "/".join(node.name for node in self._stack)[:200]


def _known(namespace: str, key: str) -> bool:
    return namespace in NAMESPACES or namespace in SOAP or namespace == XMLDSIG and key == "signature"


def parse_file(path: Path, limits: Limits, workdir: Path | None) -> Reader:
    """Read a whole file through a `Reader`, in chunks.

    Raises:
        EnvelopeError: refused; nothing half-written is left.
    """
    with path.open("rb") as file:
        return parse_stream(file, limits, workdir)


def parse_stream(file: IO[bytes], limits: Limits, workdir: Path | None) -> Reader:
    """Read an open file to its end through a `Reader`."""
    reader = Reader(limits, workdir)
    try:
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


def parts_of(reader: Reader) -> tuple[Node, Node]:
    """(the element that holds the headers, MessageHeader), in any dialect's nesting.

    Raises:
        MissingField: there is none.
    """
    root = reader.root
    envelope = root.find("edXMLEnvelope") if root is not None and root.key == "edxml" else root
    for node in (n for n in (envelope, root) if n is not None):
        for header in (node.find("edXMLHeader"), node.find("Header"), node):
            message = header.find("MessageHeader") if header is not None else None
            if header is not None and message is not None:
                return header, message
    raise MissingField("MessageHeader", place="edXMLEnvelope/edXMLHeader/MessageHeader")
