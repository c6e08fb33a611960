"""Drivers: raw ZCL values become fields in their units, and what is asked becomes ZCL commands."""

import pytest

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.record import Channel, CurtainParam, LockParam, SensorParam, SwitchParam
from gatewayd.model.request import Operate
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
def test_a_raw_value_becomes_a_field(driver: str, attribute: tuple[int, int], raw: int, value: Scalar) -> None:
    assert DRIVERS[driver].by_attribute[attribute][0].convert(raw) == value


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
def test_a_zones_status_is_three_fields(raw: int, alarm: bool, tamper: bool, low_battery: bool) -> None:
    said = {one.field: one.convert(raw) for one in DRIVERS["sensor"].by_attribute[0x0500, 0x0002]}
    assert said == {"alarm": alarm, "tamper": tamper, "low_battery": low_battery}


THREE = SwitchParam(channel=(Channel(id=1, value=0), Channel(id=2, value=100), Channel(id=3, value=None)))
ENDPOINTS = {1: 11, 2: 12, 3: 13}


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (Operate(1, channel=2), [(12, 1)]),
        (Operate(0, channel=0), [(11, 0), (12, 0), (13, 0)]),
        (Operate(2, channel=1), [(11, 1)]),
        (Operate(2, channel=2), [(12, 0)]),
        (Operate(2, channel=0), [(11, 1), (12, 0), (13, 1)]),
    ],
)
def test_a_switch_is_told_on_or_off_and_never_to_toggle(asked: Operate, sent: list[tuple[int, int]]) -> None:
    orders = DRIVERS["switch"].build_commands(asked, DeviceState(THREE, ENDPOINTS))
    assert [(order.endpoint, order.command) for order in orders] == sent


def test_a_switch_has_only_its_own_channels() -> None:
    with pytest.raises(RefusedError, match="channel 4: this device has 1, 2, 3"):
        DRIVERS["switch"].build_commands(Operate(1, channel=4), DeviceState(THREE, ENDPOINTS))


@pytest.mark.parametrize(
    ("asked", "command", "args"),
    [
        (Operate(0), 0x01, ()),
        (Operate(1), 0x00, ()),
        (Operate(2), 0x02, ()),
        (Operate(1, position=30), 0x05, (70,)),
    ],
)
def test_a_curtain_counts_from_the_other_end(asked: Operate, command: int, args: tuple[int, ...]) -> None:
    (order,) = DRIVERS["curtain"].build_commands(asked, DeviceState(CurtainParam(), {1: 1}))
    assert (order.command, order.args) == (command, args)


@pytest.mark.parametrize(
    ("asked", "command", "args"),
    [
        (Operate(0), 0x00, ()),
        (Operate(1, pin="482913"), 0x01, ("482913",)),
        (Operate(2), 0x03, (0xFFFF,)),
    ],
)
def test_a_lock_is_told_with_its_pin_as_text(asked: Operate, command: int, args: tuple[object, ...]) -> None:
    (order,) = DRIVERS["lock"].build_commands(asked, DeviceState(LockParam(), {1: 1}))
    assert (order.command, order.args) == (command, args)
    assert Change("operate", asked.operate) in order.effect


def test_a_sensor_cannot_be_told_anything() -> None:
    with pytest.raises(RefusedError):
        DRIVERS["sensor"].build_commands(Operate(1), DeviceState(SensorParam(), {1: 1}))
