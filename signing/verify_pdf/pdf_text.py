"""pdf_text — text strings of a PDF (ISO 32000-2 clause 7.9.2.2) as Python text."""

from __future__ import annotations

from signing.verify_pdf.pdf_objects import Name


def text_string(value: object) -> str:
    """UTF-16BE or UTF-8 with their marks, else one byte a character; "" for what is no string."""
    if not isinstance(value, bytes) or isinstance(value, Name):
        return ""
    if value.startswith(b"\xfe\xff"):
        return value[2:].decode("utf-16-be", "replace")
    if value.startswith(b"\xef\xbb\xbf"):
        return value[3:].decode("utf-8", "replace")
    return value.decode("latin-1")
