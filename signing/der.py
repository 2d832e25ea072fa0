"""der — strict reading of DER (X.690): definite minimal lengths, nothing left over.

Small and quick: a value is a slice of the bytes it came from, so what was signed
is hashed as it stood, never re-encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from signing.errors import NotDer

SEQUENCE, SET, OCTETS, OID, INTEGER, BOOLEAN = 0x30, 0x31, 0x04, 0x06, 0x02, 0x01


@dataclass(frozen=True, slots=True)
class Tlv:
    """One value: its `tag` byte and where header, content and end lie in `data`."""

    data: bytes
    tag: int
    start: int
    content: int
    end: int

    @property
    def raw(self) -> bytes:
        """Tag, length and content as they stand."""
        return self.data[self.start : self.end]

    @property
    def body(self) -> bytes:
        """The content."""
        return self.data[self.content : self.end]

    def expect(self, tag: int) -> Tlv:
        """This value, when it has `tag`.

        Raises:
            NotDer: it has another.
        """
        if self.tag != tag:
            raise NotDer(f"tag {self.tag:#x} where {tag:#x} is wanted at {self.start}")
        return self

    def children(self) -> list[Tlv]:
        """The values inside a constructed one.

        Raises:
            NotDer: primitive, or the parts do not fill it exactly.
        """
        if not self.tag & 0x20:
            raise NotDer(f"primitive value at {self.start}")
        found, at = [], self.content
        while at < self.end:
            item = read(self.data, at, self.end)
            found.append(item)
            at = item.end
        return found

    def integer(self) -> int:
        """Value of an INTEGER."""
        body = self.expect(INTEGER).body
        if not body or (len(body) > 1 and ((body[0] == 0 and body[1] < 0x80) or (body[0] == 0xFF and body[1] >= 0x80))):
            raise NotDer("integer is not minimal")
        return int.from_bytes(body, "big", signed=True)


def read(data: bytes, at: int = 0, limit: int | None = None) -> Tlv:
    """The value at `at`; it ends at or before `limit`.

    Raises:
        NotDer: truncated, indefinite or non-minimal length, or a multi-byte tag.
    """
    limit = len(data) if limit is None else limit
    if at + 2 > limit or data[at] & 0x1F == 0x1F:
        raise NotDer(f"no value at {at}")
    size, content = data[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or content + count > limit:
            raise NotDer(f"length at {at}")
        size = int.from_bytes(data[content : content + count], "big")
        if size < 0x80 or (count > 1 and data[content] == 0):
            raise NotDer(f"length at {at} is not minimal")
        content += count
    if content + size > limit:
        raise NotDer(f"value at {at} is cut short")
    return Tlv(data, data[at], at, content, content + size)


def whole(data: bytes) -> Tlv:
    """The one value that `data` is.

    Raises:
        NotDer: malformed, or followed by anything.
    """
    item = read(data)
    if item.end != len(data):
        raise NotDer("bytes after the value")
    return item


def size_of(data: bytes) -> int:
    """Size of the value at the start of `data`, when its length is definite; else all of it."""
    try:
        return read(data).end
    except NotDer:
        return len(data)
