"""The controller on the real stack: reports reach the mirror, commands the devices, failures the caller."""

import asyncio
import os
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.model.errors import DeviceUnreachableError, RadioUnavailableError, RefusedError, UnknownDeviceError
from gatewayd.model.event import LockSource
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import NoticeItem
from gatewayd.model.record import CurtainParam, LockParam, Record, SensorParam, SocketParam, SwitchParam, ZigbeeParam
from gatewayd.model.request import (
    CurtainOperation,
    OperateCurtain,
    OperateSwitch,
    Query,
    RemoveDevice,
    SwitchOperation,
)
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.radio import SimulatedNetwork, Switch, climate_sensor, contact, curtain, lock, socket, switch
from tests.common.zigbee import COORDINATOR, ZigbeeGateway, running

CONTROL, QUERY, DELETE = ExecType.CONTROL, ExecType.QUERY, ExecType.DELETE


def channel_values(gateway: ZigbeeGateway, lamp: Switch) -> list[int | None]:
    param = gateway.record(lamp).param
    assert isinstance(param, SwitchParam)
    return [channel.value for channel in param.channel]


async def notices(gateway: ZigbeeGateway) -> list[ExecType]:
    items = [row.item for row in await gateway.store.outbox.rows()]
    return [item.exectype for item in items if isinstance(item, NoticeItem)]


async def test_switch_joins_reports_and_executes_commands(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=3))
    record = await gateway.join(lamp)
    assert (record.category, record.type_sub, record.title) == (Category.SWITCH, "AA03SW3K-HN-15A", "智能开关")
    assert isinstance(record.param, ZigbeeParam)
    assert record.param.zgb_ieee == "00:15:8D:00:02:A0:00:01"
    lamp.press(2)
    await gateway.until(lambda: channel_values(gateway, lamp) == [0, 100, 0])
    answer = await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.ON, 3))
    assert answer.status is OperationStatus.CONTROLLED
    assert channel_values(gateway, lamp) == [0, 100, 100]
    assert [lamp.is_on(channel) for channel in (1, 2, 3)] == [False, True, True]


async def test_two_toggles_restore_the_state(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    for expected in (True, False):
        await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.TOGGLE, 1))
        assert lamp.is_on(1) is expected
    assert {entry.command for entry in lamp.executed if entry.cluster == 0x0006} == {0, 1}


async def test_toggle_is_executed_once_when_its_answer_is_lost(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    gateway.network.faults.lose_answers(lamp.ieee, 1)
    with suppress(DeviceUnreachableError):  # zigpy's retry may or may not succeed in time
        await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.TOGGLE, 1))
    assert lamp.is_on(1)


async def test_sleepy_sensor_is_set_up_and_reports_in_units(gateway: ZigbeeGateway) -> None:
    sensor = gateway.network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.5))
    await gateway.join(sensor)
    sensor.set(temperature=-3.25, humidity=61.5, battery=44)

    def values() -> tuple[float | None, float | None]:
        param = gateway.record(sensor).param
        assert isinstance(param, SensorParam)
        return param.temperature, param.humidity

    await gateway.until(lambda: values() == (-3.25, 61.5))


async def test_query_of_sleeping_device_is_answered_with_last_values(gateway: ZigbeeGateway) -> None:
    sensor = gateway.network.add(climate_sensor("00158d0004c00001", poll_interval_s=600))
    await gateway.join(sensor)
    gateway.network.sleep(sensor)
    sensor.report_now(1, 0x0402, 0, 1850)
    answer = await gateway.execute(sensor, Category.SENSOR, QUERY, Query())
    assert answer.record is not None
    assert (answer.status, getattr(answer.record.param, "temperature", None)) == (OperationStatus.DEVICE_NORMAL, 18.5)


async def test_door_contact_is_enrolled_and_reports_its_zone(gateway: ZigbeeGateway) -> None:
    door = gateway.network.add(contact("00158d0007f00001", poll_interval_s=0.1))
    assert (await gateway.join(door)).type_sub == "AA09AL"

    def zone() -> tuple[bool | None, ...]:
        param = gateway.record(door).param
        assert isinstance(param, SensorParam)
        return param.alarm, param.tamper, param.low_battery

    await gateway.until(lambda: zone() == (False, False, False))
    assert door.is_enrolled
    door.open()
    await gateway.until(lambda: zone() == (True, False, False))
    door.open(False)
    door.lift_cover()
    door.run_low()
    await gateway.until(lambda: zone() == (False, True, True))
    door.request_enrollment()
    await gateway.until(lambda: door.is_enrolled)


async def test_socket_reports_power_and_voltage(gateway: ZigbeeGateway) -> None:
    plug = gateway.network.add(socket("00158d0005d00001"))
    await gateway.join(plug)
    await gateway.execute(plug, Category.SOCKET, CONTROL, OperateSwitch(SwitchOperation.ON, 1))
    plug.plug_in(1200)
    await gateway.execute(plug, Category.SOCKET, QUERY, Query())
    param = gateway.record(plug).param
    assert isinstance(param, SocketParam)
    assert param.power == 1200.0
    assert param.voltage is not None
    assert 220 < param.voltage < 240


async def test_curtain_moves_and_reports_its_position(gateway: ZigbeeGateway) -> None:
    blind = gateway.network.add(curtain("00158d0006e00001"))
    await gateway.join(blind)
    blind.travel_s = 0.2
    await gateway.execute(blind, Category.CURTAIN, CONTROL, OperateCurtain(CurtainOperation.OPEN, position=30))

    def position() -> int | None:
        param = gateway.record(blind).param
        assert isinstance(param, CurtainParam)
        return param.position

    await gateway.until(lambda: position() == 30)


async def test_lock_reports_events_and_holds_pin_codes(gateway: ZigbeeGateway) -> None:
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await gateway.join(door)
    uuid = Uuid(door.ieee)
    slots = await gateway.zigbee.pin_slots(uuid)
    assert slots.count == 20
    await gateway.zigbee.set_pin(uuid, 3, "482913")
    assert door.enter_pin("482913")
    door.pry()
    await gateway.until(lambda: bool(gateway.lock_alarms))
    events = gateway.lock_events
    assert [(event.source, event.code, event.user) for event in events] == [(LockSource.KEYPAD, 2, 3)]
    logged = await gateway.zigbee.read_lock_log(uuid, None)
    assert [(event.lock_time, event.user) for event in logged] == [(events[0].lock_time, 3)]
    await gateway.zigbee.clear_pin(uuid, 3)
    assert not door.enter_pin("482913")
    param = gateway.record(door).param
    assert isinstance(param, LockParam)


async def test_log_that_has_gone_around_is_read_to_its_oldest_record(gateway: ZigbeeGateway) -> None:
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05, log_records=5))
    await gateway.join(door)
    for user in range(1, 8):
        door.use_fingerprint(user)
    logged = await gateway.zigbee.read_lock_log(Uuid(door.ieee), None)
    assert [event.user for event in logged] == [3, 4, 5, 6, 7]


async def test_log_of_lock_without_clock_is_not_read(gateway: ZigbeeGateway) -> None:
    gateway.network.wall_clock = lambda: datetime(2136, 2, 7, 6, 28, 15, tzinfo=UTC)  # 0xFFFFFFFF: ZCL's "no time"
    door = gateway.network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    await gateway.join(door)
    door.turn_knob()
    await gateway.until(lambda: bool(gateway.lock_notifications))
    assert [event.lock_time for event in gateway.lock_events] == [None]
    assert await gateway.zigbee.read_lock_log(Uuid(door.ieee), 0) == ()


async def test_record_of_device_that_leaves_is_removed_with_a_notice(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    gateway.network.leave(lamp)
    await gateway.until(lambda: not gateway.has_record(lamp))
    async with asyncio.timeout(20):  # the record is gone in memory first
        while await notices(gateway) != [ExecType.CREATE, ExecType.DELETE]:
            await asyncio.sleep(0.01)


async def test_deleted_device_is_no_longer_known(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    answer = await gateway.execute(lamp, Category.SWITCH, DELETE, RemoveDevice())
    assert answer.status is OperationStatus.DELETED
    await gateway.until(lambda: not gateway.has_record(lamp))
    with pytest.raises(UnknownDeviceError):
        await gateway.execute(lamp, Category.SWITCH, QUERY, Query())


async def test_removing_the_gateway_itself_is_refused(gateway: ZigbeeGateway) -> None:
    with pytest.raises(RefusedError, match="its own network"):
        await gateway.zigbee.remove(Uuid(COORDINATOR))


async def test_device_that_is_not_on_the_network_can_be_removed(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.store.mirror.put(
        Record(uuid=Uuid(lamp.ieee), category=Category.SWITCH, param=SwitchParam(status=1), id=7)
    )
    await gateway.zigbee.remove(Uuid(lamp.ieee))
    await gateway.until(lambda: not gateway.has_record(lamp))
    with pytest.raises(UnknownDeviceError):
        await gateway.zigbee.remove(Uuid(lamp.ieee))


async def test_command_to_device_out_of_reach_fails(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    gateway.network.faults.make_unreachable(lamp.ieee)
    with pytest.raises(DeviceUnreachableError):
        await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.ON, 1))
    gateway.network.faults.clear()
    await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.ON, 1))
    assert lamp.is_on(1)


async def test_channel_that_the_device_does_not_have_is_refused(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    with pytest.raises(RefusedError, match="channel 2"):
        await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.ON, 2))


async def test_device_is_registered_after_restart(network: SimulatedNetwork, tmp_path: Path) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=2))
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await gateway.join(lamp)
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            lamp.press(1)
            await gateway.until(lambda: channel_values(gateway, lamp)[0] == 100)


async def test_absent_coordinator_is_started_when_it_appears(network: SimulatedNetwork, tmp_path: Path) -> None:
    async with network.serve() as url:
        pass
    port = int(url.rpartition(":")[2])
    async with running(network, url, tmp_path) as gateway:
        await gateway.until(lambda: "cannot start" in str(gateway.zigbee.radio.trouble))
        with pytest.raises(RadioUnavailableError):
            await gateway.zigbee.permit_join(10)
        async with network.serve(port=port):
            await asyncio.wait_for(gateway.zigbee.radio.up.wait(), 30)


async def test_pin_code_is_refused_while_the_radio_is_away(network: SimulatedNetwork, tmp_path: Path) -> None:
    door = network.add(lock("00158d0003b00001", poll_interval_s=0.05))
    async with network.serve() as url, running(network, url, tmp_path) as gateway:
        await gateway.until_up()
        await gateway.join(door)
    async with running(network, url, tmp_path) as gateway:
        with pytest.raises(RadioUnavailableError):
            await gateway.zigbee.set_pin(Uuid(door.ieee), 1, "482913")


async def test_coordinator_that_resets_is_started_again(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1))
    await gateway.join(lamp)
    radio = gateway.zigbee.radio
    for number in range(2, 5):
        gateway.network.faults.reset_ncp()
        await gateway.until(lambda number=number: radio.starts == number and radio.up.is_set())  # type: ignore[misc]
        await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation(number % 2), 1))
        assert lamp.is_on(1) is bool(number % 2)


async def test_reports_do_not_write_zigpys_database(gateway: ZigbeeGateway, tmp_path: Path) -> None:
    sensor = gateway.network.add(climate_sensor("00158d0004c00001", poll_interval_s=0.1))
    await gateway.join(sensor)
    wal = tmp_path / "zigbee.db-wal"
    await gateway.until(lambda: bool(gateway.zigbee.radio.app.backups.backups))  # zigpy backs up soon after the start
    backed_up = time.time()
    await gateway.until(lambda: time.time() - max(backed_up, wal.stat().st_mtime) > 1)  # that has been written
    before = wal.stat().st_size
    for number in range(200):
        sensor.report_now(1, 0x0402, 0, 1000 + number)
        await asyncio.sleep(0.001)
    await gateway.until(lambda: getattr(gateway.record(sensor).param, "temperature", None) == 11.99)
    assert wal.stat().st_size == before


@pytest.mark.parametrize("damage", [b"no database at all" * 100, None])
async def test_damaged_zigpy_database_is_set_aside_and_devices_are_interviewed_again(
    network: SimulatedNetwork, tmp_path: Path, damage: bytes | None
) -> None:
    lamp = network.add(switch("00158d0002a00001", channels=1))
    database = tmp_path / "zigbee.db"
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await gateway.join(lamp)
        content = database.read_bytes()
        assert stat.S_IMODE(database.stat().st_mode) == 0o600
        database.write_bytes(damage or content[:4096] + b"\xff" * 4096 + content[8192:])
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            assert any(name.startswith("zigbee.db.damaged-") for name in os.listdir(tmp_path))
            await gateway.until(lambda: not gateway.is_online(lamp))
            with pytest.raises(DeviceUnreachableError):
                await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.ON, 1))
            lamp.report_now(1, 0x0006, 0, 0)
            await gateway.until(lambda: gateway.is_online(lamp))
            await gateway.execute(lamp, Category.SWITCH, CONTROL, OperateSwitch(SwitchOperation.ON, 1))
            assert lamp.is_on(1)
