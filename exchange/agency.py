"""agency — cơ quan: who takes part, under which codes, and whether mail may go there.

Rules: both identifier shapes are accepted (QCVN 102:2016 and QĐ 20/2020/QĐ-TTg,
at most 35 characters); a closed agency is answered with its successor, never
silently forwarded (edxml.md 4.4).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from exchange.directory_errors import AgencyNotYet, DirectoryConflict
from exchange.errors import ClosedAgency, InvalidField, LockedAgency, SucceededAgency

_MARKS = re.compile("[\u0300-\u036f]+")  # tones and the marks of vowels, once taken apart
_CODE = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.\-]{0,33}[0-9A-Za-z])?")
VIETNAM = timezone(timedelta(hours=7))
LONGEST_CHAIN = 64  # reorganisations one after another, or levels of parents


class AgencyStatus(StrEnum):
    """May mail go there?"""

    OPEN = "open"
    LOCKED = "locked"
    CLOSED = "closed"


class Mode(StrEnum):
    """How deliveries reach the agency: `pull` from the mailbox, or `push` to its node."""

    PULL = "pull"
    PUSH = "push"


class Purpose(StrEnum):
    """What a registered certificate is for."""

    SEAL = "seal"
    TLS = "tls"


class Shape(StrEnum):
    """Which rule a code follows (edxml.md 4.1, 4.2); real directories hold others too."""

    QCVN102 = "qcvn102"
    QD20 = "qd20"
    SHORT = "short"
    OTHER = "other"


SHAPE_TEXTS: dict[Shape, tuple[str, str]] = {
    Shape.QCVN102: ("QCVN 102:2016/BTTTT (13 ký tự, cấp cao nhất ở bên phải)", "QCVN 102:2016/BTTTT (13 characters, highest level on the right)"),
    Shape.QD20: ("QĐ 20/2020/QĐ-TTg (cấp cao nhất ở bên trái)", "QĐ 20/2020/QĐ-TTg (highest level on the left)"),
    Shape.SHORT: ("QCVN 102:2016/BTTTT viết tắt", "QCVN 102:2016/BTTTT, shortened"),
    Shape.OTHER: ("khác", "other"),
}
_SHAPES = (
    (Shape.QCVN102, re.compile(r"\d{3}\.\d{2}\.\d{2}\.[A-Z]{1,2}\d{1,2}", re.ASCII)),
    (Shape.QD20, re.compile(r"[A-Z]{1,2}\d{1,2}(\.[0-9A-Z]+)*", re.ASCII)),
    (Shape.SHORT, re.compile(r"(\d{2}\.)+[A-Z]\d{2}", re.ASCII)),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate registered for an agency. `sha256` is lower hex of the DER.

    `ends_at`: when the roll-over to a newer one is over, before its own end; None: at its own end.
    """

    agency: str
    purpose: Purpose
    sha256: str
    pem: str
    not_before: datetime
    not_after: datetime
    ends_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it is good at the moment `at` (aware)."""
        return self.not_before <= at <= self.not_after and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Agency:
    """One row of the directory. `endpoint` is the node's https URL when `mode` is push.
    `strict` refuses half-signed documents to and from this agency (SIG-01).

    `code` is the agency's own; `legacy_code` that by QCVN 102:2016, `aliases` further
    ones. `valid_from` and `valid_until` are the first and last day (of Vietnam) on
    which it takes part. `gateway` is the agency whose system sends and collects for
    this one; `hub` the code of the hub that it is on (centerCode), "" this one.
    """

    code: str
    name: str
    status: AgencyStatus = AgencyStatus.OPEN
    mode: Mode = Mode.PULL
    endpoint: str = ""
    parent: str = ""
    legacy_code: str = ""
    successor: str = ""
    strict: bool = False
    aliases: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    gateway: str = ""
    hub: str = ""


def check_code(code: str, *, place: str) -> str:
    """Return `code` when it has an acceptable shape.

    Raises:
        InvalidField: not 1 to 35 letters, digits, dots or hyphens.
    """
    if not _CODE.fullmatch(code):
        raise InvalidField(code[:60], place=place)
    return code


def shape_of(code: str) -> Shape:
    """The rule that a code follows."""
    return next((shape for shape, pattern in _SHAPES if pattern.fullmatch(code)), Shape.OTHER)


def level_of(code: str) -> int:
    """Level of a code: 1 for a ministry or province, 2 below it and so on; 0 when its shape does not tell."""
    shape = shape_of(code)
    if shape is Shape.QD20:
        return code.count(".") + 1
    if shape is Shape.QCVN102:
        # Least significant group first: 000.00.12.H56 stands on level 2.
        groups = [int(group) for group in code.split(".")[:3]]
        return 4 - next((place for place, number in enumerate(groups) if number), 3)
    return code.count(".") + 1 if shape is Shape.SHORT else 0


def day_of(moment: datetime) -> date:
    """The day in Vietnam, by which validity is reckoned."""
    return moment.astimezone(VIETNAM).date()


def is_over(agency: Agency, on: date) -> bool:
    """Whether the agency has ceased on the day `on`: closed, or past its last day."""
    return agency.status is AgencyStatus.CLOSED or (agency.valid_until is not None and on > agency.valid_until)


def check_open(agency: Agency, *, place: str, on: date | None = None, heirs: Sequence[str] = ()) -> Agency:
    """Return `agency` when mail may go there.

    Args:
        on: the day in Vietnam; None does not look at validity.
        heirs: the codes that succeeded it, one after another, the last one open; the
            named successor when left out.

    Raises:
        SucceededAgency, ClosedAgency, LockedAgency, AgencyNotYet: as the directory says.
    """
    if is_over(agency, on or date.min):
        chain = tuple(heirs) or ((agency.successor,) if agency.successor else ())
        if chain:
            refusal = SucceededAgency(" → ".join((agency.code, *chain)), place=place)
            refusal.successor = chain[-1]
            raise refusal
        raise ClosedAgency(agency.code, place=place)
    if agency.status is AgencyStatus.LOCKED:
        raise LockedAgency(agency.code, place=place)
    if on is not None and agency.valid_from is not None and on < agency.valid_from:
        raise AgencyNotYet(f"{agency.code}: {agency.valid_from.isoformat()}", place=place)
    return agency


def chain_of(start: str, following: Callable[[str], str], *, what: str) -> tuple[str, ...]:
    """The codes that follow `start`, one after another, until there is none.

    Raises:
        DirectoryConflict: a cycle, or longer than `LONGEST_CHAIN`.
    """
    chain: list[str] = [start]
    while code := following(chain[-1]):
        chain.append(code)
        if chain[-1] in chain[:-1] or len(chain) > LONGEST_CHAIN:
            raise DirectoryConflict(f"{what}: " + " → ".join(chain[:6]) + (" → …" if len(chain) > 6 else ""), place=start)
    return tuple(chain[1:])


def folded(text: str) -> str:
    """`text` for searching: lower case, without Vietnamese diacritics, single spaces ("Thanh Hóa" → "thanh hoa")."""
    plain = text.casefold()
    if not plain.isascii():
        plain = _MARKS.sub("", unicodedata.normalize("NFD", plain.replace("đ", "d")))
    return " ".join(plain.split())
