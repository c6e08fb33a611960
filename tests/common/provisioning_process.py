"""A gateway's provisioning as a process of its own, on this machine's real interfaces; the air is simulated, and an
address that it gives is put on a real interface; with `moves` it takes the place of the one before, as it does where
both networks are Wi-Fi. `python -m tests.common.provisioning_process UUID INTERFACE ADDRESS [moves]`.
"""

import asyncio
import sys
import time

from msgspec.structs import replace

from gatewayd.model.ids import Uuid
from gatewayd.model.wifi import WifiCredentials, WifiLink
from gatewayd.provisioning.interfaces import subnets
from gatewayd.provisioning.service import GatewayContext, Ports, ProvisioningService
from gatewayd.simulator.wifi import SimulatedAccessPoint, SimulatedWifi
from tests.common.provisioning import RECORD, Drawer, nobody_cares


class AddressedWifi(SimulatedWifi):
    """The simulated radio; what it joins gives this machine an address, as DHCP would."""

    moves = False

    async def join(self, choice: WifiCredentials) -> WifiLink:
        link = await super().join(choice)
        if self.moves:
            await ip("flush", "dev", link.interface)
        await ip("add", str(link.address), "broadcast", "+", "dev", link.interface)
        return link


async def ip(*words: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", "address", *words)
    assert await process.wait() == 0


async def main(uuid: str, interface: str, address: str, *, moves: bool) -> None:
    home = SimulatedAccessPoint("不要上我".encode(), passphrase="nopass-nopass", signal=88, address=address)

    async def is_newest() -> bool:
        return True

    async def joined(_link: WifiLink) -> None:
        return

    network = GatewayContext(
        lambda: replace(RECORD, uuid=Uuid(uuid)), subnets, is_newest, joined, nobody_cares, time.monotonic
    )
    wifi = AddressedWifi((home,), interface=interface)
    wifi.moves = moves
    service = await ProvisioningService.load(
        network,
        wifi,
        Drawer(),
        ports=Ports(),
        announce_interval_s=1,
        sealed_only=True,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(service.run())
        await service.bound
        print("ready", flush=True)  # noqa: T201  (whoever started this waits for it)


asyncio.run(main(*sys.argv[1:4], moves="moves" in sys.argv[4:]))
