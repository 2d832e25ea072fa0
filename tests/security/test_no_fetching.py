"""Whoever made a file also chose the addresses in its certificates: none is ever called (rule 9)."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID

from signing.verify_pdf import verify_pdf
from tests.house import Pki
from tests.security.attacks.certificates import NAME, key
from tests.security.attacks.cms_parts import Hand
from tests.security.attacks.drafts import draft
from tests.security.attacks.signer import Plan, sign
from tests.security.attacks.workshop import Workshop

PLACE = x509.UniformResourceIdentifier("http://127.0.0.1:9/x")


def test_no_address_of_a_certificate_is_called(pki: Pki, tmp_path: Path) -> None:
    workshop, private = Workshop(pki), key("rsa2048")
    issuer = workshop.issuing
    places = [x509.AccessDescription(kind, PLACE) for kind in (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)]
    made = x509.CertificateBuilder(issuer.certificate.subject, NAME, private.public_key(), 77, pki.now - timedelta(days=1), pki.now + timedelta(days=9))
    made = made.add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
    made = made.add_extension(x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, None, None)]), critical=False)
    made = made.add_extension(x509.AuthorityInformationAccess(places), critical=False)
    hand = Hand(made.sign(issuer.private, hashes.SHA256()), (), private)
    path = tmp_path / "a.pdf"
    path.write_bytes(sign(draft(), Plan(workshop.cms(hand))).data)
    called: list[object] = []
    sys.addaudithook(lambda event, _: called.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
    for full in (False, True):
        found = verify_pdf(path, workshop.trust, at=pki.now, full=full)
        assert [s.intact for s in found.signatures] == [True]
    assert not called
