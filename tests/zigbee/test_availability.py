"""Silent devices: who is pinged, who is taken to be offline, and who is online again."""

import asyncio

import pytest

from gatewayd.model.ids import Uuid
from gatewayd.simulator.radio import switch
from gatewayd.zigbee.availability import SilenceAction, silence_action
from tests.common.zigbee import ZigbeeGateway

MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(
    ("silent_s", "sleeps", "action"),
    [
        (0, False, SilenceAction.NONE),
        (10 * MINUTE, False, SilenceAction.NONE),
        (10 * MINUTE + 1, False, SilenceAction.PING),
        (7 * 24 * HOUR, False, SilenceAction.PING),
        (0, True, SilenceAction.NONE),
        (11 * MINUTE, True, SilenceAction.NONE),
        (3 * HOUR, True, SilenceAction.NONE),
        (3 * HOUR + 1, True, SilenceAction.SET_OFFLINE),
    ],
)
def test_action_depends_on_silence_and_power_source(silent_s: float, sleeps: bool, action: SilenceAction) -> None:
    assert silence_action(silent_s, sleeps=sleeps) is action


async def test_dead_device_does_not_delay_the_ping_of_another(gateway: ZigbeeGateway) -> None:
    dead, alive = (gateway.network.add(switch(ieee, channels=1)) for ieee in ("00158d0002a00001", "00158d0002a00002"))
    for simulated in (dead, alive):
        await gateway.join(simulated)
    registry = gateway.zigbee.devices
    registered = {ieee: registry.get(Uuid(ieee)) for ieee in (dead.ieee, alive.ieee)}
    for device in registered.values():
        device.last_seen -= HOUR
    gateway.network.faults.make_unreachable(dead.ieee)
    gateway.network.faults.delivery_timeout_s = 2
    before = registered[alive.ieee].last_seen
    async with asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(registry.availability.check())
        await gateway.until(lambda: registered[alive.ieee].last_seen > before)
        assert not checking.done()
    assert [device.online for device in registered.values()] == [False, True]
    gateway.network.faults.clear()
    dead.press(1)
    await gateway.until(lambda: registered[dead.ieee].online)
