"""The gateway says that it is here: at start, every so often, on a change of address, and when it is asked."""

import asyncio
import socket
import time
from ipaddress import IPv4Address, IPv4Interface

import pytest
from structlog.testing import capture_logs

from gatewayd.model.record import Record
from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.rate_limit import Admission, Rate, RateLimits
from gatewayd.provisioning.service import GatewayContext, Ports, ProvisioningService
from gatewayd.provisioning.wifi import NoWifi
from tests.common.provisioning import LOOPBACK, PATIENCE_S, RECORD, Drawer, Gateway, Socket, free_port, running

ASK = {"msg": {"category": "gw", "sn": "77"}, "status": 200501}


async def wired(
    own: list[Subnet], record: list[Record], ports: Ports, heard: list[tuple[Subnet, ...]] | None = None
) -> ProvisioningService:
    """A gateway without Wi-Fi, whose addresses and record a test can change; `heard` is told of addresses."""

    async def is_newest() -> bool:
        return True

    async def joined(_link: WifiLink) -> None:
        return

    async def addressed(subnets: tuple[Subnet, ...]) -> None:
        if heard is not None:
            heard.append(subnets)

    def gateway() -> Record | None:
        return record[0] if record else None

    return await ProvisioningService.load(
        GatewayContext(gateway, lambda: tuple(own), is_newest, joined, addressed, time.monotonic),
        NoWifi(),
        Drawer(),
        ports=ports,
        announce_interval_s=0.05,
        sealed_only=False,
    )


async def test_it_announces_itself_at_start_and_again_and_again() -> None:
    ports = Ports(0, free_port())
    listener = Socket(0)
    async with listener.endpoint.bound(ports.announce), asyncio.TaskGroup() as tasks:
        part = tasks.create_task((await wired([LOOPBACK], [RECORD], ports)).run())
        for _ in range(3):
            assert (await listener.hears(200601))["msg"]["uuid"] == RECORD.uuid
        part.cancel()


async def test_it_announces_a_new_address_with_that_address() -> None:
    ports, own, heard = Ports(0, free_port()), [LOOPBACK], list[tuple[Subnet, ...]]()
    listener = Socket(0)
    async with listener.endpoint.bound(ports.announce), asyncio.TaskGroup() as tasks:
        part = tasks.create_task((await wired(own, [RECORD], ports, heard)).run())
        assert (await listener.hears(200601))["msg"]["param"]["ip"] == "127.0.0.1"
        own[:] = [Subnet("lo", IPv4Interface("127.0.0.2/8"), IPv4Address("127.255.255.255"))]
        while (await listener.hears(200601))["msg"]["param"]["ip"] != "127.0.0.2":
            pass
        assert [heard[0], heard[-1]] == [(LOOPBACK,), tuple(own)]
        part.cancel()


async def test_a_gateway_that_does_not_know_itself_yet_stays_silent_and_speaks_up_later() -> None:
    ports, record = Ports(0, free_port()), list[Record]()
    listener = Socket(0)
    async with listener.endpoint.bound(ports.announce), asyncio.TaskGroup() as tasks:
        service = await wired([LOOPBACK], record, ports)
        part = tasks.create_task(service.run())
        phone = Socket(await service.bound)
        async with phone.endpoint.bound(0):
            phone.send(ASK)
            phone.send({"status": 200552})
            await phone.hears(400514)
            assert phone.heard_so_far() == []
            assert listener.heard_so_far() == [400514]
        record.append(RECORD)
        assert (await listener.hears(200601))["msg"]["uuid"] == RECORD.uuid
        part.cancel()


async def test_who_asks_is_answered_where_he_asks_from_and_everybody_hears_it(gateway: Gateway) -> None:
    async with gateway.phone(gateway.announce_port) as everybody, gateway.phone() as phone:
        phone.send(ASK)
        assert await phone.hears(200601) == await everybody.hears(200601)


async def test_every_phone_on_one_machine_hears_what_is_said_to_everybody(gateway: Gateway) -> None:
    phones = [Socket(gateway.port) for _ in range(2)]
    async with (
        phones[0].endpoint.bound(gateway.announce_port, is_shared=True),
        phones[1].endpoint.bound(gateway.announce_port, is_shared=True),
        gateway.phone() as asker,
    ):
        asker.send(ASK)
        for phone in phones:
            await phone.hears(200601)


async def test_two_gateways_do_not_keep_each_other_talking(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(ASK)
        said = await phone.hears(200601)
        for answer in (
            said,
            {"status": 200553, "data": []},
            {"status": 400514},
            {"status": 400515},
            {"status": 200555},
        ):
            phone.send(answer)
        await gateway.settled()
        assert phone.heard_so_far() == []


async def test_a_foreigner_is_not_heard() -> None:
    async with running(limits=RateLimits()) as gateway:
        gateway.service._neighbourhood.subnets = (
            Subnet("eth0", IPv4Interface("192.0.2.1/24"), IPv4Address("192.0.2.255")),
        )
        async with gateway.phone() as phone:
            phone.send(ASK)
            async with asyncio.timeout(PATIENCE_S):
                while not gateway.service.verdicts[Admission.FOREIGN]:
                    await asyncio.sleep(0)
            assert phone.heard_so_far() == []


async def test_who_asks_too_often_is_not_answered_every_time() -> None:
    async with running(limits=RateLimits(each_source=Rate(0.001, 5))) as gateway, gateway.phone() as phone:
        for _ in range(20):
            phone.send(ASK)
        async with asyncio.timeout(PATIENCE_S):
            while gateway.service.verdicts[Admission.TOO_OFTEN] < 15:
                await asyncio.sleep(0)
        for _ in range(5):
            await phone.hears(200601)
        assert phone.heard_so_far() == []


async def test_a_port_that_is_taken_is_said_and_taken_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.provisioning.service._BIND_AGAIN_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief, capture_logs() as logs:
        thief.bind(("0.0.0.0", 0))
        port = thief.getsockname()[1]
        service = await wired([LOOPBACK], [RECORD], Ports(port, free_port()))
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE_S):
            part = tasks.create_task(service.run())
            while not logs:
                await asyncio.sleep(0)
            assert (logs[0]["event"], logs[0]["port"]) == ("provisioning_not_reachable", port)
            thief.close()
            assert await service.bound == port
            phone = Socket(port)
            async with phone.endpoint.bound(0):
                phone.send(ASK)
                await phone.hears(200601)
            part.cancel()


async def test_a_gateway_without_an_address_says_so_and_what_to_look_at() -> None:
    with capture_logs() as logs:
        service = await wired([], [RECORD], Ports(0, free_port()))
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE_S):
            part = tasks.create_task(service.run())
            while not any(entry["event"] == "no_address" for entry in logs):
                await asyncio.sleep(0)
            part.cancel()
    assert "[udp] interfaces" in logs[-1]["remedy"]
