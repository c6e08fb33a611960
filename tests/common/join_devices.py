"""Lets simulated devices join a running gateway, at the owner's request."""

import asyncio
from collections.abc import Sequence
from functools import partial

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork
from gatewayd.simulator.radio.devices.lock.codes import DOOR_LOCK

_LONGEST_PERMIT_S = 254


async def join_all(network: SimulatedNetwork, phone: AppClient, devices: Sequence[Device]) -> None:
    """Open the network, let each device join, and wait until it is published; locks until their events are sent."""
    await phone.expect(is_gateway_online, timeout_s=30)
    param = {"duration": _LONGEST_PERMIT_S}
    opened = await phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param=param)
    assert opened.meaning is OperationStatus.JOINABLE, opened
    for device in devices:
        await network.join(device)
    for device in devices:
        await phone.expect(partial(has_joined, device.ieee))
    for device in devices:
        if isinstance(device, Lock):
            await _wait_until_bound(device)


def is_gateway_online(message: ReceivedMessage) -> bool:
    """True for the gateway's record with the status 正常状态."""
    return COORDINATOR in message.topic and message.meaning is OperationStatus.NORMAL


def has_joined(uuid: str, message: ReceivedMessage) -> bool:
    """True for the message that a device has been added."""
    return uuid in message.topic and message.meaning is OperationStatus.CREATED


async def _wait_until_bound(lock: Lock) -> None:
    """A lock sends its events once the gateway has bound its Door Lock cluster."""
    async with asyncio.timeout(30):
        while lock.bound_endpoint(1, DOOR_LOCK) is None:
            await asyncio.sleep(0.01)
