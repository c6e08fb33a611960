"""Devices that join again, leave, or miss their set-up: each is registered once, and set up in the end."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model.event import DeviceJoined, DeviceLeft, RadioEvent
from gatewayd.model.record import SwitchParam
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork, climate_sensor, lock, switch
from tests.common.zigbee import ZigbeeGateway, running


async def join_again(gateway: ZigbeeGateway, device: Device, *, moved: bool) -> None:
    before = len(gateway.ready)
    await gateway.network.join(device, new_nwk=moved)
    await gateway.until(lambda: len(gateway.ready) > before)


async def open_door(gateway: ZigbeeGateway, door: Lock) -> None:
    """Open the door, and wait for an alarm that is sent after that: every copy of the event has been received then."""
    alarms = len(gateway.lock_alarms)
    door.turn_knob()
    door.pry()
    await gateway.until(lambda: len(gateway.lock_alarms) > alarms)


@pytest.mark.parametrize("moved", [False, True])
async def test_events_of_lock_that_joins_again_are_received_once(gateway: ZigbeeGateway, moved: bool) -> None:
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await gateway.join(door)
    for times in range(1, 4):
        await join_again(gateway, door, moved=moved)
        await open_door(gateway, door)
        assert len(gateway.lock_events) == times


@pytest.mark.parametrize("moved", [False, True])
async def test_events_of_lock_that_left_and_joins_again_are_received_once(gateway: ZigbeeGateway, moved: bool) -> None:
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await gateway.join(door)
    gateway.network.leave(door)
    await gateway.until(lambda: not gateway.has_record(door))
    await join_again(gateway, door, moved=moved)
    await open_door(gateway, door)
    assert len(gateway.lock_events) == 1


async def test_devices_with_the_same_network_address_stay(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    record = await gateway.join(lamp)
    await gateway.store.mirror.put(replace(record, title="走廊灯"))
    before = len(gateway.ready)
    await gateway.network.resolve_address_conflict(lamp)
    await gateway.until(lambda: len(gateway.ready) > before)
    assert not any(isinstance(event, DeviceLeft) for event in gateway.events)
    lamp.press(1)
    await gateway.until(lambda: gateway.record(lamp).param.channel[0].value == 100)  # type: ignore[union-attr]
    assert gateway.record(lamp).title == "走廊灯"


async def test_device_that_left_is_not_registered_after_restart(network: SimulatedNetwork, tmp_path: Path) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await gateway.join(lamp)
            network.leave(lamp)
            await gateway.until(lambda: not gateway.has_record(lamp))
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            assert gateway.zigbee.devices.all() == ()
            assert gateway.store.mirror.all() == ()


async def test_device_that_joins_again_retains_edited_fields_and_is_read(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    record = await gateway.join(lamp)
    await gateway.store.mirror.put(replace(record, title="走廊灯", id=7, param=replace(record.param, room_id=3)))
    lamp.bindings.clear()
    lamp.press(1)  # the report is lost: the device has no binding
    await gateway.network.rejoin(lamp, new_nwk=True)

    def value() -> object:
        param = gateway.record(lamp).param
        assert isinstance(param, SwitchParam)
        return param.channel[0].value

    await gateway.until(lambda: value() == 100)
    record = gateway.record(lamp)
    assert isinstance(record.param, SwitchParam)
    assert (record.title, record.id, record.param.room_id) == ("走廊灯", 7, 3)
    assert record.param.zgb_short == f"{lamp.nwk >> 8:02X}:{lamp.nwk & 0xFF:02X}"
    notices = [row.item for row in await gateway.store.outbox.rows() if type(row.item).__name__ == "NoticeItem"]
    assert len(notices) == 1  # of the first joining


async def test_sensor_that_missed_its_set_up_is_set_up_when_it_reports(gateway: ZigbeeGateway) -> None:
    sensor = gateway.network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    await join_and_become_unreachable(gateway, sensor)
    assert not gateway.ready
    gateway.network.faults.clear()
    sensor.report_now(1, 0x0402, 0, 2200)
    await gateway.until(lambda: len(gateway.ready) == 1)
    assert sensor.bound_endpoint(1, 0x0402) is not None


async def test_sensor_that_missed_its_set_up_is_set_up_after_restart(network: SimulatedNetwork, tmp_path: Path) -> None:
    sensor = network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await join_and_become_unreachable(gateway, sensor)
        network.faults.clear()
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(lambda: len(gateway.ready) == 1)
            assert sensor.bound_endpoint(1, 0x0402) is not None
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            sensor.set(temperature=23)
            await gateway.until(lambda: getattr(gateway.record(sensor).param, "temperature", None) == 23.0)
            assert not gateway.ready  # it was set up before the restart


async def test_set_up_cut_off_by_a_coordinator_reset_is_completed(
    gateway: ZigbeeGateway,
) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await join_and_become_unreachable(gateway, lamp)
    gateway.network.faults.clear()
    gateway.network.faults.reset_ncp()
    await gateway.until(lambda: len(gateway.ready) == 1)
    assert lamp.bound_endpoint(1, 0x0006) is not None


async def test_device_whose_interview_broke_off_is_interviewed_when_it_reports(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    sensor = network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await gateway.zigbee.permit_join(60)
            network.faults.lose_answers(sensor.ieee, 1000)
            await network.join(sensor)
            await gateway.until(lambda: bool(gateway.zigbee.radio.app.devices))
        network.faults.clear()
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            sensor.report_now(1, 0x0402, 0, 2200)
            await gateway.until(lambda: len(gateway.ready) == 1)
            assert getattr(gateway.record(sensor).param, "status", None) == 1


async def test_device_that_was_offline_before_restart_is_online_when_it_sends(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            record = await gateway.join(lamp)
            assert isinstance(record.param, SwitchParam)
            await gateway.store.mirror.put(replace(record, param=replace(record.param, status=0)))
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(lambda: gateway.is_online(lamp))


async def test_records_are_made_again_when_the_mirror_was_lost(network: SimulatedNetwork, tmp_path: Path) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await gateway.join(lamp)
        (tmp_path / "gatewayd.db").unlink()
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(lambda: gateway.has_record(lamp))
            assert isinstance(gateway.record(lamp).param, SwitchParam)
            lamp.press(1)
            await gateway.until(lambda: gateway.record(lamp).param.channel[0].value == 100)  # type: ignore[union-attr]


async def join_and_become_unreachable(gateway: ZigbeeGateway, device: Device) -> None:
    """The device joins, answers the interview and nothing after it."""

    def become_unreachable(event: RadioEvent) -> None:
        if isinstance(event, DeviceJoined):
            gateway.network.faults.make_unreachable(device.ieee)

    gateway.on_event.append(become_unreachable)
    await gateway.zigbee.permit_join(60)
    await gateway.network.join(device)
    await gateway.until(lambda: gateway.has_record(device))
    gateway.on_event.remove(become_unreachable)
