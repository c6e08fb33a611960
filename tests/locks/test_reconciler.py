"""Keys in the book and codes in the lock, on the real stack: the two agree in the end, whatever comes between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

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


class Home:
    """A lock that is set up, and its keys."""

    def __init__(self, gateway: ZigbeeGateway, door: Lock) -> None:
        self.gateway = gateway
        self.door = door
        self.care = LockReconciler(self._settle, first_pause_s=0.2)
        self.keys = PinCodes(
            gateway.store.mirror, gateway.store.locks, gateway.zigbee, max_keys=100, left_unsettled=self.care.announce
        )

    async def _settle(self, uuid: Uuid) -> None:
        await self.keys.settle(uuid)

    async def add(self, name: str, pin: str) -> OperationStatus:
        return (await self.keys.add(*asked(ExecType.CREATE, AddKey(KeyType.PASSWORD, name, pin=pin)))).status

    async def remove(self, slot: int) -> OperationStatus:
        return (await self.keys.remove(*asked(ExecType.DELETE, RemoveKey(slot)))).status

    def opens_with(self, pin: str) -> bool:
        return self.door.user_codes.find(pin.encode()) is not None

    def states(self) -> list[KeyState]:
        return [key.state for key in self.gateway.store.locks.keys_of(DOOR)]


def asked(exectype: ExecType, action: A) -> tuple[Request, A]:
    return Request("owner", Category.LOCK, DOOR, exectype, "sn", action), action


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    async with network.serve() as url, running(network, url, tmp_path) as gateway, asyncio.TaskGroup() as tasks:
        await asyncio.wait_for(gateway.zigbee.radio.up.wait(), 20)
        door = network.add(lock(DOOR, poll_interval_s=0.05))
        await gateway.take_in(door)
        home = Home(gateway, door)
        caring = tasks.create_task(home.care.run())
        yield home
        caring.cancel()


async def test_a_key_that_is_just_being_added_is_not_half_done(home: Home) -> None:
    home.gateway.network.faults.delay_answers(DOOR, 0.3)
    adding = asyncio.create_task(home.add("妈妈", "482913"))
    await home.gateway.until(lambda: home.states() == [KeyState.PENDING])
    await home.keys.settle(DOOR)
    assert await adding is OperationStatus.CREATED
    assert home.states() == [KeyState.SET]
    assert home.opens_with("482913")


async def test_two_keys_at_once_get_a_slot_each(home: Home) -> None:
    await asyncio.gather(home.add("妈妈", "482913"), home.add("爸爸", "573024"))
    assert home.states() == [KeyState.SET, KeyState.SET]
    assert home.opens_with("482913")
    assert home.opens_with("573024")


async def test_a_code_whose_answer_was_lost_is_in_no_lock_in_the_end(home: Home) -> None:
    assert await home.add("爸爸", "573024") is OperationStatus.CREATED
    home.gateway.network.faults.lose_answers(DOOR, 100)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):  # the phone's patience is shorter than a sleepy device's
            await home.add("妈妈", "482913")
    assert home.opens_with("482913")
    home.gateway.network.faults.clear()
    await home.gateway.until(lambda: home.states() == [KeyState.SET], patience_s=60)
    assert not home.opens_with("482913")
    assert home.opens_with("573024")


async def test_a_key_that_could_not_be_taken_out_is_taken_out_later(home: Home) -> None:
    assert await home.add("妈妈", "482913") is OperationStatus.CREATED
    home.gateway.network.faults.make_unreachable(DOOR)
    with pytest.raises(GatewayError):
        await home.remove(1)
    assert home.opens_with("482913")
    home.gateway.network.faults.clear()
    await home.gateway.until(lambda: home.states() == [])
    assert not home.opens_with("482913")
