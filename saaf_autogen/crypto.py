"""The few primitives that several rooms share: sealing at rest, digests, random secrets."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saaf_autogen.errors import ConfigurationError

__all__ = ["MASTER_KEY_VARIABLE", "Sealer", "digest", "new_secret", "write_private"]

MASTER_KEY_VARIABLE = "SAAF_MASTER_KEY"
_NONCE_BYTES = 12
_KEY_BYTES = 32


def digest(text: str) -> str:
    """SHA-256 of UTF-8 text, in hex: how 256-bit random secrets are stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_secret(prefix: str = "") -> str:
    """A URL-safe secret with 256 bits of entropy."""
    return prefix + secrets.token_urlsafe(32)


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Without ``replace``, a file that is there already stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Sealer:
    """AES-256-GCM for what must be read back: signing keys, callback secrets.

    ``context`` is authenticated with the ciphertext, so that a sealed value moved to another row
    does not open.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(
                "The master key is not 32 bytes long.",
                remedy=f"Set {MASTER_KEY_VARIABLE} to 32 random bytes in base64.",
            )
        self._cipher = AESGCM(key)
        self._key = key

    @classmethod
    def load(cls, state: Path) -> Sealer:
        """The master key from the environment, else from ``master.key``, made at first use."""
        configured = os.environ.get(MASTER_KEY_VARIABLE)
        path = state / "master.key"
        if configured:
            return cls(_decode(configured, MASTER_KEY_VARIABLE))
        if not path.exists():
            # Of several processes that start at once, all must end up with the same key.
            write_private(path, base64.b64encode(secrets.token_bytes(32)), replace=False)
        return cls(_decode(path.read_bytes(), str(path)))

    def derive(self, purpose: str) -> str:
        """A secret of its own for one purpose, the same at every start (HMAC-SHA-256, in hex)."""
        return hmac.digest(self._key, purpose.encode(), "sha256").hex()

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Encrypt ``plain``; the nonce leads the result."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what ``seal`` made under the same context."""
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode()
            )
        except InvalidTag as error:
            raise ConfigurationError(
                "A sealed value does not open: the master key differs from the one that sealed it.",
                remedy="Restore the state folder's master.key, or start with a fresh state folder.",
            ) from error


def _decode(text: str | bytes, source: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"The master key in {source} is not {_KEY_BYTES} bytes in base64.",
            remedy="Restore it: what it sealed does not open with another one.",
        )
    return key
