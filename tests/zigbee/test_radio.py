"""The radio supervisor: starts, restarts, and the choice of the radio module."""

import asyncio
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from gatewayd.config import RadioSettings
from gatewayd.model.errors import ConfigError
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.request import OperateSwitch, SwitchOperation
from gatewayd.simulator.radio import SimulatedNetwork, switch
from gatewayd.zigbee.radios import RADIOS, radio_module
from tests.common.zigbee import running


async def test_reset_during_start_does_not_restart_a_working_coordinator(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    async with network.serve() as url, running(network, url, tmp_path) as gateway:
        radio = gateway.zigbee.radio
        async with asyncio.timeout(20):
            while not network.faults.connections:
                await asyncio.sleep(0)
            assert not radio.up.is_set()
            radio.connection_lost(ConnectionResetError("reset"))  # what bellows makes zigpy call
            await radio.up.wait()
        lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
        await gateway.join(lamp)
        await gateway.execute(lamp, Category.SWITCH, ExecType.CONTROL, OperateSwitch(SwitchOperation.ON, 1))
        assert lamp.is_on(1)
        assert radio.starts == 1


def test_each_configured_driver_has_a_radio_module() -> None:
    assert tuple(RADIOS) == get_args(get_type_hints(RadioSettings)["driver"])


def test_driver_without_a_radio_module_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ConfigError, match=r"radio\.driver: found 'znp'; allowed: ezsp, simulated"):
        radio_module("znp")
