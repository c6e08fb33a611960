"""What a driver is: data that says what a kind of device reports, and what it is told to do. Nothing here does I/O.

A driver's module in `drivers/` holds its rows; `device.Hosted` reads them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from gatewayd.model.change import Change, Scalar
from gatewayd.model.ids import Category
from gatewayd.model.record import Param
from gatewayd.model.request import Operate

Convert = Callable[[int], Scalar]
"""A raw ZCL value as the record shows it; None for ZCL's own "invalid"."""


@dataclass(frozen=True, slots=True)
class AttributeReport:
    """An attribute that is bound and reported: how it becomes a field, and how often it may come.

    `minimum` and `maximum` are seconds, `change` is in the attribute's own unit (ZCL 2.5.7). With `per_channel` the
    field is the channel's whose endpoint reported.
    """

    cluster: int
    attribute: int
    field: str
    convert: Convert
    minimum: int
    maximum: int
    change: int
    per_channel: bool = False


@dataclass(frozen=True, slots=True)
class StatusNotification:
    """A command by which a device tells unasked what an attribute tells: `argument` is that attribute's raw value."""

    cluster: int
    command: int
    argument: str
    attribute: int


@dataclass(frozen=True, slots=True)
class ZoneEnrollment:
    """A command that a device waits for before it tells anything; with `asked_by` it asks for it."""

    cluster: int
    command: int
    args: tuple[Any, ...]
    asked_by: int


class CoordinatorAddress:
    """Stands, in what is written, for the coordinator's own address."""


@dataclass(frozen=True, slots=True)
class ZclCommand:
    """One ZCL command to one endpoint, and what is known of the device once it has said yes."""

    endpoint: int
    cluster: int
    command: int
    args: tuple[Any, ...] = ()
    effect: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a driver may look at when it decides: the record's param, and which endpoint is which channel."""

    param: Param
    channels: Mapping[int, int]  # channel: endpoint


BuildCommands = Callable[[Operate, DeviceState], tuple[ZclCommand, ...]]
"""The commands that carry out an `Operate`. Raises RefusedError for what the device does not have."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One kind of device. `write` are attributes that are set once after joining: (cluster, attribute, value).

    Several readings may be of one attribute: each takes its part of it.
    """

    category: Category
    readings: tuple[AttributeReport, ...]
    build_commands: BuildCommands
    make_param: Callable[[int], Param]  # from the number of channels
    write: tuple[tuple[int, int, Any], ...] = ()
    notices: tuple[StatusNotification, ...] = ()
    greetings: tuple[ZoneEnrollment, ...] = ()
    extra_bindings: tuple[int, ...] = ()
    has_lock_events: bool = False
    by_attribute: Mapping[tuple[int, int], tuple[AttributeReport, ...]] = field(init=False)
    setup: bytes = field(init=False)
    """What a device of this kind is told, in short: whoever was told otherwise is told anew."""

    def __post_init__(self) -> None:
        table: dict[tuple[int, int], tuple[AttributeReport, ...]] = {}
        for reading in self.readings:
            place = reading.cluster, reading.attribute
            table[place] = (*table.get(place, ()), reading)
        object.__setattr__(self, "by_attribute", table)
        reports = [(one.cluster, one.attribute, one.minimum, one.maximum, one.change) for one in self.readings]
        told = repr((reports, self.write, self.greetings, self.extra_bindings))
        object.__setattr__(self, "setup", f"{crc32(told.encode()):08x}".encode())

    @property
    def clusters(self) -> frozenset[int]:
        """Every cluster that this driver listens to."""
        return frozenset(reading.cluster for reading in self.readings) | frozenset(self.extra_bindings)


HOUR: Final = 3600


def scaled(divisor: float, *, digits: int, invalid: frozenset[int]) -> Convert:
    """A conversion by division, rounded; None for the type's invalid values."""

    def convert(raw: int) -> Scalar:
        return None if raw in invalid else round(raw / divisor, digits)

    return convert


def battery(raw: int) -> Scalar:
    """Power Configuration 0x0021: half per cents, 0xFF invalid."""
    return None if raw > 200 else raw // 2


BATTERY: Final = AttributeReport(0x0001, 0x0021, "battery", battery, HOUR, 6 * HOUR, 2)
