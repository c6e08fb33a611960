"""The simulated coordinator with bellows as its host: forming, restarting, joining, leaving, backup."""

import asyncio
from pathlib import Path

import pytest

from gatewayd.simulator.radio import (
    Attribute,
    Cluster,
    Description,
    Device,
    JoiningNotPermittedError,
    SimulatedEndpoint,
    SimulatedNetwork,
    ash,
    climate_sensor,
    switch,
    zcl,
)
from gatewayd.simulator.radio.devices.climate import MEASURED_VALUE
from gatewayd.simulator.radio.devices.common import ON_OFF, OnOffCommand, basic
from tests.common.bellows_host import BellowsHost, bellows_on

ILLUMINANCE_MEASUREMENT, LIGHT_SENSOR = 0x0400, 0x0106


async def test_network_formed_over_pty_survives_restart_of_coordinator(tmp_path: Path) -> None:
    flash = tmp_path / "flash.json"
    first = SimulatedNetwork("00158d0000d04700", flash=flash)
    async with first.serve_pty() as path, bellows_on(path) as host:
        formed = host.app.state.network_info
        assert str(host.app.state.node_info.ieee) == "00:15:8d:00:00:d0:47:00"

    second = SimulatedNetwork("00158d0000d04700", flash=flash)
    async with second.serve() as url, bellows_on(url) as host:
        restored = host.app.state.network_info

    assert restored.pan_id == formed.pan_id
    assert restored.extended_pan_id == formed.extended_pan_id
    assert restored.channel == formed.channel
    assert restored.network_key.key == formed.network_key.key


async def test_switch_joins_and_executes_command(network: SimulatedNetwork, host: BellowsHost) -> None:
    light = network.add(switch("00158d0002a00001", channels=3))
    zigpy_device = await host.join(network, light)

    assert (zigpy_device.manufacturer, zigpy_device.model) == ("ZJCHILINK", "SW3")
    assert sorted(zigpy_device.endpoints) == [0, 1, 2, 3]
    answer = await zigpy_device.endpoints[2].on_off.on()
    assert answer.status == 0
    assert [light.is_on(channel) for channel in (1, 2, 3)] == [False, True, False]
    assert [(one.endpoint, one.cluster, one.command) for one in light.executed] == [(2, ON_OFF, OnOffCommand.ON)]


async def test_device_cannot_join_closed_network(network: SimulatedNetwork, host: BellowsHost) -> None:
    light = network.add(switch("00158d0002a00001"))
    with pytest.raises(JoiningNotPermittedError):
        await network.join(light)
    assert host.listener.events == []


async def test_host_is_notified_when_device_leaves(network: SimulatedNetwork, host: BellowsHost) -> None:
    light = network.add(switch("00158d0002a00001"))
    await host.join(network, light)
    network.leave(light)
    await host.listener.wait_until(lambda: host.listener.count("left") == 1)
    assert not light.joined


async def test_device_removed_by_host_leaves_and_forgets_bindings(network: SimulatedNetwork, host: BellowsHost) -> None:
    light = network.add(switch("00158d0002a00001"))
    zigpy_device = await host.join(network, light)
    await zigpy_device.endpoints[1].on_off.bind()
    assert len(light.bindings) == 1

    await host.app.remove(zigpy_device.ieee)
    await host.listener.wait_until(lambda: host.listener.count("left") >= 1 and not light.joined)
    assert light.bindings == []


async def test_device_rejoins_closed_network_with_its_bindings(network: SimulatedNetwork, host: BellowsHost) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003"))
    zigpy_device = await host.join(network, sensor)
    await host.configure_reporting(zigpy_device.endpoints[1].temperature, MEASURED_VALUE, 0, 3600, 10)
    await host.app.permit(0)
    await network.rejoin(sensor)
    sensor.set(temperature=30.0)
    await host.listener.wait_until(lambda: host.reports() == [3000])


async def test_network_backup_is_restored_onto_another_coordinator() -> None:
    old, new = SimulatedNetwork("00158d0000d04700", seed=1), SimulatedNetwork("00158d0000d04799", seed=2)
    old.form()
    async with old.serve() as url, bellows_on(url) as host:
        backup = await host.app.backups.create_backup(load_devices=True)
    async with new.serve_pty() as path, bellows_on(path) as host:
        await host.app.backups.restore_backup(backup)
        assert host.app.state.network_info.network_key.key == backup.network_info.network_key.key
    assert new.ncp.address == old.ncp.address
    assert new.ncp.flash.network is not None
    assert old.ncp.flash.network is not None
    assert new.ncp.flash.network.pan_id == old.ncp.flash.network.pan_id


async def test_device_of_new_kind_is_described_in_ten_lines(network: SimulatedNetwork, host: BellowsHost) -> None:
    light_level = Cluster(ILLUMINANCE_MEASUREMENT, (Attribute(MEASURED_VALUE, zcl.UINT16, 1234, reportable=True),))
    endpoint = SimulatedEndpoint(1, LIGHT_SENSOR, (basic("LUX1"), light_level))
    meter = network.add(Description("00158d0002a000ff", (endpoint,), Device))

    zigpy_device = await host.join(network, meter)
    values, _ = await zigpy_device.endpoints[1].illuminance.read_attributes(["measured_value"])
    assert values["measured_value"] == 1234


async def test_coordinator_without_announcement_waits_for_host_reset() -> None:
    network = SimulatedNetwork(announces_reset=False)
    async with network.serve() as url:
        address, port = url.removeprefix("socket://").split(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(ash.encode(bytes((ash.RST,))))
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\x7e")
        assert ash.decode(answer[:-1]) == bytes((ash.RSTACK, ash.ASH_VERSION, ash.ResetReason.SOFTWARE))
        assert len(network.faults.connections) == 1
        writer.close()
