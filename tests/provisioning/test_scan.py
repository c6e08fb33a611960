"""200552: one scan at a time, and everybody who asked hears of it."""

import asyncio

from gatewayd.model.wifi import WifiNetwork
from gatewayd.simulator.wifi import SimulatedWifi
from tests.common.provisioning import Gateway, running

LIST = {"status": 200552}


class GatedWifi(SimulatedWifi):
    """Scans no further than the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()

    async def scan(self) -> tuple[WifiNetwork, ...]:
        self.begun.set()
        await self.opened.wait()
        return await super().scan()


async def test_networks_come_strongest_first_each_once(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(LIST)
        listed = await phone.hears(200553)
    names = [one["ssid"] for one in listed["data"]]
    assert names[:3] == ["不要上我", "cafe", "老网络"]
    assert len(names) == len(set(names))
    assert set(listed["data"][0]) == {"auth", "encry", "ssid"}


async def test_all_who_ask_during_a_scan_share_its_answer() -> None:
    gate = GatedWifi()
    async with running(gate) as gateway, gateway.phone() as first, gateway.phone() as second:
        for phone in (first, second, first, second):
            phone.send(LIST)
        await gate.begun.wait()
        await gateway.settled()
        gate.opened.set()
        assert await first.hears(200553) == await second.hears(200553)
        assert first.heard_so_far() == second.heard_so_far() == []
    assert gate.scans == 1


async def test_who_asks_right_after_it_hears_the_same_list_without_a_scan(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(LIST)
        first = await phone.hears(200553)
        phone.send(LIST)
        assert await phone.hears(200553) == first
    assert gateway.wifi.scans == 1


async def test_a_scan_that_fails_is_400514() -> None:
    wifi = SimulatedWifi()
    wifi.scan_fails = True
    async with running(wifi) as gateway, gateway.phone() as phone:
        phone.send(LIST)
        assert await phone.hears(400514, 200553) == {"status": 400514}


async def test_the_list_is_broadcast_to_the_announce_port_too(gateway: Gateway) -> None:
    async with gateway.phone(gateway.announce_port) as old_phone, gateway.phone() as phone:
        phone.send(LIST)
        assert await old_phone.hears(200553) == await phone.hears(200553)
