"""checking — kiểm tra tệp chứng cứ: everything one ASiC-E file proves, offline.

No network, no database, no hub code. The check describes (`EvidenceReport`); only a
malformed container raises, and never anything but `EvidenceInvalid`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from signing.container import MANIFEST, SIGNATURE, Container
from signing.errors import EvidenceInvalid, SigningError
from signing.evidence.archive import Stamp, check_stamps
from signing.evidence.content import check_content
from signing.evidence.custody import check_custody
from signing.evidence.findings import EvidenceReport, Verify
from signing.evidence.manifest import Layout, read_layout
from signing.evidence.pieces import Pieces
from signing.evidence.statutory import Kept, sealed, statutory_items
from signing.evidence.telling import tell
from signing.seal import verify_seal
from signing.trust import Trust
from signing.witness_policy import WitnessPolicy

_MOST_DATA = 64  # CRLs, and OCSP answers, of a file that are looked at


def check(
    path: Path,
    *,
    trust: Trust,
    vkeys: Sequence[str],
    at: datetime,
    verify: Verify | None = None,
    policy: WitnessPolicy | None = None,
) -> EvidenceReport:
    """Report: everything the evidence file proves, judged at the moment `at`.

    Args:
        vkeys: verifier keys of the log, from the auditor's own folder, never from the file.
        verify: judges one PDF; None leaves the PDFs to their digests.
        policy: logs and witnesses that the auditor relies on; its quorum must have cosigned the head.

    Raises:
        EvidenceInvalid: not a well-formed container.
    """
    try:
        with Container.open(path) as container:
            return _check(Pieces(container, trust, tuple(vkeys), policy, at), verify)
    except EvidenceInvalid:
        raise
    except Exception as error:  # whatever a hostile file raises, it does not hold
        raise EvidenceInvalid(f"{type(error).__name__}: {error}"[:200], place=path.name) from error


def _check(p: Pieces, verify: Verify | None) -> EvidenceReport:
    layout = read_layout(p.container)
    kept = _kept(p)
    # Lists of revoked certificates are signed by their issuers: those in the file only add to what is known.
    p.trust = dataclasses.replace(p.trust, crls=tuple(dict.fromkeys((*p.trust.crls, *kept.crls))), ocsps=tuple(dict.fromkeys((*p.trust.ocsps, *kept.ocsps))))
    _check_digests(p, layout)
    stamps = _check_stamps(p, layout)
    _check_seal(p, stamps)
    check_custody(p)
    check_content(p, verify)
    _check_sealed_head(p)
    items = tuple(statutory_items(p.signed, kept, p.trust))
    document = p.events[0].said.get("doc") if p.events else {}
    document = document if isinstance(document, dict) else {}
    report = EvidenceReport(
        ok=not p.reasons,
        reasons=tuple(p.reasons),
        seal=p.seal,
        origin=p.events[-1].origin if p.events else "",
        log_size=p.log_size,
        document_id=str(document.get("id", "")),
        sender=str(p.events[0].said.get("from", "")) if p.events else "",
        package_sha256=str(document.get("sha256", "")),
        events=tuple({"index": e.index, **e.said} for e in p.events),
        files=tuple(p.files),
        statuses=tuple((s.name, s.seal.signer, s.sha256) for s in p.statuses),
        statutory=items,
        archived=tuple(s.time for s in stamps),
        witnesses=p.witnesses,
        content=p.has_content,
    )
    acts, statements = tell(p, report, stamps)
    return dataclasses.replace(report, acts=tuple(acts), statements=tuple(statements))


def _kept(p: Pieces) -> Kept:
    """Revocation data, CA policies and what is said of the signers, in the file."""
    names = [n for n in p.container.order if n.startswith("trust/")]
    crls = [p.container.read(n) for n in names if n.endswith(".crl")][:_MOST_DATA]
    ocsps = [p.container.read(n) for n in names if n.endswith(".ocsp")][:_MOST_DATA]
    policies = frozenset(Path(n).stem for n in names if n.startswith("trust/policies/"))
    said: Any = {}
    if "trust/responsibility.json" in p.container.names:
        said = json.loads(p.container.read("trust/responsibility.json"))
    return Kept(tuple(crls), tuple(ocsps), policies, said if isinstance(said, dict) else {})


def _check_digests(p: Pieces, layout: Layout) -> None:
    for code, place in layout.problems:
        p.fail(code, place)
    for name, digest in layout.listed:
        if name in p.container.names and p.container.digest(name) != digest:
            p.fail("evidence.changed", name)


def _check_stamps(p: Pieces, layout: Layout) -> list[Stamp]:
    try:
        return check_stamps(p.container, layout, p.trust)
    except SigningError as error:
        p.caught(error, error.place)
        return []


def _check_seal(p: Pieces, stamps: Sequence[Stamp]) -> None:
    """The hub's seal. From a time-stamp on, everything in the file is proven to have been there by then."""
    if stamps:
        p.moment = min(p.at, stamps[0].time)
    try:
        data = p.container.read(SIGNATURE)
        p.seal = verify_seal(hashlib.sha256(p.container.read(MANIFEST)).digest(), data, p.trust, at=p.moment, seen_at=stamps[0].time if stamps else None)
    except SigningError as error:
        p.caught(error, SIGNATURE)
        return
    stamp = p.seal.time.isoformat() if p.seal.time_source == "timestamp" else ""
    if stamp:
        p.moment = p.seal.time
    p.signed.append(sealed(SIGNATURE, data, p.seal.certificate_sha256, p.seal.signer, at=p.moment, stamp=stamp))


def _check_sealed_head(p: Pieces) -> None:
    """A head of the log with the hub's seal and a time-stamp of its own (log/sealed*), when there is one."""
    if "log/sealed" not in p.container.names:
        return
    try:
        p.check_sealed_head("log/sealed")
    except SigningError as error:
        p.caught(error, "log/sealed")
