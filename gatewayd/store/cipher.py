"""Encryption of secrets at rest: AES-256-GCM, with the name of the secret as associated data."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatewayd.model.errors import StoreError

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # random: safe for 2**32 secrets under one key (NIST SP 800-38D 8.3)


class Cipher:
    """Encrypts and decrypts with one key. Its repr shows no key, and its errors no secret.

    Raises StoreError for a key of the wrong length.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise StoreError(f"The state key has {len(key)} bytes where {KEY_BYTES} are needed.")
        self._aead = AESGCM(key)
        self._unopened: set[str] = set()

    @property
    def unopened(self) -> frozenset[str]:
        """The names of the secrets that did not open and have not been sealed anew since."""
        return frozenset(self._unopened)

    def seal(self, name: str, secret: bytes) -> bytes:
        """`secret` encrypted, so that only this key opens it, and only under this `name`."""
        self._unopened.discard(name)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """The secret that was sealed under `name`. Raises StoreError if it is damaged or another key sealed it."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            self._unopened.add(name)
            raise StoreError(
                f"The secret {name!r} does not open: it was sealed with another state key, or it is damaged. "
                "Restore the key, or set the secret anew."
            ) from error
