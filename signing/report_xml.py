"""report_xml — báo cáo ETSI: the validation report of ETSI TS 119 102-2 V1.2.1, one element per signature.

The verdict in it is the true one: a signature is total-passed only when the document holds
under the policy, so never in a file with an unlawful change, however well its CMS verifies
(signing.md T2). The result of the difference analysis, the named sub-verdicts and the
reasons stand in elements of our own namespace where the schema allows them.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from urllib.parse import quote

from lxml import etree

from signing import wording
from signing.explain import check_of
from signing.report import TOTAL_FAILED, CertificateFacts, Check, PdfVerdict, Reason, Role, SignatureFinding, State, Verdict
from signing.report_json import tool
from signing.sub_verdicts import answers, excused, outcome, standing
from signing.wording import safe, words

VR = "http://uri.etsi.org/19102/v1.2.1#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
DS = "http://www.w3.org/2000/09/xmldsig#"
TSL = "http://uri.etsi.org/02231/v2#"
OWN = "urn:vanthu:report:1"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_DIGESTS = {"sha256": _SHA256, "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384", "sha512": "http://www.w3.org/2001/04/xmlenc#sha512"}
_MAIN = {State.PASSED: "total-passed", State.FAILED: "total-failed", State.INDETERMINATE: "indeterminate"}
# EN 319 102-1 table 6, of INDETERMINATE; a passed signature has none.
_CONSTRAINTS = "SIG_CONSTRAINTS_FAILURE CHAIN_CONSTRAINTS_FAILURE CRYPTO_CONSTRAINTS_FAILURE CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
_CHAIN = "CERTIFICATE_CHAIN_GENERAL_FAILURE NO_SIGNING_CERTIFICATE_FOUND NO_CERTIFICATE_CHAIN_FOUND REVOKED_NO_POE REVOKED_CA_NO_POE"
_PROOF = "OUT_OF_BOUNDS_NOT_REVOKED OUT_OF_BOUNDS_NO_POE REVOCATION_OUT_OF_BOUNDS_NO_POE NO_POE TIMESTAMP_ORDER_FAILURE TRY_LATER"
_OTHER = "POLICY_PROCESSING_ERROR SIGNATURE_POLICY_NOT_AVAILABLE SIGNED_DATA_NOT_FOUND GENERIC"
SUB_INDICATIONS = TOTAL_FAILED | set(f"{_CONSTRAINTS} {_CHAIN} {_PROOF} {_OTHER}".split())
_SUB_OF_CHECK = {
    "format": "FORMAT_FAILURE",
    "byte_range": "FORMAT_FAILURE",
    "digest": "HASH_FAILURE",
    "later_changes": "HASH_FAILURE",
    "signature_value": "SIG_CRYPTO_FAILURE",
    "certificate_binding": "NO_SIGNING_CERTIFICATE_FOUND",
    "chain": "NO_CERTIFICATE_CHAIN_FOUND",
    "validity": "OUT_OF_BOUNDS_NO_POE",
    "key_usage": "CHAIN_CONSTRAINTS_FAILURE",
    "algorithms": "CRYPTO_CONSTRAINTS_FAILURE",
    "timestamp": "TIMESTAMP_ORDER_FAILURE",
}
_PROCESS = {"B-B": "Basic", "B-T": "LTVM", "B-LT": "LTVM", "B-LTA": "LTA"}


def etsi_report(verdict: PdfVerdict, *, made_at: datetime) -> bytes:
    """The report on one PDF as UTF-8 XML; a file without signatures gets one element that says so.

    `made_at` (aware) stands in where the findings carry no moment of judgement.
    """
    verdict = safe(verdict)
    root = etree.Element(_q(VR, "ValidationReport"), nsmap={"vr": VR, "ds": DS, "xades": XADES, "tsl": TSL, "vt": OWN})
    objects = _Objects()
    at = verdict.findings.judged_at or made_at
    for number, signature in enumerate(verdict.findings.signatures, 1):
        _Signature(root, verdict, signature, number, at, objects).write()
    if not verdict.findings.signatures:
        _no_signature(root, verdict)
    if len(objects.element):
        root.append(objects.element)
    validator = _add(_add(root, "SignatureValidator"), "DigitalId")
    other = etree.SubElement(validator, _q(TSL, "Other"))
    used = tool()
    etree.SubElement(other, _q(OWN, "Tool"), {"name": used.name, "version": used.version, "python": used.python, **used.libraries})
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def true_indication(verdict: PdfVerdict, signature: SignatureFinding) -> tuple[State, str]:
    """State and sub-indication of one signature as part of its document.

    Total-passed only when the document is VALID under its policy; a policy that is not met is
    INDETERMINATE / SIG_CONSTRAINTS_FAILURE (EN 319 102-1 clause 5.1.4.3), a changed file TOTAL-FAILED.
    """
    state = outcome(signature, excused(verdict))
    if state is not State.FAILED and standing(verdict, signature) is State.FAILED:
        return State.FAILED, _of_failed(verdict.sub_indication, "FORMAT_FAILURE")
    if state is State.FAILED:
        changed = any(not c.lawful for c in signature.changes) or "pdf.tampered.changed" in {r.code for r in signature.reasons}
        return state, _of_failed(signature.sub_indication or verdict.sub_indication, "HASH_FAILURE" if changed or not signature.intact else "FORMAT_FAILURE")
    if state is State.PASSED and verdict.verdict is not Verdict.VALID:
        return State.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE"
    if state is State.PASSED:
        return state, ""
    own = signature.sub_indication or verdict.sub_indication
    return State.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE" if own in TOTAL_FAILED else _sub(own, "GENERIC")


def _of_failed(code: str, otherwise: str) -> str:
    """Table 6 pairs TOTAL-FAILED with six sub-indications only; a stricter verdict of ours falls under the nearest."""
    return code if code in TOTAL_FAILED else otherwise


def _sub(code: str, otherwise: str) -> str:
    return code if code in SUB_INDICATIONS else otherwise


def _q(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}"


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, _q(VR, name), attributes)
    element.text = text
    return element


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _digest(parent: etree._Element, name: str, algorithm: str, value: bytes) -> None:
    element = _add(parent, name)
    etree.SubElement(element, _q(DS, "DigestMethod"), {"Algorithm": algorithm})
    etree.SubElement(element, _q(DS, "DigestValue")).text = base64.b64encode(value).decode()


def _status(parent: etree._Element, name: str, main: str, sub: str) -> etree._Element:
    element = _add(parent, name)
    _add(element, "MainIndication", f"urn:etsi:019102:mainindication:{main}")
    if sub:
        _add(element, "SubIndication", f"urn:etsi:019102:subindication:{sub}")
    return element


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


class _Objects:
    """The validation objects, each once, referred to by id."""

    def __init__(self) -> None:
        self.element = etree.Element(_q(VR, "SignatureValidationObjects"))
        self._ids: dict[tuple[str, ...], str] = {}

    def certificate(self, facts: CertificateFacts) -> str:
        return self._object(("certificate", facts.sha256, facts.subject), "certificate", facts.der or facts.sha256)

    def timestamp(self, time: datetime, authority: str, kind: str) -> str:
        return self._object(("timestamp", _time(time), authority, kind), "timestamp", {"time": _time(time), "authority": authority, "kind": kind}, time)

    def revocation(self, subject: str, source: str, produced: datetime) -> str:
        kind = "OCSPResponse" if "OCSP" in source else "CRL"
        return self._object((kind, subject, _time(produced)), kind, {"subject": subject, "source": source, "producedAt": _time(produced)}, produced)

    def _object(self, key: tuple[str, ...], kind: str, shown: bytes | str | dict[str, str], poe: datetime | None = None) -> str:
        if key not in self._ids:
            self._ids[key] = f"object-{len(self._ids) + 1}"
            element = _add(self.element, "ValidationObject", id=self._ids[key])
            _add(element, "ObjectType", f"urn:etsi:019102:validationObject:{kind}")
            representation = _add(element, "ValidationObjectRepresentation")
            if isinstance(shown, bytes):
                _add(representation, "base64", base64.b64encode(shown).decode())
            elif isinstance(shown, str):
                _digest(representation, "DigestAlgAndValue", _SHA256, _hex(shown))
            else:
                etree.SubElement(_add(representation, "direct"), _q(OWN, "Object"), shown)
            if poe is not None:
                proof = _add(element, "POE")
                _add(proof, "POETime", _time(poe))
                _add(proof, "TypeOfProof", "urn:etsi:019102:poetype:validation")
        return self._ids[key]


class _Signature:
    """Writes the SignatureValidationReport of one signature, elements in the order of the schema."""

    def __init__(self, root: etree._Element, verdict: PdfVerdict, signature: SignatureFinding, number: int, at: datetime, objects: _Objects) -> None:
        self.element = _add(root, "SignatureValidationReport")
        self.verdict, self.s, self.at, self.objects = verdict, signature, at, objects
        self.id = f"signature-{number}"
        self.chain = signature.chain or ((signature.certificate,) if signature.certificate else ())

    def write(self) -> None:
        """Everything."""
        s = self.s
        identifier = _add(self.element, "SignatureIdentifier", id=self.id)
        if s.message_digest and _hash(s):
            _digest(identifier, "DigestAlgAndValue", _DIGESTS[_hash(s)], s.message_digest)
        if s.signature_value:
            etree.SubElement(identifier, _q(DS, "SignatureValue")).text = base64.b64encode(s.signature_value).decode()
        _add(identifier, "HashOnly", "false")
        _add(identifier, "DocHashOnly", "false")
        _add(identifier, "DAIdentifier", s.field)
        _constraints(self.element, self.verdict, s)
        self._times()
        _document(self.element, self.verdict)
        self._attributes()
        if s.certificate is not None:
            signer = _add(self.element, "SignerInformation")
            _add(signer, "SignerCertificate", VOReference=self.objects.certificate(s.certificate))
            _add(signer, "Signer", s.certificate.subject)
        quality = _add(self.element, "SignatureQuality")
        _add(quality, "SignatureQualityInformation", f"urn:vanthu:level:{quote(s.level)}")
        _add(quality, "SignatureQualityInformation", f"urn:vanthu:role:{s.role.value}")
        if s.certificate_kind:
            _add(quality, "SignatureQualityInformation", f"urn:vanthu:certificate:{quote(s.certificate_kind)}")
        process = _add(self.element, "SignatureValidationProcess")
        _add(process, "SignatureValidationProcessID", f"urn:etsi:019102:validationprocess:{_PROCESS.get(s.level, 'Basic')}")
        state, sub = true_indication(self.verdict, s)
        self._evidence(_status(self.element, "SignatureValidationStatus", _MAIN[state], sub))

    def _times(self) -> None:
        s = self.s
        info = _add(self.element, "ValidationTimeInfo")
        _add(info, "ValidationTime", _time(self.at))
        best = _add(info, "BestSignatureTime")
        stamp = next((t for t in s.timestamps if t.holds and t.time == s.best_time), None)
        proven = s.best_time is not None and s.best_time_source in wording.PROVEN
        _add(best, "POETime", _time(s.best_time if proven and s.best_time is not None else self.at))
        _add(best, "TypeOfProof", f"urn:etsi:019102:poetype:{'provided' if s.best_time_source == 'custody' else 'validation'}")
        if proven and stamp is not None:
            _add(best, "POEObject", VOReference=self.objects.timestamp(stamp.time, stamp.authority, stamp.kind))

    def _attributes(self) -> None:
        s = self.s
        element = etree.Element(_q(VR, "SignatureAttributes"))
        if s.claimed_time is not None:
            _add(_add(element, "SigningTime", Signed="true"), "Time", _time(s.claimed_time))
        if _hex(s.certificate_sha256) and s.role is not Role.TIMESTAMP:
            _digest(_add(element, "SigningCertificate", Signed="true"), "CertID", _SHA256, _hex(s.certificate_sha256))
        for stamp in s.timestamps:
            attribute = _add(element, "DocTimeStamp" if stamp.kind == "document" else "SignatureTimeStamp", Signed="false")
            _add(attribute, "AttributeObject", VOReference=self.objects.timestamp(stamp.time, stamp.authority, stamp.kind))
            _add(attribute, "TimeStampValue", _time(stamp.time))
        if s.message_digest:
            _add(_add(element, "MessageDigest", Signed="true"), "Digest", base64.b64encode(s.message_digest).decode())
        if s.byte_range:
            _add(element, "ByteRange", " ".join(str(n) for n in s.byte_range))
        if len(element):
            self.element.append(element)

    def _evidence(self, status: etree._Element) -> None:
        """Chain, revocation, algorithms, difference analysis: what the verdict rests on."""
        s, data = self.s, _add(status, "AssociatedValidationReportData")
        references = [self.objects.certificate(c) for c in self.chain]
        anchored = bool(s.anchor and len(references) > 1)
        if anchored:
            _add(data, "TrustAnchor", VOReference=references[-1])
        if references:
            chain = _add(data, "CertificateChain")
            _add(chain, "SigningCertificate", VOReference=references[0])
            for reference in references[1:-1] if anchored else references[1:]:
                _add(chain, "IntermediateCertificate", VOReference=reference)
            if anchored:
                _add(chain, "TrustAnchor", VOReference=references[-1])
        answered = [self.objects.revocation(f.subject, f.source, f.produced_at) for f in s.revocations if f.produced_at is not None]
        for reference in dict.fromkeys(answered):
            _add(data, "RelatedValidationObject", VOReference=reference)
        self._revoked(data)
        crypto = _add(data, "CryptoInformation")
        _add(crypto, "ValidationObjectId", VOReference=self.id)
        _add(crypto, "Algorithm", _algorithm(s))
        if s.key:
            parameters = _add(crypto, "AlgorithmParameters")
            _add(parameters, "Type", "urn:vanthu:key")
            _add(parameters, "Value", s.key)
        _add(crypto, "SecureAlgorithm", "true" if s.strength in ("strong", "legacy") else "false")
        _more(_add(data, "AdditionalValidationReportData"), s, excused(self.verdict))

    def _revoked(self, data: etree._Element) -> None:
        by_subject = {c.subject: c for c in self.chain}
        fact = next((f for f in self.s.revocations if f.state == "revoked" and f.revoked_at is not None and f.subject in by_subject), None)
        if fact is not None and fact.revoked_at is not None:
            information = _add(data, "RevocationStatusInformation")
            _add(information, "ValidationObjectId", VOReference=self.objects.certificate(by_subject[fact.subject]))
            _add(information, "RevocationTime", _time(fact.revoked_at))
            if fact.detail:
                _add(information, "RevocationReason", f"urn:vanthu:revocation:{quote(fact.detail)}")
            if fact.produced_at is not None:
                _add(information, "RevocationObject", VOReference=self.objects.revocation(fact.subject, fact.source, fact.produced_at))


def _hash(s: SignatureFinding) -> str:
    text = (s.digest or s.algorithm).lower().replace("-", "")
    return next((name for name in _DIGESTS if name in text or name.removeprefix("sha") in text), "")


def _algorithm(s: SignatureFinding) -> str:
    """The URI of a signature algorithm (RFC 6931, RFC 9231)."""
    used, digest = f"{s.scheme} {s.algorithm}".lower(), _hash(s)
    if digest and "pss" in used:
        return f"http://www.w3.org/2007/05/xmldsig-more#{digest}-rsa-MGF1"
    if digest and "ecdsa" in used:
        return f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-{digest}"
    if digest and ("rsa" in used or "pkcs" in used):
        return f"http://www.w3.org/2001/04/xmldsig-more#rsa-{digest}"
    return f"urn:vanthu:algorithm:{quote(s.scheme or s.algorithm or 'unknown')}"


def _constraints(parent: etree._Element, verdict: PdfVerdict, signature: SignatureFinding | None) -> None:
    element = _add(parent, "ValidationConstraintsEvaluationReport")
    policy = _add(element, "SignatureValidationPolicy")
    etree.SubElement(_add(policy, "SignaturePolicyIdentifier"), _q(XADES, "SignaturePolicyImplied"))
    _add(policy, "PolicyName", verdict.policy)
    said: set[str] = set()
    for check in signature.checks if signature else ():
        known = {r.code: r for r in signature.reasons} if signature else {}
        lenient = verdict.policy if check.state is not State.PASSED and check.reason in excused(verdict) else ""
        _constraint(element, f"urn:vanthu:constraint:{quote(check.code)}", check, known.get(check.reason), lenient)
        said.add(check.reason)
    if signature is not None and not signature.checks:
        # An older verifier names no checks; its named sub-verdicts are the constraints.
        for answer in answers(signature, excused(verdict)):
            _constraint(element, f"urn:vanthu:constraint:{quote(answer.code)}", Check(answer.code, answer.state), None)
    for warning, reasons in ((False, verdict.reasons), (True, verdict.warnings)):
        for r in dict.fromkeys(reasons):
            if r.code not in said:
                state = State.PASSED if warning else State.FAILED if verdict.verdict is Verdict.INVALID else State.INDETERMINATE
                _constraint(element, f"urn:vanthu:constraint:document:{quote(r.code)}", Check(check_of(r.code), state, r.code), r)


def _constraint(parent: etree._Element, identifier: str, check: Check, reason: Reason | None, overridden_by: str = "") -> None:
    element = _add(parent, "ValidationConstraint")
    _add(element, "ValidationConstraintIdentifier", identifier)
    status = _add(element, "ConstraintStatus")
    skipped = check.state is State.SKIPPED
    _add(status, "Status", f"urn:etsi:019102:constraintStatus:{'disabled' if skipped else 'overridden' if overridden_by else 'applied'}")
    if overridden_by and not skipped:
        _add(status, "OverriddenBy", f"urn:vanthu:policy:{quote(overridden_by)}")
    if not skipped:
        sub = "" if check.state is State.PASSED else (_sub(check.sub_indication, "") or _SUB_OF_CHECK.get(check.code, ""))
        _status(element, "ValidationStatus", check.state.value, sub)
    if reason is not None or check.detail or check.reason:
        text = reason or Reason(check.reason, *words(wording.CHECKS, check.code))
        indications = _add(element, "Indications")
        _reason(indications, text)
        if check.detail:
            etree.SubElement(indications, _q(OWN, "Detail")).text = check.detail


def _reason(parent: etree._Element, reason: Reason) -> None:
    element = etree.SubElement(parent, _q(OWN, "Reason"), {"code": reason.code, "place": reason.place})
    for language, text in (("vi", reason.vi), ("en", reason.en)):
        etree.SubElement(element, _q(OWN, "Text"), {"{http://www.w3.org/XML/1998/namespace}lang": language}).text = text


def _document(parent: etree._Element, verdict: PdfVerdict) -> None:
    if verdict.findings.sha256:
        _digest(_add(parent, "SignersDocument"), "DigestAlgAndValue", _SHA256, _hex(verdict.findings.sha256))


def _more(parent: etree._Element, s: SignatureFinding, lenient: frozenset[str]) -> None:
    """What the schema has no element for: later changes, sub-verdicts, revocation of each certificate."""
    changes = etree.Element(
        _q(OWN, "LaterChanges"),
        {"level": s.changes_after, "revision": str(s.revision), "revisions": str(s.revisions), "coversWholeFile": str(s.covers_whole_file).lower()},
    )
    for change in s.changes:
        attributes = {"kind": change.kind, "what": change.what, "revision": str(change.revision), "lawful": str(change.lawful).lower()}
        etree.SubElement(changes, _q(OWN, "Change"), attributes)
    _data(parent, "difference-analysis", changes)
    named = etree.Element(_q(OWN, "SubVerdicts"))
    for answer in answers(s, lenient):
        element = etree.SubElement(named, _q(OWN, "SubVerdict"), {"name": answer.code, "state": answer.state.value})
        for language, text in (("vi", answer.vi), ("en", answer.en)):
            etree.SubElement(element, _q(OWN, "Text"), {"{http://www.w3.org/XML/1998/namespace}lang": language}).text = text
    _data(parent, "sub-verdicts", named)
    if s.revocations:
        states = etree.Element(_q(OWN, "Revocation"))
        for f in s.revocations:
            produced = {"producedAt": _time(f.produced_at)} if f.produced_at else {}
            etree.SubElement(states, _q(OWN, "Certificate"), {"subject": f.subject, "state": f.state, "source": f.source, **produced})
        _data(parent, "revocation", states)


def _data(parent: etree._Element, kind: str, value: etree._Element) -> None:
    element = _add(parent, "ReportData")
    _add(element, "Type", f"urn:vanthu:{kind}")
    _add(element, "Value").append(value)


def _no_signature(root: etree._Element, verdict: PdfVerdict) -> None:
    element = _add(root, "SignatureValidationReport")
    _constraints(element, verdict, None)
    _document(element, verdict)
    failed = verdict.verdict is Verdict.INVALID
    sub = _of_failed(verdict.sub_indication, "FORMAT_FAILURE") if failed else _sub(verdict.sub_indication, "GENERIC")
    _status(element, "SignatureValidationStatus", _MAIN[State.FAILED if failed else State.INDETERMINATE], sub)
