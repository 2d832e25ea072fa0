"""status_numbers — số trạng thái: a system reports a state of QĐ 28 by its number alone, where the guide has words for transport.

Known clients of the provincial connector call updateStatus with ``02`` … ``06`` and send no
status message. The hub writes the message that they would have sent and takes it by the way of
every other status (`mailbox`): the sender sees it, the log names the system, its key and the call.
"""

from __future__ import annotations

import hashlib

from exchange import mailbox
from exchange.connector import Caller, Connector
from exchange.edxml.status import write_status
from exchange.envelope import Organ, ResponseFor, StatusMessage
from exchange.lifecycle import NEEDS_REASON, Status
from exchange.store import agencies, envelopes, queue

NUMBERS = frozenset({Status.ARRIVED, Status.REFUSED, Status.REGISTERED, Status.ASSIGNED, Status.IN_PROCESS, Status.FINISHED})
NO_REASON = "Không nêu lý do (báo bằng số trạng thái) / no reason given (reported by number)"
LONGEST = 1000  # characters of a reason (edxml.md 2.2)


def number_of(text: str) -> Status | None:
    """The state of QĐ 28 that `text` (``02``, or ``2``) is the number of; None: it is no number of a recipient's report."""
    try:
        status = Status(text.zfill(2))
    except ValueError:
        return None
    return status if status in NUMBERS else None


def report(connector: Connector, caller: Caller, ref: str, status: Status, reason: str) -> None:
    """Take `status` of the caller's agency about the delivery (or message) `ref`, which its system thereby has.

    The same number again is a repeat and changes nothing.

    Args:
        reason: as the call gives it, "" for none; a refusal without one says so.

    Raises:
        NotFound, StatusError, AccessError: not the caller's; not a lawful state here.
    """
    # Durable after this: the hand-over. A crash before the status costs the answer, and the system tells it again.
    connector.tell(caller, ref, "done")
    office = connector.office
    with office.store.read() as connection:
        delivery = queue.get(connection, ref)
        row = envelopes.get(connection, delivery.envelope) if delivery is not None else None
        if delivery is None or row is None:
            return  # a status message: taken over, and there is nothing to answer to it
        agency = agencies.get(connection, delivery.recipient)
        known = envelopes.statuses_of(connection, row.id)
    description = reason.strip()[:LONGEST] or (NO_REASON if status in NEEDS_REASON else "")
    if any((s.delivery, s.agency, s.code, s.description) == (ref, delivery.recipient, status.value, description) for s in known):
        return
    message = StatusMessage(
        sender=Organ(code=delivery.recipient, name=agency.name if agency is not None else ""),
        response_for=ResponseFor(row.sender, row.code, row.document_id, row.promulgation_date.replace("-", "/")),
        code=status.value,
        description=description,
        timestamp=office.clock(),
    )
    data = write_status(message)
    mailbox.report_status(office, delivery.recipient, data, b"", caller.origin("updateStatus", hashlib.sha256(data).hexdigest()))
