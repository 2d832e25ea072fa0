"""tickets — what a shared secret's caller may do once, and for half an hour: repeated signed calls, and LGSP's login token.

The token is no second secret: known clients log in before anything else and
read the directory with nothing but the token. It opens only that.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from exchange.errors import BadSecret, ConfigError, ReplayedRequest
from exchange.profiles import vxp
from exchange.store import connectors
from exchange.store.engine import Store
from exchange.store.secret_box import SecretBox

TOKEN_LIFE = timedelta(minutes=30)
_ABOUT = "lgsp-login"


def seen(store: Store, system: str, nonce: str, *, now: datetime, window: timedelta) -> datetime | None:
    """When this nonce of the system was taken first; None: only now. Kept for twice the window."""
    return store.write(lambda c: connectors.remember(c, system, nonce, at=now, forget_before=now - 2 * window))


def take_once(store: Store, call: vxp.Call, body: bytes, *, now: datetime, window: timedelta, always: bool) -> None:
    """See that an authenticated call that changes the directory is not taken twice, even without a nonce.

    The SDK signs no body, and one of its objects signs every registration alike, so the body is told
    apart too; the same again is a lost answer for as long as the window is long, and a replay from then on.

    Args:
        always: each signature counts once, whatever the body.

    Raises:
        ReplayedRequest: it was taken before.
    """
    if call.nonce:  # seen to when the caller was told
        return
    known = "" if always else ":" + hashlib.sha256(body).hexdigest()
    first = seen(store, call.system, f"{connectors.KEPT}{call.mac.lower()}{known}", now=now, window=window)
    if first is not None and (always or now - first > window):
        raise ReplayedRequest(place="XroadVnpt-hash-header")


def give_token(box: SecretBox, system: str, *, now: datetime) -> str:
    """A token that says who logged in, good for half an hour at any process of this hub."""
    value = {"system": system, "until": (now + TOKEN_LIFE).isoformat()}
    return box.seal(json.dumps(value).encode(), about=_ABOUT).hex()


def read_token(box: SecretBox, token: str, *, now: datetime) -> str:
    """The system that logged in.

    Raises:
        BadSecret: not a token of ours, or too old.
    """
    try:
        value = json.loads(box.open(bytes.fromhex(token), about=_ABOUT))
        until, system = datetime.fromisoformat(value["until"]), str(value["system"])
    except (ValueError, ConfigError) as error:
        raise BadSecret(place="Authorization") from error
    if now > until:
        raise BadSecret(place="Authorization")
    return system
