"""Clusters that most devices have: Basic, Identify, Power Configuration, On/Off (ZCL chapter 3)."""

from enum import IntEnum

from gatewayd.simulator.radio.device import Device
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, CommandHandler
from gatewayd.simulator.radio.zcl import BOOL, ENUM8, STRING, UINT8, UINT16, ZclStatus

BASIC, POWER_CONFIGURATION, IDENTIFY, ON_OFF = 0x0000, 0x0001, 0x0003, 0x0006
BATTERY_VOLTAGE, BATTERY_PERCENTAGE = 0x0020, 0x0021
IDENTIFY_TIME = 0x0000
ON_OFF_STATE = 0x0000

MANUFACTURER = "ZJCHILINK"
_ZCL_VERSION = 8
_IDENTIFY = 0x00


class BasicAttribute(IntEnum):
    ZCL_VERSION = 0x0000
    APPLICATION_VERSION = 0x0001
    HW_VERSION = 0x0003
    MANUFACTURER_NAME = 0x0004
    MODEL_IDENTIFIER = 0x0005
    DATE_CODE = 0x0006
    POWER_SOURCE = 0x0007
    SW_BUILD_ID = 0x4000


class PowerSource(IntEnum):
    MAINS = 0x01
    BATTERY = 0x03


class OnOffCommand(IntEnum):
    OFF = 0x00
    ON = 0x01
    TOGGLE = 0x02


def basic(model: str, power_source: PowerSource = PowerSource.MAINS) -> Cluster:
    """Basic, for a device of that model."""
    return Cluster(
        BASIC,
        (
            Attribute(BasicAttribute.ZCL_VERSION, UINT8, _ZCL_VERSION),
            Attribute(BasicAttribute.APPLICATION_VERSION, UINT8, 1),
            Attribute(BasicAttribute.HW_VERSION, UINT8, 1),
            Attribute(BasicAttribute.MANUFACTURER_NAME, STRING, MANUFACTURER),
            Attribute(BasicAttribute.MODEL_IDENTIFIER, STRING, model),
            Attribute(BasicAttribute.DATE_CODE, STRING, "20260101"),
            Attribute(BasicAttribute.POWER_SOURCE, ENUM8, power_source),
            Attribute(BasicAttribute.SW_BUILD_ID, STRING, "1.0.0"),
        ),
    )


def power_configuration(percent: int = 100, decivolts: int = 60) -> Cluster:
    """Power Configuration of a battery: its voltage in 100 mV, the remaining percentage in half per cents."""
    return Cluster(
        POWER_CONFIGURATION,
        (
            Attribute(BATTERY_VOLTAGE, UINT8, decivolts, reportable=True),
            Attribute(BATTERY_PERCENTAGE, UINT8, 2 * percent, reportable=True),
        ),
    )


def identify() -> Cluster:
    def ignore(device: Device, endpoint: int, payload: bytes) -> int:
        return ZclStatus.SUCCESS

    return Cluster(IDENTIFY, (Attribute(IDENTIFY_TIME, UINT16, 0, writable=True),), {_IDENTIFY: ignore})


def on_off() -> Cluster:
    def switch_to(state: int | None) -> CommandHandler:
        """`state` None: to the other one."""

        def handler(device: Device, endpoint: int, payload: bytes) -> int:
            value = int(not device.int_value(endpoint, ON_OFF, ON_OFF_STATE)) if state is None else state
            device.set_attribute(endpoint, ON_OFF, ON_OFF_STATE, value)
            return ZclStatus.SUCCESS

        return handler

    return Cluster(
        ON_OFF,
        (Attribute(ON_OFF_STATE, BOOL, 0, reportable=True),),
        {
            OnOffCommand.OFF: switch_to(0),
            OnOffCommand.ON: switch_to(1),
            OnOffCommand.TOGGLE: switch_to(None),
        },
    )
