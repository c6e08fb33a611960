"""A sealed passphrase opens only with the gateway's key and the context that it was sealed for; a nonce counts once."""

from dataclasses import replace

import pytest

from gatewayd.model.errors import MalformedError
from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.seal import GatewayKey, Nonces, SealContext, fingerprint, seal
from tests.common.provisioning import GATEWAY, MemorySecretStore

CONTEXT = SealContext(GATEWAY, "不要上我", Auth.WPA2PSK, Encryption.AES, bytes(16))


@pytest.fixture
async def key() -> GatewayKey:
    return await GatewayKey.load(MemorySecretStore())


async def test_sealed_passphrase_opens(key: GatewayKey) -> None:
    ciphertext = seal("口令 nopass", key.public, CONTEXT)
    assert key.open(ciphertext, CONTEXT) == "口令 nopass"
    assert b"nopass" not in ciphertext


@pytest.mark.parametrize(
    "other",
    [
        replace(CONTEXT, uuid="00158d0000d04701"),
        replace(CONTEXT, ssid="不要上你"),
        replace(CONTEXT, auth=Auth.OPEN),
        replace(CONTEXT, encryption=Encryption.TKIP),
        replace(CONTEXT, nonce=b"\1" * 16),
        replace(CONTEXT, uuid=CONTEXT.uuid + "不", ssid=CONTEXT.ssid[1:]),
    ],
)
async def test_seal_does_not_open_in_another_context(key: GatewayKey, other: SealContext) -> None:
    ciphertext = seal("nopass", key.public, CONTEXT)
    with pytest.raises(MalformedError, match="not sealed to this gateway's key"):
        key.open(ciphertext, other)


async def test_seal_does_not_open_with_another_key(key: GatewayKey) -> None:
    other = await GatewayKey.load(MemorySecretStore())
    with pytest.raises(MalformedError, match="not sealed"):
        other.open(seal("nopass", key.public, CONTEXT), CONTEXT)


@pytest.mark.parametrize("ciphertext", [b"", b"x", bytes(32), bytes(48), bytes(400)])
async def test_invalid_ciphertext_is_refused(key: GatewayKey, ciphertext: bytes) -> None:
    with pytest.raises(MalformedError, match="not sealed"):
        key.open(ciphertext, CONTEXT)


@pytest.mark.parametrize("public", [b"", b"x" * 31, bytes(32)])
def test_invalid_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(MalformedError, match="pubkey"):
        seal("nopass", public, CONTEXT)


async def test_key_survives_a_restart_and_its_repr_shows_only_the_fingerprint() -> None:
    secret_store = MemorySecretStore()
    first = await GatewayKey.load(secret_store)
    second = await GatewayKey.load(secret_store)
    assert second.public == first.public
    (private,) = secret_store.stored.values()
    assert private.hex() not in repr(first)
    assert fingerprint(first.public) in repr(first)


def test_nonce_is_accepted_once() -> None:
    nonces = Nonces(lifetime_s=300)
    nonce = nonces.current(0)
    assert nonces.current(299) == nonce
    assert nonces.consume(nonce, 299)
    assert not nonces.consume(nonce, 299)
    assert nonces.current(299) != nonce


def test_nonce_is_accepted_after_the_next_is_announced_but_not_after_two_lifetimes() -> None:
    nonces = Nonces(lifetime_s=300)
    first = nonces.current(0)
    second = nonces.current(300)
    third = nonces.current(600)
    assert nonces.consume(second, 601)
    assert not nonces.consume(first, 601)
    assert not nonces.consume(third, 601 + 600)


@pytest.mark.parametrize("nonce", [b"", b"x", bytes(16)])
def test_nonce_that_was_never_announced_is_refused(nonce: bytes) -> None:
    nonces = Nonces()
    assert not nonces.consume(nonce, 0)
    nonces.current(0)
    assert not nonces.consume(nonce, 0)
