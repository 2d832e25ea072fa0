"""timestamps — dấu thời gian: RFC 3161 requests, tokens, and the ordered list of authorities.

The network is a callable handed in. A token is verified before it is used; an
authority that does not answer well is passed over for the next, and left alone for a
growing while.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import tsp
from cryptography.hazmat.primitives import hashes

from signing.chain import Undecodable, decoded, known, weak_key
from signing.der import BOOLEAN, INTEGER, OCTETS, OID, SEQUENCE, Tlv, whole
from signing.errors import SigningError, TimestampInvalid, TimestampUnavailable
from signing.signed_data import DIGESTS, HASHES, SignedData, check, is_bound, read_signed_data
from signing.trust import ChainResult, Trust

Post = Callable[[str, bytes, str], bytes]
"""(url, body, content type) → answer body; raises OSError when it cannot."""
Digest = bytes | Mapping[str, bytes] | Callable[[str], bytes]
"""What a token should be over: a SHA-256 digest, digests by algorithm name, or a function of the name."""
_TST_INFO = "2a864886f70d0109100104"
_BY_LENGTH = {32: "sha256", 48: "sha384", 64: "sha512"}
_WEAK = {"md5", "sha1", "sha224"}
# RFC 3161 4 (1): revoked for one of these, tokens made before stay good; for any other reason none does.
_HARMLESS = {"affiliationChanged", "superseded", "cessationOfOperation"}
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds
MOST_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Token:
    """A time-stamp token that verified.

    `time` is aware UTC; `authority` the subject of the certificate (`certificate`, DER);
    `chain` its path at `time`; `policy` an OID in dotted form; `imprint` the digest name.
    """

    time: datetime
    authority: str
    certificate: bytes
    chain: ChainResult
    policy: str
    serial: int
    imprint: str
    ordering: bool = False
    accuracy_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Info:
    policy: str
    algorithm: str
    digest: bytes
    serial: int
    time: datetime
    accuracy: float | None
    ordering: bool
    nonce: int | None


def request(digest: bytes, *, nonce: int, policy: str = "") -> bytes:
    """DER of a TimeStampReq, certificate wanted (RFC 3161 2.4.1).

    Args:
        digest: SHA-256, SHA-384 or SHA-512, told apart by its length.
        policy: OID of the policy wanted, "" for the authority's own.
    """
    asked = {
        "version": "v1",
        "message_imprint": {"hash_algorithm": {"algorithm": _BY_LENGTH[len(digest)]}, "hashed_message": digest},
        "nonce": nonce,
        "cert_req": True,
    }
    der: bytes = tsp.TimeStampReq({**asked, "req_policy": policy} if policy else asked).dump()
    return der


def token_of(response: bytes, *, nonce: int) -> bytes:
    """The token of a TimeStampResp, DER.

    Raises:
        TimestampInvalid: refused, malformed, or another nonce.
    """
    try:
        parts = whole(response).expect(SEQUENCE).children()
        status = parts[0].expect(SEQUENCE).children()[0].integer()
        if status not in (0, 1):
            raise TimestampInvalid(f"refused, status {status}")
        if len(parts) != 2:
            raise TimestampInvalid("granted without a token")
        signed = read_signed_data(parts[1].raw)
        if _info(signed).nonce != nonce:
            raise TimestampInvalid("nonce")
        return parts[1].raw
    except TimestampInvalid:
        raise
    except (SigningError, ValueError, IndexError) as error:
        raise TimestampInvalid(f"malformed answer: {error}"[:200]) from error


def verify_token(
    token: bytes,
    digest: Digest,
    trust: Trust,
    *,
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    extra: Sequence[bytes] = (),
    seen_at: datetime | None = None,
) -> datetime:
    """Gate: as `read_token`, only the time (aware UTC)."""
    return read_token(token, digest, trust, crls=crls, ocsps=ocsps, extra=extra, seen_at=seen_at).time


def read_token(
    token: bytes,
    digest: Digest,
    trust: Trust,
    *,
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    extra: Sequence[bytes] = (),
    seen_at: datetime | None = None,
) -> Token:
    """Gate: a token over `digest` by an authority with a path to an anchor at the token's time.

    The signature may be RSA (PKCS#1 v1.5 or PSS) or ECDSA; the signing-certificate attribute
    must be there and fit, the certificate be for time-stamping alone (RFC 3161 2.3, 2.4.2).

    Args:
        crls, ocsps, extra: revocation data and certificates that came along (DER).
        seen_at: a later moment at which the token is proven to have been there already; it then
            outlives a compromise of the authority's key after that.

    Raises:
        TimestampInvalid: anything wrong; `place` names the authority when it is known.
    """
    authority = ""
    try:
        signed = read_signed_data(token)
        info = _info(signed)
        wanted = _wanted(digest, info.algorithm)
        if wanted is None or info.digest != wanted:
            raise TimestampInvalid("imprint")
        der = _check_signature(signed)
        certificate = known(decoded(der))
        authority = certificate.name
        if certificate.fault or certificate.key is None or weak_key(certificate.key):
            raise TimestampInvalid(certificate.fault or "key of the authority is too weak")
        others = [c for c in (*signed.certificates, *extra) if c != der]
        chain = trust.path(certificate.certificate, others, at=info.time, crls=(*signed.crls, *crls), ocsps=ocsps, purpose="timestamp")
        problem = chain.problem or _compromised(chain, seen_at)
        if problem:
            raise TimestampInvalid(f"{problem} {chain.detail}".strip())
        return Token(info.time, authority, der, chain, info.policy, info.serial, info.algorithm, info.ordering, info.accuracy)
    except TimestampInvalid as error:
        raise TimestampInvalid(error.detail, place=error.place or authority) from error
    except (SigningError, ValueError, IndexError, Undecodable) as error:
        raise TimestampInvalid(f"{type(error).__name__}: {error}"[:200], place=authority) from error


def stated_time(token: bytes) -> datetime | None:
    """The time that a token names, whether or not it proves anything; None when it cannot be read."""
    try:
        return _info(read_signed_data(token)).time
    except (SigningError, ValueError, IndexError):
        return None


def _wanted(digest: Digest, algorithm: str) -> bytes | None:
    if algorithm in _WEAK:
        raise TimestampInvalid(f"imprint by {algorithm}")
    if isinstance(digest, bytes):
        return digest if algorithm == "sha256" else None
    return digest.get(algorithm) if isinstance(digest, Mapping) else digest(algorithm)


def _check_signature(signed: SignedData) -> bytes:
    if signed.digest in _WEAK or signed.hash in _WEAK:
        raise TimestampInvalid(f"signed over {signed.digest}")
    if not is_bound(signed):
        raise TimestampInvalid("no signing-certificate attribute")
    digest = hashes.Hash(HASHES[signed.digest])
    digest.update(signed.content or b"")
    return check(signed, digest.finalize(), content_type=_TST_INFO)


def _compromised(chain: ChainResult, seen_at: datetime | None) -> str:
    """RFC 3161 4 (2): with the key in other hands, a token may be made for any time in the past."""
    fact = chain.revocations[0]
    if fact.revoked_at is None or fact.detail.removeprefix("revoked later: ") in _HARMLESS:
        return ""
    if seen_at is not None and seen_at < fact.revoked_at:
        return ""
    return f"REVOKED authority revoked ({fact.detail}); its tokens prove nothing any more"


def _info(signed: SignedData) -> _Info:
    """TSTInfo (RFC 3161 2.4.2)."""
    if signed.content_type != _TST_INFO or signed.content is None:
        raise TimestampInvalid("not a time-stamp token")
    parts = whole(signed.content).expect(SEQUENCE).children()
    if len(parts) < 5 or parts[0].integer() != 1:
        raise TimestampInvalid("time-stamp information")
    imprint = parts[2].expect(SEQUENCE).children()
    algorithm = DIGESTS.get(imprint[0].expect(SEQUENCE).children()[0].expect(OID).body.hex(), "")
    if not algorithm or len(imprint) != 2:
        raise TimestampInvalid("imprint algorithm")
    accuracy, ordering, nonce = None, False, None
    for part in parts[5:]:
        if part.tag == SEQUENCE:
            accuracy = _accuracy(part)
        elif part.tag == BOOLEAN:
            ordering = part.body == b"\xff"
        elif part.tag == INTEGER:
            nonce = part.integer()
        elif part.tag == 0xA1:
            # Some authorities write "not critical" out, which DER would leave away.
            if any(len(e.children()) == 3 and e.children()[1].body != b"\x00" for e in part.children()):
                raise TimestampInvalid("critical extension")
        elif part.tag != 0xA0:
            raise TimestampInvalid("time-stamp information")
    policy, digest = _dotted(parts[1].expect(OID).body), imprint[1].expect(OCTETS).body
    return _Info(policy, algorithm, digest, parts[3].integer(), _time(parts[4]), accuracy, ordering, nonce)


def _time(value: Tlv) -> datetime:
    text = value.expect(0x18).body.decode("ascii")
    whole_seconds, _, fraction = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or len(whole_seconds) != 14 or not whole_seconds.isdigit() or (fraction and not fraction.isdigit()):
        raise TimestampInvalid("time")
    moment = datetime.strptime(whole_seconds, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment + timedelta(microseconds=int(fraction[:6].ljust(6, "0"))) if fraction else moment


def _accuracy(value: Tlv) -> float:
    total = 0.0
    for part in value.children():
        number = int.from_bytes(part.body, "big")
        total += {INTEGER: 1.0, 0x80: 1e-3, 0x81: 1e-6}.get(part.tag, 0.0) * number
    return total


def _dotted(body: bytes) -> str:
    numbers, value = [], 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        raise TimestampInvalid("policy")
    first = min(numbers[0] // 40, 2)
    return ".".join(str(n) for n in (first, numbers[0] - 40 * first, *numbers[1:]))


@dataclass(slots=True)
class _Rest:
    failures: int = 0
    until: float = 0.0


class Timestamper:
    """Turns a digest into a verified token, by the first of several authorities that gives one.

    An authority that failed is left alone for 1, 2, 4 … 300 seconds, then asked again; it
    recovers by itself. While all are resting a call fails at once instead of waiting for them.
    """

    def __init__(
        self,
        urls: Sequence[str],
        post: Post,
        trust: Trust | Callable[[], Trust],
        *,
        clock: Callable[[], float],
        policies: Collection[str],
        now: Callable[[], datetime] | None,
    ) -> None:
        self._urls, self._post, self._clock, self._policies, self._now = tuple(urls), post, clock, frozenset(policies), now
        self._trust = trust
        self._rests = {url: _Rest() for url in self._urls}
        self._lock = threading.Lock()

    def __call__(self, digest: bytes) -> bytes:
        """DER of a verified token over `digest` (SHA-256, -384 or -512 by its length).

        Raises:
            TimestampUnavailable: no authority gave a valid one; the detail names each.
        """
        problems = []
        for url in self._urls:
            left = self._rests[url].until - self._clock()
            if left > 0:
                problems.append(f"{url}: resting for {left:.0f} s after {self._rests[url].failures} failures")
                continue
            try:
                token = self._ask(url, digest)
            except (OSError, ValueError, http.client.HTTPException, TimestampInvalid) as error:
                self._failed(url)
                problems.append(f"{url}: {error}")
                continue
            with self._lock:
                self._rests[url] = _Rest()
            return token
        raise TimestampUnavailable("; ".join(problems)[:600])

    def _ask(self, url: str, digest: bytes) -> bytes:
        nonce = int.from_bytes(os.urandom(8), "big")
        token = token_of(self._post(url, request(digest, nonce=nonce), "application/timestamp-query"), nonce=nonce)
        trust = self._trust if isinstance(self._trust, Trust) else self._trust()
        read = read_token(token, {_BY_LENGTH[len(digest)]: digest}, trust)
        if self._policies and read.policy not in self._policies:
            raise TimestampInvalid(f"policy {read.policy} is not accepted", place=read.authority)
        if self._now is not None and abs(read.time - self._now()) > MOST_SKEW:
            raise TimestampInvalid(f"clock of the authority is off: {read.time.isoformat()}", place=read.authority)
        return token

    def _failed(self, url: str) -> None:
        with self._lock:
            rest = self._rests[url]
            rest.failures += 1
            rest.until = self._clock() + min(FIRST_PAUSE * 2 ** min(rest.failures - 1, 20), LONGEST_PAUSE)


def http_timestamper(
    urls: Sequence[str],
    post: Post,
    trust: Trust | Callable[[], Trust],
    *,
    clock: Callable[[], float] = time.monotonic,
    policies: Collection[str] = (),
    now: Callable[[], datetime] | None = None,
) -> Timestamper:
    """A callable that turns a digest into a verified token, trying `urls` in order.

    Args:
        trust: anchors, or a function that gives the current ones.
        clock: seconds, for the pauses after failures.
        policies: OIDs of the policies accepted; empty accepts all.
        now: the wall clock; when given, a token more than ten minutes off is refused.
    """
    return Timestamper(urls, post, trust, clock=clock, policies=policies, now=now)
