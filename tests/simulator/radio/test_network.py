"""The coordinator as bellows sees it: forming, starting again, joining, leaving."""

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
from gatewayd.simulator.radio.devices.common import basic
from tests.common.bellows_host import Host, bellows_on


async def test_bellows_forms_a_network_over_a_pty_and_a_restarted_coordinator_still_has_it(tmp_path: Path) -> None:
    flash = tmp_path / "flash.json"
    first = SimulatedNetwork("00158d0000d04700", flash=flash)
    async with first.serve_pty() as path, bellows_on(path) as host:
        formed = host.app.state.network_info
        assert str(host.app.state.node_info.ieee) == "00:15:8d:00:00:d0:47:00"

    second = SimulatedNetwork("00158d0000d04700", flash=flash)
    async with second.serve() as url, bellows_on(url) as host:
        kept = host.app.state.network_info

    assert kept.pan_id == formed.pan_id
    assert kept.extended_pan_id == formed.extended_pan_id
    assert kept.channel == formed.channel
    assert kept.network_key.key == formed.network_key.key


async def test_a_switch_joins_is_interviewed_and_obeys(network: SimulatedNetwork, host: Host) -> None:
    light = network.add(switch("00158d0002a00001", channels=3))
    seen = await host.take_in(network, light)

    assert (seen.manufacturer, seen.model) == ("ZJCHILINK", "SW3")
    assert sorted(seen.endpoints) == [0, 1, 2, 3]
    answer = await seen.endpoints[2].on_off.on()
    assert answer.status == 0
    assert [light.is_on(channel) for channel in (1, 2, 3)] == [False, True, False]
    assert [(one.endpoint, one.cluster, one.command) for one in light.executed] == [(2, 0x0006, 0x01)]


async def test_nobody_joins_a_closed_network(network: SimulatedNetwork, host: Host) -> None:
    light = network.add(switch("00158d0002a00001"))
    with pytest.raises(JoiningNotPermittedError):
        await network.join(light)
    assert host.ear.heard == []


async def test_a_device_that_leaves_by_itself_is_gone_for_the_host(network: SimulatedNetwork, host: Host) -> None:
    light = network.add(switch("00158d0002a00001"))
    await host.take_in(network, light)
    network.leave(light)
    await host.ear.until(lambda: host.ear.count("left") == 1)
    assert not light.joined


async def test_a_device_that_the_host_removes_leaves_and_forgets(network: SimulatedNetwork, host: Host) -> None:
    light = network.add(switch("00158d0002a00001"))
    seen = await host.take_in(network, light)
    await seen.endpoints[1].on_off.bind()
    assert len(light.bindings) == 1

    await host.app.remove(seen.ieee)
    await host.ear.until(lambda: host.ear.count("left") >= 1 and not light.joined)
    assert light.bindings == []


async def test_a_device_that_comes_back_keeps_its_bindings_and_needs_no_permission(
    network: SimulatedNetwork, host: Host
) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003"))
    seen = await host.take_in(network, sensor)
    await host.listen_to(seen.endpoints[1].temperature, 0x0000, 0, 3600, 10)
    await host.app.permit(0)
    await network.rejoin(sensor)
    sensor.set(temperature=30.0)
    await host.ear.until(lambda: host.reports() == [3000])


async def test_a_backup_of_the_network_is_restored_onto_another_coordinator() -> None:
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


async def test_a_new_kind_of_device_is_described_in_ten_lines(network: SimulatedNetwork, host: Host) -> None:
    light_level = Cluster(0x0400, (Attribute(0x0000, zcl.UINT16, 1234, reportable=True),))
    endpoint = SimulatedEndpoint(1, 0x0106, (basic("LUX1"), light_level))
    meter = network.add(Description("00158d0002a000ff", (endpoint,), Device))

    seen = await host.take_in(network, meter)
    values, _ = await seen.endpoints[1].illuminance.read_attributes(["measured_value"])
    assert values["measured_value"] == 1234


async def test_a_coordinator_may_wait_for_the_hosts_reset() -> None:
    network = SimulatedNetwork(announces_reset=False)
    async with network.serve() as url:
        address, port = url.removeprefix("socket://").split(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(ash.encode(b"\xc0"))
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\x7e")
        assert ash.decode(answer[:-1]) == bytes((0xC1, 2, ash.ResetReason.SOFTWARE))
        assert len(network.faults.connections) == 1
        writer.close()
