"""conclusions — from what was read of one signature to its finding. The same for both paths.

Each check is made and kept (`report.Check`); the indication follows EN 319 102-1 clause 5.
A signature is judged at the best proven time, never at the claimed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from signing.algorithms import bits_of, has_named_curve, strength
from signing.bindings import binding_digest
from signing.errors import CmsBroken, NotDer
from signing.reasons import reason
from signing.report import (
    Check,
    Indication,
    Level,
    RevocationFact,
    Role,
    SignatureFinding,
    State,
    TimestampFact,
)
from signing.signed_data import check, is_bound, signer_certificate
from signing.trust import ChainResult, Trust
from signing.verify_pdf.finding_parts import changes_level, facts_of, said, worst, worst_state
from signing.verify_pdf.reading import PADES, Material, Signature, subject_text
from signing.verify_pdf.roles import role_of
from signing.verify_pdf.stamp_findings import timestamp_finding
from signing.verify_pdf.stamps import EXPIRED, covering_stamps, document_stamps, earliest, own_stamps

_CHAIN = {
    "CERTIFICATE_CHAIN_GENERAL_FAILURE": "signature.certificate_unreadable",
    "CRYPTO_CONSTRAINTS_FAILURE": "signature.weak_algorithm",
    "NO_CERTIFICATE_CHAIN_FOUND": "signature.untrusted",
    "OUT_OF_BOUNDS_NO_POE": "signature.expired",
    "NOT_YET_VALID": "signature.not_yet_valid",
}
_BROKEN = {"digest": "HASH_FAILURE", "signature_value": "SIG_CRYPTO_FAILURE", "certificate": "NO_SIGNING_CERTIFICATE_FOUND"}


def conclude(signatures: Sequence[Signature], material: Material, trust: Trust, at: datetime) -> tuple[SignatureFinding, ...]:
    """Findings in the order of `signatures`; document time-stamps prove a time for what they cover."""
    stamps = document_stamps(signatures, material, trust, at)
    found = []
    for signature in signatures:
        if signature.is_timestamp:
            found.append(timestamp_finding(signature, stamps[signature.revision]))
        else:
            found.append(_Conclusion(signature, material, trust, at, covering_stamps(signature, stamps)).finding())
    return tuple(found)


class _Conclusion:
    """One signature's checks, made in order."""

    def __init__(self, signature: Signature, material: Material, trust: Trust, at: datetime, covering: Sequence[TimestampFact]) -> None:
        self.signature, self.material, self.trust, self.at = signature, material, trust, at
        self.checks = list(signature.checks)
        self.reasons = [*signature.reasons, *said(signature)]
        self.timestamps = [*own_stamps(signature.signed, material, trust, at, covering), *covering]
        self.certificate: x509.Certificate | None = None
        self.der = b""

    def _add(self, code: str, state: State, problem: str = "", detail: str = "", sub: str = "") -> None:
        self.checks.append(Check(code, state, problem, detail, sub))
        if problem:
            self.reasons.append(reason(problem, self.signature.field, detail))

    def finding(self) -> SignatureFinding:
        """The finding, whatever holds or does not."""
        intact = self._check_value()
        best, source = earliest(self.timestamps, self.at)
        path = self._check_path(best) if self.certificate is not None else None
        force = self._check_algorithms(best)
        self._check_stamps()
        if any(not c.lawful for c in self.signature.changes):
            self._add("later_changes", State.FAILED, "pdf.tampered.changed", "", "FORMAT_FAILURE")
        else:
            self._add("later_changes", State.PASSED)
        indication, sub = worst(self.checks)
        return self._build(intact, best, source, path, force, indication, sub)

    def _check_value(self) -> bool:
        signed = self.signature.signed
        try:
            self.der = signer_certificate(signed)
            self.certificate = x509.load_der_x509_certificate(self.der)
            self.certificate.public_key()
            if not has_named_curve(self.certificate):
                raise ValueError("explicit curve parameters")
        except (CmsBroken, NotDer) as error:
            self._add("certificate_binding", State.FAILED, "signature.broken", error.detail, "NO_SIGNING_CERTIFICATE_FOUND")
            return False
        except (ValueError, UnsupportedAlgorithm) as error:
            self.certificate = None
            self._add("certificate_binding", State.INDETERMINATE, "signature.certificate_unreadable", type(error).__name__, "NO_SIGNING_CERTIFICATE_FOUND")
            return False
        try:
            check(signed, self.signature.digest)
        except CmsBroken as error:
            if self.signature.opinion:  # verifiers disagree: a doubt, not a failure
                self._add("format", State.INDETERMINATE, "signature.malformed", error.detail, "FORMAT_FAILURE")
            else:
                self._add(error.place, State.FAILED, "signature.broken", error.detail, _BROKEN.get(error.place, "FORMAT_FAILURE"))
            return False
        except NotDer as error:
            self._add("format", State.INDETERMINATE, "signature.malformed", error.detail, "FORMAT_FAILURE")
            return False
        for code in ("digest", "certificate_binding", "signature_value"):
            self._add(code, State.PASSED)
        if not is_bound(signed):
            state = State.FAILED if self.signature.subfilter == PADES else State.SKIPPED
            problem = "signature.malformed" if state is State.FAILED else ""
            self._add("format", state, problem, "no signing-certificate attribute", "FORMAT_FAILURE" if problem else "")
        return True

    def _check_stamps(self) -> None:
        for stamp in self.timestamps:
            if stamp.holds or stamp.kind == "document":
                continue
            if stamp.problem.startswith("NO_CERTIFICATE_CHAIN_FOUND"):
                self._add("timestamp", State.SKIPPED, "signature.timestamp_untrusted", stamp.problem)
            elif stamp.problem.startswith(EXPIRED):
                self._add("timestamp", State.SKIPPED, "signature.timestamp_expired", stamp.problem)
            else:
                self._add("timestamp", State.INDETERMINATE, "signature.timestamp_broken", stamp.problem, "SIG_CONSTRAINTS_FAILURE")
        if any(s.holds for s in self.timestamps):
            self._add("timestamp", State.PASSED)

    def _check_path(self, best: datetime) -> ChainResult:
        assert self.certificate is not None
        extra = [*self.signature.signed.certificates, *self.material.certificates]
        crls = (*self.material.crls, *self.signature.signed.crls)
        path = self.trust.path(self.certificate, extra, at=best, crls=crls, ocsps=self.material.ocsps)
        if path.problem == "REVOKED":
            self._revoked(path, best)
        elif path.problem:
            problem = _CHAIN.get(path.problem, "signature.key_usage" if "key usage" in path.detail else "signature.untrusted")
            self._add("chain", State.INDETERMINATE, problem, path.detail, path.problem)
        else:
            self._add("chain", State.PASSED, detail=path.anchor)
            self._add("validity", State.PASSED)
            known = all(f.state != "unknown" for f in path.revocations)
            sub = "" if known else "TRY_LATER"
            self._add("revocation", State.PASSED if known else State.INDETERMINATE, "" if known else "signature.revocation_unknown", "", sub)
        if path.problem != "NO_CERTIFICATE_CHAIN_FOUND":
            self._check_usage()
        if path.terms is not None and path.terms.list_until is not None and path.terms.list_until < self.at:
            self._add("chain", State.SKIPPED, "trust.list_expired")
        return path

    def _revoked(self, path: ChainResult, best: datetime) -> None:
        """EN 319 102-1 5.2.6.4: revoked before any proof of existence. A claimed time before the revocation is a doubt, not a proof."""
        revoked = next((f for f in path.revocations if f.state == "revoked"), None)
        when = revoked.revoked_at if revoked is not None else None
        claimed = self.signature.claimed_time
        doubt = when is not None and best == self.at and claimed is not None and claimed < when
        self._add("chain", State.PASSED, detail=path.anchor)
        if doubt:
            self._add("revocation", State.INDETERMINATE, "signature.revoked", path.detail, "REVOKED_NO_POE")
        else:
            self._add("revocation", State.FAILED, "signature.revoked", path.detail, "REVOKED")

    def _check_usage(self) -> None:
        assert self.certificate is not None
        try:
            usage = self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
            good = usage.digital_signature or usage.content_commitment
        except x509.ExtensionNotFound:
            good = True
        except ValueError:
            good = False
        self._add(
            "key_usage", State.PASSED if good else State.INDETERMINATE, "" if good else "signature.key_usage", "", "" if good else "CHAIN_CONSTRAINTS_FAILURE"
        )

    def _check_algorithms(self, best: datetime) -> str:
        signed = self.signature.signed
        bits = bits_of(self.certificate) if self.certificate is not None else 0
        force = strength(scheme=signed.scheme, digest=signed.digest, bits=bits, at=best)
        if force == "weak":
            detail = f"{signed.scheme} {signed.digest} {bits}"
            self._add("algorithms", State.INDETERMINATE, "signature.weak_algorithm", detail, "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
        elif force != "unknown":
            self._add("algorithms", State.PASSED)
        return force

    def _level(self) -> Level:
        stamped = any(s.kind == "signature" and s.holds for s in self.timestamps)
        archived = any(s.kind == "document" and s.holds for s in self.timestamps)
        data = bool(self.material.certificates) and bool(self.material.crls or self.material.ocsps)
        if archived and data:
            return Level.B_LTA
        if stamped and data:
            return Level.B_LT
        return Level.B_T if stamped or archived else Level.B_B

    def _build(self, intact: bool, best: datetime, source: str, path: ChainResult | None, force: str, indication: Indication, sub: str) -> SignatureFinding:
        signature, certificate = self.signature, self.certificate
        role = role_of(certificate, self.trust) if certificate is not None else Role.UNKNOWN
        revocations: tuple[RevocationFact, ...] = path.revocations if path is not None else ()
        facts = facts_of(certificate, self.der) if certificate is not None else None
        state = worst_state(revocations)
        return SignatureFinding(
            field=signature.field,
            role=role,
            signer=subject_text(certificate, NameOID.COMMON_NAME) if certificate is not None else "",
            organisation=subject_text(certificate, NameOID.ORGANIZATION_NAME) if certificate is not None else "",
            certificate_sha256=facts.sha256 if facts is not None else "",
            serial=facts.serial if facts is not None else "",
            issuer=facts.issuer if facts is not None else "",
            anchor=path.anchor if path is not None else "",
            algorithm=f"{signature.signed.scheme}-{signature.signed.digest}",
            level=self._level(),
            claimed_time=signature.claimed_time,
            best_time=best,
            best_time_source=source,
            revocation=state,
            revocation_source=next((f.source for f in revocations if f.state == state), ""),
            revision=signature.revision,
            revisions=signature.revisions,
            changes_after=changes_level(signature),
            intact=intact,
            trusted=path is not None and not path.problem,
            indication=indication,
            sub_indication=sub,
            reasons=tuple(self.reasons),
            certificate_kind=path.scope if path is not None else "",
            certificate=facts,
            chain=tuple(facts_of(c) for c in path.chain) if path is not None else (),
            digest=signature.signed.digest,
            scheme=signature.signed.scheme,
            key=facts.key if facts is not None else "",
            key_bits=bits_of(certificate) if certificate is not None else 0,
            binding=binding_digest(signature.signed) if intact else "",
            strength=force,
            revocations=revocations,
            timestamps=tuple(self.timestamps),
            changes=tuple(signature.changes),
            byte_range=signature.byte_range,
            covers_whole_file=signature.covers_whole_file,
            checks=tuple(self.checks),
            mark=signature.show(role) if signature.show is not None else None,
            signature_value=signature.signed.signature,
            message_digest=signature.signed.message_digest,
        )
