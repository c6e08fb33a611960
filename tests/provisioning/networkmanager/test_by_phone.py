"""The whole way: a phone's datagrams over UDP, our daemon's part, NetworkManager over D-Bus, and nmcli to look."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

import pytest

from gatewayd.model.wifi import Auth, Encryption, WifiLink
from gatewayd.provisioning.client.client import Patience, ProvisioningClient, RefusedByGatewayError
from gatewayd.provisioning.client.datagrams import Offer
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.service import Ports
from tests.common.networkmanager.gateway import gateway_on
from tests.common.networkmanager.mock_radio import WPA2, Air
from tests.common.networkmanager.nmcli import nmcli
from tests.common.provisioning import free_port

HOME = Offer("不要上我", Auth.WPA2PSK, Encryption.AES)
PATIENCE = Patience(announcement=5, networks=10, join=20, firmware=5)


@asynccontextmanager
async def phone_in_the_hallway(wifi: NetworkManagerWifi, joined: list[WifiLink]) -> AsyncIterator[ProvisioningClient]:
    """A gateway on that Wi-Fi, and an installer's phone beside it."""
    ports, here = Ports(0, free_port()), (IPv4Address("127.0.0.1"),)
    async with (
        gateway_on(wifi, joined, ports, sealed_only=True) as port,
        ProvisioningClient.open(here, gateway_port=port, announce_port=ports.announce, patience=PATIENCE) as phone,
    ):
        yield phone


async def test_a_phone_puts_the_gateway_on_a_network_that_nmcli_then_shows(
    air: Air, bus: str, wifi: NetworkManagerWifi
) -> None:
    await air.add_network(HOME.ssid.encode(), strength=80, rsn=WPA2)
    await air.add_network(b"cafe", strength=60)
    joined: list[WifiLink] = []
    async with phone_in_the_hallway(wifi, joined) as phone:
        (found,) = await phone.find(0.2)
        assert [offer.ssid for offer in await phone.networks(found)] == [HOME.ssid, "cafe"]
        outcome = await phone.join(found, HOME, "correct horse battery", lambda _: None)
    assert (outcome.access_ssid, outcome.ip) == (HOME.ssid, str(joined[0].address.ip))
    assert outcome.firmware_is_newest
    assert [HOME.ssid, "wlan0"] in await nmcli(bus, "--fields", "NAME,DEVICE", "connection", "show", "--active")


async def test_without_networkmanager_the_phone_is_told_so_and_nothing_breaks(bus: str) -> None:
    async with (
        NetworkManagerWifi("wlan0", address=bus) as wifi,
        phone_in_the_hallway(wifi, []) as phone,
    ):
        (found,) = await phone.find(0.2)
        with pytest.raises(RefusedByGatewayError):
            await phone.networks(found)
        assert [other.said.uuid for other in await phone.find(0.2)] == [found.said.uuid]
