"""directory_diff — so danh bạ: what differs between two directories, what a whole one must keep to, and the one made of both.

An agency that a file does not name is left as it is: silence closes nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter

from exchange.agency import Agency, AgencyStatus, chain_of
from exchange.agency_file import FIELDS, facts_of
from exchange.directory_errors import DirectoryConflict

_facts = attrgetter(*FIELDS)


class Kind(StrEnum):
    """What happens to an agency, the weightiest part of it."""

    ADDED = "added"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"
    REOPENED = "reopened"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    GATEWAY = "gateway"
    CODES = "codes"
    MOVED = "moved"
    VALIDITY = "validity"
    RENAMED = "renamed"
    CHANGED = "changed"


KIND_TEXTS: dict[Kind, tuple[str, str]] = {
    Kind.ADDED: ("thêm", "added"),
    Kind.SUCCEEDED: ("kế thừa", "succeeded"),
    Kind.CLOSED: ("đóng", "closed"),
    Kind.REOPENED: ("mở lại", "reopened"),
    Kind.LOCKED: ("khóa", "locked"),
    Kind.UNLOCKED: ("mở khóa", "unlocked"),
    Kind.GATEWAY: ("đầu mối", "gateway"),
    Kind.CODES: ("mã khác", "codes"),
    Kind.MOVED: ("chuyển cấp trên", "moved"),
    Kind.VALIDITY: ("hiệu lực", "validity"),
    Kind.RENAMED: ("đổi tên", "renamed"),
    Kind.CHANGED: ("sửa", "changed"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One agency before (None: not there) and after."""

    kind: Kind
    before: Agency | None
    after: Agency

    def fields(self) -> list[tuple[str, str, str]]:
        """(field, before, after) of each that differs."""
        old = facts_of(self.before) if self.before is not None else dict.fromkeys(FIELDS, "")
        new = facts_of(self.after)
        return [(name, old[name], new[name]) for name in FIELDS if old[name] != new[name]]


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes by code. `same` agencies stay as they are; `absent` of them are not named in the file."""

    changes: tuple[Change, ...]
    same: int
    absent: int

    def counts(self) -> dict[Kind, int]:
        """How many of each kind, in the order of `Kind`."""
        found = Counter(change.kind for change in self.changes)
        return {kind: found[kind] for kind in Kind if found[kind]}

    def summary(self) -> str:
        """The counts in one line of ASCII, for the custody log."""
        return " ".join(f"{kind.value}={number}" for kind, number in self.counts().items()) or "nothing"


def diff(current: Mapping[str, Agency], target: Iterable[Agency]) -> Diff:
    """What has to change in `current`, by code, so that it says what `target` says."""
    changes, named, same = list[Change](), 0, 0
    for wanted in target:
        before = current.get(wanted.code)
        if before is None:
            changes.append(Change(Kind.ADDED, None, wanted))
            continue
        named += 1
        if _facts(before) == _facts(wanted):
            same += 1
            continue
        # How this hub delivers to it is no matter of the file.
        after = replace(wanted, mode=before.mode, endpoint=before.endpoint, strict=before.strict)
        changes.append(Change(_kind(before, after), before, after))
    changes.sort(key=lambda change: change.after.code)
    absent = len(current) - named
    return Diff(tuple(changes), same + absent, absent)


def apply(current: Mapping[str, Agency], found: Diff) -> dict[str, Agency]:
    """The directory after the changes."""
    return {**current, **{change.after.code: change.after for change in found.changes}}


def _kind(before: Agency, after: Agency) -> Kind:
    if after.status is AgencyStatus.CLOSED and before.status is not AgencyStatus.CLOSED:
        return Kind.SUCCEEDED if after.successor else Kind.CLOSED
    if after.successor != before.successor and after.successor:
        return Kind.SUCCEEDED
    if before.status is AgencyStatus.CLOSED and after.status is not AgencyStatus.CLOSED:
        return Kind.REOPENED
    if before.status is not after.status:
        return Kind.LOCKED if after.status is AgencyStatus.LOCKED else Kind.UNLOCKED
    for kind, names in _RANK:
        if any(getattr(before, name) != getattr(after, name) for name in names):
            return kind
    return Kind.CHANGED


_RANK = (
    (Kind.GATEWAY, ("gateway",)),
    (Kind.CODES, ("legacy_code", "aliases")),
    (Kind.MOVED, ("parent",)),
    (Kind.VALIDITY, ("valid_from", "valid_until")),
    (Kind.RENAMED, ("name",)),
)


def check_whole(agencies: Mapping[str, Agency], touched: Iterable[Agency] | None = None) -> None:
    """Gate: the directory agrees with itself, as far as `touched` (default: all) is concerned.

    A code, legacy code or alias means one agency; parents, successors and gateways
    are in the directory; parents and successors form no cycle; a gateway has no gateway itself.

    Raises:
        DirectoryConflict: where and why not.
    """
    owners: dict[str, str] = {}
    for agency in agencies.values():
        for name in (agency.code, agency.legacy_code, *agency.aliases):
            if name and owners.setdefault(name, agency.code) != agency.code:
                raise DirectoryConflict(f"{name}: {owners[name]}, {agency.code}", place=agency.code)
    looked = agencies.values() if touched is None else touched
    for agency in looked:
        for field in ("parent", "successor", "gateway"):
            named = getattr(agency, field)
            if named and named not in agencies:
                raise DirectoryConflict(f"{field}: {named} is not in the directory", place=agency.code)
        if agency.gateway and agencies[agency.gateway].gateway:
            raise DirectoryConflict(f"gateway: {agency.gateway} has a gateway itself", place=agency.code)
    _check_cycles(agencies)


def _check_cycles(agencies: Mapping[str, Agency]) -> None:
    gateways = {agency.gateway for agency in agencies.values() if agency.gateway}
    for code in gateways:
        if code in agencies and agencies[code].gateway:
            raise DirectoryConflict(f"gateway: {code} has a gateway itself", place=code)
    for field in ("parent", "successor"):
        _check_ends({a.code: getattr(a, field) for a in agencies.values() if getattr(a, field)}, field)


def _check_ends(following: Mapping[str, str], field: str) -> None:
    """Every chain comes to an end; what was followed once is not followed again."""
    sound: set[str] = set()
    for code, following_code in following.items():
        if following_code in following and code not in sound:
            chain = chain_of(code, lambda at: "" if at in sound else following.get(at, ""), what=field)
            sound.update((code, *chain))
