"""scenario — tình huống: one way to misbehave, the rule behind it, and what a sound system does."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from exchange.conformance.criteria import Criterion
from exchange.errors import NotHere

CONSENT = "toi chiu trach nhiem / I am responsible"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`vi`, `en`: what is done to the system under test; `sound_vi`, `sound_en`: what it should do then."""

    number: str
    clause: str
    vi: str
    en: str
    sound_vi: str
    sound_en: str

    def criterion(self) -> Criterion:
        """As a line of a report."""
        return Criterion(self.number, self.clause, f"{self.vi} → {self.sound_vi}", f"{self.en} → {self.sound_en}")


def check_target(url: str, *, anywhere: str = "") -> None:
    """Gate: misbehaving traffic stays on this machine, unless the person takes responsibility in the words of `CONSENT`.

    Args:
        anywhere: what the person wrote.

    Raises:
        NotHere: another machine, and no such words.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if not near and anywhere != CONSENT:
        raise NotHere(host[:80] or url[:80], place="--anywhere")
