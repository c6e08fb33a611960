"""A passphrase reaches only the gateway that it was sealed to, for the network and the nonce that it was sealed for."""

from dataclasses import replace

import pytest

from gatewayd.model.errors import MalformedError
from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.seal import Bound, GatewayKey, fingerprint, seal
from tests.common.provisioning import GATEWAY, Drawer

BOUND = Bound(GATEWAY, "不要上我", Auth.WPA2PSK, Encryption.AES, bytes(16))


@pytest.fixture
async def key() -> GatewayKey:
    return await GatewayKey.load(Drawer())


async def test_a_sealed_passphrase_opens(key: GatewayKey) -> None:
    box = seal("口令 nopass", key.public, BOUND)
    assert key.open(box, BOUND) == "口令 nopass"
    assert b"nopass" not in box


@pytest.mark.parametrize(
    "other",
    [
        replace(BOUND, uuid="00158d0000d04701"),
        replace(BOUND, ssid="不要上你"),
        replace(BOUND, auth=Auth.OPEN),
        replace(BOUND, encryption=Encryption.TKIP),
        replace(BOUND, nonce=b"\1" * 16),
        replace(BOUND, uuid=BOUND.uuid + "不", ssid=BOUND.ssid[1:]),
    ],
)
async def test_it_opens_for_nothing_else(key: GatewayKey, other: Bound) -> None:
    box = seal("nopass", key.public, BOUND)
    with pytest.raises(MalformedError, match="not sealed to this gateway's key"):
        key.open(box, other)


async def test_another_gateway_cannot_open_it(key: GatewayKey) -> None:
    other = await GatewayKey.load(Drawer())
    with pytest.raises(MalformedError, match="not sealed"):
        other.open(seal("nopass", key.public, BOUND), BOUND)


@pytest.mark.parametrize("box", [b"", b"x", bytes(32), bytes(48), bytes(400)])
async def test_what_is_no_seal_is_refused(key: GatewayKey, box: bytes) -> None:
    with pytest.raises(MalformedError, match="not sealed"):
        key.open(box, BOUND)


@pytest.mark.parametrize("public", [b"", b"x" * 31, bytes(32)])
def test_a_key_that_is_none_is_refused(public: bytes) -> None:
    with pytest.raises(MalformedError, match="pubkey"):
        seal("nopass", public, BOUND)


async def test_the_key_outlives_the_process_and_shows_nothing_of_itself() -> None:
    drawer = Drawer()
    first = await GatewayKey.load(drawer)
    second = await GatewayKey.load(drawer)
    assert second.public == first.public
    (private,) = drawer.kept.values()
    assert private.hex() not in repr(first)
    assert fingerprint(first.public) in repr(first)
