"""The gateway's key pair, and passphrases sealed to it: HPKE (RFC 9180), base mode, X25519, ChaCha20-Poly1305.

A seal is bound to the gateway, the network requested, and a nonce that the gateway announced. It hides a passphrase
from eavesdroppers; it does not authenticate the sender.

HPKE rather than libsodium's sealed box: `cryptography`, already a dependency, implements it; phones' libraries
(CryptoKit, Tink) do as well; and it binds data beside the passphrase, which a sealed box cannot.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from gatewayd.model.errors import MalformedError, StoreError
from gatewayd.model.wifi import Auth, Encryption, WifiCredentials, is_secured
from gatewayd.provisioning.datagrams import JoinNetwork, SealedPassphrase
from gatewayd.provisioning.ssid import SsidTable

log = structlog.get_logger()

NONCE_BYTES: Final = 16
NONCE_LIFETIME_S: Final = 300.0
"""For so long a nonce is announced; it is accepted for twice as long."""

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_PURPOSE: Final = b"gatewayd wifi passphrase 1"
_KEY_NAME: Final = "provisioning-key"


class SecretStore(Protocol):
    """Secret bytes by name, in durable storage."""

    async def get(self, name: str) -> bytes | None:
        """The bytes under `name`; None where there are none. Raises StoreError."""
        ...

    async def put(self, name: str, secret: bytes) -> None:
        """Store `secret` under `name`. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class SealContext:
    """What a seal is bound to: it opens only where every field is the same."""

    uuid: str
    ssid: str
    auth: Auth
    encryption: Encryption
    nonce: bytes

    def info(self) -> bytes:
        """HPKE's `info`: each part after its length (2 bytes, big-endian), so that no two contexts encode alike."""
        parts = (_PURPOSE, self.uuid.encode(), self.ssid.encode(), bytes((self.auth, self.encryption)), self.nonce)
        return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


class GatewayKey:
    """The gateway's key pair. Its repr contains the fingerprint alone."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"GatewayKey({fingerprint(self.public)})"

    @classmethod
    async def load(cls, store: SecretStore) -> "GatewayKey":
        """The key in `store`; a new one, which is stored, at the first start and where the former cannot be read.

        Where the store refuses it, the new one lasts for this run alone.
        """
        try:
            if (stored := await store.get(_KEY_NAME)) is not None:
                return cls(X25519PrivateKey.from_private_bytes(stored))
        except (StoreError, ValueError) as error:
            log.warning("provisioning_key_made_anew", reason=str(error))
        private = X25519PrivateKey.generate()
        try:
            await store.put(_KEY_NAME, private.private_bytes_raw())
        except StoreError as error:
            log.warning("provisioning_key_not_stored", reason=str(error))
        return cls(private)

    def open(self, ciphertext: bytes, context: SealContext) -> str:
        """The passphrase in `ciphertext`. Raises MalformedError unless it was sealed to this key with this context."""
        try:
            return _SUITE.decrypt(ciphertext, self._private, context.info()).decode()
        except (InvalidTag, ValueError) as error:
            reason = "data.pwd: not sealed to this gateway's key, for this network, with this nonce"
            raise MalformedError(reason) from error


def seal(passphrase: str, public: bytes, context: SealContext) -> bytes:
    """Encrypt `passphrase` to the public key `public`. Raises MalformedError where that is not an X25519 key."""
    try:
        return _SUITE.encrypt(passphrase.encode(), X25519PublicKey.from_public_bytes(public), context.info())
    except ValueError as error:
        raise MalformedError("pubkey: not an X25519 key that anything can be sealed to") from error


def fingerprint(public: bytes) -> str:
    """The first 8 bytes of the key's SHA-256, as hex digits in groups of four, for people to compare."""
    text = sha256(public).hexdigest()
    return " ".join(text[place : place + 4] for place in range(0, 16, 4))


class Nonces:
    """The nonces that the gateway announces, each accepted once and for a limited time.

    At most two are valid: the one announced now, and the one before it, which a phone may have received just before
    the change. Times are monotonic seconds.
    """

    def __init__(self, lifetime_s: float = NONCE_LIFETIME_S, new: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._lifetime_s = lifetime_s
        self._new = new
        self._valid: list[tuple[bytes, float]] = []
        """Each with the time at which it was made, oldest first."""

    def current(self, now: float) -> bytes:
        """The nonce to announce now."""
        if not self._valid or now - self._valid[-1][1] >= self._lifetime_s:
            self._valid = [*self._valid[-1:], (self._new(NONCE_BYTES), now)]
        return self._valid[-1][0]

    def consume(self, nonce: bytes, now: float) -> bool:
        """True for a valid nonce, which is then no longer valid; else False."""
        for entry in self._valid:
            if secrets.compare_digest(entry[0], nonce):
                self._valid.remove(entry)
                return now - entry[1] < 2 * self._lifetime_s
        return False


class PassphraseOpener:
    """Turns a 200554 into credentials. With `sealed_only` it refuses a passphrase in the clear."""

    def __init__(self, key: GatewayKey, nonces: Nonces, *, sealed_only: bool) -> None:
        self._key = key
        self._nonces = nonces
        self._sealed_only = sealed_only

    def open(self, request: JoinNetwork, ssids: SsidTable, uuid: str | None, now: float) -> WifiCredentials:
        """The credentials in `request`; `uuid` is the gateway's. Raises MalformedError.

        A nonce is consumed only by a seal that opens, so that nobody else can use it up.
        """
        ssid = ssids.to_bytes(request.ssid)
        match request.passphrase:
            case SealedPassphrase(nonce=nonce, ciphertext=ciphertext):
                context = SealContext(uuid or "", request.ssid, request.auth, request.encryption, nonce)
                passphrase = self._key.open(ciphertext, context)
                if not self._nonces.consume(nonce, now):
                    raise MalformedError("data.pwd.nonce: spent or too old; ask for the announcement again")
            case str(passphrase):
                if self._sealed_only and (passphrase or is_secured(request.auth, request.encryption)):
                    raise MalformedError("data.pwd: this gateway takes a passphrase only sealed to its key")
        return WifiCredentials(ssid, request.auth, request.encryption, passphrase)
