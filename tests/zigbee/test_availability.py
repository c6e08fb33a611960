"""When a device is asked, and when it is given up."""

import asyncio

import pytest

from gatewayd.model.ids import Uuid
from gatewayd.simulator.radio import switch
from gatewayd.zigbee.availability import SilenceCheck, judge
from tests.common.zigbee import ZigbeeGateway

MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(
    ("silent_s", "sleeps", "verdict"),
    [
        (0, False, SilenceCheck.FINE),
        (10 * MINUTE, False, SilenceCheck.FINE),
        (10 * MINUTE + 1, False, SilenceCheck.PING),
        (7 * 24 * HOUR, False, SilenceCheck.PING),  # what is fed by the mains is asked before it is given up
        (0, True, SilenceCheck.FINE),
        (11 * MINUTE, True, SilenceCheck.FINE),  # what sleeps cannot be asked
        (3 * HOUR, True, SilenceCheck.FINE),
        (3 * HOUR + 1, True, SilenceCheck.GONE),
    ],
)
def test_the_verdict_on_silence(silent_s: float, sleeps: bool, verdict: SilenceCheck) -> None:
    assert judge(silent_s, sleeps=sleeps) is verdict


async def test_a_dead_device_holds_up_nobody_else(gateway: ZigbeeGateway) -> None:
    dead, alive = (gateway.network.add(switch(ieee, channels=1)) for ieee in ("00158d0002a00001", "00158d0002a00002"))
    for device in (dead, alive):
        await gateway.take_in(device)
    asked = {uuid: gateway.zigbee.devices.get(Uuid(uuid)) for uuid in (dead.ieee, alive.ieee)}
    for hosted in asked.values():
        hosted.last_heard -= HOUR
    gateway.network.faults.make_unreachable(dead.ieee)
    gateway.network.faults.delivery_timeout_s = 2
    before = asked[alive.ieee].last_heard
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(gateway.zigbee.devices.look_around())
        await gateway.until(lambda: asked[alive.ieee].last_heard > before)
        assert not looking.done()
    assert [hosted.answers for hosted in asked.values()] == [False, True]
    gateway.network.faults.clear()
    dead.press(1)
    await gateway.until(lambda: asked[dead.ieee].answers)
