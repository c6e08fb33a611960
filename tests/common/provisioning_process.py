"""A gateway's provisioning as a process of its own, on this machine's real interfaces; the Wi-Fi is simulated.

The address that a join yields is added to a real interface. With `moves` it replaces the interface's other addresses,
as where the gateway leaves one Wi-Fi network for another.
`python -m tests.common.provisioning_process UUID INTERFACE ADDRESS [moves]`.
"""

import asyncio
import sys
import time

from msgspec.structs import replace

from gatewayd.model.ids import Uuid
from gatewayd.model.wifi import WifiCredentials, WifiLink
from gatewayd.provisioning.interfaces import subnets
from gatewayd.provisioning.service import GatewayContext, ProvisioningService, UdpPorts
from gatewayd.simulator.wifi import SimulatedAccessPoint, SimulatedWifi
from tests.common.provisioning import (
    RECORD,
    MemorySecretStore,
    firmware_is_newest,
    ignore_addresses,
    ignore_joined,
)


class AddressedWifi(SimulatedWifi):
    """The simulated radio; a join gives this machine an address, as DHCP would."""

    moves = False

    async def join(self, choice: WifiCredentials) -> WifiLink:
        link = await super().join(choice)
        if self.moves:
            await ip_address("flush", "dev", link.interface)
        await ip_address("add", str(link.address), "broadcast", "+", "dev", link.interface)
        return link


async def ip_address(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", "address", *arguments)
    assert await process.wait() == 0


async def main(uuid: str, interface: str, address: str, *, moves: bool) -> None:
    home = SimulatedAccessPoint("不要上我".encode(), passphrase="nopass-nopass", signal=88, address=address)
    context = GatewayContext(
        record=lambda: replace(RECORD, uuid=Uuid(uuid)),
        read_subnets=subnets,
        is_newest=firmware_is_newest,
        on_joined=ignore_joined,
        on_addresses=ignore_addresses,
        now=time.monotonic,
    )
    wifi = AddressedWifi((home,), interface=interface)
    wifi.moves = moves
    service = await ProvisioningService.load(
        context,
        wifi,
        MemorySecretStore(),
        ports=UdpPorts(),
        announce_interval_s=1,
        sealed_only=True,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(service.run())
        await service.bound
        print("ready", flush=True)  # noqa: T201  (the test that started this waits for it)


asyncio.run(main(*sys.argv[1:4], moves="moves" in sys.argv[4:]))
