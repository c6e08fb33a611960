"""Minimum, maximum and change, on a clock that the test moves."""

import pytest

from gatewayd.simulator.radio.reporting import NEVER, Reporter, is_reportable_change
from gatewayd.simulator.radio.scheduler import Scheduler
from gatewayd.simulator.radio.zcl import Value

KEY = (1, 0x0402, 0)


class World:
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
        """Let time pass in small steps."""
        while self.now < 100.0 + seconds:
            self.now = min(self.now + 0.5, 100.0 + seconds)
            self.scheduler.run_due()


@pytest.fixture
def world() -> World:
    return World()


def test_a_change_after_the_minimum_is_reported_at_once(world: World) -> None:
    world.reporter.configure(KEY, 5, 60, 50, 2000)
    world.pass_to(10)
    world.set(2050)
    assert world.sent == [(10, 2050)]


def test_a_change_before_the_minimum_waits_for_it_and_only_the_last_value_goes(world: World) -> None:
    world.reporter.configure(KEY, 5, 60, 50, 2000)
    world.set(2100)
    world.set(2200)
    assert world.sent == []
    world.pass_to(10)
    assert world.sent == [(5, 2200)]


def test_a_small_change_is_not_reported_before_the_maximum(world: World) -> None:
    world.reporter.configure(KEY, 1, 30, 50, 2000)
    world.pass_to(10)
    world.set(2049)
    world.pass_to(29)
    assert world.sent == []
    world.pass_to(30)
    assert world.sent == [(30, 2049)]


def test_without_any_change_a_report_goes_every_maximum(world: World) -> None:
    world.reporter.configure(KEY, 1, 10, 50, 2000)
    world.pass_to(31)
    assert world.sent == [(10, 2000), (20, 2000), (30, 2000)]


def test_a_maximum_of_zero_means_changes_only(world: World) -> None:
    world.reporter.configure(KEY, 0, 0, 50, 2000)
    world.pass_to(1000)
    assert world.sent == []
    world.set(3000)
    assert world.sent == [(1000, 3000)]


def test_never_ends_a_configuration(world: World) -> None:
    world.reporter.configure(KEY, 0, 10, 50, 2000)
    world.reporter.configure(KEY, 0, NEVER, 50, 2000)
    world.pass_to(60)
    assert world.sent == []
    assert not world.reporter.is_configured(KEY)


@pytest.mark.parametrize(
    ("before", "after", "change", "worth"),
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
def test_what_is_worth_a_report(before: Value, after: Value, change: int | None, worth: bool) -> None:
    assert is_reportable_change(before, after, change) is worth
