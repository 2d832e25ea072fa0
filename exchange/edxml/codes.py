"""codes — code lists and lengths of edXML, from the data file with its sources and confidence."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from exchange.edxml.values import nfc

ORGAN_CODE = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.\-]{0,33}[0-9A-Za-z])?", re.ASCII)  # everything seen (edxml.md 4.2)

CONFIDENCES = frozenset({"law", "seen", "known", "inferred", "reported", "uncertain", "mixed"})


@cache
def lists() -> dict[str, Any]:
    """The whole file schemas/codelists.json."""
    found: dict[str, Any] = json.loads((files("schemas") / "codelists.json").read_text(encoding="utf-8"))
    return found


@cache
def longest(name: str) -> int:
    """Greatest length of a field in characters; of OrganId that of SĐ1:2022."""
    value = lists()["field_max_length"][name]
    return int(value["2022"] if isinstance(value, dict) else value)


@cache
def status_codes() -> dict[str, tuple[str, str]]:
    """Status code → (Vietnamese, English)."""
    return {row["code"]: (row["vi"], row["en"]) for row in lists()["status_codes"]}


@cache
def type_names() -> frozenset[str]:
    """Names of the document types of NĐ 30/2020, NFC, case-folded, without remarks in brackets."""
    return frozenset(nfc(row["name"]).casefold().partition(" (")[0].strip() for row in lists()["document_type_names_nd30"])


def is_known_type(name: str) -> bool:
    """Whether a TypeName is one of NĐ 30/2020; the name is the only reliable field of DocumentType (edxml.md 3.4)."""
    return nfc(name).casefold().strip() in type_names()


@cache
def about() -> dict[str, dict[str, str]]:
    """Of each list: what it is (``vi``, ``en``), its ``source``, and how sure it is (`CONFIDENCES`)."""
    found: dict[str, dict[str, str]] = lists()["_about"]
    return found


def rows_of(name: str) -> list[dict[str, Any]]:
    """The rows of a list, whatever its shape in the file."""
    value = lists()[name]
    if isinstance(value, list):
        return value
    rows: list[dict[str, Any]] = []
    for code, item in value.items():
        if isinstance(item, dict):
            rows.append({"code": code, **item})
        else:
            rows.append({"code": code, "value": ", ".join(item) if isinstance(item, list) else item})
    return rows
