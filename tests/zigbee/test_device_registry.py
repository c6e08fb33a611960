"""Devices that come again: none is heard twice, what the household said stays, what was missed is made up for."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model.event import DeviceJoined, DeviceLeft, LockAlarm, LockEvent, RadioEvent
from gatewayd.model.ids import Uuid
from gatewayd.model.record import SwitchParam
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork, climate_sensor, lock, switch
from tests.common.zigbee import Room, running


def events(room: Room) -> list[LockEvent]:
    return [word for word in room.words if isinstance(word, LockEvent)]


async def comes_again(room: Room, device: Device, *, moved: bool) -> None:
    before = len(room.ready)
    await room.house.join(device, moved=moved)
    await room.until(lambda: len(room.ready) > before)


async def says_something(room: Room, door: Lock) -> None:
    """The door is opened; what is said after that has arrived, so that has too, however often."""
    alarms = sum(isinstance(word, LockAlarm) for word in room.words)
    door.turn_knob()
    door.pry()
    await room.until(lambda: sum(isinstance(word, LockAlarm) for word in room.words) > alarms)


@pytest.mark.parametrize("moved", [False, True])
async def test_a_lock_that_joins_again_is_heard_once(room: Room, moved: bool) -> None:
    door = room.house.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await room.take_in(door)
    for times in range(1, 4):
        await comes_again(room, door, moved=moved)
        await says_something(room, door)
        assert len(events(room)) == times


@pytest.mark.parametrize("moved", [False, True])
async def test_a_lock_that_left_and_joins_again_is_heard_once(room: Room, moved: bool) -> None:
    door = room.house.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await room.take_in(door)
    room.house.leave(door)
    await room.until(lambda: room.store.mirror.get(Uuid(door.ieee)) is None)
    await comes_again(room, door, moved=moved)
    await says_something(room, door)
    assert len(events(room)) == 1


async def test_two_devices_of_one_address_take_others_and_stay(room: Room) -> None:
    lamp = room.house.add(switch("00158d0002a00001", channels=1))
    record = await room.take_in(lamp)
    await room.store.mirror.put(replace(record, title="走廊灯"))
    before = len(room.ready)
    await room.house.clash(lamp)
    await room.until(lambda: len(room.ready) > before)
    assert not any(isinstance(event, DeviceLeft) for event in room.events)
    lamp.press(1)
    await room.until(lambda: room.record(lamp).param.channel[0].value == 100)  # type: ignore[union-attr]
    assert room.record(lamp).title == "走廊灯"


async def test_a_device_that_left_is_no_ghost_after_a_restart(house: SimulatedNetwork, tmp_path: Path) -> None:
    lamp = house.add(switch("00158d0002a00001", channels=1))
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            await room.take_in(lamp)
            house.leave(lamp)
            await room.until(lambda: room.store.mirror.get(Uuid(lamp.ieee)) is None)
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            assert room.zigbee.devices.all() == ()
            assert room.store.mirror.all() == ()


async def test_a_device_that_joins_again_keeps_what_the_household_said_and_is_read_anew(room: Room) -> None:
    lamp = room.house.add(switch("00158d0002a00001", channels=1))
    record = await room.take_in(lamp)
    await room.store.mirror.put(replace(record, title="走廊灯", id=7, param=replace(record.param, room_id=3)))
    lamp.bindings.clear()
    lamp.press(1)  # while it was without power: nobody heard it
    await room.house.rejoin(lamp, moved=True)

    def value() -> object:
        param = room.record(lamp).param
        assert isinstance(param, SwitchParam)
        return param.channel[0].value

    await room.until(lambda: value() == 100)
    record = room.record(lamp)
    assert isinstance(record.param, SwitchParam)
    assert (record.title, record.id, record.param.room_id) == ("走廊灯", 7, 3)
    assert record.param.zgb_short == f"{lamp.nwk >> 8:02X}:{lamp.nwk & 0xFF:02X}"
    notices = [row.due for row in await room.store.outbox.rows() if type(row.due).__name__ == "NoticeDue"]
    assert len(notices) == 1  # it joined once; coming again is no news


async def test_a_sensor_that_slept_through_its_set_up_is_set_up_when_it_speaks(room: Room) -> None:
    sensor = room.house.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    await interviewed_and_then_deaf(room, sensor)
    assert not room.ready
    room.house.faults.clear()
    sensor.report_now(1, 0x0402, 0, 2200)
    await room.until(lambda: len(room.ready) == 1)
    assert sensor.bound_to(1, 0x0402) is not None


async def test_a_sensor_that_slept_through_its_set_up_is_set_up_after_a_restart(
    house: SimulatedNetwork, tmp_path: Path
) -> None:
    sensor = house.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            await interviewed_and_then_deaf(room, sensor)
        house.faults.clear()
        async with running(house, url, tmp_path) as room:
            await room.until(lambda: len(room.ready) == 1)
            assert sensor.bound_to(1, 0x0402) is not None
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            sensor.set(temperature=23)
            await room.until(lambda: getattr(room.record(sensor).param, "temperature", None) == 23.0)
            assert not room.ready  # once is enough


async def test_a_device_whose_set_up_the_coordinator_cut_off_is_set_up_when_that_is_back(room: Room) -> None:
    lamp = room.house.add(switch("00158d0002a00001", channels=1))
    await interviewed_and_then_deaf(room, lamp)
    room.house.faults.clear()
    room.house.faults.reset_ncp()
    await room.until(lambda: len(room.ready) == 1)
    assert lamp.bound_to(1, 0x0006) is not None


async def test_a_device_whose_interview_broke_off_is_interviewed_when_it_speaks(
    house: SimulatedNetwork, tmp_path: Path
) -> None:
    sensor = house.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            await room.zigbee.permit_join(60)
            house.faults.lose_answers(sensor.ieee, 1000)
            await house.join(sensor)
            await room.until(lambda: bool(room.zigbee.radio.app.devices))
        house.faults.clear()
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            sensor.report_now(1, 0x0402, 0, 2200)
            await room.until(lambda: len(room.ready) == 1)
            assert getattr(room.record(sensor).param, "status", None) == 1


async def test_a_device_that_was_offline_before_a_restart_is_online_when_it_speaks(
    house: SimulatedNetwork, tmp_path: Path
) -> None:
    lamp = house.add(switch("00158d0002a00001", channels=1))
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            record = await room.take_in(lamp)
            assert isinstance(record.param, SwitchParam)
            await room.store.mirror.put(replace(record, param=replace(record.param, status=0)))
        async with running(house, url, tmp_path) as room:
            await room.until(lambda: getattr(room.record(lamp).param, "status", None) == 1)


async def test_what_is_on_the_network_is_there_again_when_the_database_was_lost(
    house: SimulatedNetwork, tmp_path: Path
) -> None:
    lamp = house.add(switch("00158d0002a00001", channels=1))
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            await room.take_in(lamp)
        (tmp_path / "house.db").unlink()
        async with running(house, url, tmp_path) as room:
            await room.until(lambda: room.store.mirror.get(Uuid(lamp.ieee)) is not None)
            assert isinstance(room.record(lamp).param, SwitchParam)
            lamp.press(1)
            await room.until(lambda: room.record(lamp).param.channel[0].value == 100)  # type: ignore[union-attr]


async def interviewed_and_then_deaf(room: Room, device: Device) -> None:
    """The device joins, answers the interview and nothing after it."""

    def goes_deaf(event: RadioEvent) -> None:
        if isinstance(event, DeviceJoined):
            room.house.faults.make_unreachable(device.ieee)

    room.on_event.append(goes_deaf)
    await room.zigbee.permit_join(60)
    await room.house.join(device)
    await room.until(lambda: room.store.mirror.get(Uuid(device.ieee)) is not None)
    room.on_event.remove(goes_deaf)
