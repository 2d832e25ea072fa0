"""trust — tin cậy: anchors with scope, and the path from a certificate to one of them at a time.

A trust folder holds ``anchors/`` (see `signing.anchors`), ``intermediates/``, ``crls/``,
``ocsps/``, and ``cache/`` with what was fetched (`signing.sources`). `Trust` itself is
plain bytes, so it can be handed to a worker process. NĐ 68/2024 Art 31–32.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from signing.anchors import SCOPES, AnchorTerms, default_terms, files, read_anchors, read_certificates
from signing.chain import MOST_EXTRA, Known, Search, Undecodable, decoded, issued, known, paths, purpose_problem
from signing.errors import TrustUnusable
from signing.ocsp import ocsp_answers
from signing.report import RevocationFact
from signing.revocation import UNKNOWN, Answer, Revocation, crl_answers, crl_der, judge

_RANK = ("", "OUT_OF_BOUNDS_NO_POE", "NOT_YET_VALID", "REVOKED", "CHAIN_CONSTRAINTS_FAILURE", "NO_CERTIFICATE_CHAIN_FOUND")
# Why a path was dropped, by how `signing.chain` begins to say it.
_WEAK = ("weak", "CRYPTO_CONSTRAINTS_FAILURE")
_FORBIDDEN = (("not a CA", "path length", "key usage", "name constraints", "certificate not decodable"), "CHAIN_CONSTRAINTS_FAILURE")
_SHA256 = hashes.SHA256()
MOST_EMBEDDED = 256  # CRLs, and OCSP answers, of a file that are looked at


@dataclass(frozen=True, slots=True)
class ChainResult:
    """What is known about a certificate at a time: `chain` from it to the anchor.

    `problem` is an EN 319 102-1 sub-indication, "" when the path holds; unknown revocation
    is no problem here, the caller's policy decides. `revocation` is the worst state of the
    path, `revocations` one fact for each certificate of `chain`, in its order. `scope`,
    `anchor_sha256` and `terms` say which anchor it is and what it is trusted for.
    """

    chain: tuple[x509.Certificate, ...]
    anchor: str
    revocation: Revocation
    problem: str = ""
    detail: str = ""
    scope: str = ""
    revocations: tuple[RevocationFact, ...] = ()
    anchor_sha256: str = ""
    terms: AnchorTerms | None = None


@dataclass(frozen=True)
class Trust:
    """Anchors, intermediates, CRLs and OCSP answers as DER bytes, SHA-256 of certificates known
    to be agencies', and the terms of anchors (an anchor without terms is ``official``, always)."""

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    agency_certificates: frozenset[str] = field(default_factory=frozenset)
    terms: tuple[AnchorTerms, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    hubs: frozenset[str] = frozenset()  # organisations whose seal on evidence counts as a hub's; empty: any that is trusted

    @classmethod
    def load(cls, directory: Path) -> Trust:
        """Read a trust folder. A spoilt file in its ``cache/`` is passed over: it is fetched again.

        Raises:
            TrustUnusable: no anchor, or a file that cannot be read.
        """
        try:
            anchors, terms = read_anchors(directory)
            intermediates = tuple(der for path in files(directory / "intermediates") for der in read_certificates(path))
            crls = [crl_der(path.read_bytes()) for path in files(directory / "crls")]
            ocsps = [path.read_bytes() for path in files(directory / "ocsps")]
            hubs = (directory / "hubs").read_text().splitlines() if (directory / "hubs").exists() else []
        except (OSError, ValueError) as error:
            raise TrustUnusable(str(error), place=str(directory)) from error
        if not anchors:
            raise TrustUnusable("no anchor", place=str(directory / "anchors"))
        crls += [path.read_bytes() for path in files(directory / "cache" / "crls") if path.suffix == ".crl"]
        ocsps += [path.read_bytes() for path in files(directory / "cache" / "ocsps") if path.suffix == ".ocsp"]
        named = frozenset(name.strip() for name in hubs if name.strip())
        return cls(anchors, intermediates, tuple(dict.fromkeys(crls)), terms=terms, ocsps=tuple(dict.fromkeys(ocsps)), hubs=named)

    @cached_property
    def fingerprint(self) -> str:
        """Lower-hex SHA-256 over everything in it. Computed once."""
        digest = hashlib.sha256()
        named = (*sorted(self.agency_certificates), *(f"hub {name}" for name in sorted(self.hubs)))
        parts = (*self.anchors, b"|", *self.intermediates, b"|", *self.crls, *(s.encode() for s in named))
        for part in (*parts, b"|", *self.ocsps, b"|", repr(self.terms).encode()):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def terms_of(self, sha256: str) -> tuple[AnchorTerms, ...]:
        """Terms of the anchor with `sha256` (lower hex): one for each period or use."""
        return tuple(t for t in self.terms if t.sha256 == sha256) or (default_terms(sha256),)

    def path(
        self,
        leaf: x509.Certificate | bytes,
        extra: Sequence[x509.Certificate | bytes],
        *,
        at: datetime,
        crls: Sequence[bytes] = (),
        ocsps: Sequence[bytes] = (),
        purpose: str = "sign",
    ) -> ChainResult:
        """The best path of `leaf` to an anchor at the moment `at`, with revocation of each link.

        What cannot be decoded (an odd leaf, signing.md T21) is a result with an empty chain, not an error.

        Args:
            leaf: the certificate, decoded or DER.
            extra: certificates that came along; `crls`, `ocsps`: revocation data that came along (DER).
            at: the moment judged, aware.
            purpose: ``sign``, ``timestamp`` or ``any``: what the leaf must be certified for.
        """
        try:
            top = known(decoded(leaf) if isinstance(leaf, bytes) else leaf)
            if top.fault:
                return _no_path(top, "CERTIFICATE_CHAIN_GENERAL_FAILURE", top.fault)
            prepared, why = _prepared(self, top, extra, crls[:MOST_EMBEDDED], ocsps[:MOST_EMBEDDED])
        except Undecodable as error:
            return ChainResult((), "", UNKNOWN, "CERTIFICATE_CHAIN_GENERAL_FAILURE", str(error))
        wrong = purpose_problem(top, purpose)
        if wrong:
            return _no_path(top, "CHAIN_CONSTRAINTS_FAILURE", wrong)
        if not prepared:
            return _no_path(top, *why)
        judged = [_judge(path, at, purpose) for path in prepared]
        return judged[0] if len(judged) == 1 else min(judged, key=_order)


@dataclass(frozen=True, slots=True)
class _Path:
    chain: tuple[Known, ...]
    certificates: tuple[x509.Certificate, ...]
    answers: tuple[tuple[Answer, ...], ...]
    terms: tuple[AnchorTerms, ...]


@dataclass(frozen=True, slots=True)
class _Parsed:
    anchors: tuple[Known, ...]
    pool: tuple[Known, ...]
    terms: dict[str, tuple[AnchorTerms, ...]]
    paths: dict[object, tuple[tuple[_Path, ...], tuple[str, str]]]


_cache: dict[str, _Parsed] = {}
_lock = threading.Lock()


def _parsed(trust: Trust) -> _Parsed:
    found = _cache.get(trust.fingerprint)
    if found is not None:
        return found
    anchors = tuple(known(decoded(der)) for der in trust.anchors)
    terms = {anchor.sha256: trust.terms_of(anchor.sha256) for anchor in anchors}
    found = _Parsed(anchors, tuple(known(decoded(der)) for der in trust.intermediates), terms, {})
    with _lock:
        if len(_cache) > 16:
            _cache.clear()
        return _cache.setdefault(trust.fingerprint, found)


def _prepared(
    trust: Trust, leaf: Known, extra: Sequence[x509.Certificate | bytes], crls: Sequence[bytes], ocsps: Sequence[bytes]
) -> tuple[tuple[_Path, ...], tuple[str, str]]:
    """All paths of `leaf` with what the sources say, whatever the time; and why, when there is none."""
    parsed = _parsed(trust)
    brought = extra[:MOST_EXTRA]
    # Digests, not the data: what hostile files bring along is not kept in memory.
    identity = (leaf.sha256, tuple(map(_digest, brought)), tuple(map(_digest, crls)), tuple(map(_digest, ocsps)))
    found = parsed.paths.get(identity)
    if found is None:
        pool = {k.sha256: k for k in (*parsed.pool, *_usable(brought))}
        search = Search(parsed.anchors, tuple(pool.values()))
        direct = any(leaf.sha256 == a.sha256 for a in parsed.anchors)
        chains: list[tuple[Known, ...]] = [(leaf,)] if direct else list(paths(leaf, search))
        prepared = tuple(_path(chain, search, trust, parsed, crls, ocsps) for chain in chains)
        found = (prepared, _why(leaf, search))
        with _lock:
            if len(parsed.paths) > 1024:
                parsed.paths.clear()
            parsed.paths[identity] = found
    return found


def _digest(data: x509.Certificate | bytes) -> bytes:
    return hashlib.sha256(data).digest() if isinstance(data, bytes) else data.fingerprint(_SHA256)


def _usable(certificates: Sequence[x509.Certificate | bytes]) -> list[Known]:
    found = []
    for certificate in certificates:
        try:
            found.append(known(decoded(certificate) if isinstance(certificate, bytes) else certificate))
        except Undecodable:
            continue  # a broken certificate beside the path does not matter
    return found


def _path(chain: tuple[Known, ...], search: Search, trust: Trust, parsed: _Parsed, crls: Sequence[bytes], ocsps: Sequence[bytes]) -> _Path:
    answers = []
    for place, (child, parent) in enumerate(zip(chain[:-1], chain[1:], strict=True)):
        signers = _crl_signers(chain, place + 1, search)
        lists = [*crl_answers(child, signers, crls, embedded=True), *crl_answers(child, signers, trust.crls, embedded=False)]
        every = (*crls, *trust.crls)

        def state_of(responder: Known, when: datetime, signers: Sequence[Known] = signers, every: Sequence[bytes] = every) -> str:
            return judge(crl_answers(responder, signers, every, embedded=False), responder, at=when).state

        lists += ocsp_answers(child, parent, ocsps, embedded=True, state_of=state_of)
        lists += ocsp_answers(child, parent, trust.ocsps, embedded=False, state_of=state_of)
        answers.append(tuple(lists))
    return _Path(chain, tuple(k.certificate for k in chain), tuple(answers), parsed.terms[chain[-1].sha256])


def _crl_signers(chain: tuple[Known, ...], place: int, search: Search) -> list[Known]:
    """The issuer at `place`, and certificates of the same CA with another key (re-keyed)."""
    issuer = chain[place]
    above = chain[place + 1] if place + 1 < len(chain) else issuer
    anchors = {a.sha256 for a in search.anchors}
    same = [k for k in (*search.anchors, *search.pool) if k is not issuer and k.ca and k.subject == issuer.subject]
    return [issuer, *(k for k in same if k.sha256 in anchors or not issued(k, above))]


def _why(leaf: Known, search: Search) -> tuple[str, str]:
    for starts, problem in (_WEAK, _FORBIDDEN):
        for reason in search.dropped:
            if reason.startswith(starts):
                return problem, reason
    return "NO_CERTIFICATE_CHAIN_FOUND", leaf.issuer.rfc4514_string()


def _no_path(leaf: Known, problem: str, detail: str) -> ChainResult:
    fact = RevocationFact(leaf.name, "unknown", detail="no path to an anchor")
    return ChainResult((leaf.certificate,), "", UNKNOWN, problem, detail, revocations=(fact,))


def _judge(path: _Path, at: datetime, purpose: str) -> ChainResult:
    anchor = path.chain[-1]
    facts = [judge(said, certificate, at=at) for said, certificate in zip(path.answers, path.chain, strict=False)]
    worst = next((f for f in facts if f.state == "revoked"), None) or next((f for f in facts if f.state == "unknown"), None) or (facts[0] if facts else None)
    facts.append(RevocationFact(anchor.name, "good", "anchor"))
    terms, refused = _terms(path.terms, at, purpose)
    problem, detail = "", ""
    if refused:
        problem, detail = "NO_CERTIFICATE_CHAIN_FOUND", refused
    elif worst is not None and worst.state == "revoked":
        problem, detail = "REVOKED", f"{worst.subject}: {worst.detail} {worst.revoked_at.isoformat() if worst.revoked_at else ''} ({worst.source})"
    else:
        problem, detail = _validity(path.chain, at)
    return ChainResult(
        path.certificates,
        anchor.name,
        _summary(worst),
        problem,
        detail,
        scope=terms.scope,
        revocations=tuple(facts),
        anchor_sha256=anchor.sha256,
        terms=terms,
    )


def _terms(all_terms: tuple[AnchorTerms, ...], at: datetime, purpose: str) -> tuple[AnchorTerms, str]:
    """The terms that hold, or the last ones with why they do not."""
    refused = ""
    for terms in all_terms:
        refused = terms.holds(at, purpose)
        if not refused:
            return terms, ""
    return all_terms[-1], refused


def _summary(worst: RevocationFact | None) -> Revocation:
    if worst is None:
        return Revocation("good", "anchor")
    when = f" {worst.produced_at.isoformat()}" if worst.produced_at else ""
    return Revocation(worst.state, worst.source + when, worst.revoked_at)


def _validity(chain: Sequence[Known], at: datetime) -> tuple[str, str]:
    for certificate in chain:
        if at < certificate.not_before:
            return "NOT_YET_VALID", certificate.name
        if at > certificate.not_after:
            return "OUT_OF_BOUNDS_NO_POE", certificate.name
    return "", ""


def _order(result: ChainResult) -> tuple[int, bool, int, int]:
    rank = _RANK.index(result.problem) if result.problem in _RANK else len(_RANK)
    return rank, result.revocation.state != "good", SCOPES.index(result.scope), len(result.chain)
