"""What `gatewayctl status` says of a broker that misbehaves; the whole daemon on a real Mosquitto behind a proxy."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.admin.status import GatewayStatus
from gatewayd.demo.run import settings_for
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork
from tests.common.rude_proxy import RudeProxy


@asynccontextmanager
async def daemon_behind_proxy(folder: Path) -> AsyncIterator[tuple[Console, RudeProxy]]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    async with simulated_environment(network) as environment, RudeProxy.before(environment.broker) as rude:
        settings = settings_for(environment, folder)
        settings = replace(settings, mqtt=replace(settings.mqtt, port=rude.port))
        async with daemon.running(settings, PASSWORD, {}) as console:
            yield console, rude


async def until(console: Console, wanted: Callable[[GatewayStatus], bool]) -> GatewayStatus:
    async with asyncio.timeout(30):
        while not wanted(status := await console.snapshots.gateway()):
            await asyncio.sleep(0.02)
    return status


async def test_status_is_not_up_while_subscriptions_are_refused_and_shows_reason_codes(tmp_path: Path) -> None:
    async with daemon_behind_proxy(tmp_path) as (console, rude):
        await until(console, lambda status: status.mqtt.up)
        rude.rude.suback_code = lambda _name: 135
        rude.disconnect(152)
        status = await until(console, lambda status: "Not authorized (code 135)" in str(status.mqtt.trouble))
        assert not status.mqtt.up
        assert "code 152" in str(status.mqtt.last_disconnect)
        rude.rude.suback_code = lambda _name: None
        status = await until(console, lambda status: status.mqtt.up)
        assert status.mqtt.trouble is None


async def test_broker_that_delivers_nothing_is_in_the_line_of_the_status(tmp_path: Path) -> None:
    async with daemon_behind_proxy(tmp_path) as (console, rude):
        await until(console, lambda status: status.mqtt.up)
        rude.rude.delivers_nothing = True
        rude.cut()
        status = await until(console, lambda status: "delivers nothing" in str(status.mqtt.trouble))
        assert not status.mqtt.up
        assert console.snapshots.line().startswith("no MQTT: the broker delivers nothing")
        assert status.mqtt.connections == 2
        rude.rude.delivers_nothing = False


@pytest.mark.parametrize("is_silent_at_all", [False, True], ids=["pings_only", "reads_nothing"])
async def test_daemon_stops_while_its_broker_is_silent(tmp_path: Path, is_silent_at_all: bool) -> None:
    async with daemon_behind_proxy(tmp_path) as (console, rude):
        await until(console, lambda status: status.mqtt.up)
        rude.rude.pings_only, rude.rude.reads_nothing = True, is_silent_at_all
        began = time.monotonic()
    assert time.monotonic() - began < 5
