"""hostile_packages — gói tin độc hại: good packages made bad, each of which everybody must refuse."""

from __future__ import annotations

import gzip

from exchange.conformance.parties import with_doctype

PARTS = 10_000
_MARK = b"mo-phong"


def many_attachments(package: bytes) -> bytes:
    """10,000 more attachments of one byte."""
    one = b"<Attachment><AttachmentName>a.pdf</AttachmentName><ContentTransferEncoded>QQ==</ContentTransferEncoded></Attachment>"
    return package.replace(b"</AttachmentEncoded>", one * PARTS + b"</AttachmentEncoded>")


def many_parts() -> bytes:
    """A SOAP message with 10,000 MIME parts (the oldest way to carry attachments)."""
    head = b"Content-Type: multipart/related; boundary=" + _MARK + b"\r\n\r\n--" + _MARK + b"\r\nContent-Type: text/xml\r\n\r\n<Envelope/>\r\n"
    return head + (b"--" + _MARK + b"\r\nContent-Id: <a>\r\n\r\nQ\r\n") * PARTS + b"--" + _MARK + b"--\r\n"


def many_form_parts() -> tuple[str, bytes]:
    """(content type, body) of a form with 10,000 fields."""
    one = b"--" + _MARK + b'\r\nContent-Disposition: form-data; name="messageType"\r\n\r\nedoc\r\n'
    return f"multipart/form-data; boundary={_MARK.decode()}", one * PARTS + b"--" + _MARK + b"--\r\n"


def bombs(package: bytes) -> dict[str, bytes]:
    """What unfolds in a careless parser, by name."""
    start, rest = package.split(b"?>", 1)
    laughs = b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x%d;" % (n - 1) * 10) for n in range(1, 9))
    at = package.index(b"<edXML:Subject>") if b"<edXML:Subject>" in package else package.rindex(b"</")
    return {
        "DOCTYPE": with_doctype(package),
        "entities": start + b'?><!DOCTYPE edXML [<!ENTITY x0 "ha">' + laughs + b"]>" + rest,
        "depth 100000": package[:at] + b"<a>" * 100_000 + package[at:],
        "10^6 elements": package[:at] + b"<a/>" * 1_000_000 + package[at:],
        "XInclude": package[:at] + b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"/>' + package[at:],
        "UTF-16": package.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        "NUL": package[:at] + b"\x00" + package[at:],
        "lone surrogate": package[:at] + b"\xed\xa0\x80" + package[at:],
    }


def folded(size: int) -> bytes:
    """`size` zero bytes, compressed a thousandfold."""
    return gzip.compress(bytes(size), 6)
