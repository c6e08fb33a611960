"""A gateway's provisioning on NetworkManager's Wi-Fi."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.service import GatewayContext, ProvisioningService, UdpPorts
from tests.common.provisioning import (
    LOOPBACK,
    RECORD,
    MemorySecretStore,
    firmware_is_newest,
    free_udp_port,
    ignore_addresses,
)


@asynccontextmanager
async def gateway_on(
    wifi: NetworkManagerWifi,
    joined: list[WifiLink] | None = None,
    ports: UdpPorts | None = None,
    *,
    sealed_only: bool = False,
) -> AsyncIterator[int]:
    """A gateway on `wifi`; yields the port that it listens on. `joined` collects the networks joined."""

    async def on_joined(link: WifiLink) -> None:
        if joined is not None:
            joined.append(link)

    context = GatewayContext(
        record=lambda: RECORD,
        read_subnets=lambda: (LOOPBACK,),
        is_newest=firmware_is_newest,
        on_joined=on_joined,
        on_addresses=ignore_addresses,
        now=time.monotonic,
    )
    service = await ProvisioningService.load(
        context,
        wifi,
        MemorySecretStore(),
        ports=ports or UdpPorts(0, free_udp_port()),
        announce_interval_s=3600,
        sealed_only=sealed_only,
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(service.run())
        yield await service.bound
        task.cancel()
