"""Announcements: at start, at intervals, on a change of address and on request; and who is not answered."""

import asyncio
import socket
import time
from ipaddress import IPv4Address, IPv4Interface

import pytest
from structlog.testing import capture_logs

from gatewayd.model.record import Record
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.rate_limit import RateDecision, RateLimits
from gatewayd.provisioning.service import GatewayContext, ProvisioningService, UdpPorts
from gatewayd.provisioning.wifi import NoWifi
from gatewayd.token_bucket import Rate
from tests.common.provisioning import (
    LOOPBACK,
    RECORD,
    TIMEOUT_S,
    Gateway,
    MemorySecretStore,
    PhoneSocket,
    firmware_is_newest,
    free_udp_port,
    ignore_joined,
    running_gateway,
)

DISCOVER = {"msg": {"category": "gw", "sn": "77"}, "status": 200501}


async def load_service(
    subnets: list[Subnet], records: list[Record], ports: UdpPorts, reported: list[tuple[Subnet, ...]] | None = None
) -> ProvisioningService:
    """A gateway without Wi-Fi. A test may change `subnets` and `records` (empty: not known) while it runs; `reported`
    collects what `on_addresses` is called with.
    """

    async def on_addresses(current: tuple[Subnet, ...]) -> None:
        if reported is not None:
            reported.append(current)

    context = GatewayContext(
        record=lambda: records[0] if records else None,
        read_subnets=lambda: tuple(subnets),
        is_newest=firmware_is_newest,
        on_joined=ignore_joined,
        on_addresses=on_addresses,
        now=time.monotonic,
    )
    return await ProvisioningService.load(
        context, NoWifi(), MemorySecretStore(), ports=ports, announce_interval_s=0.05, sealed_only=False
    )


async def test_gateway_announces_itself_at_start_and_at_intervals() -> None:
    ports = UdpPorts(0, free_udp_port())
    listener = PhoneSocket(0)
    async with listener.bound(ports.announce), asyncio.TaskGroup() as tasks:
        task = tasks.create_task((await load_service([LOOPBACK], [RECORD], ports)).run())
        for _ in range(3):
            assert (await listener.receive(200601))["msg"]["uuid"] == RECORD.uuid
        task.cancel()


async def test_new_address_is_announced_and_reported() -> None:
    ports, subnets, reported = UdpPorts(0, free_udp_port()), [LOOPBACK], list[tuple[Subnet, ...]]()
    listener = PhoneSocket(0)
    async with listener.bound(ports.announce), asyncio.TaskGroup() as tasks:
        task = tasks.create_task((await load_service(subnets, [RECORD], ports, reported)).run())
        assert (await listener.receive(200601))["msg"]["param"]["ip"] == "127.0.0.1"
        subnets[:] = [Subnet("lo", IPv4Interface("127.0.0.2/8"), IPv4Address("127.255.255.255"))]
        while (await listener.receive(200601))["msg"]["param"]["ip"] != "127.0.0.2":
            pass
        assert [reported[0], reported[-1]] == [(LOOPBACK,), tuple(subnets)]
        task.cancel()


async def test_gateway_without_record_announces_itself_once_it_is_known() -> None:
    ports, records = UdpPorts(0, free_udp_port()), list[Record]()
    listener = PhoneSocket(0)
    async with listener.bound(ports.announce), asyncio.TaskGroup() as tasks:
        service = await load_service([LOOPBACK], records, ports)
        task = tasks.create_task(service.run())
        phone = PhoneSocket(await service.bound)
        async with phone.bound(0):
            phone.send(DISCOVER)
            phone.send({"status": 200552})
            await phone.receive(400514)
            assert phone.received_so_far() == []
            assert listener.received_so_far() == [400514]
        records.append(RECORD)
        assert (await listener.receive(200601))["msg"]["uuid"] == RECORD.uuid
        task.cancel()


async def test_discovery_request_is_answered_directly_and_by_broadcast(gateway: Gateway) -> None:
    async with gateway.phone(gateway.announce_port) as listener, gateway.phone() as phone:
        phone.send(DISCOVER)
        assert await phone.receive(200601) == await listener.receive(200601)


async def test_broadcast_reaches_every_program_that_shares_the_announce_port(gateway: Gateway) -> None:
    listeners = [PhoneSocket(gateway.port) for _ in range(2)]
    async with (
        listeners[0].bound(gateway.announce_port, is_shared=True),
        listeners[1].bound(gateway.announce_port, is_shared=True),
        gateway.phone() as phone,
    ):
        phone.send(DISCOVER)
        for listener in listeners:
            await listener.receive(200601)


async def test_message_of_another_gateway_is_not_answered(gateway: Gateway) -> None:
    async with gateway.phone() as phone:
        phone.send(DISCOVER)
        announcement = await phone.receive(200601)
        for message in (
            announcement,
            {"status": 200553, "data": []},
            {"status": 400514},
            {"status": 400515},
            {"status": 200555},
        ):
            phone.send(message)
        await gateway.wait_until_handled()
        assert phone.received_so_far() == []


async def test_datagram_from_foreign_subnet_is_not_answered() -> None:
    elsewhere = Subnet("eth0", IPv4Interface("192.0.2.1/24"), IPv4Address("192.0.2.255"))
    async with running_gateway(limits=RateLimits(), subnet=elsewhere) as gateway, gateway.phone() as phone:
        phone.send(DISCOVER)
        async with asyncio.timeout(TIMEOUT_S):
            while not gateway.service.admissions[RateDecision.FOREIGN]:
                await asyncio.sleep(0)
        assert phone.received_so_far() == []


async def test_requests_beyond_the_rate_of_one_source_are_not_answered() -> None:
    async with running_gateway(limits=RateLimits(each_source=Rate(0.001, 5))) as gateway, gateway.phone() as phone:
        for _ in range(20):
            phone.send(DISCOVER)
        async with asyncio.timeout(TIMEOUT_S):
            while gateway.service.admissions[RateDecision.TOO_OFTEN] < 15:
                await asyncio.sleep(0)
        for _ in range(5):
            await phone.receive(200601)
        assert phone.received_so_far() == []


async def test_port_in_use_is_logged_and_bound_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.provisioning.service.BIND_RETRY_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, capture_logs() as logs:
        other.bind(("0.0.0.0", 0))
        port = other.getsockname()[1]
        service = await load_service([LOOPBACK], [RECORD], UdpPorts(port, free_udp_port()))
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(TIMEOUT_S):
            task = tasks.create_task(service.run())
            while not logs:
                await asyncio.sleep(0)
            assert (logs[0]["event"], logs[0]["port"]) == ("provisioning_port_not_opened", port)
            other.close()
            assert await service.bound == port
            phone = PhoneSocket(port)
            async with phone.bound(0):
                phone.send(DISCOVER)
                await phone.receive(200601)
            task.cancel()


async def test_gateway_without_address_logs_what_to_check() -> None:
    with capture_logs() as logs:
        service = await load_service([], [RECORD], UdpPorts(0, free_udp_port()))
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(TIMEOUT_S):
            task = tasks.create_task(service.run())
            while not any(entry["event"] == "no_address_found" for entry in logs):
                await asyncio.sleep(0)
            task.cancel()
    assert "[udp] interfaces" in logs[-1]["remedy"]
