"""What a driver is: data about one kind of device, and a pure function that turns an operation into ZCL commands.

Each module of `drivers/` holds one driver; `device.ZigbeeDevice` applies it and does the I/O.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from zigpy.zcl.clusters.general import PowerConfiguration

from gatewayd.model.change import Change, Scalar
from gatewayd.model.ids import Category
from gatewayd.model.record import Param
from gatewayd.model.request import Operate

HOUR: Final = 3600

Convert = Callable[[int], Scalar]
"""Turns a raw ZCL value into the record's; None for ZCL's "invalid"."""


@dataclass(frozen=True, slots=True)
class AttributeReport:
    """An attribute that is bound and reported, and the field of the record's param that shows it.

    Intervals are seconds, `change` is the reportable change in the attribute's own unit (ZCL 2.5.7). With
    `per_channel` the field is that of the channel whose endpoint reported.
    """

    cluster: int
    attribute: int
    field: str
    convert: Convert
    min_interval_s: int
    max_interval_s: int
    change: int
    per_channel: bool = False


@dataclass(frozen=True, slots=True)
class StatusNotification:
    """A command with which a device sends the value of `attribute` unasked; `argument` names it in the command."""

    cluster: int
    command: int
    argument: str
    attribute: int


@dataclass(frozen=True, slots=True)
class ZoneEnrollment:
    """A command that a device needs before it sends notifications (IAS Zone Enroll Response). It is sent after joining
    and whenever the device sends the command `requested_by`.
    """

    cluster: int
    command: int
    args: tuple[Any, ...]
    requested_by: int


class CoordinatorAddress:
    """Stands for the coordinator's IEEE address among the values of `Driver.writes`."""


Shows = Callable[[Change], bool | None]
"""Whether a command was carried out, by a value that the device told after it was sent; None where the value does not
say.
"""


def shows_nothing(_change: Change) -> None:
    """For a command that no attribute confirms."""


@dataclass(frozen=True, slots=True)
class ZclCommand:
    """One ZCL command to one endpoint. `effect` is what the record shows once the device has confirmed it, by its
    response or by a value of which `shows` says so.
    """

    endpoint: int
    cluster: int
    command: int
    args: tuple[Any, ...] = ()
    effect: tuple[Change, ...] = ()
    shows: Shows = field(default=shows_nothing, compare=False)


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What `build_commands` may depend on: the record's param, and which endpoint is which channel."""

    param: Param
    channels: Mapping[int, int]  # channel: endpoint


BuildCommands = Callable[[Operate, DeviceState], tuple[ZclCommand, ...]]
"""Builds the commands that carry out an operation. Raises RefusedError for one that the device does not have."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One kind of device. Several reports may be of one attribute: each shows a part of its value.

    `make_param` makes the param of a new record from the number of channels. `writes` are attributes that are set at
    set-up: (cluster, attribute, value). `extra_bindings` are clusters that are bound and have no reports.
    """

    category: Category
    reports: tuple[AttributeReport, ...]
    build_commands: BuildCommands
    make_param: Callable[[int], Param]
    writes: tuple[tuple[int, int, Any], ...] = ()
    notifications: tuple[StatusNotification, ...] = ()
    enrollments: tuple[ZoneEnrollment, ...] = ()
    extra_bindings: tuple[int, ...] = ()
    has_lock_events: bool = False
    reports_by_attribute: Mapping[tuple[int, int], tuple[AttributeReport, ...]] = field(init=False)
    setup_digest: bytes = field(init=False)
    """Stored for each device that was set up: one with another digest is set up anew after an update."""

    def __post_init__(self) -> None:
        table: dict[tuple[int, int], tuple[AttributeReport, ...]] = {}
        for report in self.reports:
            key = report.cluster, report.attribute
            table[key] = (*table.get(key, ()), report)
        object.__setattr__(self, "reports_by_attribute", table)
        object.__setattr__(self, "setup_digest", self._digest_setup())

    @property
    def clusters(self) -> frozenset[int]:
        """Every cluster that is bound."""
        return frozenset(report.cluster for report in self.reports) | frozenset(self.extra_bindings)

    def _digest_setup(self) -> bytes:
        """A checksum of all that a device is sent at set-up: of numbers alone, so that renaming does not change it."""
        reports = [
            (int(one.cluster), int(one.attribute), one.min_interval_s, one.max_interval_s, one.change)
            for one in self.reports
        ]
        writes = tuple(
            (int(cluster), int(attribute), "coordinator" if value is CoordinatorAddress else value)
            for cluster, attribute, value in self.writes
        )
        enrollments = tuple(
            (int(one.cluster), int(one.command), one.args, int(one.requested_by)) for one in self.enrollments
        )
        sent = repr((reports, writes, enrollments, tuple(map(int, self.extra_bindings))))
        return f"{crc32(sent.encode()):08x}".encode()


def scaled(divisor: float, *, digits: int, invalid: frozenset[int]) -> Convert:
    """A conversion by division, rounded to `digits`; None for the `invalid` values of the attribute's type."""

    def convert(raw: int) -> Scalar:
        return None if raw in invalid else round(raw / divisor, digits)

    return convert


def battery_percent(raw: int) -> Scalar:
    """Battery Percentage Remaining: half per cents; above 200 invalid."""
    return None if raw > 200 else raw // 2


BATTERY: Final = AttributeReport(
    PowerConfiguration.cluster_id,
    PowerConfiguration.AttributeDefs.battery_percentage_remaining.id,
    "battery",
    battery_percent,
    min_interval_s=HOUR,
    max_interval_s=6 * HOUR,
    change=2,
)
