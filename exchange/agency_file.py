"""agency_file — tệp danh bạ: a whole directory as CSV or JSON, byte-stable, so that it can be sealed and compared.

One agency is one line, lines stand by code, empty fields of JSON are left out,
UTF-8 without a byte-order mark, LF. Reading is strict: what a spreadsheet or a
hostile hand could slip in (formulas, NUL, another encoding, a code twice) is
refused with its line, never repaired. What a directory says about this hub's own
way of delivering (`mode`, `endpoint`, `strict`) and certificates are not in it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from exchange.agency import Agency, AgencyStatus, check_code
from exchange.directory_errors import DirectoryConflict, DirectoryRow, DirectoryUnreadable
from exchange.errors import InvalidField

FORMAT = 1
MARK = "vanthu-directory"
FIELDS = ("code", "name", "status", "parent", "legacy_code", "aliases", "successor", "valid_from", "valid_until", "gateway", "hub")
CODES = ("parent", "legacy_code", "successor", "gateway", "hub")
LARGEST = 256 * 1024 * 1024
MOST = 1_000_000
LONGEST_NAME = 200  # OrganName (edxml.md 3.6)
MOST_ALIASES = 16
_ISSUER = re.compile(r"[0-9A-Za-z][0-9A-Za-z.\-]{0,199}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_STATUS = {"": AgencyStatus.OPEN} | {status.value: status for status in AgencyStatus}
_EMPTY = dict.fromkeys(FIELDS, "")
_FORMULA = ("=", "+", "-", "@")
_BOMS = ((b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


@dataclass(frozen=True, slots=True)
class Listing:
    """What a directory file says: who issued it, its running number, and the agencies by code."""

    issuer: str
    version: int
    agencies: tuple[Agency, ...]


def ordered(agencies: Iterable[Agency]) -> tuple[Agency, ...]:
    """By code, as files and comparisons want them."""
    return tuple(sorted(agencies, key=lambda agency: agency.code))


def facts_of(agency: Agency) -> dict[str, str]:
    """What a file says of an agency, by field; "" for what it does not say."""
    return {
        "code": agency.code,
        "name": agency.name,
        "status": "" if agency.status is AgencyStatus.OPEN else agency.status.value,
        "parent": agency.parent,
        "legacy_code": agency.legacy_code,
        "aliases": " ".join(agency.aliases),
        "successor": agency.successor,
        "valid_from": agency.valid_from.isoformat() if agency.valid_from else "",
        "valid_until": agency.valid_until.isoformat() if agency.valid_until else "",
        "gateway": agency.gateway,
        "hub": agency.hub,
    }


def write_json(listing: Listing) -> bytes:
    """The file as JSON, one agency per line; the same listing always gives the same bytes."""
    head = f'{{"{MARK}":{FORMAT},"issuer":{json.dumps(listing.issuer)},"version":{listing.version},"agencies":['
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    lines = [encode({name: value for name, value in facts_of(a).items() if value}) for a in ordered(listing.agencies)]
    return (head + ("\n" + ",\n".join(lines) + "\n" if lines else "") + "]}\n").encode()


def write_csv(listing: Listing) -> bytes:
    """The file as CSV: a line saying what it is, the names of the columns, then one agency per line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((MARK, FORMAT, listing.issuer, listing.version))
    writer.writerow(FIELDS)
    writer.writerows(tuple(facts_of(a).values()) for a in ordered(listing.agencies))
    return out.getvalue().encode()


def content_sha256(agencies: Iterable[Agency]) -> str:
    """Digest of what the rows say, whatever the format, issuer and version."""
    return hashlib.sha256(write_json(Listing("-", 0, tuple(agencies)))).hexdigest()


def read_listing(data: bytes) -> Listing:
    """The listing in a JSON or CSV file.

    Raises:
        DirectoryUnreadable: not such a file, another encoding, or over a limit.
        DirectoryRow: a row has an unusable value. DirectoryConflict: a code twice.
    """
    text = _decoded(data)
    rows = _json_rows(text) if text.startswith("{") else _csv_rows(text)
    issuer, version = next(rows)
    seen: dict[str, Agency] = {}
    for place, row in rows:
        agency = _agency(row, place)
        if agency.code in seen:
            raise DirectoryConflict(f"{agency.code}: twice", place=place)
        seen[agency.code] = agency
        if len(seen) > MOST:
            raise DirectoryUnreadable(f"more than {MOST} agencies")
    return Listing(_issuer(issuer), _version(version), ordered(seen.values()))


def _decoded(data: bytes) -> str:
    if len(data) > LARGEST:
        raise DirectoryUnreadable(f"{len(data)} > {LARGEST} bytes")
    for mark, name in _BOMS:
        if data.startswith(mark):
            raise DirectoryUnreadable(f"byte-order mark of {name}; UTF-8 without one is wanted", place="byte 0")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DirectoryUnreadable(f"not UTF-8: 0x{data[error.start]:02x}", place=f"line {line}, byte {error.start}") from error
    if "\0" in text:
        raise DirectoryUnreadable("NUL", place=f"line {text.count(chr(10), 0, text.index(chr(0))) + 1}")
    return text


def _json_rows(text: str) -> Iterator[Any]:
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DirectoryUnreadable(f"not JSON: {error}"[:200]) from error
    if not isinstance(value, dict) or list(value) != [MARK, "issuer", "version", "agencies"]:
        raise DirectoryUnreadable(f"the members are {MARK}, issuer, version and agencies, in this order")
    if type(value[MARK]) is not int or value[MARK] != FORMAT or not isinstance(value["agencies"], list):
        raise DirectoryUnreadable(f"format {value[MARK]!r}"[:60], place=MARK)
    yield value["issuer"], value["version"]
    for number, row in enumerate(value["agencies"], 1):
        place = f"agencies[{number}]"
        if not isinstance(row, dict) or not all(isinstance(item, str) for item in row.values()):
            raise DirectoryRow("an object of strings is wanted", place=place)
        unknown = [name for name in row if name not in FIELDS]
        if unknown:
            raise DirectoryRow(f"unknown field {unknown[0][:40]!r}", place=place)
        yield place, row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member twice")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _csv_rows(text: str) -> Iterator[Any]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head, columns = next(reader, []), next(reader, [])
        if len(head) != 4 or head[0] != MARK or head[1] != str(FORMAT):
            raise DirectoryUnreadable(f"the first line is {MARK},{FORMAT},ISSUER,VERSION", place="line 1")
        if tuple(columns) != FIELDS:
            raise DirectoryUnreadable("the columns are " + ",".join(FIELDS), place="line 2")
        yield head[2], int(head[3]) if head[3].isascii() and head[3].isdigit() and len(head[3]) < 19 else head[3]
        for row in reader:
            place = f"line {reader.line_num}"
            if len(row) != len(FIELDS):
                raise DirectoryRow(f"{len(row)} fields instead of {len(FIELDS)}", place=place)
            yield place, dict(zip(FIELDS, row, strict=True))
    except csv.Error as error:
        raise DirectoryUnreadable(f"not CSV: {error}", place=f"line {reader.line_num}") from error


def _issuer(value: Any) -> str:
    if not isinstance(value, str) or not _ISSUER.fullmatch(value):
        raise DirectoryUnreadable("letters, digits, dots and hyphens", place="issuer")
    return value


def _version(value: Any) -> int:
    if type(value) is not int or not 1 <= value < 1 << 53:
        raise DirectoryUnreadable("a whole number from 1", place="version")
    return value


def _agency(row: dict[str, str], place: str) -> Agency:
    value = row if len(row) == len(FIELDS) else {**_EMPTY, **row}
    code = value["code"]
    aliases = tuple(value["aliases"].split(" ")) if value["aliases"] else ()
    try:
        check_code(code, place="code")
        for name in CODES:
            if value[name]:
                check_code(value[name], place=name)
        for alias in aliases:
            check_code(alias, place="aliases")
        agency = Agency(
            code=code,
            name=check_name(value["name"]),
            status=_status(value["status"]),
            parent=value["parent"],
            legacy_code=value["legacy_code"],
            successor=value["successor"],
            aliases=aliases,
            valid_from=day(value["valid_from"], place="valid_from"),
            valid_until=day(value["valid_until"], place="valid_until"),
            gateway=value["gateway"],
            hub=value["hub"],
        )
        return check_facts(agency)
    except (InvalidField, DirectoryRow) as error:
        shown = code if code.isascii() and code.isprintable() else ascii(code)
        raise DirectoryRow(f"{shown[:40]}: {error.detail}"[:200], place=f"{place}, {error.place}") from error


def check_name(name: str) -> str:
    """Return `name` when it may stand in a directory.

    Raises:
        DirectoryRow: empty, longer than 200 characters, not NFC, stray spaces, control or damaged characters, a formula.
    """
    if not 1 <= len(name) <= LONGEST_NAME:
        raise DirectoryRow(f"1 to {LONGEST_NAME} characters, not {len(name)}", place="name")
    if name.startswith(_FORMULA):
        raise DirectoryRow(f"begins like a formula: {name[0]!r}", place="name")
    if "\ufffd" in name or not name.isprintable():
        raise DirectoryRow(f"control or damaged character: {ascii(name)[:60]}", place="name")
    if name != " ".join(name.split()):
        raise DirectoryRow("spaces at an end, or two together", place="name")
    if not unicodedata.is_normalized("NFC", name):
        raise DirectoryRow("not in normalisation form NFC", place="name")
    return name


def tidy_name(name: str) -> str:
    """A name typed by hand, in the form that files want: NFC, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def check_facts(agency: Agency) -> Agency:
    """Return `agency` when its fields agree with one another.

    Raises:
        DirectoryRow: refers to itself, ends before it begins, or names a successor though it goes on.
    """
    code = agency.code
    if code in (agency.parent, agency.successor, agency.gateway, agency.legacy_code):
        raise DirectoryRow("the agency itself", place=next(n for n in ("parent", "successor", "gateway", "legacy_code") if getattr(agency, n) == code))
    names, aliases = (agency.code, agency.legacy_code, *agency.aliases), agency.aliases
    if aliases and (len(aliases) > MOST_ALIASES or len(set(names)) != len(names) or list(aliases) != sorted(aliases)):
        raise DirectoryRow(f"at most {MOST_ALIASES} different codes, in order", place="aliases")
    if agency.valid_from and agency.valid_until and agency.valid_until < agency.valid_from:
        raise DirectoryRow("ends before it begins", place="valid_until")
    if agency.successor and agency.status is not AgencyStatus.CLOSED and agency.valid_until is None:
        raise DirectoryRow("a successor of an agency that neither is closed nor ends", place="successor")
    return agency


def _status(text: str) -> AgencyStatus:
    if text not in _STATUS:
        raise DirectoryRow("open, locked or closed", place="status")
    return _STATUS[text]


def day(text: str, *, place: str) -> date | None:
    """The day in ``YYYY-MM-DD``; None for "".

    Raises:
        DirectoryRow: not such a day.
    """
    if not text:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError("YYYY-MM-DD is wanted")
        return date.fromisoformat(text)
    except ValueError as error:
        raise DirectoryRow(f"{ascii(text)[:20]}: {error}"[:80], place=place) from error
