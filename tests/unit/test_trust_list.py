"""Trust lists: signed by ourselves in every way that is allowed, and attacked in every way we know."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from signing.errors import TrustListInvalid, TrustUnusable, XmlSignatureInvalid
from signing.trust import Trust
from signing.trust_list import import_list, list_warnings, read_trust_list
from signing.xml_signature import DS, EXCLUSIVE, INCLUSIVE, SIGNED_PROPERTIES, XADES, verify_enveloped
from tests.authorities import DAY, NOW, Authority, named, root

TRUSTED = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
WITHDRAWN = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn"
CA_QC = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
TSA = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST"
MORE, ENC = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/2001/04/xmlenc#"

OPERATOR = root("Cơ quan lập danh sách")
STRANGER = root("Người lạ")
LISTED = root("CA nước ngoài")
STAMPER = root("TSA nước ngoài")


def service(der: bytes, *states: tuple[str, datetime], kind: str = CA_QC) -> str:
    """The first state is the current one."""

    def one(tag: str, status: str, since: datetime) -> str:
        return (
            f"<{tag}><ServiceTypeIdentifier>{kind}</ServiceTypeIdentifier><ServiceName><Name xml:lang='en'>Dịch vụ (mô phỏng)</Name></ServiceName>"
            f"<ServiceDigitalIdentity><DigitalId><X509Certificate>{base64.b64encode(der).decode()}</X509Certificate></DigitalId></ServiceDigitalIdentity>"
            f"<ServiceStatus>{status}</ServiceStatus><StatusStartingTime>{since:%Y-%m-%dT%H:%M:%SZ}</StatusStartingTime></{tag}>"
        )

    history = "".join(one("ServiceHistoryInstance", *state) for state in states[1:])
    return f"<TSPService>{one('ServiceInformation', *states[0])}<ServiceHistory>{history}</ServiceHistory></TSPService>"


def unsigned(*services: str, sequence: int = 7, issued: datetime = NOW - DAY, following: datetime = NOW + 30 * DAY, territory: str = "VN") -> str:
    body = "".join(services) or service(LISTED.der, (TRUSTED, NOW - 100 * DAY))
    return (
        '<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" Id="list"><SchemeInformation>'
        f"<TSLSequenceNumber>{sequence}</TSLSequenceNumber><SchemeOperatorName><Name xml:lang='vi'>Đơn vị lập (mô phỏng)</Name></SchemeOperatorName>"
        f"<SchemeTerritory>{territory}</SchemeTerritory><ListIssueDateTime>{issued:%Y-%m-%dT%H:%M:%SZ}</ListIssueDateTime>"
        f"<NextUpdate><dateTime>{following:%Y-%m-%dT%H:%M:%SZ}</dateTime></NextUpdate></SchemeInformation>"
        f"<TrustServiceProviderList><TrustServiceProvider><TSPServices>{body}</TSPServices></TrustServiceProvider></TrustServiceProviderList>\n"
        "<!-- ghi chú --></TrustServiceStatusList>"
    )


def raw_value(key: object, data: bytes, method: str) -> bytes:
    algorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[next(n for n in ("256", "384", "512") if n in method)]
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        return key.sign(data, pss if "MGF1" in method else padding.PKCS1v15(), algorithm)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    half = (key.key_size + 7) // 8
    return b"".join(n.to_bytes(half, "big") for n in decode_dss_signature(key.sign(data, ec.ECDSA(algorithm))))


def signed(
    text: str,
    signer: Authority = OPERATOR,
    *,
    method: str = MORE + "ecdsa-sha256",
    c14n: str = EXCLUSIVE,
    digest: str = ENC + "sha256",
    properties: bool = True,
    uri: str = "",
    before: Callable[[etree._Element], None] = lambda _: None,
    first: bool = False,
) -> bytes:
    """Sign the list; `before` may change the finished SignedInfo before it is signed."""
    document = etree.fromstring(text)

    def canonical(element: etree._Element, how: str) -> str:
        data = etree.tostring(element, method="c14n", exclusive=how == EXCLUSIVE, with_comments=False)
        return base64.b64encode(hashlib.new({"6": "sha256", "4": "sha384", "2": "sha512"}[digest[-1]], data).digest()).decode()

    content = canonical(document, c14n)
    extra = (
        f'<ds:Reference Type="{SIGNED_PROPERTIES}" URI="#props"><ds:Transforms><ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>P</ds:DigestValue></ds:Reference>'
    )
    held = (
        f'<ds:Object><x:QualifyingProperties xmlns:x="{XADES}" Target="#sig"><x:SignedProperties Id="props"><x:SignedSignatureProperties>'
        f"<x:SigningTime>{NOW:%Y-%m-%dT%H:%M:%SZ}</x:SigningTime></x:SignedSignatureProperties></x:SignedProperties></x:QualifyingProperties></ds:Object>"
    )
    signature = etree.fromstring(
        f'<ds:Signature xmlns:ds="{DS}" Id="sig"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{c14n}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="{uri}"><ds:Transforms><ds:Transform Algorithm="{DS}enveloped-signature"/>'
        f'<ds:Transform Algorithm="{c14n}"/></ds:Transforms><ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>{content}</ds:DigestValue>'
        f"</ds:Reference>{extra if properties else ''}</ds:SignedInfo><ds:SignatureValue/>{held if properties else ''}</ds:Signature>"
    )
    document.insert(0, signature) if first else document.append(signature)
    info = signature[0]
    if properties:
        place = next(iter(signature.iter(f"{{{XADES}}}SignedProperties")))
        list(info.iter(f"{{{DS}}}DigestValue"))[-1].text = canonical(place, EXCLUSIVE)
    before(info)
    data = etree.tostring(info, method="c14n", exclusive=c14n == EXCLUSIVE, with_comments=False)
    signature[1].text = base64.b64encode(raw_value(signer.key, data, method)).decode()
    return etree.tostring(document, encoding="UTF-8", xml_declaration=True)


RSA = Authority(key := rsa.generate_private_key(65537, 2048), root("Cơ quan RSA", key=key).certificate)
P384 = Authority(curve := ec.generate_private_key(ec.SECP384R1()), root("Cơ quan P-384", key=curve).certificate)


@pytest.mark.parametrize(
    ("signer", "method"),
    [
        (OPERATOR, MORE + "ecdsa-sha256"),
        (P384, MORE + "ecdsa-sha384"),
        (RSA, MORE + "rsa-sha256"),
        (RSA, MORE + "rsa-sha512"),
        (RSA, "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"),
    ],
)
@pytest.mark.parametrize("c14n", [EXCLUSIVE, INCLUSIVE])
def test_lists_that_hold(signer: Authority, method: str, c14n: str) -> None:
    for properties, digest in ((True, ENC + "sha256"), (False, ENC + "sha512")):
        data = signed(unsigned(), signer, method=method, c14n=c14n, properties=properties, digest=digest)
        listed = read_trust_list(data, [STRANGER.certificate, signer.certificate], scope="foreign")
        assert (listed.territory, listed.sequence, listed.issued) == ("VN", 7, NOW - DAY)
        assert [a.der for a in listed.anchors] == [LISTED.der] and listed.anchors[0].terms.scope == "foreign"
        assert listed.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
@pytest.mark.parametrize("c14n", [EXCLUSIVE, INCLUSIVE])
def test_xmlsec_agrees(tmp_path: Path, c14n: str) -> None:
    """What is taken for a signature here is one for others, and what is refused here for a changed digest is refused there."""
    for signer, method in ((OPERATOR, MORE + "ecdsa-sha256"), (RSA, MORE + "rsa-sha256")):
        good = signed(unsigned(), signer, method=method, c14n=c14n)
        key = tmp_path / "key.pub"
        key.write_bytes(signer.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        for data, code in ((good, 0), (good.replace(b">7<", b">8<"), 1)):
            (tmp_path / "list.xml").write_bytes(data)
            words = ["xmlsec1", "--verify", "--pubkey-pem", str(key), "--id-attr:Id", "SignedProperties", str(tmp_path / "list.xml")]
            assert subprocess.run(words, capture_output=True, timeout=30).returncode == code


def test_periods_of_trust(tmp_path: Path) -> None:
    """Withdrawn today, granted before: old signatures are judged by the status of their day."""
    stamping = (TRUSTED, NOW - 50 * DAY)
    ca = service(LISTED.der, (WITHDRAWN, NOW - 10 * DAY), (TRUSTED, NOW - 40 * DAY), (TRUSTED, NOW - 90 * DAY), (WITHDRAWN, NOW - 95 * DAY))
    listed, warnings = import_list(
        tmp_path, signed(unsigned(ca, service(STAMPER.der, stamping, kind=TSA))), [OPERATOR.certificate], scope="public", now=NOW
    )
    assert warnings == () and [(a.terms.trusted_from, a.terms.trusted_until) for a in listed.anchors] == [
        (NOW - 90 * DAY, NOW - 10 * DAY),
        (NOW - 50 * DAY, None),
    ]
    trust = Trust.load(tmp_path)
    leaf = LISTED.leaf(start=NOW - 200 * DAY)
    found = {days: trust.path(leaf, [], at=NOW - days * DAY) for days in (92, 60, 20, 5)}
    assert {days: r.problem for days, r in found.items()} == {92: "NO_CERTIFICATE_CHAIN_FOUND", 60: "", 20: "", 5: "NO_CERTIFICATE_CHAIN_FOUND"}
    assert found[20].scope == "public" and found[20].terms is not None and found[20].terms.source == "VN #7" and "until" in found[5].detail
    # A CA of signatures is not trusted for time-stamps, nor the other way round.
    assert trust.path(leaf, [], at=NOW - 20 * DAY, purpose="timestamp").problem
    assert trust.path(STAMPER.leaf(), [], at=NOW).problem == "NO_CERTIFICATE_CHAIN_FOUND"


def test_a_list_takes_nothing_away_from_the_folder(tmp_path: Path) -> None:
    """A CA that is an official anchor here and withdrawn on a list: the folder's word stands."""
    (tmp_path / "anchors").mkdir()
    (tmp_path / "anchors" / "own.pem").write_bytes(LISTED.certificate.public_bytes(Encoding.PEM))
    data = signed(unsigned(service(LISTED.der, (WITHDRAWN, NOW - 10 * DAY), (TRUSTED, NOW - 40 * DAY))))
    import_list(tmp_path, data, [OPERATOR.certificate], scope="foreign", now=NOW)
    for days in (50, 20, 5):
        result = Trust.load(tmp_path).path(LISTED.leaf(), [], at=NOW - days * DAY)
        assert (result.problem, result.scope) == ("", "official")


def test_older_and_expired_lists(tmp_path: Path) -> None:
    pinned = [OPERATOR.certificate]
    newer = signed(unsigned(sequence=8, following=NOW + DAY))
    import_list(tmp_path, newer, pinned, scope="foreign", now=NOW)
    import_list(tmp_path, newer, pinned, scope="foreign", now=NOW)  # the same again changes nothing
    for other in (signed(unsigned(sequence=7)), signed(unsigned(sequence=8, following=NOW + 2 * DAY))):
        with pytest.raises(TrustListInvalid):
            import_list(tmp_path, other, pinned, scope="foreign", now=NOW)
    with pytest.raises(TrustListInvalid):
        import_list(tmp_path, signed(unsigned(sequence=9, issued=NOW + DAY)), pinned, scope="foreign", now=NOW)
    stored = json.loads((tmp_path / "lists" / "VN.json").read_bytes())
    assert stored["sequence"] == 8 and stored["sha256"] == hashlib.sha256(newer).hexdigest() and (tmp_path / "lists" / "VN.xml").read_bytes() == newer
    assert list_warnings(tmp_path, NOW) == ()
    assert [w.code for w in list_warnings(tmp_path, NOW + 2 * DAY)] == ["trust.list_expired"]
    assert Trust.load(tmp_path).terms[0].list_until == NOW + DAY
    import_list(tmp_path, signed(unsigned(sequence=9)), pinned, scope="foreign", now=NOW)
    (tmp_path / "lists" / "VN.json").write_bytes(b'{"territory": "VN"}')
    with pytest.raises(TrustUnusable):
        Trust.load(tmp_path)


GOOD = signed(unsigned())


def _applied(document: etree._Element, change: Callable[[etree._Element], etree._Element | None]) -> bytes:
    other = change(document)
    return etree.tostring(document if other is None else other)


def _signature(document: etree._Element) -> etree._Element:
    found = document.find(f"{{{DS}}}Signature")
    assert found is not None
    return found


def _sequence(document: etree._Element) -> None:
    document[0][0].text = "9"


def _comment_in_value(document: etree._Element) -> None:
    """``1<!-- -->0``: signed and read as 7, never as the part before the comment."""
    document[0][0].text = "7"
    document[0][0].append(etree.Comment("x"))


def _wrapped(document: etree._Element) -> etree._Element:
    """The signed list inside a forged one (signature wrapping)."""
    forged = etree.fromstring(unsigned(sequence=99))
    forged.append(document)
    return forged


def _moved_up(document: etree._Element) -> etree._Element:
    """The signature moved to a forged list, the signed one kept in an Object."""
    forged, signature = etree.fromstring(unsigned(sequence=99)), _signature(document)
    document.remove(signature)
    holder = etree.SubElement(signature, f"{{{DS}}}Object")
    holder.append(document)
    forged.append(signature)
    return forged


def _moved_in(document: etree._Element) -> None:
    document[0].append(_signature(document))


def _not_last(document: etree._Element) -> None:
    etree.SubElement(document, "{http://uri.etsi.org/02231/v2#}SchemeInformation")


def _stripped(document: etree._Element) -> None:
    document.remove(_signature(document))


def _twice(document: etree._Element) -> None:
    document.append(etree.fromstring(etree.tostring(_signature(document))))


def _no_references(document: etree._Element) -> None:
    info = _signature(document)[0]
    for reference in info.findall(f"{{{DS}}}Reference"):
        info.remove(reference)


def _second_properties(document: etree._Element) -> None:
    """Another element with the Id of the signed properties."""
    document[0].set("Id", "props")


@pytest.mark.parametrize(
    "attack", [_sequence, _wrapped, _moved_up, _moved_in, _not_last, _stripped, _twice, _no_references, _second_properties], ids=lambda f: f.__name__
)
def test_attacks_are_refused(attack: Callable[[etree._Element], etree._Element | None]) -> None:
    assert read_trust_list(GOOD, [OPERATOR.certificate], scope="foreign").sequence == 7
    with pytest.raises(TrustListInvalid):
        read_trust_list(_applied(etree.fromstring(GOOD), attack), [OPERATOR.certificate], scope="foreign")


def test_comments_do_not_split_values() -> None:
    data = _applied(etree.fromstring(GOOD), _comment_in_value)
    assert read_trust_list(data, [OPERATOR.certificate], scope="foreign").sequence == 7
    assert b"<!--" not in verify_enveloped(data, [OPERATOR.certificate])[0]


def _set(path: str, **attributes: str) -> Callable[[etree._Element], None]:
    def change(info: etree._Element) -> None:
        for element in info.iterfind(path, {"ds": DS}):
            for name, value in attributes.items():
                element.set(name, value)

    return change


def _third_reference(info: etree._Element) -> None:
    info.append(etree.fromstring(etree.tostring(info[2])))


def _properties_twice(info: etree._Element) -> None:
    info.append(etree.fromstring(etree.tostring(info[3])))


def _foreign_child(info: etree._Element) -> None:
    etree.SubElement(info, "{http://example.vn/}extra")


def _xslt(info: etree._Element) -> None:
    etree.SubElement(info[2][0], f"{{{DS}}}Transform").set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")


def _no_transforms(info: etree._Element) -> None:
    info[2].remove(info[2][0])


SIGNED_ODDITIES: dict[str, Callable[[etree._Element], None]] = {
    "reference by id": _set("ds:Reference[1]", URI="#list"),
    "reference elsewhere": _set("ds:Reference[1]", URI="http://example.vn/list.xml"),
    "other properties": _set("ds:Reference[2]", URI="#list"),
    "other type": _set("ds:Reference[2]", Type="http://example.vn/other"),
    "sha1 digest": _set("ds:Reference/ds:DigestMethod", Algorithm=f"{DS}sha1"),
    "hmac": _set("ds:SignatureMethod", Algorithm=f"{MORE}hmac-sha256"),
    "sha1 signature": _set("ds:SignatureMethod", Algorithm=f"{DS}rsa-sha1"),
    "with comments": _set("ds:CanonicalizationMethod", Algorithm=EXCLUSIVE + "WithComments"),
    "xpath": _set("ds:Reference[1]/ds:Transforms/ds:Transform[1]", Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"),
    "xslt": _xslt,
    "third reference": _third_reference,
    "properties twice": _properties_twice,
    "foreign child": _foreign_child,
    "no transforms": _no_transforms,
}


@pytest.mark.parametrize("name", SIGNED_ODDITIES)
def test_oddities_are_refused_even_when_signed(name: str) -> None:
    """Made and signed by the right key: what is outside the narrow form is still refused."""
    with pytest.raises(XmlSignatureInvalid):
        verify_enveloped(signed(unsigned(), before=SIGNED_ODDITIES[name]), [OPERATOR.certificate])


def test_the_signature_stands_last() -> None:
    with pytest.raises(XmlSignatureInvalid, match="last child"):
        verify_enveloped(signed(unsigned(), first=True), [OPERATOR.certificate])


def test_wrong_signer_and_weak_key() -> None:
    with pytest.raises(TrustListInvalid):
        read_trust_list(signed(unsigned(), STRANGER), [OPERATOR.certificate], scope="foreign")
    with pytest.raises(TrustListInvalid):
        read_trust_list(GOOD, [], scope="foreign")
    weak = rsa.generate_private_key(65537, 1024)
    author = replace(OPERATOR, key=weak, certificate=OPERATOR.issue(named("Yếu"), weak)[1])
    with pytest.raises(TrustListInvalid):
        read_trust_list(signed(unsigned(), author, method=MORE + "rsa-sha256"), [author.certificate], scope="foreign")
    early = root("Đã hết hạn", end=NOW - 10 * DAY)
    with pytest.raises(TrustListInvalid, match="not valid when"):
        read_trust_list(signed(unsigned(), early), [early.certificate], scope="foreign")


@pytest.mark.parametrize(
    "prefix",
    [
        b'<!DOCTYPE TrustServiceStatusList [<!ENTITY a "b">]>',
        b'<!DOCTYPE TrustServiceStatusList SYSTEM "http://127.0.0.1:9/x.dtd">',
        b"<?xml-stylesheet href='x'?>",
        b"\x00",
    ],
)
def test_no_dtd_no_instructions(prefix: bytes) -> None:
    body = GOOD.split(b"?>\n", 1)[1]
    assert verify_enveloped(body, [OPERATOR.certificate])
    with pytest.raises(XmlSignatureInvalid):
        verify_enveloped(prefix + body, [OPERATOR.certificate])


@pytest.mark.parametrize(
    "text",
    [
        unsigned().replace("TrustServiceStatusList", "Other"),
        unsigned(territory="../x"),
        unsigned(sequence=0),
        unsigned().replace("<SchemeTerritory>VN</SchemeTerritory>", ""),
        unsigned().replace("Z</ListIssueDateTime>", "</ListIssueDateTime>"),
        unsigned(service(b"no certificate", (TRUSTED, NOW))),
    ],
)
def test_signed_but_no_list(text: str) -> None:
    with pytest.raises(TrustListInvalid):
        read_trust_list(signed(text), [OPERATOR.certificate], scope="foreign")


def test_other_services_are_no_anchors() -> None:
    others = [service(LISTED.der, (TRUSTED, NOW - DAY), kind="http://uri.etsi.org/TrstSvc/Svctype/EDS/Q")]
    elsewhere = service(LISTED.der, ("http://example.vn/granted", NOW - DAY))
    assert read_trust_list(signed(unsigned(*others, elsewhere)), [OPERATOR.certificate], scope="foreign").anchors == ()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_counts(where: int, what: int) -> None:
    """A changed byte is refused, or changes nothing that is read."""
    data = bytearray(GOOD)
    data[where] ^= what
    try:
        content, _ = verify_enveloped(bytes(data), [OPERATOR.certificate])
    except XmlSignatureInvalid:
        return
    assert content == verify_enveloped(GOOD, [OPERATOR.certificate])[0]


@given(st.binary(max_size=300))
def test_garbage_is_no_list(data: bytes) -> None:
    with pytest.raises(TrustListInvalid):
        read_trust_list(data, [OPERATOR.certificate], scope="foreign")


def test_a_long_list() -> None:
    many = signed(unsigned(*(service(LISTED.der, (TRUSTED, NOW - timedelta(days=n + 1))) for n in range(800))))
    assert len(read_trust_list(many, [OPERATOR.certificate], scope="foreign").anchors) == 800


def test_time_stamping_is_no_scope_of_a_list() -> None:
    with pytest.raises(ValueError):
        read_trust_list(GOOD, [OPERATOR.certificate], scope="timestamp")
