"""The kinds of devices with bellows as their host: interviews, attributes, commands, bindings and reports."""

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
from gatewayd.simulator.radio.devices.climate import MEASURED_VALUE, TEMPERATURE
from gatewayd.simulator.radio.devices.common import ON_OFF, ON_OFF_STATE, OnOffCommand, PowerSource
from gatewayd.simulator.radio.devices.curtain import LIFT_PERCENTAGE, WINDOW_COVERING
from gatewayd.simulator.radio.devices.lock.codes import DOOR_LOCK, WRONG_CODE_LIMIT
from gatewayd.simulator.radio.devices.socket import ACTIVE_POWER, CURRENT_SUMMATION_DELIVERED, METERING
from tests.common.bellows_host import BellowsHost

KINDS = [
    (switch("00158d0002a00001"), "SW3", {1, 2, 3}, ON_OFF),
    (lock("00158d0002a00002"), "DL1", {1}, DOOR_LOCK),
    (climate_sensor("00158d0002a00003"), "TH1", {1}, TEMPERATURE),
    (socket("00158d0002a00004"), "SK1", {1}, METERING),
    (curtain("00158d0002a00005"), "CU1", {1}, WINDOW_COVERING),
]


@pytest.mark.parametrize(("kind", "model", "endpoints", "cluster"), KINDS, ids=[row[1] for row in KINDS])
async def test_device_of_each_kind_is_interviewed(
    network: SimulatedNetwork,
    host: BellowsHost,
    *,
    kind: Description[Device],
    model: str,
    endpoints: set[int],
    cluster: int,
) -> None:
    device = network.add(kind)
    zigpy_device = await host.join(network, device)
    assert (zigpy_device.manufacturer, zigpy_device.model) == ("ZJCHILINK", model)
    assert set(zigpy_device.endpoints) - {0} == endpoints
    assert cluster in zigpy_device.endpoints[1].in_clusters
    assert zigpy_device.node_desc.is_end_device is device.sleepy
    assert zigpy_device.node_desc.is_mains_powered is not device.sleepy


async def test_basic_cluster_is_read(network: SimulatedNetwork, host: BellowsHost) -> None:
    zigpy_device = await host.join(network, network.add(socket("00158d0002a00004")))
    values, failures = await zigpy_device.endpoints[1].basic.read_attributes(
        ["date_code", "power_source", "serial_number"]
    )
    assert values["date_code"] == "20260101"
    assert values["power_source"] == PowerSource.MAINS
    assert failures["serial_number"] == foundation.Status.UNSUPPORTED_ATTRIBUTE


async def test_attribute_write_changes_only_writable_attributes(network: SimulatedNetwork, host: BellowsHost) -> None:
    door = network.add(lock("00158d0002a00002", poll_interval_s=None))
    zigpy_device = await host.join(network, door)
    cluster = zigpy_device.endpoints[1].door_lock
    ((accepted,),) = await cluster.write_attributes({"wrong_code_entry_limit": 3})
    assert accepted.status == foundation.Status.SUCCESS
    assert door.value(1, DOOR_LOCK, WRONG_CODE_LIMIT) == 3
    ((refused,),) = await cluster.write_attributes({"lock_state": 2})
    assert refused.status == foundation.Status.READ_ONLY
    assert door.is_locked()


async def test_unknown_command_is_answered_as_unsupported(network: SimulatedNetwork, host: BellowsHost) -> None:
    zigpy_device = await host.join(network, network.add(curtain("00158d0002a00005")))
    answer = await zigpy_device.endpoints[1].window_covering.go_to_lift_value(5)
    assert answer.status == foundation.Status.UNSUP_CLUSTER_COMMAND


async def test_command_is_executed_once_and_recorded(network: SimulatedNetwork, host: BellowsHost) -> None:
    executed_at: list[float] = []
    network.on_command = lambda device, entry: executed_at.append(entry.at)
    light = network.add(switch("00158d0002a00001"))
    zigpy_device = await host.join(network, light)
    for endpoint, command in ((1, "on"), (3, "toggle"), (1, "off")):
        await getattr(zigpy_device.endpoints[endpoint].on_off, command)()
    assert [(one.endpoint, one.command) for one in light.executed] == [
        (1, OnOffCommand.ON),
        (3, OnOffCommand.TOGGLE),
        (1, OnOffCommand.OFF),
    ]
    assert executed_at == [one.at for one in light.executed]
    assert [light.is_on(channel) for channel in (1, 2, 3)] == [False, False, True]


async def test_press_is_reported_after_binding_and_configuring(network: SimulatedNetwork, host: BellowsHost) -> None:
    light = network.add(switch("00158d0002a00001"))
    zigpy_device = await host.join(network, light)
    light.press(2)
    await host.configure_reporting(zigpy_device.endpoints[2].on_off, ON_OFF_STATE, 0, 300, 1)
    light.press(2)
    await host.listener.wait_until(lambda: host.reports() == [0])


async def test_press_is_not_reported_without_binding(network: SimulatedNetwork, host: BellowsHost) -> None:
    light = network.add(switch("00158d0002a00001"))
    zigpy_device = await host.join(network, light)
    await host.configure_reporting(zigpy_device.endpoints[1].on_off, ON_OFF_STATE, 0, 300, 1)
    await zigpy_device.endpoints[1].on_off.unbind()
    light.press(1)
    await zigpy_device.endpoints[1].on_off.read_attributes(["on_off"])
    assert host.reports() == []


async def test_reporting_configuration_is_stored(network: SimulatedNetwork, host: BellowsHost) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003"))
    zigpy_device = await host.join(network, sensor)
    await host.configure_reporting(zigpy_device.endpoints[1].temperature, MEASURED_VALUE, 10, 600, 25)
    reporting = sensor.reporter.configured[1, TEMPERATURE, MEASURED_VALUE]
    assert (reporting.minimum, reporting.maximum, reporting.change) == (10, 600, 25)


async def test_sensor_reports_changes_of_at_least_reportable_change(
    network: SimulatedNetwork, host: BellowsHost
) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003"))
    zigpy_device = await host.join(network, sensor)
    await host.configure_reporting(zigpy_device.endpoints[1].temperature, MEASURED_VALUE, 0, 3600, 50)
    for celsius in (21.2, 21.6, 21.7, 20.9):
        sensor.set(temperature=celsius)
    await host.listener.wait_until(lambda: len(host.reports()) == 2)
    assert host.reports() == [2160, 2090]


async def test_sleeping_sensor_answers_when_it_wakes(network: SimulatedNetwork, host: BellowsHost) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003", poll_interval_s=600))
    zigpy_device = await host.join(network, sensor)
    network.sleep(sensor)
    reading = asyncio.create_task(zigpy_device.endpoints[1].temperature.read_attributes(["measured_value"]))
    await asyncio.sleep(0.05)
    assert not reading.done()
    network.wake(sensor)
    values, _ = await reading
    assert values["measured_value"] == 2100


async def test_sleeping_sensor_answers_when_it_polls(network: SimulatedNetwork, host: BellowsHost) -> None:
    sensor = network.add(climate_sensor("00158d0002a00003", poll_interval_s=0.2))
    zigpy_device = await host.join(network, sensor)
    network.sleep(sensor)
    values, _ = await zigpy_device.endpoints[1].humidity.read_attributes(["measured_value"])
    assert values["measured_value"] == 5000


async def test_curtain_moves_to_position_and_reports_each_step(network: SimulatedNetwork, host: BellowsHost) -> None:
    window = network.add(curtain("00158d0002a00005"))
    window.travel_s = 0.2
    zigpy_device = await host.join(network, window)
    cluster = zigpy_device.endpoints[1].window_covering
    await host.configure_reporting(cluster, LIFT_PERCENTAGE, 0, 3600, 1)
    await cluster.go_to_lift_percentage(30)
    await host.listener.wait_until(lambda: 30 in host.reports())
    assert host.reports() == [5, 10, 15, 20, 25, 30]
    assert not window.is_moving()


async def test_curtain_stops_on_command_and_refuses_impossible_position(
    network: SimulatedNetwork, host: BellowsHost
) -> None:
    window = network.add(curtain("00158d0002a00005"))
    window.travel_s = 60.0
    zigpy_device = await host.join(network, window)
    await zigpy_device.endpoints[1].window_covering.down_close()
    assert window.is_moving()
    await zigpy_device.endpoints[1].window_covering.stop()
    assert not window.is_moving()
    answer = await zigpy_device.endpoints[1].window_covering.go_to_lift_percentage(101)
    assert answer.status == foundation.Status.INVALID_VALUE


async def test_socket_reports_power_of_its_load(network: SimulatedNetwork, host: BellowsHost) -> None:
    plug = network.add(socket("00158d0002a00004"))
    zigpy_device = await host.join(network, plug)
    plug.plug_in(watts=1500)
    await host.configure_reporting(zigpy_device.endpoints[1].electrical_measurement, ACTIVE_POWER, 0, 3600, 10)
    await zigpy_device.endpoints[1].on_off.on()
    await host.listener.wait_until(lambda: 15000 in host.reports())
    await zigpy_device.endpoints[1].on_off.off()
    await host.listener.wait_until(lambda: host.reports() == [15000, 0])


def test_socket_counts_energy_only_while_on() -> None:
    now = [0.0]
    network = SimulatedNetwork(now=lambda: now[0])
    plug = network.add(socket("00158d0002a00004"))
    plug.plug_in(watts=1000)
    plug.set_attribute(1, ON_OFF, ON_OFF_STATE, 1)
    now[0] = 3600.0
    plug.set_attribute(1, ON_OFF, ON_OFF_STATE, 0)
    now[0] = 7200.0
    plug.refresh((1, METERING, CURRENT_SUMMATION_DELIVERED))
    assert plug.value(1, METERING, CURRENT_SUMMATION_DELIVERED) == 1000


async def test_host_interviews_unknown_device_among_a_thousand_when_it_reports(
    network: SimulatedNetwork, host: BellowsHost
) -> None:
    devices = [network.add(switch(f"00158d00030{number:05x}", channels=1), joined=True) for number in range(1000)]
    assert len({device.nwk for device in devices}) == 1000
    devices[500].report_now(1, ON_OFF, ON_OFF_STATE, 1)
    await host.listener.wait_until(lambda: host.listener.all("initialized") == [(devices[500].ieee,)])
