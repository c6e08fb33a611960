"""Datagrams are lost, duplicated and reordered: a phone still ends with exactly one join and its whole outcome."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import IPv4Address

import pytest

from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.client.client import ClientTimeouts, ProvisioningClient
from gatewayd.provisioning.client.datagrams import NetworkEntry
from gatewayd.provisioning.udp_socket import Sender, UdpSocket
from tests.common.provisioning import free_udp_port, running_gateway

LOCALHOST = IPv4Address("127.0.0.1")
HOME = NetworkEntry("不要上我", Auth.WPA2PSK, Encryption.AES)
TIMEOUTS = ClientTimeouts(announcement=20, networks=20, join=20, firmware=20, resend=0.03)


class LossyProxy:
    """Forwards datagrams between a phone and the gateway; of ten it drops three, duplicates one and delays two."""

    def __init__(self, gateway_port: int, chance: random.Random) -> None:
        self._gateway_port = gateway_port
        self._chance = chance
        self._delayed: Callable[[], None] | None = None
        self._phone: Sender | None = None
        self.phone_side = UdpSocket(self._from_phone)
        self.gateway_side = UdpSocket(self._from_gateway)

    def _from_phone(self, datagram: bytes, phone: Sender) -> None:
        self._phone = phone
        self._forward(partial(self.gateway_side.send, datagram, LOCALHOST, self._gateway_port))

    def _from_gateway(self, datagram: bytes, _gateway: Sender) -> None:
        if self._phone is not None:
            self._forward(partial(self.phone_side.send, datagram, self._phone.address, self._phone.port))

    def _forward(self, send: Callable[[], None]) -> None:
        match self._chance.randrange(10):
            case 0 | 1 | 2:
                return
            case 3:
                send()
            case 4 | 5 if self._delayed is None:
                self._delayed = send
                return
        send()
        if self._delayed is not None:
            self._delayed()
            self._delayed = None


@asynccontextmanager
async def client_through_lossy_proxy(gateway_port: int, seed: int) -> AsyncIterator[ProvisioningClient]:
    proxy = LossyProxy(gateway_port, random.Random(seed))
    async with (
        proxy.phone_side.bound(0) as port,
        proxy.gateway_side.bound(0),
        ProvisioningClient.open(
            (LOCALHOST,), gateway_port=port, announce_port=free_udp_port(), timeouts=TIMEOUTS
        ) as client,
    ):
        yield client


@pytest.mark.parametrize("seed", range(6))
async def test_client_on_lossy_network_gets_one_join_and_its_outcome(seed: int) -> None:
    async with (
        running_gateway(sealed_only=True) as gateway,
        client_through_lossy_proxy(gateway.port, seed) as client,
    ):
        (found,) = await client.discover(0.5)
        assert (await client.list_networks(found))[0].ssid == HOME.ssid
        outcome = await client.join(found, HOME, "nopass-nopass")
        assert outcome.access_ssid == HOME.ssid
        assert outcome.firmware_is_newest
        assert gateway.wifi.joins == 1
