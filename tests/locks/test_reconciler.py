"""Stored keys and the PIN codes in the lock, on the real stack: they agree in the end, whatever breaks off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from gatewayd.backoff import Backoff
from gatewayd.locks.pin_codes import PinCodes
from gatewayd.locks.reconciler import LockReconciler
from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.lock import KeyState, KeyType
from gatewayd.model.request import AddKey, RemoveKey, Request
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from tests.common.zigbee import COORDINATOR, ZigbeeGateway, running

DOOR = Uuid("00158d0003b00001")
A = TypeVar("A", AddKey, RemoveKey)


class LockWithKeys:
    """A lock that is set up, its keys and the reconciler."""

    def __init__(self, gateway: ZigbeeGateway, door: Lock) -> None:
        self.gateway = gateway
        self.door = door
        self.reconciler = LockReconciler(self._reconcile, Backoff(first_s=0.2, longest_s=10))
        self.keys = PinCodes(
            gateway.store.mirror,
            gateway.store.locks,
            gateway.zigbee,
            max_keys=100,
            on_unfinished=self.reconciler.request,
        )

    async def _reconcile(self, uuid: Uuid) -> None:
        await self.keys.remove_unfinished(uuid)

    async def add(self, name: str, pin: str) -> OperationStatus:
        return (await self.keys.add(*request(ExecType.CREATE, AddKey(KeyType.PASSWORD, name, pin=pin)))).status

    async def remove(self, slot: int) -> OperationStatus:
        return (await self.keys.remove(*request(ExecType.DELETE, RemoveKey(slot)))).status

    def opens_with(self, pin: str) -> bool:
        return self.door.user_codes.find(pin.encode()) is not None

    def states(self) -> list[KeyState]:
        return [key.state for key in self.gateway.store.locks.keys_of(DOOR)]


def request(exectype: ExecType, action: A) -> tuple[Request, A]:
    return Request("owner", Category.LOCK, DOOR, exectype, "sn", action), action


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[LockWithKeys]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    async with network.serve() as url, running(network, url, tmp_path) as gateway, asyncio.TaskGroup() as tasks:
        await gateway.until_up()
        door = network.add(lock(DOOR, poll_interval_s=0.05))
        await gateway.join(door)
        front_door = LockWithKeys(gateway, door)
        reconciling = tasks.create_task(front_door.reconciler.run())
        yield front_door
        reconciling.cancel()


async def test_key_that_is_being_added_is_not_removed_as_unfinished(front_door: LockWithKeys) -> None:
    front_door.gateway.network.faults.delay_answers(DOOR, 0.3)
    adding = asyncio.create_task(front_door.add("妈妈", "482913"))
    await front_door.gateway.until(lambda: front_door.states() == [KeyState.PENDING])
    await front_door.keys.remove_unfinished(DOOR)
    assert await adding is OperationStatus.CREATED
    assert front_door.states() == [KeyState.SET]
    assert front_door.opens_with("482913")


async def test_keys_added_at_once_get_different_slots(front_door: LockWithKeys) -> None:
    await asyncio.gather(front_door.add("妈妈", "482913"), front_door.add("爸爸", "573024"))
    assert front_door.states() == [KeyState.SET, KeyState.SET]
    assert front_door.opens_with("482913")
    assert front_door.opens_with("573024")


async def test_pin_code_whose_answer_was_lost_is_cleared(front_door: LockWithKeys) -> None:
    assert await front_door.add("爸爸", "573024") is OperationStatus.CREATED
    front_door.gateway.network.faults.lose_answers(DOOR, 100)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):  # a request's deadline is shorter than the retries for a sleepy device
            await front_door.add("妈妈", "482913")
    assert front_door.opens_with("482913")
    front_door.gateway.network.faults.clear()
    await front_door.gateway.until(lambda: front_door.states() == [KeyState.SET], timeout_s=60)
    assert not front_door.opens_with("482913")
    assert front_door.opens_with("573024")


async def test_key_that_could_not_be_removed_is_removed_later(front_door: LockWithKeys) -> None:
    assert await front_door.add("妈妈", "482913") is OperationStatus.CREATED
    front_door.gateway.network.faults.make_unreachable(DOOR)
    with pytest.raises(GatewayError):
        await front_door.remove(1)
    assert front_door.opens_with("482913")
    front_door.gateway.network.faults.clear()
    await front_door.gateway.until(lambda: front_door.states() == [])
    assert not front_door.opens_with("482913")
