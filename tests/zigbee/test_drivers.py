"""Drivers: raw ZCL values become fields in their units, operations become ZCL commands."""

import pytest

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.record import Channel, CurtainParam, LockParam, SensorParam, SwitchParam
from gatewayd.model.request import (
    CurtainOperation,
    LockOperation,
    Operate,
    OperateCurtain,
    OperateLock,
    OperateSwitch,
    SwitchOperation,
)
from gatewayd.zigbee.drivers import DRIVERS
from gatewayd.zigbee.drivers.base import DeviceState


@pytest.mark.parametrize(
    ("driver", "attribute", "raw", "value"),
    [
        ("sensor", (0x0402, 0), 2150, 21.5),
        ("sensor", (0x0402, 0), -1234, -12.34),
        ("sensor", (0x0402, 0), -0x8000, None),
        ("sensor", (0x0405, 0), 4567, 45.67),
        ("sensor", (0x0405, 0), 0xFFFF, None),
        ("sensor", (0x0400, 0), 0, 0.0),
        ("sensor", (0x0400, 0), 20001, 100.0),
        ("sensor", (0x0400, 0), 0xFFFF, None),
        ("sensor", (0x0406, 0), 1, True),
        ("sensor", (0x0001, 0x0021), 199, 99),
        ("sensor", (0x0001, 0x0021), 0xFF, None),
        ("switch", (0x0006, 0), 1, 100),
        ("switch", (0x0006, 0), 0, 0),
        ("socket", (0x0B04, 0x0505), 2301, 230.1),
        ("socket", (0x0B04, 0x050B), -5, -0.5),
        ("socket", (0x0B04, 0x050B), -0x8000, None),
        ("socket", (0x0702, 0), 12345, 12.345),
        ("curtain", (0x0102, 8), 30, 70),
        ("curtain", (0x0102, 8), 0xFF, None),
        ("lock", (0x0101, 0), 1, 0),
        ("lock", (0x0101, 0), 2, 1),
        ("lock", (0x0101, 0), 0xFF, None),
    ],
)
def test_raw_value_is_converted_to_the_field(driver: str, attribute: tuple[int, int], raw: int, value: Scalar) -> None:
    assert DRIVERS[driver].reports_by_attribute[attribute][0].convert(raw) == value


@pytest.mark.parametrize(
    ("raw", "alarm", "tamper", "low_battery"),
    [
        (0x0000, False, False, False),
        (0x0001, True, False, False),
        (0x0002, True, False, False),
        (0x0004, False, True, False),
        (0x0008, False, False, True),
        (0x002D, True, True, True),
    ],
)
def test_zone_status_is_shown_in_three_fields(raw: int, alarm: bool, tamper: bool, low_battery: bool) -> None:
    fields = {one.field: one.convert(raw) for one in DRIVERS["sensor"].reports_by_attribute[0x0500, 0x0002]}
    assert fields == {"alarm": alarm, "tamper": tamper, "low_battery": low_battery}


THREE = SwitchParam(channel=(Channel(id=1, value=0), Channel(id=2, value=100), Channel(id=3, value=None)))
ENDPOINTS = {1: 11, 2: 12, 3: 13}
OFF, ON, TOGGLE = SwitchOperation


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        (OperateSwitch(ON, channel=2), [(12, 1)]),
        (OperateSwitch(OFF, channel=0), [(11, 0), (12, 0), (13, 0)]),
        (OperateSwitch(TOGGLE, channel=1), [(11, 1)]),
        (OperateSwitch(TOGGLE, channel=2), [(12, 0)]),
        (OperateSwitch(TOGGLE, channel=0), [(11, 1), (12, 0), (13, 1)]),
    ],
)
def test_switch_is_sent_on_or_off_and_never_toggle(action: OperateSwitch, sent: list[tuple[int, int]]) -> None:
    commands = DRIVERS["switch"].build_commands(action, DeviceState(THREE, ENDPOINTS))
    assert [(command.endpoint, command.command) for command in commands] == sent


def test_channel_that_the_switch_does_not_have_is_refused() -> None:
    with pytest.raises(RefusedError, match="channel 4: this device has 1, 2, 3"):
        DRIVERS["switch"].build_commands(OperateSwitch(ON, channel=4), DeviceState(THREE, ENDPOINTS))


@pytest.mark.parametrize(
    ("action", "command", "args"),
    [
        (OperateCurtain(CurtainOperation.CLOSE), 0x01, ()),
        (OperateCurtain(CurtainOperation.OPEN), 0x00, ()),
        (OperateCurtain(CurtainOperation.STOP), 0x02, ()),
        (OperateCurtain(CurtainOperation.OPEN, position=30), 0x05, (70,)),
    ],
)
def test_curtain_position_is_sent_as_how_far_it_is_closed(
    action: OperateCurtain, command: int, args: tuple[int, ...]
) -> None:
    (sent,) = DRIVERS["curtain"].build_commands(action, DeviceState(CurtainParam(), {1: 1}))
    assert (sent.command, sent.args) == (command, args)


@pytest.mark.parametrize(
    ("action", "command", "args"),
    [
        (OperateLock(LockOperation.LOCK), 0x00, ()),
        (OperateLock(LockOperation.UNLOCK, pin="482913"), 0x01, ("482913",)),
        (OperateLock(LockOperation.HOLD_OPEN), 0x03, (0xFFFF,)),
    ],
)
def test_lock_is_sent_its_pin_as_text(action: OperateLock, command: int, args: tuple[object, ...]) -> None:
    (sent,) = DRIVERS["lock"].build_commands(action, DeviceState(LockParam(), {1: 1}))
    assert (sent.command, sent.args) == (command, args)
    assert Change("operate", action.operation.value) in sent.effect


OWN_ACTIONS = {"switch": OperateSwitch, "socket": OperateSwitch, "curtain": OperateCurtain, "lock": OperateLock}
ACTIONS = (OperateSwitch(ON), OperateCurtain(CurtainOperation.STOP), OperateLock(LockOperation.LOCK))
OTHERS_ACTIONS = [
    (driver, action) for driver in DRIVERS for action in ACTIONS if type(action) is not OWN_ACTIONS.get(driver)
]


@pytest.mark.parametrize(("driver", "action"), OTHERS_ACTIONS)
def test_operation_of_another_kind_of_device_is_refused(driver: str, action: Operate) -> None:
    with pytest.raises(RefusedError):
        DRIVERS[driver].build_commands(action, DeviceState(SensorParam(), {1: 1}))
