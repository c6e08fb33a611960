"""A gateway's provisioning as a process of its own, on this machine's real interfaces; the air is simulated, and an
address that it gives is put on a real interface. `python -m tests.provisioning.process UUID INTERFACE ADDRESS`.
"""

import asyncio
import sys
import time

from msgspec.structs import replace

from gatewayd.model.wifi import Choice, Link
from gatewayd.model.words import Uuid
from gatewayd.provisioning.interfaces import subnets
from gatewayd.provisioning.room import Ports, Provisioning, Surroundings
from gatewayd.simulator.wifi import AccessPoint, SimulatedWifi
from tests.provisioning.conftest import RECORD, Drawer, nobody_cares


class AddressedWifi(SimulatedWifi):
    """The simulated radio; what it joins gives this machine an address, as DHCP would."""

    async def join(self, choice: Choice) -> Link:
        link = await super().join(choice)
        command = ("ip", "address", "add", str(link.address), "broadcast", "+", "dev", link.interface)
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == 0
        return link


async def main(uuid: str, interface: str, address: str) -> None:
    home = AccessPoint("不要上我".encode(), passphrase="nopass-nopass", signal=88, address=address)

    async def is_newest() -> bool:
        return True

    async def joined(_link: Link) -> None:
        return

    house = Surroundings(
        lambda: replace(RECORD, uuid=Uuid(uuid)), subnets, is_newest, joined, nobody_cares, time.monotonic
    )
    room = await Provisioning.load(
        house,
        AddressedWifi((home,), interface=interface),
        Drawer(),
        ports=Ports(),
        announce_interval_s=60,
        sealed_only=True,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(room.run())
        await room.bound
        print("ready", flush=True)  # noqa: T201  (whoever started this waits for it)


asyncio.run(main(*sys.argv[1:]))
