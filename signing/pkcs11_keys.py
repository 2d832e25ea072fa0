"""pkcs11_keys — khóa trong thiết bị: signing keys that stay in a token or HSM (PKCS#11), as NĐ 30/2020 Art 32–33 wants agencies' to.

Devices differ in what they sign: some hash themselves, some only take a digest, and
Vietnamese tokens are known for both. A self-test at opening signs 32 bytes with each
way and keeps the first that verifies with the certificate.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from signing.errors import KeyUnusable
from signing.keys import Holder, Scheme, SigningKey, issuers_of

pkcs11: Any
try:
    import pkcs11
except ImportError:  # the extra "pkcs11" is not installed
    pkcs11 = None

PIN_VARIABLE = "VANTHU_PIN"
_DIGEST_INFO = {  # RFC 8017 9.2, note 1
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
}
Way = Callable[[Any, bytes], bytes]


def read_pin(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """The PIN from `file`, else from the variable ``VANTHU_PIN``; never from an argument.

    Raises:
        KeyUnusable: neither is there.
    """
    try:
        pin = file.read_text().strip("\r\n") if file is not None else environment.get(PIN_VARIABLE, "")
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"PIN file: {type(error).__name__}", place=str(file)) from error
    if not pin:
        raise KeyUnusable(f"a PIN is wanted: a PIN file, or the variable {PIN_VARIABLE}")
    return pin


def open_pkcs11(
    module: Path, *, token: str, key_label: str = "", pin: str, certificates: Sequence[x509.Certificate] = (), raw: bool | None = None
) -> SigningKey:
    """A key in a device; its certificate and issuers come from the device and from `certificates`.

    Args:
        module: the device's PKCS#11 library.
        token, key_label: labels as the device shows them; without a key label the device's only key.
        raw: True signs digests only, False lets the device hash; by default the self-test finds out.

    Raises:
        KeyUnusable: no such module, token or key; wrong PIN; no certificate; or no way of signing that verifies.
    """
    if pkcs11 is None:
        raise KeyUnusable("python-pkcs11 is not installed (pip install 'vanthu[pkcs11]')", place=str(module))
    try:
        device = _Device(_login(module, token, pin), key_label)
        held = [*certificates, *device.certificates()]
    except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError, MemoryError) as error:
        raise KeyUnusable(_told(error), place=f"{module}: {token}/{key_label}") from error
    for certificate in held:
        holder = Holder(certificate, issuers_of(certificate, held))
        ways = device.ways_of(holder, raw)
        if ways:
            return SigningKey(holder.certificate, holder.chain, _operation(device, ways))
    raise KeyUnusable("no certificate at hand verifies what the key signs" if held else "no certificate in the device or at hand", place=f"{token}/{key_label}")


def _told(error: BaseException) -> str:
    """The error's kind and text; python-pkcs11 never puts the PIN there."""
    return f"{type(error).__name__}: {error}".rstrip(": ")[:200]


def _operation(device: _Device, ways: Mapping[tuple[Scheme, str], Way]) -> Callable[[bytes, Scheme, str], bytes]:
    def operate(data: bytes, scheme: Scheme, digest: str) -> bytes:
        way = ways.get((scheme, digest))
        if way is None:
            raise KeyUnusable(f"the device does not sign {scheme} with {digest}")
        return device.sign(way, data)

    return operate


class _Login:
    """A logged-in session with a token. A token is logged in once for the whole process, so its keys share it."""

    def __init__(self, module: Path, token: str, pin: str) -> None:
        self.lock = threading.RLock()
        self._where, self._pin = (module, token), pin
        self.turn = 0
        self.session: Any = None
        self.again()

    def again(self) -> None:
        """Open the session (anew)."""
        module, token = self._where
        self.session = pkcs11.lib(str(module)).get_token(token_label=token).open(user_pin=self._pin)
        self.turn += 1

    def knows(self, pin: str) -> bool:
        """Is it the PIN that the token was opened with?"""
        return hmac.compare_digest(pin.encode(), self._pin.encode())


_logins: dict[tuple[Path, str], _Login] = {}
_logins_lock = threading.Lock()


def _login(module: Path, token: str, pin: str) -> _Login:
    with _logins_lock:
        login = _logins.get((module, token))
        if login is None:
            login = _logins[module, token] = _Login(module, token, pin)
        elif not login.knows(pin):
            raise pkcs11.exceptions.PinIncorrect()
        return login


class _Device:
    """One private key of a token; used by one thread at a time."""

    def __init__(self, login: _Login, label: str) -> None:
        self._login, self._label = login, label
        with login.lock:
            self._find()

    def _find(self) -> None:
        self._turn = self._login.turn
        self._key = self._login.session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._label or None)

    def certificates(self) -> list[x509.Certificate]:
        """Certificates in the device, the key's own first."""
        own = self._key[pkcs11.Attribute.ID]
        found: list[tuple[bool, x509.Certificate]] = []
        for item in self._login.session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE}):
            try:
                certificate = x509.load_der_x509_certificate(item[pkcs11.Attribute.VALUE])
                found.append((item[pkcs11.Attribute.ID] != own, certificate))
            except (ValueError, pkcs11.exceptions.PKCS11Error):
                continue  # a damaged certificate is none
        return [certificate for _, certificate in sorted(found, key=lambda pair: pair[0])]

    def sign(self, way: Way, data: bytes) -> bytes:
        """Sign; a session that the device closed (sleep, other program) is opened once more."""
        with self._login.lock:
            try:
                try:
                    if self._turn != self._login.turn:
                        self._find()
                    return way(self._key, data)
                except _lost():
                    self._login.again()
                    self._find()
                    return way(self._key, data)
            except (pkcs11.exceptions.PKCS11Error, RuntimeError, MemoryError) as error:
                raise KeyUnusable(_told(error)) from error

    def ways_of(self, holder: Holder, raw: bool | None) -> dict[tuple[Scheme, str], Way]:
        """For each scheme and hash the first way of signing whose result verifies with the holder's certificate."""
        found: dict[tuple[Scheme, str], Way] = {}
        sample = os.urandom(32)
        for scheme, digest in _wanted(holder):
            for way in _ways(holder, scheme, digest, raw):
                try:
                    if holder.holds(way(self._key, sample), sample, scheme, digest):
                        found[scheme, digest] = way
                        break
                except (pkcs11.exceptions.PKCS11Error, RuntimeError, MemoryError, ValueError):
                    continue  # a mechanism the device does not have
        return found


def _lost() -> tuple[type[Exception], ...]:
    """What a session raises that the device closed (sleep, another program)."""
    e = pkcs11.exceptions
    return e.SessionHandleInvalid, e.SessionClosed, e.UserNotLoggedIn, e.DeviceError, e.KeyHandleInvalid, e.ObjectHandleInvalid, e.DeviceRemoved


def _wanted(holder: Holder) -> list[tuple[Scheme, str]]:
    try:
        if isinstance(holder.public, rsa.RSAPublicKey):
            return [(Scheme.PSS, "sha256"), (Scheme.PKCS1V15, "sha256")]
        return [(Scheme.ECDSA, digest) for digest in dict.fromkeys((holder.digest, "sha256"))]
    except KeyUnusable:
        return []


def _ways(holder: Holder, scheme: Scheme, digest: str, raw: bool | None) -> list[Way]:
    """Ways to make one kind of signature: the device hashes, or it is given the digest."""
    mechanism, name = pkcs11.Mechanism, digest.upper()
    if scheme is Scheme.PSS:
        parameters = (mechanism[name], pkcs11.MGF[name], hashlib.new(digest).digest_size)
        hashed = lambda key, data: key.sign(data, mechanism=mechanism[f"{name}_RSA_PKCS_PSS"], mechanism_param=parameters)  # noqa: E731
        bare = lambda key, data: key.sign(_hashed(digest, data), mechanism=mechanism.RSA_PKCS_PSS, mechanism_param=parameters)  # noqa: E731
    elif scheme is Scheme.PKCS1V15:
        hashed = lambda key, data: key.sign(data, mechanism=mechanism[f"{name}_RSA_PKCS"])  # noqa: E731
        bare = lambda key, data: key.sign(_DIGEST_INFO[digest] + _hashed(digest, data), mechanism=mechanism.RSA_PKCS)  # noqa: E731
    else:
        hashed = lambda key, data: _der(key.sign(data, mechanism=mechanism[f"ECDSA_{name}"]))  # noqa: E731
        bare = lambda key, data: _der(key.sign(_hashed(digest, data), mechanism=mechanism.ECDSA))  # noqa: E731
    return [hashed, bare] if raw is None else [bare] if raw else [hashed]


def _hashed(digest: str, data: bytes) -> bytes:
    return hashlib.new(digest, data).digest()


def _der(pair: bytes) -> bytes:
    """PKCS#11 gives the two numbers of an ECDSA signature one after the other; CMS wants DER."""
    half = len(pair) // 2
    return encode_dss_signature(int.from_bytes(pair[:half], "big"), int.from_bytes(pair[half:], "big"))
