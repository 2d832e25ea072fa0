"""sources — nguồn thu hồi: CRLs and OCSP answers fetched from allow-listed places, kept in the trust folder.

``sources.toml`` says where from; addresses found in certificates are followed only when
they are on its list. What is fetched is validated before it is kept (``cache/``), renewed
at three quarters of its life, and a source that failed is left alone for a growing while.
The network is a callable handed in.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from signing.anchors import files, read_anchors, read_certificates
from signing.chain import Known, Undecodable, decoded, issued, known
from signing.errors import TrustUnusable
from signing.ocsp import OcspUnusable, nonce_fits, ocsp_answers
from signing.reasons import reason
from signing.report import Reason
from signing.revocation import FRESH_WITHOUT_END, Crl, CrlUnusable, crl_answers, crl_der, judge

Fetch = Callable[[str, bytes | None, str], bytes]
"""(url, body or None for GET, content type) → answer body; raises OSError when it cannot."""
SLACK = timedelta(minutes=5)  # clocks of issuers may be ahead
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where revocation data may come from: URL prefixes (`allow`), and lists to fetch always (`crls`)."""

    allow: tuple[str, ...] = ()
    crls: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Sources:
        """Read ``sources.toml`` of a trust folder; without the file nothing is allowed.

        Raises:
            TrustUnusable: it cannot be read, or names something that is no http(s) address.
        """
        path = folder / "sources.toml"
        if not path.exists():
            return cls()
        try:
            stated = tomllib.loads(path.read_text("utf-8"))
            unknown = set(stated) - {"allow", "crls"}
            places = [*stated.get("allow", ()), *stated.get("crls", ())]
            if unknown or not all(isinstance(p, str) and _parts(p) for p in places):
                raise ValueError(f"sources.toml: {', '.join(sorted(unknown)) or 'not an http(s) address'}")
            return cls(tuple(stated.get("allow", ())), tuple(stated.get("crls", ())))
        except (OSError, ValueError, TypeError) as error:
            raise TrustUnusable(str(error), place=str(path)) from error

    def allows(self, url: str) -> bool:
        """Is `url` below one of the prefixes, or one of the named lists (scheme, host, port and whole path steps)?"""
        asked = _parts(url)
        return asked is not None and any(_below(asked, prefix) for prefix in (*self.allow, *self.crls))


def _parts(url: str) -> SplitResult | None:
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}' for c in url):
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.hostname and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    # A path that climbs, openly or percent-encoded, is not below anything.
    steps = parts.path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").split("/")
    return parts if usable and not {".", ".."} & set(steps) else None


def _below(asked: SplitResult, prefix: str) -> bool:
    allowed = _parts(prefix)
    if allowed is None or asked.scheme != allowed.scheme or asked.hostname != allowed.hostname:
        return False
    if (asked.port or _PORTS[asked.scheme]) != (allowed.port or _PORTS[allowed.scheme]):
        return False
    base = allowed.path or "/"
    path = asked.path or "/"
    return path == base or path.startswith(base if base.endswith("/") else base + "/")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one source: `kind` ``crl`` or ``ocsp``, `about` whose, `state` one of
    ``fetched``, ``fresh`` (nothing to do yet), ``resting`` (failed before), ``failed``, ``refused``.

    `again` is when it is asked next; `reason` says why not, in both languages.
    """

    kind: str
    about: str
    url: str
    state: str
    again: datetime | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One thing to keep fresh. `check` gives (this update, next update) of good data and raises
    ValueError on other; `answers_me` tells an answer to this question from a replayed one."""

    kind: str
    about: str
    url: str
    path: Path
    body: Callable[[], bytes | None]
    check: Callable[[bytes], tuple[datetime, datetime]]
    answers_me: Callable[[bytes], bool] = lambda _: True


def refresh(folder: Path, fetch: Fetch, now: datetime, *, certificates: Sequence[bytes] = ()) -> list[Outcome]:
    """Bring the kept CRLs and OCSP answers of a trust folder up to date.

    Nothing raised by a source leaves here: an outage is an outcome, what was kept stays, and the
    next call asks again when its pause is over.

    Args:
        fetch: the network; only called for allow-listed addresses.
        now: aware.
        certificates: further certificates (DER) whose CRLs and OCSP answers are wanted, e.g. the agencies' seals.

    Raises:
        TrustUnusable: the folder itself cannot be read or written.
    """
    sources = Sources.load(folder)
    state = _State(folder / "cache" / "state.json")
    try:
        return [_renew(wanted, sources, state, fetch, now) for wanted in _wanted(folder, sources, certificates, now)]
    finally:
        state.save()


def _wanted(folder: Path, sources: Sources, certificates: Sequence[bytes], now: datetime) -> Iterator[_Wanted]:
    authorities, subjects = _known(folder, certificates)
    urls = dict.fromkeys(sources.crls, "")
    for subject in subjects:
        for point in subject.crl_points:
            if isinstance(point, x509.UniformResourceIdentifier):
                urls.setdefault(point.value, subject.issuer.rfc4514_string())
    for url, about in urls.items():
        path = folder / "cache" / "crls" / f"{_key(url)}.crl"
        yield _Wanted("crl", about, url, path, lambda: None, lambda data: check_crl(data, authorities, now))
    for subject in subjects:
        issuer = next((a for a in authorities if a.subject == subject.issuer and not issued(subject, a)), None)
        for url in ocsp_urls(subject) if issuer is not None else ():
            assert issuer is not None
            yield _ocsp_wanted(folder, subject, issuer, url, now)


def _ocsp_wanted(folder: Path, subject: Known, issuer: Known, url: str, now: datetime) -> _Wanted:
    nonce = os.urandom(16)

    def body() -> bytes:
        builder = ocsp.OCSPRequestBuilder().add_certificate(subject.certificate, issuer.certificate, hashes.SHA1())
        return builder.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)

    def check(data: bytes) -> tuple[datetime, datetime]:
        return check_ocsp(data, subject, issuer, folder, now)

    path = folder / "cache" / "ocsps" / f"{_key(url + ' ' + subject.sha256)}.ocsp"
    return _Wanted("ocsp", subject.name, url, path, body, check, lambda data: nonce_fits(data, nonce))


def _known(folder: Path, certificates: Sequence[bytes]) -> tuple[list[Known], list[Known]]:
    """(certificates that may sign lists, certificates whose state is wanted)."""
    try:
        anchors, _ = read_anchors(folder)
        below = [der for path in files(folder / "intermediates") for der in read_certificates(path)]
        authorities = [known(decoded(der)) for der in (*anchors, *below)]
    except (OSError, ValueError) as error:
        raise TrustUnusable(str(error), place=str(folder)) from error
    subjects = [a for a in authorities if not a.self_issued]
    for der in certificates:
        try:
            subjects.append(known(decoded(der)))
        except Undecodable:
            continue  # its own check says so
    return authorities, subjects


def ocsp_urls(certificate: Known) -> list[str]:
    """Addresses of OCSP responders that the certificate names."""
    if certificate.fault:
        return []
    for extension in certificate.certificate.extensions:
        if isinstance(extension.value, x509.AuthorityInformationAccess):
            places = [d.access_location for d in extension.value if d.access_method == AuthorityInformationAccessOID.OCSP]
            return [p.value for p in places if isinstance(p, x509.UniformResourceIdentifier)]
    return []


def check_crl(data: bytes, authorities: Sequence[Known], now: datetime) -> tuple[datetime, datetime]:
    """Gate: a usable CRL by one of `authorities`; its thisUpdate and nextUpdate.

    Raises:
        ValueError: it is none.
    """
    crl = Crl(data)
    if crl.unusable:
        raise CrlUnusable(crl.unusable)
    if not any(a.subject == crl.issuer and crl.signed_by(a) for a in authorities):
        raise CrlUnusable(f"not signed by a CA of the trust folder: {crl.issuer.rfc4514_string()[:100]}")
    return _window(crl.this_update, crl.next_update or crl.this_update + FRESH_WITHOUT_END, now)


def check_ocsp(data: bytes, subject: Known, issuer: Known, folder: Path, now: datetime) -> tuple[datetime, datetime]:
    """Gate: an OCSP answer about `subject` by who may answer; its thisUpdate and nextUpdate.

    Raises:
        ValueError: it is none.
    """
    lists = [path.read_bytes() for part in ("crls", "cache/crls") for path in files(folder / part)]

    def state_of(responder: Known, when: datetime) -> str:
        return judge(crl_answers(responder, [issuer], lists, embedded=False), responder, at=when).state

    answers = ocsp_answers(subject, issuer, [data], embedded=False, state_of=state_of)
    if not answers:
        raise OcspUnusable("no usable answer about the certificate")
    return _window(answers[0].produced_at, answers[0].until, now)


def _window(start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
    if start > now + SLACK:
        raise ValueError(f"issued in the future: {start.isoformat()}")
    return start, end


def _renew(wanted: _Wanted, sources: Sources, state: _State, fetch: Fetch, now: datetime) -> Outcome:
    if not sources.allows(wanted.url):
        why = reason("trust.source_not_allowed", wanted.url)
        return Outcome(wanted.kind, wanted.about, wanted.url, "refused", reason=why)
    kept = _kept(wanted)
    due = kept[0] + (kept[1] - kept[0]) * 3 / 4 if kept else now
    if due > now:
        return Outcome(wanted.kind, wanted.about, wanted.url, "fresh", due)
    resting = state.resting(wanted.url, now)
    if resting is not None:
        why = reason("trust.source_down", wanted.url, state.problem(wanted.url))
        return Outcome(wanted.kind, wanted.about, wanted.url, "resting", resting, why)
    code = "trust.source_down"
    try:
        data = fetch(wanted.url, wanted.body(), "application/ocsp-request" if wanted.kind == "ocsp" else "")
        code = "trust.source_invalid"
        data = crl_der(data) if wanted.kind == "crl" else data
        window = wanted.check(data)
        if not wanted.answers_me(data):
            raise ValueError("nonce of another request")
        if window[1] <= now:
            raise ValueError(f"out of date since {window[1].isoformat()}")
        if kept and window[0] < kept[0]:
            raise ValueError("older than what is kept")
    except (OSError, ValueError) as error:
        again = state.failed(wanted.url, now, str(error))
        return Outcome(wanted.kind, wanted.about, wanted.url, "failed", again, reason(code, wanted.url, str(error)[:200]))
    write_atomically(wanted.path, data)
    state.succeeded(wanted.url)
    return Outcome(wanted.kind, wanted.about, wanted.url, "fetched", window[0] + (window[1] - window[0]) * 3 / 4)


def _kept(wanted: _Wanted) -> tuple[datetime, datetime] | None:
    """Window of what is kept; a spoilt file counts as nothing, and the next good answer replaces it."""
    try:
        return wanted.check(wanted.path.read_bytes())
    except (OSError, ValueError):
        return None


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _State:
    """Failures and pauses by address, kept on disk so that a restart does not forget them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        try:
            stored = json.loads(path.read_bytes())
            self._failures: dict[str, dict[str, Any]] = {
                str(url): {"count": int(f["count"]), "until": datetime.fromisoformat(f["until"]), "problem": str(f["problem"])} for url, f in stored.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self._failures = {}

    def resting(self, url: str, now: datetime) -> datetime | None:
        entry = self._failures.get(url)
        # A clock that was set back must not silence a source for longer than the longest pause.
        until: datetime | None = entry["until"] if entry is not None else None
        return until if until is not None and now < until <= now + LONGEST_PAUSE else None

    def problem(self, url: str) -> str:
        return str(self._failures[url]["problem"])

    def failed(self, url: str, now: datetime, problem: str) -> datetime:
        count = int(self._failures.get(url, {"count": 0})["count"]) + 1
        pause: timedelta = min(FIRST_PAUSE * 2 ** min(count - 1, 12), LONGEST_PAUSE)
        until = now + pause
        self._failures[url] = {"count": count, "until": until, "problem": problem[:200]}
        self._changed = True
        return until

    def succeeded(self, url: str) -> None:
        self._changed = self._failures.pop(url, None) is not None or self._changed

    def save(self) -> None:
        if self._changed:
            stored = {url: {**entry, "until": entry["until"].isoformat()} for url, entry in self._failures.items()}
            write_atomically(self._path, json.dumps(stored, indent=1).encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that a reader, or a crash, sees the old file or the whole new one.

    Raises:
        TrustUnusable: it cannot be written (disk full, no permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        _write(path, temporary, data)
    except OSError as error:
        with contextlib.suppress(OSError):  # it may not even be there
            temporary.unlink()
        raise TrustUnusable(str(error), place=str(path)) from error


def _write(path: Path, temporary: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
