"""sign_pdf — ký văn bản: PAdES signatures onto official documents. Its modules alone know how a PDF is written for signing."""

from signing.sign_pdf.pdf_signer import AGENCY_FIELD, PERSON_FIELD, Kind, Profile, sign_pdf

__all__ = ["AGENCY_FIELD", "PERSON_FIELD", "Kind", "Profile", "sign_pdf"]
