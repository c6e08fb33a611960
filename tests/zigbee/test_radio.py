"""The radio supervisor: starts, restarts, and the choice of the radio module."""

import asyncio
import random
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from gatewayd.config import RadioSettings
from gatewayd.model.errors import ConfigError
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.request import OperateSwitch, SwitchOperation
from gatewayd.simulator.radio import SimulatedNetwork, switch
from gatewayd.zigbee.radio import RadioSupervisor
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


def database_threads() -> list[str]:
    """The threads of open databases, aiosqlite's."""
    return [thread.name for thread in threading.enumerate() if "connection_worker" in thread.name]


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_supervisor_cancelled_while_it_opens_the_database_leaves_no_thread(
    network: SimulatedNetwork, tmp_path: Path, steps: int
) -> None:
    async with network.serve() as url:
        radio = RadioSupervisor(
            RadioSettings(path=url),
            tmp_path / "zigbee.db",
            on_up=lambda _app, _network: None,
            on_down=lambda _reason: None,
            now=lambda: datetime.now(UTC),
            chance=random.Random(1),
        )
        task = asyncio.create_task(radio.run())
        async with asyncio.timeout(20):
            while not database_threads():
                await asyncio.sleep(0)
            for _ in range(steps):
                await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait({task})
        async with asyncio.timeout(2):
            while database_threads():
                await asyncio.sleep(0.01)


async def test_coordinator_that_does_not_shut_down_in_time_leaves_no_thread(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    async with network.serve() as url, running(network, url, tmp_path) as gateway:
        await gateway.until_up()
        before = len(database_threads())
        app = gateway.zigbee.radio.app

        async def hang() -> None:
            await asyncio.Event().wait()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app, "disconnect", hang)
            gateway.zigbee.radio.restart("a test")
            await gateway.until(lambda: gateway.zigbee.radio.starts == 2)
        async with asyncio.timeout(2):
            while len(database_threads()) > before:
                await asyncio.sleep(0.01)


async def test_supervisor_that_cannot_end_an_application_tells_since_when(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    async with network.serve() as url, running(network, url, tmp_path) as gateway:
        await gateway.until_up()
        radio, is_mended = gateway.zigbee.radio, asyncio.Event()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(radio.app, "abandon_database", is_mended.wait)
            radio.restart("a test")
            await gateway.until(lambda: radio.starting_since is not None)
            await asyncio.sleep(1.5)  # longer than the shutdown may take
            assert radio.starts == 1
            assert radio.starting_since is not None
            is_mended.set()
            await gateway.until(lambda: radio.starts == 2)
        assert radio.starting_since is None


def test_each_configured_driver_has_a_radio_module() -> None:
    assert tuple(RADIOS) == get_args(get_type_hints(RadioSettings)["driver"])


def test_driver_without_a_radio_module_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ConfigError, match=r"radio\.driver: found 'znp'; allowed: ezsp, simulated"):
        radio_module("znp")
