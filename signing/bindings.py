"""bindings — ràng buộc chứng thư: by which digest a signature names its signer's certificate (RFC 2634, RFC 5035).

`signed_data.check` says whether the name is right; how much it is worth is a policy's matter.
"""

from __future__ import annotations

from signing.der import SEQUENCE, whole
from signing.signed_data import DIGESTS, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, SignedData


def binding_digest(signed: SignedData) -> str:
    """Name of the best digest used, ``unknown`` for one that has no name here; "" when no certificate is named.

    Raises:
        NotDer: the attribute cannot be read.
    """
    if SIGNING_CERTIFICATE in signed.attributes and SIGNING_CERTIFICATE_V2 not in signed.attributes:
        return "sha1"
    if SIGNING_CERTIFICATE_V2 not in signed.attributes:
        return ""
    identities = whole(signed.attributes[SIGNING_CERTIFICATE_V2]).expect(SEQUENCE).children()[0].expect(SEQUENCE).children()
    first = identities[0].expect(SEQUENCE).children()[0]
    # Left out, it is SHA-256 (RFC 5035 3).
    return DIGESTS.get(first.children()[0].body.hex(), "unknown") if first.tag == SEQUENCE else "sha256"
