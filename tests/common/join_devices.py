"""How devices join in these journeys: the household opens the network, and waits until each device is there."""

import asyncio
from collections.abc import Sequence
from functools import partial

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork

_DOOR_LOCK = 0x0101


async def join_all(network: SimulatedNetwork, phone: AppClient, devices: Sequence[Device]) -> None:
    """Every device is in the household's list after this, and every lock is heard."""
    await phone.expect(lambda seen: COORDINATOR in seen.topic and seen.meaning is OperationStatus.NORMAL, timeout_s=30)
    opened = await phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param={"duration": 254})
    assert opened.meaning is OperationStatus.JOINABLE, opened
    for device in devices:
        await network.join(device)
    for device in devices:
        await phone.expect(partial(_has_joined, device.ieee))
    for device in devices:
        if isinstance(device, Lock):
            await _is_heard(device)


def _has_joined(uuid: str, seen: ReceivedMessage) -> bool:
    return uuid in seen.topic and seen.meaning is OperationStatus.CREATED


async def _is_heard(door: Lock) -> None:
    """A lock tells its events, and logs them, once the gateway has told it to; before that they are nobody's news."""
    async with asyncio.timeout(30):
        while door.bound_endpoint(1, _DOOR_LOCK) is None:
            await asyncio.sleep(0.01)
