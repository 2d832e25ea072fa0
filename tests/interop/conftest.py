from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house import Pki
from tests.interop.material import Case, Office, make
from tests.interop.tools import MuTool, OpenSsl, PdfBox, PdfSig, QPdf, Tool


@pytest.fixture(scope="session")
def office(pki: Pki) -> Office:
    return Office(pki.folder)


@pytest.fixture(scope="session")
def made(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    folder = tmp_path_factory.mktemp("signed")
    return lambda case: make(case, office, folder)


@pytest.fixture(scope="session")
def tools(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tool]]:
    folder = tmp_path_factory.mktemp("tools")
    box = PdfBox(folder / "classes")
    every: list[Tool] = [PdfSig(folder / "nss", [office.root]), MuTool(), QPdf(), OpenSsl(folder / "cut", office.root, office.issuing), box]
    yield {tool.name: tool for tool in every}
    box.close()
