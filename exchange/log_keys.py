"""log_keys — khóa của sổ: the hub's certificate vouches for the key that signs the log, in the log itself.

Whoever trusts the hub's X.509 certificate, and has no ``log.vkey`` from elsewhere, can go from
the one to the other with stock tools; a key that was exchanged leaves a second statement.
"""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import Connection

from exchange.custody import Entry, Event
from exchange.errors import NotFound
from exchange.office import Office
from exchange.store import custody_log
from signing.seal import sign_seal

KIND = "vkey+seal"


def certify(office: Office) -> bool:
    """Write, once for each key, an entry `LogKey` that names the verifier key and the hub's seal over it; False when it is there.

    Durable on return: both as files, and the entry.
    """
    vkey = office.vkeys()[0]
    with office.store.read() as connection:
        if _certified(connection, vkey) is not None:
            return False
    text = f"{vkey}\n".encode()
    digest = hashlib.sha256(text).digest()
    seal = sign_seal(digest, office.seal_key)
    office.store.blobs.put_bytes(text)
    name = office.store.blobs.put_bytes(seal)
    entry = Entry(Event.LOG_KEY, office.clock(), "hub", object_sha256=digest.hex(), object_type=KIND, seal_sha256=name, data=(("vkey", vkey),))

    def job(connection: Connection) -> bool:
        if _certified(connection, vkey) is not None:
            return False  # another process was first
        office.append(connection, [entry])
        return True

    # Durable: the entry; a crash before costs two files that nobody names.
    return office.store.write(job)


def certificate(office: Office) -> tuple[str, bytes]:
    """(the log's verifier key with its line end, the hub's detached seal over exactly these bytes).

    Raises:
        NotFound: not written yet.
    """
    vkey = office.vkeys()[0]
    with office.store.read() as connection:
        name = _certified(connection, vkey)
    if name is None:
        raise NotFound(vkey[:100], place="log.vkey")
    return f"{vkey}\n", office.store.blobs.path(name).read_bytes()


def _certified(connection: Connection, vkey: str) -> str | None:
    for entry in reversed(custody_log.control_entries(connection, Event.LOG_KEY)):
        value = json.loads(entry.leaf)
        if value["data"].get("vkey") == vkey and value.get("obj", {}).get("type") == KIND:
            return str(value["obj"]["seal"])
    return None
