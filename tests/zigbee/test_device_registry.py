"""Devices that come again: none is heard twice, what the household said stays, what was missed is made up for."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model.event import DeviceJoined, DeviceLeft, LockAlarm, LockEvent, RadioEvent
from gatewayd.model.ids import Uuid
from gatewayd.model.record import SwitchParam
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork, climate_sensor, lock, switch
from tests.common.zigbee import ZigbeeGateway, running


def events(gateway: ZigbeeGateway) -> list[LockEvent]:
    return [word for word in gateway.words if isinstance(word, LockEvent)]


async def comes_again(gateway: ZigbeeGateway, device: Device, *, moved: bool) -> None:
    before = len(gateway.ready)
    await gateway.network.join(device, new_nwk=moved)
    await gateway.until(lambda: len(gateway.ready) > before)


async def says_something(gateway: ZigbeeGateway, door: Lock) -> None:
    """The door is opened; what is said after that has arrived, so that has too, however often."""
    alarms = sum(isinstance(word, LockAlarm) for word in gateway.words)
    door.turn_knob()
    door.pry()
    await gateway.until(lambda: sum(isinstance(word, LockAlarm) for word in gateway.words) > alarms)


@pytest.mark.parametrize("moved", [False, True])
async def test_a_lock_that_joins_again_is_heard_once(gateway: ZigbeeGateway, moved: bool) -> None:
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await gateway.take_in(door)
    for times in range(1, 4):
        await comes_again(gateway, door, moved=moved)
        await says_something(gateway, door)
        assert len(events(gateway)) == times


@pytest.mark.parametrize("moved", [False, True])
async def test_a_lock_that_left_and_joins_again_is_heard_once(gateway: ZigbeeGateway, moved: bool) -> None:
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await gateway.take_in(door)
    gateway.network.leave(door)
    await gateway.until(lambda: gateway.store.mirror.get(Uuid(door.ieee)) is None)
    await comes_again(gateway, door, moved=moved)
    await says_something(gateway, door)
    assert len(events(gateway)) == 1


async def test_two_devices_of_one_address_take_others_and_stay(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    record = await gateway.take_in(lamp)
    await gateway.store.mirror.put(replace(record, title="走廊灯"))
    before = len(gateway.ready)
    await gateway.network.resolve_address_conflict(lamp)
    await gateway.until(lambda: len(gateway.ready) > before)
    assert not any(isinstance(event, DeviceLeft) for event in gateway.events)
    lamp.press(1)
    await gateway.until(lambda: gateway.record(lamp).param.channel[0].value == 100)  # type: ignore[union-attr]
    assert gateway.record(lamp).title == "走廊灯"


async def test_a_device_that_left_is_no_ghost_after_a_restart(network: SimulatedNetwork, tmp_path: Path) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            await gateway.take_in(lamp)
            network.leave(lamp)
            await gateway.until(lambda: gateway.store.mirror.get(Uuid(lamp.ieee)) is None)
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            assert gateway.zigbee.devices.all() == ()
            assert gateway.store.mirror.all() == ()


async def test_a_device_that_joins_again_keeps_what_the_household_said_and_is_read_anew(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    record = await gateway.take_in(lamp)
    await gateway.store.mirror.put(replace(record, title="走廊灯", id=7, param=replace(record.param, room_id=3)))
    lamp.bindings.clear()
    lamp.press(1)  # while it was without power: nobody heard it
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
    notices = [row.due for row in await gateway.store.outbox.rows() if type(row.due).__name__ == "NoticeItem"]
    assert len(notices) == 1  # it joined once; coming again is no news


async def test_a_sensor_that_slept_through_its_set_up_is_set_up_when_it_speaks(gateway: ZigbeeGateway) -> None:
    sensor = gateway.network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    await interviewed_and_then_deaf(gateway, sensor)
    assert not gateway.ready
    gateway.network.faults.clear()
    sensor.report_now(1, 0x0402, 0, 2200)
    await gateway.until(lambda: len(gateway.ready) == 1)
    assert sensor.bound_endpoint(1, 0x0402) is not None


async def test_a_sensor_that_slept_through_its_set_up_is_set_up_after_a_restart(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    sensor = network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            await interviewed_and_then_deaf(gateway, sensor)
        network.faults.clear()
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(lambda: len(gateway.ready) == 1)
            assert sensor.bound_endpoint(1, 0x0402) is not None
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            sensor.set(temperature=23)
            await gateway.until(lambda: getattr(gateway.record(sensor).param, "temperature", None) == 23.0)
            assert not gateway.ready  # once is enough


async def test_a_device_whose_set_up_the_coordinator_cut_off_is_set_up_when_that_is_back(
    gateway: ZigbeeGateway,
) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await interviewed_and_then_deaf(gateway, lamp)
    gateway.network.faults.clear()
    gateway.network.faults.reset_ncp()
    await gateway.until(lambda: len(gateway.ready) == 1)
    assert lamp.bound_endpoint(1, 0x0006) is not None


async def test_a_device_whose_interview_broke_off_is_interviewed_when_it_speaks(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    sensor = network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            await gateway.zigbee.permit_join(60)
            network.faults.lose_answers(sensor.ieee, 1000)
            await network.join(sensor)
            await gateway.until(lambda: bool(gateway.zigbee.radio.app.devices))
        network.faults.clear()
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            sensor.report_now(1, 0x0402, 0, 2200)
            await gateway.until(lambda: len(gateway.ready) == 1)
            assert getattr(gateway.record(sensor).param, "status", None) == 1


async def test_a_device_that_was_offline_before_a_restart_is_online_when_it_speaks(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            record = await gateway.take_in(lamp)
            assert isinstance(record.param, SwitchParam)
            await gateway.store.mirror.put(replace(record, param=replace(record.param, status=0)))
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(lambda: getattr(gateway.record(lamp).param, "status", None) == 1)


async def test_what_is_on_the_network_is_there_again_when_the_database_was_lost(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            await gateway.take_in(lamp)
        (tmp_path / "house.db").unlink()
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(lambda: gateway.store.mirror.get(Uuid(lamp.ieee)) is not None)
            assert isinstance(gateway.record(lamp).param, SwitchParam)
            lamp.press(1)
            await gateway.until(lambda: gateway.record(lamp).param.channel[0].value == 100)  # type: ignore[union-attr]


async def interviewed_and_then_deaf(gateway: ZigbeeGateway, device: Device) -> None:
    """The device joins, answers the interview and nothing after it."""

    def goes_deaf(event: RadioEvent) -> None:
        if isinstance(event, DeviceJoined):
            gateway.network.faults.make_unreachable(device.ieee)

    gateway.on_event.append(goes_deaf)
    await gateway.zigbee.permit_join(60)
    await gateway.network.join(device)
    await gateway.until(lambda: gateway.store.mirror.get(Uuid(device.ieee)) is not None)
    gateway.on_event.remove(goes_deaf)
