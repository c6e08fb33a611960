"""200552: one scan at a time, whose answer goes to everybody who asked meanwhile."""

import asyncio

import pytest

from gatewayd.model.wifi import WifiNetwork
from gatewayd.simulator.wifi import SimulatedWifi
from tests.common.provisioning import Gateway, running_gateway

LIST_NETWORKS = {"status": 200552}


class PausedScanWifi(SimulatedWifi):
    """A radio whose scan sets `begun` and waits for `resumed`."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.resumed = asyncio.Event()

    async def scan(self) -> tuple[WifiNetwork, ...]:
        self.begun.set()
        await self.resumed.wait()
        return await super().scan()


async def test_networks_are_listed_strongest_first_each_once(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(LIST_NETWORKS)
        answer = await phone.receive(200553)
    names = [row["ssid"] for row in answer["data"]]
    assert names[:3] == ["不要上我", "cafe", "老网络"]
    assert len(names) == len(set(names))
    assert set(answer["data"][0]) == {"auth", "encry", "ssid"}


async def test_requests_during_a_scan_share_its_answer() -> None:
    wifi = PausedScanWifi()
    async with running_gateway(wifi) as gateway, gateway.phone() as first, gateway.phone() as second:
        for phone in (first, second, first, second):
            phone.send(LIST_NETWORKS)
        await wifi.begun.wait()
        await gateway.wait_until_handled()
        wifi.resumed.set()
        assert await first.receive(200553) == await second.receive(200553)
        assert first.received_so_far() == second.received_so_far() == []
    assert wifi.scans == 1


async def test_request_just_after_a_scan_gets_the_same_list_without_another(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(LIST_NETWORKS)
        first = await phone.receive(200553)
        phone.send(LIST_NETWORKS)
        assert await phone.receive(200553) == first
    assert gateway.wifi.scans == 1


async def test_failed_scan_is_answered_with_400514() -> None:
    wifi = SimulatedWifi()
    wifi.scan_fails = True
    async with running_gateway(wifi) as gateway, gateway.phone() as phone:
        phone.send(LIST_NETWORKS)
        assert await phone.receive(400514, 200553) == {"status": 400514}


async def test_list_is_also_broadcast_to_the_announce_port(gateway: Gateway) -> None:
    async with gateway.phone(gateway.announce_port) as listener, gateway.phone() as phone:
        phone.send(LIST_NETWORKS)
        assert await listener.receive(200553) == await phone.receive(200553)


async def test_fault_in_a_scan_is_answered_and_the_next_scan_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    wifi = SimulatedWifi()

    async def fault() -> tuple[WifiNetwork, ...]:
        raise ZeroDivisionError

    async with running_gateway(wifi) as gateway, gateway.phone() as phone:
        with monkeypatch.context() as patch:
            patch.setattr(wifi, "scan", fault)
            phone.send(LIST_NETWORKS)
            assert await phone.receive(400514, 200553) == {"status": 400514}
        assert (await wifi.scan()) != ()
