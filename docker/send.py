"""Send one signed document through the running stack from inside node-one's container, and wait for its status 01."""

import json
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from exchange.demo_letter import write_letter
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing
from signing.keys import open_key
from signing.report import Role
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, sign_pdf
from signing.trust import Trust

DATA = Path("/data")
now = datetime.now(UTC)
document_id = f"H56.01,{now:%Y/%m/%d},{now:%H%M%S}/SM"


def call(method: str, path: str, body: bytes | None = None) -> dict:
    token = (DATA / "node-one" / "token").read_text().strip()
    request = urllib.request.Request(f"http://127.0.0.1:8900{path}", data=body, method=method, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


with tempfile.TemporaryDirectory() as folder:
    here = Path(folder)
    letter, _ = write_letter(here, number="1/SM", now=now)
    trust = Trust.load(DATA / "pki" / "trust")
    sign_pdf(letter, here / "half.pdf", open_key(DATA / "pki/persons/lanh-dao.pem"), now=now, role=Role.PERSON, field=PERSON_FIELD)
    key = open_key(DATA / "pki/agencies/H56.01/seal.pem")
    sign_pdf(here / "half.pdf", here / "done.pdf", key, now=now, role=Role.AGENCY, field=AGENCY_FIELD, trust=trust)
    header = Header(
        Organ("H56.01"),
        (Organ("H56.02"),),
        document_id,
        subject="V/v thử ngăn xếp",
        code_number=f"{now:%H%M%S}",  # one number and date is one document, and the stack may run more than once a day
        code_notation="SM",
        promulgation_date=now.date(),
    )
    write_package(here / "p.edxml", header, [Outgoing("1-SM.pdf", "Văn bản chính", "application/pdf", here / "done.pdf")])
    call("POST", "/outbox", (here / "p.edxml").read_bytes())
for _ in range(300):
    if any(s["document_id"] == document_id and s["code"] == "01" for s in call("GET", "/statuses")["items"]):
        print(f"delivered and acknowledged: {document_id}")
        sys.exit(0)
    time.sleep(0.2)
print(call("GET", "/outbox"))
sys.exit(1)
