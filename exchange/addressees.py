"""addressees — nơi nhận: may mail go to an agency from this hub, now?

Known, open on this day, and reached from here. An agency whose hub of record is another
one has its mailbox there: what is left for it here nobody would collect, so the sender is
told which hub it is, and nothing is queued (docs/adr/0024).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from exchange.agency import Agency, check_open, day_of
from exchange.directory_errors import AgencyElsewhere
from exchange.store import agencies


def check_addressee(connection: Connection, agency: Agency, *, place: str, at: datetime, hub_codes: Sequence[str]) -> Agency:
    """Return `agency` when mail may go there at the moment `at`.

    Args:
        hub_codes: the codes of this hub.

    Raises:
        SucceededAgency, ClosedAgency, LockedAgency, AgencyNotYet: as the directory says.
        AgencyElsewhere: on another hub, and not reached from this one.
    """
    today = day_of(at)
    check_open(agency, place=place, on=today, heirs=agencies.heirs(connection, agency, on=today))
    if hub := other_hub(connection, agency, at=at, hub_codes=hub_codes):
        refusal = AgencyElsewhere(f"{agency.code}: {hub}", place=place)
        refusal.hub = hub
        raise refusal
    return agency


def other_hub(connection: Connection, agency: Agency, *, at: datetime, hub_codes: Sequence[str]) -> str:
    """The hub that mail for the agency has to go through, "" when it is this one. Who can collect here is served here, whatever else it is on."""
    if not agency.hub or agency.hub in hub_codes or agencies.reached(connection, agency, at=at):
        return ""
    return agency.hub
