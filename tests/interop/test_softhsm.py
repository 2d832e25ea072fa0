"""Keys in a device: SoftHSM stands for the agency's token. Wants softhsm2 and python-pkcs11."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.errors import KeyUnusable
from signing.keys import Scheme, SigningKey
from signing.pkcs11_keys import _logins, open_pkcs11, read_pin
from signing.report import Indication, Role
from signing.sign_pdf import sign_pdf
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests.house import SENDER, Pki, letter
from tests.signing_material import pair_of

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so")
MODULE = next((Path(m) for m in MODULES if Path(m).exists()), None)
pytestmark = pytest.mark.skipif(MODULE is None or shutil.which("softhsm2-util") is None, reason="softhsm2 is not installed")
PIN = "2468"
LABEL = "vanthu-test"


@pytest.fixture(scope="module")
def token(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A token with three keys, their certificates and the issuer's; its configuration is seen by this process only."""
    assert MODULE is not None
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    run = lambda *words: subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)  # noqa: E731
    run("--init-token", "--free", "--label", LABEL, "--so-pin", "13579", "--pin", PIN)
    certificates: list[tuple[str, bytes, x509.Certificate]] = []
    for number, name in enumerate(("rsa", "p256", "p384"), 1):
        private, chain = pair_of(pki, name)
        file = folder / f"{name}.pem"
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        run("--import", str(file), "--token", LABEL, "--label", name, "--id", f"0{number}", "--pin", PIN)
        certificates.append((name, bytes([number]), chain[0]))
        issuer = chain[1]
    certificates.append(("issuer", b"\x09", issuer))
    with pkcs11.lib(str(MODULE)).get_token(token_label=LABEL).open(user_pin=PIN, rw=True) as session:
        for name, identity, certificate in certificates:
            session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                    pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                    pkcs11.Attribute.TOKEN: True,
                    pkcs11.Attribute.LABEL: name,
                    pkcs11.Attribute.ID: identity,
                    pkcs11.Attribute.SUBJECT: certificate.subject.public_bytes(),
                    pkcs11.Attribute.VALUE: certificate.public_bytes(Encoding.DER),
                }
            )
    yield MODULE
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def opened(module: Path, name: str, raw: bool | None = None) -> SigningKey:
    return open_pkcs11(module, token=LABEL, key_label=name, pin=PIN, raw=raw)


@pytest.mark.parametrize(("name", "scheme"), [("rsa", Scheme.PSS), ("rsa", Scheme.PKCS1V15), ("p256", Scheme.ECDSA), ("p384", Scheme.ECDSA)])
def test_a_document_signed_by_the_device_holds(token: Path, pki: Pki, tmp_path: Path, name: str, scheme: Scheme) -> None:
    key = opened(token, name)
    assert [c.subject.rfc4514_string() for c in key.chain] == [key.certificate.issuer.rfc4514_string()]
    target, now = tmp_path / "signed.pdf", datetime.now(UTC)
    trust = Trust.load(pki.folder / "trust")
    sign_pdf(letter(tmp_path / "x.pdf"), target, key, now=now, role=Role.AGENCY, field="CoQuan", kind="attachment", trust=trust, scheme=scheme)
    (found,) = verify_pdf(target, trust, at=now).signatures
    assert found.indication is Indication.PASSED and found.role is Role.AGENCY
    assert (found.scheme, found.digest) == (scheme.value, "sha384" if name == "p384" else "sha256")


def test_each_way_of_signing(token: Path) -> None:
    """Both ways for RSA PKCS#1; for the rest at least one, which is what the self-test is for."""
    for raw in (True, False):
        key = opened(token, "rsa", raw)
        data = b"thu nghiem"
        assert key.holds(key.sign(data, Scheme.PKCS1V15), data, Scheme.PKCS1V15, "sha256")
    with pytest.raises(KeyUnusable):
        opened(token, "rsa").sign(b"x", Scheme.PSS, digest="sha384")


def test_the_certificate_is_the_one_that_verifies(token: Path, pki: Pki) -> None:
    """A certificate of another key of the same kind is passed over, in whatever order they come."""
    key = open_pkcs11(token, token=LABEL, key_label="rsa", pin=PIN, certificates=[pki.person().certificate])
    assert key.certificate == pki.seal(SENDER).certificate


def test_a_lost_session_is_opened_again(token: Path) -> None:
    key = opened(token, "p256")
    other = opened(token, "rsa")
    _logins[token, LABEL].session.close()
    assert other.sign(b"one")
    assert key.holds(key.sign(b"two"), b"two", Scheme.ECDSA, "sha256")


def test_what_does_not_open(token: Path, pki: Pki, tmp_path: Path) -> None:
    for module, label, key, pin in (
        (tmp_path / "none.so", LABEL, "rsa", PIN),
        (token, "nobody's", "rsa", PIN),
        (token, LABEL, "no such key", PIN),
        (token, LABEL, "rsa", "0000"),
    ):
        with pytest.raises(KeyUnusable) as refused:
            open_pkcs11(module, token=label, key_label=key, pin=pin)
        assert pin not in f"{refused.value.detail}{refused.value.place}{refused.value}"


def test_the_pin_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1357\n")
    assert read_pin(tmp_path / "pin", {}) == "1357"
    assert read_pin(None, {"VANTHU_PIN": "97531"}) == "97531"
    for file in (None, tmp_path / "absent"):
        with pytest.raises(KeyUnusable):
            read_pin(file, {})
