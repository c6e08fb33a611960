"""The kinds of devices through bellows: interviews, reading, writing, commands, bindings and reports."""

import asyncio

import pytest
from zigpy.zcl import foundation

from gatewayd.simulator.radio import (
    Description,
    Device,
    SimulatedNetwork,
    climate_sensor,
    curtain,
    lock,
    socket,
    switch,
)
from tests.common.bellows_host import Host

KINDS = [
    (switch("00158d0002a00001"), "SW3", {1, 2, 3}, 0x0006),
    (lock("00158d0002a00002"), "DL1", {1}, 0x0101),
    (climate_sensor("00158d0002a00003"), "TH1", {1}, 0x0402),
    (socket("00158d0002a00004"), "SK1", {1}, 0x0702),
    (curtain("00158d0002a00005"), "CU1", {1}, 0x0102),
]


@pytest.mark.parametrize(("kind", "model", "endpoints", "cluster"), KINDS, ids=[row[1] for row in KINDS])
async def test_each_kind_is_interviewed(
    network: SimulatedNetwork, host: Host, *, kind: Description[Device], model: str, endpoints: set[int], cluster: int
) -> None:
    device = network.add(kind)
    seen = await host.take_in(network, device)
    assert (seen.manufacturer, seen.model) == ("ZJCHILINK", model)
    assert set(seen.endpoints) - {0} == endpoints
    assert cluster in seen.endpoints[1].in_clusters
    assert seen.node_desc.is_end_device is device.sleepy
    assert seen.node_desc.is_mains_powered is not device.sleepy


async def test_basic_says_what_the_device_is(network: SimulatedNetwork, host: Host) -> None:
    seen = await host.take_in(network, network.add(socket("00158d0002a00004")))
    values, failures = await seen.endpoints[1].basic.read_attributes(["date_code", "power_source", "serial_number"])
    assert values["date_code"] == "20260101"
    assert values["power_source"] == 0x01
    assert failures["serial_number"] == foundation.Status.UNSUPPORTED_ATTRIBUTE


async def test_writing_changes_what_is_writable_and_nothing_else(network: SimulatedNetwork, host: Host) -> None:
    door = network.add(lock("00158d0002a00002", poll_interval_s=None))
    seen = await host.take_in(network, door)
    cluster = seen.endpoints[1].door_lock
    ((taken,),) = await cluster.write_attributes({"wrong_code_entry_limit": 3})
    assert taken.status == foundation.Status.SUCCESS
    assert door.value(1, 0x0101, 0x0030) == 3
    ((refused,),) = await cluster.write_attributes({"lock_state": 2})
    assert refused.status == foundation.Status.READ_ONLY
    assert door.is_locked()


async def test_an_unknown_command_is_answered_as_unsupported(network: SimulatedNetwork, host: Host) -> None:
    seen = await host.take_in(network, network.add(curtain("00158d0002a00005")))
    answer = await seen.endpoints[1].window_covering.go_to_lift_value(5)
    assert answer.status == foundation.Status.UNSUP_CLUSTER_COMMAND


async def test_each_command_is_executed_once_and_logged(network: SimulatedNetwork, host: Host) -> None:
    seen_at: list[float] = []
    network.on_command = lambda device, entry: seen_at.append(entry.at)
    light = network.add(switch("00158d0002a00001"))
    seen = await host.take_in(network, light)
    for endpoint, command in ((1, "on"), (3, "toggle"), (1, "off")):
        await getattr(seen.endpoints[endpoint].on_off, command)()
    assert [(one.endpoint, one.command) for one in light.executed] == [(1, 1), (3, 2), (1, 0)]
    assert seen_at == [one.at for one in light.executed]
    assert [light.is_on(channel) for channel in (1, 2, 3)] == [False, False, True]


async def test_a_press_is_reported_once_the_host_has_bound_and_configured(
    network: SimulatedNetwork, host: Host
) -> None:
    light = network.add(switch("00158d0002a00001"))
    seen = await host.take_in(network, light)
    light.press(2)
    await host.listen_to(seen.endpoints[2].on_off, 0x0000, 0, 300, 1)
    light.press(2)
    await host.ear.until(lambda: host.reports() == [0])


async def test_without_a_binding_nothing_is_reported(network: SimulatedNetwork, host: Host) -> None:
    light = network.add(switch("00158d0002a00001"))
    seen = await host.take_in(network, light)
    await host.listen_to(seen.endpoints[1].on_off, 0x0000, 0, 300, 1)
    await seen.endpoints[1].on_off.unbind()
    light.press(1)
    await seen.endpoints[1].on_off.read_attributes(["on_off"])
    assert host.reports() == []


async def test_the_reporting_that_was_configured_can_be_read_back(network: SimulatedNetwork, host: Host) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003"))
    seen = await host.take_in(network, sensor)
    await host.listen_to(seen.endpoints[1].temperature, 0x0000, 10, 600, 25)
    reporting = sensor.reporter.configured[1, 0x0402, 0]
    assert (reporting.minimum, reporting.maximum, reporting.change) == (10, 600, 25)


async def test_a_sensor_reports_changes_that_are_large_enough(network: SimulatedNetwork, host: Host) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003"))
    seen = await host.take_in(network, sensor)
    await host.listen_to(seen.endpoints[1].temperature, 0x0000, 0, 3600, 50)
    for celsius in (21.2, 21.6, 21.7, 20.9):
        sensor.set(temperature=celsius)
    await host.ear.until(lambda: len(host.reports()) == 2)
    assert host.reports() == [2160, 2090]


async def test_a_sleeping_sensor_answers_when_it_wakes(network: SimulatedNetwork, host: Host) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003", poll_interval_s=600))
    seen = await host.take_in(network, sensor)
    network.sleep(sensor)
    reading = asyncio.create_task(seen.endpoints[1].temperature.read_attributes(["measured_value"]))
    await asyncio.sleep(0.05)
    assert not reading.done()
    network.wake(sensor)
    values, _ = await reading
    assert values["measured_value"] == 2100


async def test_a_sleeping_sensor_polls_by_itself(network: SimulatedNetwork, host: Host) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003", poll_interval_s=0.2))
    seen = await host.take_in(network, sensor)
    network.sleep(sensor)
    values, _ = await seen.endpoints[1].humidity.read_attributes(["measured_value"])
    assert values["measured_value"] == 5000


async def test_a_curtain_goes_where_it_is_told_and_reports_on_the_way(network: SimulatedNetwork, host: Host) -> None:
    window = network.add(curtain("00158d0002a00005"))
    window.travel_s = 0.2
    seen = await host.take_in(network, window)
    cluster = seen.endpoints[1].window_covering
    await host.listen_to(cluster, 0x0008, 0, 3600, 1)
    await cluster.go_to_lift_percentage(30)
    await host.ear.until(lambda: 30 in host.reports())
    assert host.reports() == [5, 10, 15, 20, 25, 30]
    assert not window.is_moving()


async def test_a_curtain_stops_half_way(network: SimulatedNetwork, host: Host) -> None:
    window = network.add(curtain("00158d0002a00005"))
    window.travel_s = 60.0
    seen = await host.take_in(network, window)
    await seen.endpoints[1].window_covering.down_close()
    assert window.is_moving()
    await seen.endpoints[1].window_covering.stop()
    assert not window.is_moving()
    answer = await seen.endpoints[1].window_covering.go_to_lift_percentage(101)
    assert answer.status == foundation.Status.INVALID_VALUE


async def test_a_socket_meters_what_it_feeds(network: SimulatedNetwork, host: Host) -> None:
    plug = network.add(socket("00158d0002a00004"))
    seen = await host.take_in(network, plug)
    plug.plug_in(watts=1500)
    await host.listen_to(seen.endpoints[1].electrical_measurement, 0x050B, 0, 3600, 10)
    await seen.endpoints[1].on_off.on()
    await host.ear.until(lambda: 15000 in host.reports())
    await seen.endpoints[1].on_off.off()
    await host.ear.until(lambda: host.reports() == [15000, 0])


def test_energy_adds_up_over_time_while_the_socket_is_on() -> None:
    now = [0.0]
    network = SimulatedNetwork(now=lambda: now[0])
    plug = network.add(socket("00158d0002a00004"))
    plug.plug_in(watts=1000)
    plug.set_attribute(1, 0x0006, 0, 1)
    now[0] = 3600.0
    plug.set_attribute(1, 0x0006, 0, 0)
    now[0] = 7200.0
    plug.refresh((1, 0x0702, 0x0000))
    assert plug.value(1, 0x0702, 0x0000) == 1000


async def test_a_host_finds_out_who_speaks_among_a_thousand_devices_it_has_forgotten(
    network: SimulatedNetwork, host: Host
) -> None:
    devices = [network.add(switch(f"00158d00030{number:05x}", channels=1), joined=True) for number in range(1000)]
    assert len({device.nwk for device in devices}) == 1000
    devices[500].report_now(1, 0x0006, 0, 1)
    await host.ear.until(lambda: host.ear.all("initialized") == [(devices[500].ieee,)])
