"""anchors — gốc tin cậy: anchors with what each is trusted for, as read from a trust folder.

``anchors/*.pem`` (official), ``anchors/official|public|foreign|timestamp/``, terms for
single files in ``anchors.toml``, and imported trust lists in ``lists/*.json``.
TT 17/2025: several roots with different scopes stand beside each other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

SCOPES = ("official", "public", "foreign", "timestamp")
USES = ("sign", "timestamp")
HANOI = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class AnchorTerms:
    """What the anchor whose DER has `sha256` (lower hex) is trusted for.

    `scope`: ``official`` (chuyên dùng công vụ), ``public``, ``foreign`` or ``timestamp``.
    `uses` are among ``sign`` and ``timestamp``. `trusted_from` (included) and
    `trusted_until` (excluded) bound the times judged, aware UTC. `source` names the trust
    list it comes from, `list_until` when a newer list was due.
    """

    sha256: str
    scope: str = "official"
    name: str = ""
    trusted_from: datetime | None = None
    trusted_until: datetime | None = None
    uses: tuple[str, ...] = USES
    source: str = ""
    list_until: datetime | None = None

    def holds(self, at: datetime, purpose: str) -> str:
        """Why the anchor does not count for `purpose` at `at`, "" when it does."""
        if purpose in USES and purpose not in self.uses:
            return f"anchor is not trusted to {purpose}"
        if self.trusted_from is not None and at < self.trusted_from:
            return f"anchor is trusted from {self.trusted_from.isoformat()}"
        if self.trusted_until is not None and at >= self.trusted_until:
            return f"anchor was trusted until {self.trusted_until.isoformat()}"
        return ""


def default_terms(sha256: str, scope: str = "official") -> AnchorTerms:
    """Terms of an anchor of which nothing is said."""
    return AnchorTerms(sha256, scope, uses=("timestamp",) if scope == "timestamp" else USES)


def read_anchors(folder: Path) -> tuple[tuple[bytes, ...], tuple[AnchorTerms, ...]]:
    """DER of all anchors of a trust folder, and their terms.

    Raises:
        OSError, ValueError: a file that cannot be read, or terms that make no sense.
    """
    stated = _stated(folder / "anchors.toml")
    ders: list[bytes] = []
    terms: list[AnchorTerms] = []
    for scope in ("", *SCOPES):
        for path in files(folder / "anchors" / scope):
            own = stated.pop(str(path.relative_to(folder)), None) or stated.pop(str(path.relative_to(folder / "anchors")), None)
            for der in read_certificates(path):
                ders.append(der)
                digest = hashlib.sha256(der).hexdigest()
                # Said in so many words, so that the terms of a list beside it do not replace it.
                terms.append(default_terms(digest, scope or "official") if own is None else _terms(digest, own, scope or "official"))
    if stated:
        raise ValueError(f"anchors.toml names files that are not there: {', '.join(sorted(stated))}")
    for path in files(folder / "lists"):
        if path.suffix == ".json":
            more, listed = read_list(path.read_bytes())
            ders += more
            terms += listed
    return tuple(dict.fromkeys(ders)), tuple(terms)


def _stated(path: Path) -> dict[str, Mapping[str, Any]]:
    if not path.exists():
        return {}
    found = {}
    for entry in tomllib.loads(path.read_text("utf-8")).get("anchor", ()):
        if not isinstance(entry.get("file"), str):
            raise ValueError("anchors.toml: an [[anchor]] without file")
        unknown = set(entry) - {"file", "scope", "name", "not_before", "until", "uses"}
        if unknown:
            raise ValueError(f"anchors.toml: {entry['file']}: {', '.join(sorted(unknown))}")
        found[entry["file"]] = entry
    return found


def _terms(digest: str, entry: Mapping[str, Any], scope: str) -> AnchorTerms:
    scope = entry.get("scope", scope)
    uses = tuple(entry.get("uses", default_terms(digest, scope).uses))
    if scope not in SCOPES or not uses or not set(uses) <= set(USES):
        raise ValueError(f"anchors.toml: {entry['file']}: scope {scope!r}, uses {uses!r}")
    return AnchorTerms(
        digest, scope, str(entry.get("name", "")), _moment(entry.get("not_before")), _moment(entry.get("until")), uses=tuple(str(u) for u in uses)
    )


def _moment(value: Any) -> datetime | None:
    """A TOML date or time; without an offset it is Hà Nội's."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=HANOI)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=HANOI)
    raise ValueError(f"anchors.toml: {value!r} is not a time")


def read_list(data: bytes) -> tuple[list[bytes], list[AnchorTerms]]:
    """Anchors of an imported trust list (`signing.trust_list` writes the file).

    Raises:
        ValueError: not such a file.
    """
    try:
        stored = json.loads(data)
        source = f"{stored['territory']} #{stored['sequence']}"
        until = datetime.fromisoformat(stored["next_update"]) if stored["next_update"] else None
        ders, terms = [], []
        for entry in stored["anchors"]:
            der = base64.b64decode(entry["der"], validate=True)
            ders.append(der)
            window = [datetime.fromisoformat(entry[k]) if entry[k] else None for k in ("trusted_from", "trusted_until")]
            digest, uses = hashlib.sha256(der).hexdigest(), tuple(entry["uses"])
            terms.append(AnchorTerms(digest, entry["scope"], entry["name"], window[0], window[1], uses, source, until))
        return ders, terms
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an imported trust list: {error}") from error


def files(folder: Path) -> list[Path]:
    """Plain files of `folder` in order, hidden ones left out; none when there is no folder."""
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")) if folder.is_dir() else []


def read_certificates(path: Path) -> list[bytes]:
    """DER of the certificates in a PEM or DER file.

    Raises:
        OSError, ValueError: unreadable, or no certificate.
    """
    data = path.read_bytes()
    if b"-----BEGIN" in data:
        return [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(data)]
    return [x509.load_der_x509_certificate(data).public_bytes(Encoding.DER)]
