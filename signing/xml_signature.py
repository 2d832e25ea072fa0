"""xml_signature — one narrow kind of XML signature, checked strictly (XMLDSig core 1.1).

One enveloped signature, last child of the root, over the whole document (URI ""), and
at most the signed properties of XAdES beside it. What comes back are the bytes that
were signed; nothing else of the input is to be read. Trust lists are signed this way
(TS 119 612 annex B).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from signing.errors import XmlSignatureInvalid

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
ENVELOPED = f"{DS}enveloped-signature"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
LARGEST = 64 << 20
_XML = "http://www.w3.org/XML/1998/namespace"
_DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
_METHODS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": ("rsa", hashes.SHA256()),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": ("rsa", hashes.SHA384()),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": ("rsa", hashes.SHA512()),
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1": ("pss", hashes.SHA256()),
    "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1": ("pss", hashes.SHA384()),
    "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1": ("pss", hashes.SHA512()),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": ("ecdsa", hashes.SHA256()),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": ("ecdsa", hashes.SHA384()),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": ("ecdsa", hashes.SHA512()),
}


def parse_document(data: bytes) -> etree._Element:
    """Root of an XML document, by a parser that expands nothing and fetches nothing.

    Raises:
        XmlSignatureInvalid: not well formed, too large, with a DTD or with processing instructions.
    """
    if len(data) > LARGEST:
        raise XmlSignatureInvalid("too large")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, strip_cdata=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlSignatureInvalid(f"not well formed: {error}"[:200]) from error
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None:
        raise XmlSignatureInvalid("document type declaration")
    before = root.itersiblings(preceding=True)
    if any(node.tag is etree.ProcessingInstruction for node in [*root.iter(), *before, *root.itersiblings()]):
        raise XmlSignatureInvalid("processing instruction")
    return root


def verify_enveloped(data: bytes, signers: Sequence[x509.Certificate]) -> tuple[bytes, x509.Certificate]:
    """Gate: `data` carries one enveloped signature by one of `signers`.

    Returns the canonical bytes that were signed (without the signature and without
    comments) and the certificate whose key signed. Key information in the document is
    not looked at: the signers are pinned.

    Raises:
        XmlSignatureInvalid: anything else.
    """
    root = parse_document(data)
    signature = _only_signature(root)
    info = _child(signature, "SignedInfo")
    method = _child(info, "CanonicalizationMethod")
    signed_info = _canonical(info, _algorithm(method), _prefixes(method))
    content = b""
    references = info.findall(f"{{{DS}}}Reference")
    whole = [r for r in references if r.get("URI") == ""]
    rest = [r for r in references if r.get("URI") != ""]
    if len(whole) != 1 or len(rest) > 1 or len(info) != 2 + len(references):
        raise XmlSignatureInvalid("exactly one reference, to the whole document, is wanted")
    # The properties are looked at while the signature is still in its place.
    for reference in rest:
        _check_properties(root, signature, reference)
    signer = _signer(signature, _algorithm(_child(info, "SignatureMethod")), signed_info, signers)
    _detach(signature)
    content = _whole_document(root, whole[0])
    return content, signer


def _only_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(f"{{{DS}}}Signature"))
    if len(found) != 1:
        raise XmlSignatureInvalid(f"{len(found)} signatures; exactly one is wanted")
    elements = list(root.iterchildren("*"))
    if found[0].getparent() is not root or elements[-1] is not found[0]:
        raise XmlSignatureInvalid("the signature is not the last child of the root")
    return found[0]


def _child(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(f"{{{DS}}}{name}")
    if len(found) != 1:
        raise XmlSignatureInvalid(f"{name} missing or repeated")
    return found[0]


def _algorithm(element: etree._Element) -> str:
    return element.get("Algorithm") or ""


def _prefixes(method: etree._Element) -> list[str] | None:
    inclusive = method.findall(f"{{{EXCLUSIVE}}}InclusiveNamespaces")
    if len(inclusive) != len(method) or len(inclusive) > 1:
        raise XmlSignatureInvalid("parameters of a transform")
    return (inclusive[0].get("PrefixList") or "").split() if inclusive else None


def _canonical(element: etree._Element, algorithm: str, prefixes: list[str] | None) -> bytes:
    if algorithm == EXCLUSIVE:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes)
    if algorithm != INCLUSIVE or prefixes is not None:
        raise XmlSignatureInvalid(f"canonicalisation {algorithm}")
    # Canonical XML 1.0 hands xml:* attributes down to a part; no part here may depend on that.
    if any(str(name).startswith(f"{{{_XML}}}") for ancestor in element.iterancestors() for name in ancestor.attrib):
        raise XmlSignatureInvalid("xml: attribute above the signature")
    return etree.tostring(element, method="c14n", exclusive=False, with_comments=False)


def _whole_document(root: etree._Element, reference: etree._Element) -> bytes:
    transforms = _transforms(reference)
    if not transforms or _algorithm(transforms[0]) != ENVELOPED or len(transforms[0]) or len(transforms) > 2:
        raise XmlSignatureInvalid("transforms")
    method = transforms[1] if len(transforms) == 2 else None
    content = _canonical(root, INCLUSIVE, None) if method is None else _canonical(root, _algorithm(method), _prefixes(method))
    _compare(reference, content)
    return content


def _check_properties(root: etree._Element, signature: etree._Element, reference: etree._Element) -> None:
    """The reference to XAdES signed properties, in their one place inside this signature."""
    name = (reference.get("URI") or "").removeprefix("#")
    places = signature.findall(f"{{{DS}}}Object/{{{XADES}}}QualifyingProperties/{{{XADES}}}SignedProperties")
    same = [e for e in root.iter("*") if name in (e.get("Id"), e.get("ID"), e.get("id"))]
    if reference.get("Type") != SIGNED_PROPERTIES or not name or len(places) != 1 or same != places:
        raise XmlSignatureInvalid("reference to something other than the document")
    transforms = _transforms(reference)
    if len(transforms) > 1:
        raise XmlSignatureInvalid("transforms")
    algorithm, prefixes = (_algorithm(transforms[0]), _prefixes(transforms[0])) if transforms else (INCLUSIVE, None)
    _compare(reference, _canonical(places[0], algorithm, prefixes))


def _transforms(reference: etree._Element) -> list[etree._Element]:
    found = reference.findall(f"{{{DS}}}Transforms")
    if len(found) > 1 or any(c.tag != f"{{{DS}}}Transform" for part in found for c in part):
        raise XmlSignatureInvalid("transforms")
    return list(found[0]) if found else []


def _compare(reference: etree._Element, content: bytes) -> None:
    name = _DIGESTS.get(_algorithm(_child(reference, "DigestMethod")))
    if name is None:
        raise XmlSignatureInvalid("digest method")
    if hashlib.new(name, content).digest() != _base64(_child(reference, "DigestValue")):
        raise XmlSignatureInvalid("digest: the document was changed after signing")


def _base64(element: etree._Element) -> bytes:
    if len(element):
        raise XmlSignatureInvalid("elements or comments inside a value")
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise XmlSignatureInvalid("base64") from error


def _detach(signature: etree._Element) -> None:
    """Take the signature out; the text after it stays, as the transform demands."""
    parent, before = signature.getparent(), signature.getprevious()
    assert parent is not None
    if signature.tail:
        if before is not None:
            before.tail = (before.tail or "") + signature.tail
        else:
            parent.text = (parent.text or "") + signature.tail
    parent.remove(signature)


def _signer(signature: etree._Element, method: str, signed: bytes, signers: Sequence[x509.Certificate]) -> x509.Certificate:
    if method not in _METHODS:
        raise XmlSignatureInvalid(f"signature method {method}")
    value = _base64(_child(signature, "SignatureValue"))
    for certificate in signers:
        if _holds(certificate, *_METHODS[method], value, signed):
            return certificate
    raise XmlSignatureInvalid("not signed by a pinned signer")


def _holds(certificate: x509.Certificate, scheme: str, algorithm: hashes.HashAlgorithm, value: bytes, signed: bytes) -> bool:
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and scheme == "rsa":
            key.verify(value, signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and scheme == "pss":
            key.verify(value, signed, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256 and scheme == "ecdsa":
            half = (key.key_size + 7) // 8
            if len(value) != 2 * half:
                return False
            numbers = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
