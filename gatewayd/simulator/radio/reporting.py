"""When a device reports: minimum, maximum and change as the host configured them (ZCL §2.5.7, §2.5.11.2)."""

from collections.abc import Callable
from dataclasses import dataclass

from gatewayd.simulator.radio.endpoint import AttributeKey
from gatewayd.simulator.radio.scheduler import ScheduledAction, Scheduler
from gatewayd.simulator.radio.zcl import Value

NEVER = 0xFFFF


@dataclass(slots=True)
class Reporting:
    """Seconds between reports, at least and at most, and the change of an analog value that is worth one."""

    minimum: int
    maximum: int
    change: int | None
    value: Value
    sent_at: float
    next: ScheduledAction | None = None


def is_worth_reporting(before: Value, after: Value, change: int | None) -> bool:
    if change is not None and isinstance(before, int) and isinstance(after, int):
        return before != after and abs(after - before) >= change
    return before != after


class Reporter:
    """One device's configured reports. `send` says whether a report could go out."""

    def __init__(
        self, scheduler: Scheduler, value_of: Callable[[AttributeKey], Value], send: Callable[[AttributeKey], bool]
    ) -> None:
        self._scheduler = scheduler
        self._value_of = value_of
        self._send = send
        self.configured: dict[AttributeKey, Reporting] = {}

    def watches(self, key: AttributeKey) -> bool:
        return key in self.configured

    def configure(self, key: AttributeKey, minimum: int, maximum: int, change: int | None, value: Value) -> None:
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
        reporting = self.configured[key]
        if not is_worth_reporting(reporting.value, value, reporting.change):
            return
        earliest = reporting.sent_at + reporting.minimum
        if earliest <= self._scheduler.now():
            self._report(key, reporting, value)
        elif reporting.next is None or reporting.next.at > earliest:
            self._plan(key, reporting, earliest)

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
            self._plan(key, reporting, reporting.sent_at + max(reporting.minimum, reporting.maximum))

    def _plan(self, key: AttributeKey, reporting: Reporting, at: float) -> None:
        if reporting.next is not None:
            reporting.next.cancel()
        reporting.next = self._scheduler.at(at, lambda: self._due(key, reporting))

    def _due(self, key: AttributeKey, reporting: Reporting) -> None:
        reporting.next = None
        self._report(key, reporting, self._value_of(key))
