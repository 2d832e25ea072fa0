"""copies — bản sao: what a file is judged as, and what an electronic extract must bring along.

A certified copy is signed by the copying agency alone, with a mark that names its form
(NĐ 30/2020 Annex I-II-I.3); no person's signature is asked of it (SIG-07). From one electronic
document to another only an extract is a copy: a whole one is simply forwarded (CPY-01).
"""

from __future__ import annotations

from datetime import datetime

from exchange.envelope import Attachment, Header
from exchange.errors import MissingField
from signing.policy_rules import copy_form
from signing.report import PdfVerdict
from signing.sandbox import Sandbox
from signing.trust import Trust

EXTRACT = "TRÍCH SAO"


def judge_file(sandbox: Sandbox, attachment: Attachment, trust: Trust, *, at: datetime, number: str) -> PdfVerdict:
    """The verdict on one PDF of a package: the document, a copy in its place, or an attachment that shows `number`.

    Raises:
        ValueError: the attachment has no file.
    """
    if attachment.path is None:
        raise ValueError(attachment.name)
    if attachment.position:
        return sandbox.verify(attachment.path, trust, at=at, policy="nd30", kind="attachment", number=number)
    verdict = sandbox.verify(attachment.path, trust, at=at, policy="nd30", kind="document")
    return sandbox.verify(attachment.path, trust, at=at, policy="nd30", kind="copy") if copy_form(verdict) else verdict


def is_extract(header: Header, verdict: PdfVerdict | None) -> bool:
    """Is the main document a certified extract? Then it must say of what.

    Raises:
        MissingField: it names no original.
    """
    if verdict is None or copy_form(verdict) != EXTRACT:
        return False
    if not any(r.document_id or r.code for r in header.responses_for):
        raise MissingField("ResponseFor: TRÍCH SAO", place="MessageHeader/ResponseFor")
    return True
