"""roles — whose certificate signed: a natural person's, an agency's, or not to be told."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from signing.report import Role
from signing.trust import Trust

_SHA256 = hashes.SHA256()


def role_of(certificate: x509.Certificate, trust: Trust) -> Role:
    """Known to be an agency's, marked as an organisation's, or a natural person's."""
    subject = certificate.subject
    if certificate.fingerprint(_SHA256).hex() in trust.agency_certificates or subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER):
        return Role.AGENCY
    if subject.get_attributes_for_oid(NameOID.GIVEN_NAME) or subject.get_attributes_for_oid(NameOID.SURNAME):
        return Role.PERSON
    for attribute in subject.get_attributes_for_oid(NameOID.USER_ID):
        if str(attribute.value).upper().startswith(("CCCD", "CMND", "HC:")):
            return Role.PERSON
        if str(attribute.value).upper().startswith("MST"):
            return Role.AGENCY
    return Role.UNKNOWN
