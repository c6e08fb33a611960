"""Datagrams are lost, doubled and overtaken on their way: the phone still ends with one join and its whole outcome."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import IPv4Address

import pytest

from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.client.client import Patience, ProvisioningClient
from gatewayd.provisioning.client.datagrams import Offer
from gatewayd.provisioning.udp_socket import Requester, UdpSocket
from tests.common.provisioning import free_port, running

HERE = IPv4Address("127.0.0.1")
HOME = Offer("不要上我", Auth.WPA2PSK, Encryption.AES)
OFTEN = Patience(announcement=20, networks=20, join=20, firmware=20, again=0.03)


class BadLine:
    """Stands between a phone and a gateway: of ten datagrams it loses three, doubles one and holds back two."""

    def __init__(self, gateway: int, chance: random.Random) -> None:
        self._gateway = gateway
        self._chance = chance
        self._held: Callable[[], None] | None = None
        self._phone: Requester | None = None
        self.near = UdpSocket(self._from_phone)
        self.far = UdpSocket(self._from_gateway)

    def _from_phone(self, datagram: bytes, phone: Requester) -> None:
        self._phone = phone
        self._carry(partial(self.far.send, datagram, HERE, self._gateway))

    def _from_gateway(self, datagram: bytes, _gateway: Requester) -> None:
        if self._phone is not None:
            self._carry(partial(self.near.send, datagram, self._phone.address, self._phone.port))

    def _carry(self, send: Callable[[], None]) -> None:
        match self._chance.randrange(10):
            case 0 | 1 | 2:
                return
            case 3:
                send()
            case 4 | 5 if self._held is None:
                self._held = send
                return
        send()
        if self._held is not None:
            self._held()
            self._held = None


@asynccontextmanager
async def over_a_bad_line(gateway: int, seed: int) -> AsyncIterator[ProvisioningClient]:
    """A phone that hears the gateway over it alone."""
    line = BadLine(gateway, random.Random(seed))
    async with (
        line.near.bound(0) as port,
        line.far.bound(0),
        ProvisioningClient.open((HERE,), gateway_port=port, announce_port=free_port(), patience=OFTEN) as phone,
    ):
        yield phone


@pytest.mark.parametrize("seed", range(6))
async def test_a_phone_ends_with_one_join_and_its_whole_outcome(seed: int) -> None:
    async with running(sealed_only=True) as gateway, over_a_bad_line(gateway.port, seed) as phone:
        (found,) = await phone.find(0.5)
        assert (await phone.networks(found))[0].ssid == HOME.ssid
        outcome = await phone.join(found, HOME, "nopass-nopass")
        assert outcome.access_ssid == HOME.ssid
        assert outcome.firmware_is_newest
        assert gateway.wifi.joins == 1
