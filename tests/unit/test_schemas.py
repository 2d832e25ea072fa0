"""What we write is valid by our own schemas; so are the reference samples when present."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree

from exchange.custody import Event
from tests.house import House
from tests.unit.test_edxml import samples


def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring((files("schemas") / f"{name}.xsd").read_bytes()))


def valid(name: str, data: bytes) -> None:
    schema(name).assertValid(etree.fromstring(data, etree.XMLParser(huge_tree=True)))


def test_our_documents(house: House) -> None:
    valid("edxml", house.package().read_bytes())
    for code in ("01", "02", "03", "06"):
        valid("status", house.status(code)[0])
    receipt = json.loads(house.submit(house.package()))
    valid("evidence", base64.b64decode(receipt["evidence"]))
    assert receipt["event"] == Event.ACCEPTED.uri
    with pytest.raises(etree.DocumentInvalid):
        valid("status", house.status("01")[0].replace(b">01<", b">99<"))


@pytest.mark.parametrize("path", samples("reference", "*.edxml"), ids=lambda p: p.stem)
def test_reference_samples(path: Path) -> None:
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    valid("status" if "status" in path.stem else "edxml", path.read_bytes())


def test_code_lists_name_their_confidence() -> None:
    lists = json.loads((files("schemas") / "codelists.json").read_text())
    assert all("confidence" in row for row in lists["organ_level1_provinces_2016_63"])
