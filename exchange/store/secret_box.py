"""secret_box — hộp khóa: shared secrets encrypted at rest, so that an HMAC can be computed and a stolen copy cannot.

The key is 32 random bytes in a file outside the database. A file that others
may read is refused, not repaired: whoever opened it may have read it.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.errors import ConfigError

KEY_BYTES = 32
NONCE_BYTES = 12


def check_private(path: Path) -> None:
    """Gate: only its owner may read the file.

    Raises:
        ConfigError: not a regular file, or its mode lets others in.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(error.strerror or "cannot be read", place=str(path)) from error
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise ConfigError(f"mode {stat.S_IMODE(mode):04o}: only its owner may read a secret (chmod 600)", place=str(path))


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, durably.

    Raises:
        ConfigError: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(error.strerror or "cannot be written", place=str(path)) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class SecretBox:
    """AES-256-GCM under the key in `path`, which is made at the first `seal`. Safe from many threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._cipher: AESGCM | None = None

    def seal(self, secret: bytes, *, about: str) -> bytes:
        """`secret` encrypted; only readable again with the same `about`.

        Raises:
            ConfigError: the key file is open to others or unusable.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._key(make=True).encrypt(nonce, secret, about.encode())

    def open(self, data: bytes, *, about: str) -> bytes:
        """What was sealed.

        Raises:
            ConfigError: no key file, another key, or changed data.
        """
        try:
            return self._key(make=False).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], about.encode())
        except InvalidTag as error:
            raise ConfigError("not the key that these secrets were stored with", place=str(self.path)) from error

    def _key(self, *, make: bool) -> AESGCM:
        with self._lock:
            if self._cipher is None:
                if make and not self.path.exists():
                    write_private(self.path, os.urandom(KEY_BYTES))
                check_private(self.path)
                key = self.path.read_bytes()
                if len(key) != KEY_BYTES:
                    raise ConfigError(f"{len(key)} bytes instead of {KEY_BYTES}", place=str(self.path))
                self._cipher = AESGCM(key)
            return self._cipher
