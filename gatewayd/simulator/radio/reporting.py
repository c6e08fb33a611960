"""When a device reports an attribute: minimum, maximum and change as the host configured them (ZCL §2.5.7, §2.5.11.2).

How a report is sent is the device's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gatewayd.simulator.radio.endpoint import AttributeKey
from gatewayd.simulator.radio.scheduler import ScheduledAction, Scheduler
from gatewayd.simulator.radio.zcl import Value

NEVER = 0xFFFF
"""The maximum interval that ends the reporting of an attribute."""


@dataclass(slots=True)
class Reporting:
    """One attribute's configuration: intervals in seconds; `change` is the reportable change of an analog value.

    `value` and `sent_at` are those of the last report.
    """

    minimum: int
    maximum: int
    change: int | None
    value: Value
    sent_at: float
    next: ScheduledAction | None = None


def is_reportable_change(before: Value, after: Value, change: int | None) -> bool:
    """Whether the value has changed, and where `change` is given, by at least that."""
    if change is not None and isinstance(before, int) and isinstance(after, int):
        return before != after and abs(after - before) >= change
    return before != after


class Reporter:
    """One device's configured reports."""

    def __init__(
        self, scheduler: Scheduler, value_of: Callable[[AttributeKey], Value], send: Callable[[AttributeKey], bool]
    ) -> None:
        """`value_of` gives an attribute's present value; `send` sends a report and returns whether it could."""
        self._scheduler = scheduler
        self._value_of = value_of
        self._send = send
        self.configured: dict[AttributeKey, Reporting] = {}

    def is_configured(self, key: AttributeKey) -> bool:
        return key in self.configured

    def configure(self, key: AttributeKey, minimum: int, maximum: int, change: int | None, value: Value) -> None:
        """Configure an attribute anew; `value` is its present one."""
        self.remove(key)
        if maximum == NEVER:
            return
        reporting = Reporting(minimum, maximum, change, value, self._scheduler.now())
        self.configured[key] = reporting
        self._schedule(key, reporting)

    def remove(self, key: AttributeKey) -> None:
        reporting = self.configured.pop(key, None)
        if reporting is not None and reporting.next is not None:
            reporting.next.cancel()

    def clear(self) -> None:
        for key in list(self.configured):
            self.remove(key)

    def changed(self, key: AttributeKey, value: Value) -> None:
        """A configured attribute has this value now: report it at once, when the minimum allows it, or not at all."""
        reporting = self.configured[key]
        if not is_reportable_change(reporting.value, value, reporting.change):
            return
        earliest = reporting.sent_at + reporting.minimum
        if earliest <= self._scheduler.now():
            self._report(key, reporting, value)
        elif reporting.next is None or reporting.next.at > earliest:
            self._schedule_at(key, reporting, earliest)

    def _report(self, key: AttributeKey, reporting: Reporting, value: Value) -> None:
        if self._send(key):
            reporting.value = value
        reporting.sent_at = self._scheduler.now()
        self._schedule(key, reporting)

    def _schedule(self, key: AttributeKey, reporting: Reporting) -> None:
        if reporting.next is not None:
            reporting.next.cancel()
            reporting.next = None
        if reporting.maximum:
            self._schedule_at(key, reporting, reporting.sent_at + max(reporting.minimum, reporting.maximum))

    def _schedule_at(self, key: AttributeKey, reporting: Reporting, at: float) -> None:
        if reporting.next is not None:
            reporting.next.cancel()
        reporting.next = self._scheduler.at(at, lambda: self._report_due(key, reporting))

    def _report_due(self, key: AttributeKey, reporting: Reporting) -> None:
        reporting.next = None
        self._report(key, reporting, self._value_of(key))
