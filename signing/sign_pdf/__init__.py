"""sign_pdf — ký văn bản: PAdES signatures onto official documents. Its modules alone know how a PDF is written for signing."""

from signing.sign_pdf.deferred import Waiting, complete, prepare
from signing.sign_pdf.long_term import renew
from signing.sign_pdf.pdf_signer import sign_pdf
from signing.sign_pdf.plan import AGENCY_FIELD, PERSON_FIELD, FieldBox, Kind, Profile
from signing.sign_pdf.replacing import Together

__all__ = ["AGENCY_FIELD", "PERSON_FIELD", "FieldBox", "Kind", "Profile", "Together", "Waiting", "complete", "prepare", "renew", "sign_pdf"]
