"""The workshop of all attacks: a file that several modules open is made once in a test process."""

from __future__ import annotations

import pytest

from tests.house import Pki
from tests.security.attacks.workshop import Workshop


@pytest.fixture(scope="session")
def workshop(pki: Pki) -> Workshop:
    return Workshop(pki)
