"""What is answered to a command is true: one that was carried out is not called failed, one called failed is not
carried out afterwards.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gatewayd.model.errors import GatewayError
from gatewayd.model.event import LockEvent
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.record import LockParam
from gatewayd.model.request import LockOperation, OperateLock, OperateSwitch, SwitchOperation
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork, lock, switch
from tests.common.zigbee import ZigbeeGateway

DOOR_LOCK = 0x0101
UNLOCK = OperateLock(LockOperation.UNLOCK)
WITHIN_S = 9.5


@dataclass
class Outcome:
    """What a request was answered, and after how long."""

    status: OperationStatus
    took_s: float


async def ask(gateway: ZigbeeGateway, device: Device, within_s: float = WITHIN_S) -> Outcome:
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        async with asyncio.timeout(within_s):
            answer = await gateway.execute(device, Category.LOCK, ExecType.CONTROL, UNLOCK, within_s=within_s)
            status = answer.status
    except GatewayError as error:
        status = error.status
    except TimeoutError:
        status = OperationStatus.NODE_NOT_RESPONDING
    return Outcome(status, clock() - began)


@contextmanager
def lost(network: SimulatedNetwork, device: Device, command: int, messages: int) -> Iterator[None]:
    """Of what `device` sends from the next such `command` on, its response first, so many messages are lost."""

    def on_command(sender: object, executed: object) -> None:
        if sender is device and getattr(executed, "command", None) == command:
            network.faults.lose_answers(device.ieee, messages)

    network.on_command = on_command
    yield
    network.on_command = None
    network.faults.clear()


async def joined_lock(gateway: ZigbeeGateway, poll_interval_s: float = 0.05) -> Lock:
    device = gateway.network.add(lock("00158d0003b00001", poll_interval_s=poll_interval_s))
    await gateway.join(device)
    return device


async def test_unlock_whose_response_is_lost_is_confirmed_by_what_the_lock_reports(gateway: ZigbeeGateway) -> None:
    device = await joined_lock(gateway)
    with lost(gateway.network, device, 0x01, 1):
        outcome = await ask(gateway, device)
    assert not device.is_locked()
    assert outcome.status is OperationStatus.CONTROLLED
    assert outcome.took_s < 4


async def test_hold_open_whose_response_is_lost_is_confirmed_by_the_locks_own_event(gateway: ZigbeeGateway) -> None:
    device = await joined_lock(gateway)
    with lost(gateway.network, device, 0x03, 1):
        action = OperateLock(LockOperation.HOLD_OPEN)
        answer = await gateway.execute(device, Category.LOCK, ExecType.CONTROL, action, within_s=WITHIN_S)
    assert answer.status is OperationStatus.CONTROLLED
    param = gateway.record(device).param
    assert isinstance(param, LockParam)
    assert param.operate == LockOperation.HOLD_OPEN.value


async def test_unlock_of_which_nothing_was_heard_is_confirmed_by_a_read(gateway: ZigbeeGateway) -> None:
    device = await joined_lock(gateway)

    def garble(sender: object, executed: object) -> None:
        if sender is device and getattr(executed, "command", None) == 0x01:
            gateway.network.faults.lose_answers(device.ieee, 1)
            gateway.network.faults.garble_reports(2)

    gateway.network.on_command = garble
    outcome = await ask(gateway, device)
    assert not device.is_locked()
    assert outcome.status is OperationStatus.CONTROLLED
    assert outcome.took_s < WITHIN_S
    assert not any(isinstance(event, LockEvent) for event in gateway.events)


async def test_lock_that_says_nothing_at_all_is_answered_as_not_responding(gateway: ZigbeeGateway) -> None:
    device = await joined_lock(gateway)
    gateway.network.faults.make_unreachable(device.ieee, 60)
    outcome = await ask(gateway, device)
    assert outcome.status is OperationStatus.NODE_NOT_RESPONDING
    assert device.is_locked()


async def test_lamp_whose_response_is_lost_is_confirmed(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=2))
    await gateway.join(lamp)
    with lost(gateway.network, lamp, 0x01, 1):
        action = OperateSwitch(SwitchOperation.ON, 1)
        answer = await gateway.execute(lamp, Category.SWITCH, ExecType.CONTROL, action, within_s=WITHIN_S)
    assert answer.status is OperationStatus.CONTROLLED
    assert lamp.is_on(1)


@pytest.mark.parametrize("seed", range(4))
async def test_lock_answered_as_failed_does_not_move_afterwards(gateway: ZigbeeGateway, seed: int) -> None:
    """The line takes 0.5 to 6 s each way, from the start or from some moment on, or the coordinator stands still."""
    chance = random.Random(seed)
    device = await joined_lock(gateway)
    faults, loop = gateway.network.faults, asyncio.get_running_loop()
    delay_s = (0.5, 1.2, 4.0, 6.0)[seed] + chance.random() / 4
    for begins_s in (0.0, chance.uniform(0.001, 0.02)):
        await gateway.until_up()
        timer = loop.call_later(begins_s, faults.delay_connection, delay_s)
        if not begins_s:
            faults.delay_connection(delay_s)
        outcome = await ask(gateway, device)
        timer.cancel()
        was_locked = device.is_locked()
        await asyncio.sleep(delay_s + 1)
        faults.delay_connection(0)
        await asyncio.sleep(delay_s + 1)
        if outcome.status is not OperationStatus.CONTROLLED:
            assert device.is_locked() == was_locked, (delay_s, begins_s, outcome)
        else:
            assert not device.is_locked()
        await gateway.until_up()
        device.turn_knob(lock=True)
        await asyncio.sleep(1.5)


@pytest.mark.parametrize("left_s", [0.3, 1.0, 2.0, 3.5])
async def test_lock_is_not_moved_after_a_deadline_that_ends_in_a_stall(gateway: ZigbeeGateway, left_s: float) -> None:
    device = await joined_lock(gateway)
    gateway.network.faults.hang_ncp()
    outcome = await ask(gateway, device, left_s)
    assert outcome.status is not OperationStatus.CONTROLLED
    assert outcome.took_s < left_s + 1
    gateway.network.faults.resume_ncp()
    await asyncio.sleep(4)
    assert device.is_locked()


async def test_command_to_a_lock_that_sleeps_beyond_the_deadline_is_discarded(gateway: ZigbeeGateway) -> None:
    device = await joined_lock(gateway, poll_interval_s=600)
    gateway.network.sleep(device)
    outcome = await ask(gateway, device, 4.0)
    assert outcome.status is OperationStatus.NODE_NOT_RESPONDING
    gateway.network.wake(device)
    await asyncio.sleep(1)
    assert device.is_locked()
    await gateway.until_up()


async def test_silent_lock_that_is_asked_again_and_again_resets_the_radio_once(gateway: ZigbeeGateway) -> None:
    device = await joined_lock(gateway, poll_interval_s=600)
    gateway.network.sleep(device)
    await ask(gateway, device, 4.0)
    await gateway.until_up()
    running = gateway.zigbee.radio.app
    for _ in range(2):
        assert (await ask(gateway, device, 4.0)).status is OperationStatus.NODE_NOT_RESPONDING
        assert gateway.zigbee.radio.app is running


async def test_request_to_a_device_whose_interview_fails_after_a_rejoin_is_answered_as_offline(
    gateway: ZigbeeGateway,
) -> None:
    device = await joined_lock(gateway)
    devices: list[Any] = list(gateway.zigbee.radio.app.devices.values())
    zigpy_device = next(one for one in devices if int(one.nwk) == device.nwk)
    endpoints = dict(zigpy_device.endpoints)
    for number in endpoints.keys() - {0}:
        del zigpy_device.endpoints[number]
    gateway.zigbee.devices.device_initialized(zigpy_device)
    await gateway.until(lambda: not gateway.is_online(device))
    assert (await ask(gateway, device)).status is OperationStatus.OFFLINE
    zigpy_device.endpoints.update(endpoints)
    gateway.zigbee.devices.device_initialized(zigpy_device)
    await gateway.until(lambda: gateway.is_online(device))
    assert (await ask(gateway, device)).status is OperationStatus.CONTROLLED
