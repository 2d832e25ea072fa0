"""event_reasons — lý do của sự kiện: the closed list of reasons that an evidence event may carry.

Every negative event names one, with free text behind it ("Code: text"). The names follow
ETSI TS 102 640-2 where it has one; INC-02 (NĐ 30/2020 Art 21.2.b) asks for such a list.
"""

from __future__ import annotations

from enum import StrEnum

from signing.reason_words import REASON_WORDS


class ReasonCode(StrEnum):
    """Why something did not come about, by the code that goes into leaf and evidence."""

    INVALID_FORMAT = "InvalidMessageFormat"
    TOO_LARGE = "MessageTooLarge"
    DIGEST = "DigestMismatch"
    SIGNATURE = "InvalidUserSignature"
    SIGNATURE_INCOMPLETE = "UserSignatureIncomplete"
    SEAL = "InvalidSeal"
    SENDER = "SenderNotAuthorised"
    RECIPIENT = "UnknownRecipient"
    RECIPIENT_CLOSED = "RecipientClosed"
    REUSED = "MessageIdentifierReused"
    SECRET = "SecretContent"
    POLICY = "PolicyViolation"
    MALFUNCTION = "TechnicalMalfunction"
    NEXT_SYSTEM = "RejectedByNextSystem"
    NO_ANSWER = "NoAnswerInTime"
    RETENTION = "RetentionPeriodExpired"
    NO_DECISION = "NoDecisionInTime"
    BY_RECIPIENT = "RejectedByRecipient"
    BY_SENDER = "SenderDecision"
    DUE_SOON = "DueSoon"
    OTHER = "Other"


REASON_TEXTS: dict[ReasonCode, tuple[str, str]] = {code: REASON_WORDS[code.value] for code in ReasonCode}

# By the code of the refusal, most particular first.
_REFUSALS: tuple[tuple[str, ReasonCode], ...] = (
    ("envelope.too_large", ReasonCode.TOO_LARGE),
    ("envelope.secret", ReasonCode.SECRET),
    ("envelope.conflict", ReasonCode.REUSED),
    ("envelope.duplicate_number", ReasonCode.REUSED),
    ("envelope.digest_mismatch", ReasonCode.DIGEST),
    ("change.", ReasonCode.POLICY),
    ("envelope.", ReasonCode.INVALID_FORMAT),
    ("signature.incomplete", ReasonCode.SIGNATURE_INCOMPLETE),
    ("signature.", ReasonCode.SIGNATURE),
    ("seal.", ReasonCode.SEAL),
    ("agency.unknown", ReasonCode.RECIPIENT),
    ("agency.closed", ReasonCode.RECIPIENT_CLOSED),
    ("agency.succeeded", ReasonCode.RECIPIENT_CLOSED),
    ("agency.locked", ReasonCode.SENDER),
    ("access.", ReasonCode.SENDER),
)


def refusal_reason(error_code: str) -> ReasonCode:
    """The reason of the list that stands for an error code such as ``envelope.secret``."""
    return next((reason for start, reason in _REFUSALS if error_code.startswith(start)), ReasonCode.OTHER)


def why(code: ReasonCode, text: str = "") -> str:
    """What a leaf says: the code, with free text behind it."""
    return f"{code.value}: {text.strip()}" if text.strip() else code.value


def split_why(said: str) -> tuple[ReasonCode, str] | None:
    """(code, text) of what a leaf says; None when it names no code of the list."""
    name, _, text = said.partition(": ")
    try:
        return ReasonCode(name), text
    except ValueError:
        return None


def event_reasons(said: str) -> tuple[tuple[str, str], ...]:
    """EventReasons of the evidence XML: (code, details); the details are never empty."""
    if not said:
        return ()
    found = split_why(said)
    code, text = found if found is not None else (ReasonCode.OTHER, said)
    return ((code.value, text or REASON_TEXTS[code][0]),)
