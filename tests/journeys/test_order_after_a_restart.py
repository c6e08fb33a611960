"""What a lock did while the gateway was down is told first, before what it does while that is being found out."""

import asyncio
from pathlib import Path

from gatewayd.model.status import Operation
from gatewayd.model.words import Category, ExecType
from gatewayd.simulator.household import Phone
from gatewayd.simulator.radio import House, lock
from gatewayd.simulator.world import COORDINATOR, world
from tests.journeys.joining import join_all
from tests.journeys.process import Daemon

MOTHER, FATHER = "482913", "573024"
DOOR = "00158d0003b00001"


def openers(phone: Phone) -> list[int]:
    """Who opened the door, by his key, in the order in which the phone heard of it."""
    return [seen.msg["param"]["keyid"] for seen in phone.seen if seen.meaning is Operation.UNLOCK_EVENT]


async def test_an_opening_does_not_overtake_those_that_the_gateway_slept_through(tmp_path: Path) -> None:
    house = House(coordinator_ieee=COORDINATOR, seed=3)
    house.form()
    door = house.add(lock(DOOR, poll_interval_s=0.05), joined=False)
    async with world(house) as around, around.phone() as phone:
        daemon = Daemon(around, tmp_path)
        await daemon.start()
        await join_all(house, phone, (door,))
        for name, pin in (("妈妈", MOTHER), ("爸爸", FATHER)):
            key = {"keytype": 0, "key_name": name, "pass": pin}
            answer = await phone.ask(Category.LOCK, DOOR, ExecType.CREATE, param=key)
            assert answer.meaning is Operation.CREATED
        await daemon.kill()
        for _ in range(3):
            assert door.enter_pin(MOTHER)
        house.faults.make_slow(DOOR, 0.4)  # its log takes a while to be read
        asked = len(door.executed)
        await daemon.start()
        async with asyncio.timeout(30):
            while len(door.executed) == asked:
                await asyncio.sleep(0.01)
        assert door.enter_pin(FATHER)
        async with asyncio.timeout(30):
            while len(openers(phone)) < 4:
                await asyncio.sleep(0.05)
        assert openers(phone) == [1, 1, 1, 2]
        assert await daemon.stop() == 0
