"""The gateway's key pair, and passphrases sealed to it: HPKE (RFC 9180), base mode, X25519, ChaCha20-Poly1305.

A seal is bound to the gateway, the network as asked for, and a nonce that the gateway announced. It hides a passphrase
from whoever listens; it does not say who sealed it.

HPKE rather than libsodium's sealed box: `cryptography` is here already and ships it, it is a standard that phones'
libraries (CryptoKit, Tink) speak too, and it binds what stands beside the passphrase, which a sealed box cannot.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from gatewayd.model.errors import MalformedError
from gatewayd.model.wifi import Auth, Encryption, WifiCredentials, is_secured
from gatewayd.provisioning.datagrams import JoinNetwork, Sealed
from gatewayd.provisioning.ssid import SsidNames

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_NAME: Final = "provisioning-key"
NONCE_BYTES: Final = 16
_PURPOSE: Final = b"gatewayd wifi passphrase 1"


class SecretStore(Protocol):
    """Bytes by name, durable and secret."""

    async def get(self, name: str) -> bytes | None:
        """What is under `name`. Raises StoreError."""
        ...

    async def put(self, name: str, secret: bytes) -> None:
        """Keep `secret` under `name`. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """What a seal is bound to."""

    uuid: str
    ssid: str
    auth: Auth
    encryption: Encryption
    nonce: bytes

    def info(self) -> bytes:
        """HPKE's `info`: each part after its length (2 bytes, big-endian): none runs into another."""
        parts = (_PURPOSE, self.uuid.encode(), self.ssid.encode(), bytes((self.auth, self.encryption)), self.nonce)
        return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


class GatewayKey:
    """The gateway's key pair; its repr shows the fingerprint alone."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"GatewayKey({fingerprint(self.public)})"

    @classmethod
    async def load(cls, keep: SecretStore) -> "GatewayKey":
        """The key of the last run; at the first run a new one. Raises StoreError."""
        kept = await keep.get(_NAME)
        if kept is not None:
            return cls(X25519PrivateKey.from_private_bytes(kept))
        private = X25519PrivateKey.generate()
        await keep.put(_NAME, private.private_bytes_raw())
        return cls(private)

    def open(self, box: bytes, bound: Bound) -> str:
        """The passphrase in `box`. Raises MalformedError where it was not sealed to this key and bound to this."""
        try:
            return _SUITE.decrypt(box, self._private, bound.info()).decode()
        except (InvalidTag, ValueError) as error:
            reason = "data.pwd: not sealed to this gateway's key, for this network, with this nonce"
            raise MalformedError(reason) from error


def seal(passphrase: str, public: bytes, bound: Bound) -> bytes:
    """`passphrase`, for the holder of `public`'s private half alone. Raises MalformedError for what is no key."""
    try:
        return _SUITE.encrypt(passphrase.encode(), X25519PublicKey.from_public_bytes(public), bound.info())
    except ValueError as error:
        raise MalformedError("pubkey: not an X25519 key that anything can be sealed to") from error


def fingerprint(public: bytes) -> str:
    """What people compare: the first 8 bytes of SHA-256, in groups."""
    text = sha256(public).hexdigest()
    return " ".join(text[place : place + 4] for place in range(0, 16, 4))


class Nonces:
    """The nonces that sealed passphrases are bound to: announced by the gateway, good once, and not for long.

    Two are alive at most, so that one that was announced a moment before the change still serves.
    """

    def __init__(self, lifetime_s: float = 300, new: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._lifetime_s = lifetime_s
        self._new = new
        self._alive: list[tuple[bytes, float]] = []
        """With the time at which each was made; what is announced now comes last."""

    def current(self, now: float) -> bytes:
        """What to announce now."""
        if not self._alive or now - self._alive[-1][1] >= self._lifetime_s:
            self._alive = [*self._alive[-1:], (self._new(NONCE_BYTES), now)]
        return self._alive[-1][0]

    def spend(self, nonce: bytes, now: float) -> bool:
        """True the first time that a living nonce is shown."""
        for held in self._alive:
            if secrets.compare_digest(held[0], nonce):
                self._alive.remove(held)
                return now - held[1] < 2 * self._lifetime_s
        return False


class PassphraseOpener:
    """With `sealed_only` a passphrase in the clear is refused (a network without one needs none)."""

    def __init__(self, key: GatewayKey, nonces: Nonces, *, sealed_only: bool) -> None:
        self._key = key
        self._nonces = nonces
        self._sealed_only = sealed_only

    def choice(self, word: JoinNetwork, names: SsidNames, uuid: str | None, now: float) -> WifiCredentials:
        """The choice in `word`. Raises MalformedError; only a seal that opens spends its nonce."""
        ssid = names.ssid(word.ssid)
        match word.passphrase:
            case Sealed(nonce=nonce, box=box):
                bound = Bound(uuid or "", word.ssid, word.auth, word.encryption, nonce)
                passphrase = self._key.open(box, bound)
                if not self._nonces.spend(nonce, now):
                    raise MalformedError("data.pwd.nonce: spent or too old; ask for the announcement again")
            case str(passphrase):
                if self._sealed_only and (passphrase or is_secured(word.auth, word.encryption)):
                    raise MalformedError("data.pwd: this gateway takes a passphrase only sealed to its key")
        return WifiCredentials(ssid, word.auth, word.encryption, passphrase)
