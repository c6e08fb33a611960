"""Minimum, maximum and change of configured reports, on a clock that the test sets."""

import pytest

from gatewayd.simulator.radio.devices.climate import MEASURED_VALUE, TEMPERATURE
from gatewayd.simulator.radio.reporting import NEVER, Reporter, is_reportable_change
from gatewayd.simulator.radio.scheduler import Scheduler
from gatewayd.simulator.radio.zcl import Value

KEY = (1, TEMPERATURE, MEASURED_VALUE)


class ReportingRig:
    """A reporter with one attribute, and the reports that it sends."""

    def __init__(self) -> None:
        self.now = 100.0
        self.value: Value = 2000
        self.sent: list[tuple[float, Value]] = []
        self.scheduler = Scheduler(lambda: self.now)
        self.reporter = Reporter(self.scheduler, lambda key: self.value, self.send)

    def send(self, key: tuple[int, int, int]) -> bool:
        self.sent.append((self.now - 100.0, self.value))
        return True

    def set(self, value: int) -> None:
        self.value = value
        self.reporter.changed(KEY, value)

    def pass_to(self, seconds: float) -> None:
        """Let so many seconds pass since the start, in small steps."""
        while self.now < 100.0 + seconds:
            self.now = min(self.now + 0.5, 100.0 + seconds)
            self.scheduler.run_due()


@pytest.fixture
def rig() -> ReportingRig:
    return ReportingRig()


def test_change_after_minimum_is_reported_at_once(rig: ReportingRig) -> None:
    rig.reporter.configure(KEY, 5, 60, 50, 2000)
    rig.pass_to(10)
    rig.set(2050)
    assert rig.sent == [(10, 2050)]


def test_changes_before_minimum_are_reported_once_with_last_value(rig: ReportingRig) -> None:
    rig.reporter.configure(KEY, 5, 60, 50, 2000)
    rig.set(2100)
    rig.set(2200)
    assert rig.sent == []
    rig.pass_to(10)
    assert rig.sent == [(5, 2200)]


def test_small_change_is_reported_at_maximum(rig: ReportingRig) -> None:
    rig.reporter.configure(KEY, 1, 30, 50, 2000)
    rig.pass_to(10)
    rig.set(2049)
    rig.pass_to(29)
    assert rig.sent == []
    rig.pass_to(30)
    assert rig.sent == [(30, 2049)]


def test_unchanged_value_is_reported_at_every_maximum(rig: ReportingRig) -> None:
    rig.reporter.configure(KEY, 1, 10, 50, 2000)
    rig.pass_to(31)
    assert rig.sent == [(10, 2000), (20, 2000), (30, 2000)]


def test_maximum_of_zero_reports_only_changes(rig: ReportingRig) -> None:
    rig.reporter.configure(KEY, 0, 0, 50, 2000)
    rig.pass_to(1000)
    assert rig.sent == []
    rig.set(3000)
    assert rig.sent == [(1000, 3000)]


def test_maximum_of_never_removes_configuration(rig: ReportingRig) -> None:
    rig.reporter.configure(KEY, 0, 10, 50, 2000)
    rig.reporter.configure(KEY, 0, NEVER, 50, 2000)
    rig.pass_to(60)
    assert rig.sent == []
    assert not rig.reporter.is_configured(KEY)


@pytest.mark.parametrize(
    ("before", "after", "change", "expected"),
    [
        (0, 1, None, True),
        (1, 1, None, False),
        ("a", "b", None, True),
        (100, 149, 50, False),
        (100, 150, 50, True),
        (100, 50, 50, True),
        (100, 100, 0, False),
        (100, 101, 0, True),
    ],
)
def test_reportable_change(before: Value, after: Value, change: int | None, expected: bool) -> None:
    assert is_reportable_change(before, after, change) is expected
