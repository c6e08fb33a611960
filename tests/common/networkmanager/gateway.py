"""A gateway's provisioning on NetworkManager's Wi-Fi."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.service import GatewayContext, Ports, ProvisioningService
from tests.common.provisioning import LOOPBACK, RECORD, Drawer, free_port, nobody_cares


@asynccontextmanager
async def gateway_on(
    wifi: NetworkManagerWifi,
    joined: list[WifiLink] | None = None,
    ports: Ports | None = None,
    *,
    sealed_only: bool = False,
) -> AsyncIterator[int]:
    """A gateway on that Wi-Fi; gives the port that it hears."""

    async def is_newest() -> bool:
        return True

    async def on_joined(link: WifiLink) -> None:
        if joined is not None:
            joined.append(link)

    environment = GatewayContext(
        lambda: RECORD, lambda: (LOOPBACK,), is_newest, on_joined, nobody_cares, time.monotonic
    )
    ports = ports or Ports(0, free_port())
    service = await ProvisioningService.load(
        environment, wifi, Drawer(), ports=ports, announce_interval_s=3600, sealed_only=sealed_only
    )
    async with asyncio.TaskGroup() as tasks:
        part = tasks.create_task(service.run())
        yield await service.bound
        part.cancel()
