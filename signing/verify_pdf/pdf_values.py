"""pdf_values — questions about parsed values that the rules for later changes ask."""

from __future__ import annotations

from signing.verify_pdf.pdf_objects import Name, Ref, Stream, Word

_EXTENSION_KEYS = {b"Type", b"BaseVersion", b"ExtensionLevel", b"ExtensionRevision", b"URL"}


def references_of(value: object) -> list[Ref]:
    """Every reference in a value, the dictionary of a stream included."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, Stream):
        value = value.dict
    if isinstance(value, dict):
        return [r for item in value.values() for r in references_of(item)]
    if isinstance(value, list):
        return [r for item in value for r in references_of(item)]
    return []


def is_empty_box(rect: object) -> bool:
    """A rectangle without area, as an invisible widget has."""
    return isinstance(rect, list) and len(rect) == 4 and rect[0] == rect[2] and rect[1] == rect[3]


def is_text(value: object) -> bool:
    """A string, and neither a name nor a keyword."""
    return isinstance(value, bytes) and not isinstance(value, (Name, Word))


def is_extension(value: object) -> bool:
    """A developer extension of ISO 32000-2 7.12 and nothing else: plain values under the keys that it has, or its /Type."""
    if isinstance(value, list):
        return all(isinstance(item, dict) and is_extension(item) for item in value)
    if not isinstance(value, dict):
        return isinstance(value, Name)
    return not set(value) - _EXTENSION_KEYS and all(isinstance(v, (bytes, int, float)) for v in value.values())
