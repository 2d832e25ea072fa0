"""What is signed by other ways than one call is accepted as well: a remote signer, a renewed archive, a signed report."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signing.keys import Scheme
from signing.report import Role, Verdict
from signing.report_pdf import write_pdf_report
from signing.sign_pdf import AGENCY_FIELD, Profile, complete, prepare, renew
from tests.interop.calls import judged
from tests.interop.material import Case, Office
from tests.interop.tools import Tool

pytestmark = pytest.mark.xdist_group("interop")
Made = Callable[[Case], Path]


def remotely(office: Office, made: Made, target: Path) -> None:
    """The document leaves with an empty signature, a digest travels, the value comes back."""
    now, key = datetime.now(UTC), office.key("ecdsa-p256", Role.AGENCY)
    draft, waiting = made(Case("ecdsa-p256", "B-B", "streams", "one")).with_name("draft-ecdsa-p256_B-B_streams_one.pdf"), target.with_suffix(".waiting")
    state = prepare(draft, waiting, key, now=now, role=Role.AGENCY, field=AGENCY_FIELD, kind="attachment", trust=office.trust)
    value = key.sign(base64.b64decode(state.to_sign), Scheme(state.scheme))
    complete(waiting, state, value, target, now=now, profile=Profile.B_LT, trust=office.trust, timestamp=office.stamp())


def renewed(office: Office, made: Made, target: Path) -> None:
    """An archive gets its second document time-stamp."""
    old = made(Case("rsa-2048-pss", "B-LTA", "typst", "two"))
    renew(old, target, trust=office.trust, timestamp=office.stamp(), now=datetime.now(UTC))
    assert target.read_bytes().startswith(old.read_bytes())


def report(office: Office, made: Made, target: Path) -> None:
    """The signed PDF report on another document."""
    verdict = judged(made(Case("rsa-2048-pss", "B-T", "classic", "two")), office.trust, kind="document")
    write_pdf_report(target, "cong-van.pdf", verdict, made_at=datetime.now(UTC), key=office.key("rsa-2048-pss", Role.AGENCY))


WAYS: dict[str, tuple[Callable[[Office, Made, Path], None], str]] = {
    "remote": (remotely, "ecdsa-p256"),
    "renewed": (renewed, "rsa-2048-pss"),
    "report": (report, "rsa-2048-pss"),
}


@pytest.fixture(scope="module")
def signed(office: Office, made: Made, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("ways")

    def once(way: str) -> Path:
        path = folder / f"{way}.pdf"
        if not path.exists():
            WAYS[way][0](office, made, path)
        return path

    return once


@pytest.mark.parametrize("tool", ["pdfsig", "mutool", "qpdf", "openssl", "pdfbox"])
@pytest.mark.parametrize("way", WAYS)
def test_accepted_by(way: str, tool: str, signed: Callable[[str], Path], tools: dict[str, Tool]) -> None:
    if tools[tool].missing():
        pytest.skip(f"{tool}: {tools[tool].missing()} not installed")
    if not tools[tool].knows(WAYS[way][1]):
        return
    opinion = tools[tool].check(signed(way))
    assert opinion.accepts, opinion.said


@pytest.mark.parametrize("way", WAYS)
def test_accepted_by_us(way: str, signed: Callable[[str], Path], office: Office) -> None:
    verdict = judged(signed(way), office.trust, kind="attachment", policy="tt15-2025")
    assert verdict.verdict is Verdict.VALID, verdict.reasons
