"""From a phone's datagrams over UDP to NetworkManager over D-Bus, with nmcli to check the result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

import pytest

from gatewayd.model.wifi import Auth, Encryption, WifiLink
from gatewayd.provisioning.client.client import ClientTimeouts, ProvisioningClient, RefusedByGatewayError
from gatewayd.provisioning.client.datagrams import NetworkEntry
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.service import UdpPorts
from tests.common.networkmanager.gateway import gateway_on
from tests.common.networkmanager.mock_radio import WPA2, MockRadio
from tests.common.networkmanager.nmcli import nmcli
from tests.common.provisioning import free_udp_port

HOME = NetworkEntry("不要上我", Auth.WPA2PSK, Encryption.AES)
TIMEOUTS = ClientTimeouts(announcement=5, networks=10, join=20, firmware=5)


@asynccontextmanager
async def client_of_gateway(wifi: NetworkManagerWifi, joined: list[WifiLink]) -> AsyncIterator[ProvisioningClient]:
    """A client of a gateway on `wifi`; `joined` collects the networks joined."""
    ports, localhost = UdpPorts(0, free_udp_port()), (IPv4Address("127.0.0.1"),)
    announce_port = ports.announce
    async with (
        gateway_on(wifi, joined, ports, sealed_only=True) as port,
        ProvisioningClient.open(localhost, gateway_port=port, announce_port=announce_port, timeouts=TIMEOUTS) as client,
    ):
        yield client


async def test_network_joined_by_phone_is_active_in_nmcli(radio: MockRadio, bus: str, wifi: NetworkManagerWifi) -> None:
    await radio.add_network(HOME.ssid.encode(), strength=80, rsn=WPA2)
    await radio.add_network(b"cafe", strength=60)
    joined: list[WifiLink] = []
    async with client_of_gateway(wifi, joined) as client:
        (found,) = await client.discover(0.2)
        assert [network.ssid for network in await client.list_networks(found)] == [HOME.ssid, "cafe"]
        outcome = await client.join(found, HOME, "correct horse battery")
    assert (outcome.access_ssid, outcome.ip) == (HOME.ssid, str(joined[0].address.ip))
    assert outcome.firmware_is_newest
    assert [HOME.ssid, "wlan0"] in await nmcli(bus, "--fields", "NAME,DEVICE", "connection", "show", "--active")


async def test_phone_is_refused_while_networkmanager_does_not_run(bus: str, wifi: NetworkManagerWifi) -> None:
    async with client_of_gateway(wifi, []) as client:
        (found,) = await client.discover(0.2)
        with pytest.raises(RefusedByGatewayError):
            await client.list_networks(found)
        assert [gateway.announcement.uuid for gateway in await client.discover(0.2)] == [found.announcement.uuid]
