"""Clusters that most devices have: Basic, Identify, Power Configuration, On/Off."""

from gatewayd.simulator.radio.device import Device
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, Handler
from gatewayd.simulator.radio.zcl import BOOL, ENUM8, STRING, SUCCESS, U8, U16, Value

BASIC, POWER, IDENTIFY, ON_OFF = 0x0000, 0x0001, 0x0003, 0x0006
MAINS, BATTERY = 0x01, 0x03
BATTERY_VOLTAGE, BATTERY_PERCENTAGE = 0x0020, 0x0021

MANUFACTURER = "ZJCHILINK"


def basic(model: str, power_source: int = MAINS) -> Cluster:
    return Cluster(
        BASIC,
        (
            Attribute(0x0000, U8, 8),
            Attribute(0x0001, U8, 1),
            Attribute(0x0003, U8, 1),
            Attribute(0x0004, STRING, MANUFACTURER),
            Attribute(0x0005, STRING, model),
            Attribute(0x0006, STRING, "20260101"),
            Attribute(0x0007, ENUM8, power_source),
            Attribute(0x4000, STRING, "1.0.0"),
        ),
    )


def power(percent: int = 100, decivolts: int = 60) -> Cluster:
    """Battery: voltage in 100 mV, what remains in half percents."""
    return Cluster(
        POWER,
        (
            Attribute(BATTERY_VOLTAGE, U8, decivolts, reportable=True),
            Attribute(BATTERY_PERCENTAGE, U8, 2 * percent, reportable=True),
        ),
    )


def identify() -> Cluster:
    return Cluster(
        IDENTIFY, (Attribute(0x0000, U16, 0, writable=True),), {0x00: lambda device, endpoint, payload: SUCCESS}
    )


def on_off() -> Cluster:
    def switch_to(state: int | None) -> Handler:
        def handler(device: Device, endpoint: int, payload: bytes) -> int:
            value: Value = not device.number(endpoint, ON_OFF, 0) if state is None else state
            device.put(endpoint, ON_OFF, 0, int(value))
            return SUCCESS

        return handler

    return Cluster(
        ON_OFF,
        (Attribute(0x0000, BOOL, 0, reportable=True),),
        {0x00: switch_to(0), 0x01: switch_to(1), 0x02: switch_to(None)},
    )
