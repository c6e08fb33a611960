"""A coordinator may say while it is being started that it was reset: what counts is whether it works then."""

import asyncio
from pathlib import Path

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.request import OperateSwitch, SwitchOperation
from gatewayd.simulator.radio import SimulatedNetwork, switch
from tests.common.zigbee import running


async def test_a_reset_that_came_before_the_start_was_done_is_no_loss(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    async with network.serve() as url, running(network, url, tmp_path) as gateway:
        radio = gateway.zigbee.radio
        async with asyncio.timeout(20):
            while not network.faults.connections:
                await asyncio.sleep(0)
            assert not radio.up.is_set()
            radio.connection_lost(ConnectionResetError("greeted with a reset"))  # as bellows has zigpy say it
            await radio.up.wait()
        lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
        await gateway.take_in(lamp)
        await gateway.ask(lamp, Category.SWITCH, ExecType.CONTROL, OperateSwitch(SwitchOperation.ON, 1))
        assert lamp.is_on(1)
        assert radio.starts == 1
