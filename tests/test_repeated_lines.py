"""Which records of the log are admitted: the first of each kind always, of repetitions few."""

import logging
from collections.abc import Callable

import pytest

from gatewayd.repeated_lines import KIND_RATE, NEW_KINDS_RATE, RepeatedLines


class Time:
    """Seconds that pass by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def repeated(time: Time) -> RepeatedLines:
    return RepeatedLines(time)


def library(message: str, name: str = "zigpy.zcl", error: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.WARNING, "zcl.py", 1, message, (), exc_info)


def error_of(fail: Callable[[], object]) -> BaseException:
    try:
        fail()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


def test_one_line_a_period_says_how_many_were_left_out(repeated: RepeatedLines, time: Time) -> None:
    assert sum(repeated.admit(library("bad frame")) is not None for _ in range(500)) == KIND_RATE.burst
    for _ in range(3):
        time.now += KIND_RATE.interval_s
        again = [repeated.admit(library("bad frame")) for _ in range(100)]
        assert [record is not None for record in again] == [True] + [False] * 99
    assert getattr(again[0], "suppressed", 0) == 99
    assert repeated.suppressed == 500 - KIND_RATE.burst + 3 * 99


@pytest.mark.parametrize("message", ["no route to 0x12ab", "frame 7 of 9 is cut"])
def test_numbers_in_a_message_make_no_new_kind(repeated: RepeatedLines, message: str) -> None:
    admitted = [
        repeated.admit(library(message.replace("12ab", f"{number:04x}").replace("7", str(number))))
        for number in range(300)
    ]
    assert sum(record is not None for record in admitted) == KIND_RATE.burst


def test_other_error_of_a_message_that_is_limited_is_a_first_one(repeated: RepeatedLines) -> None:
    usual = error_of(lambda: int("x"))
    for _ in range(500):
        repeated.admit(library("Exception in callback", "asyncio", usual))
    others: tuple[Callable[[], object], ...] = (
        [].pop,
        lambda: float("y"),
        lambda: float("z"),
    )
    for fail in others:
        record = repeated.admit(library("Exception in callback", "asyncio", error_of(fail)))
        assert record is not None
        assert record.exc_info is not None


def test_burst_after_a_quiet_time_begins_with_its_traceback(repeated: RepeatedLines, time: Time) -> None:
    error = error_of(lambda: int("x"))
    for _ in range(500):
        repeated.admit(library("bad frame", error=error))
    time.now += KIND_RATE.interval_s * KIND_RATE.burst
    first, second = (repeated.admit(library("bad frame", error=error)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.exc_info is not None, second.exc_info) == (True, None)


def test_messages_that_are_another_each_time_are_limited_for_their_logger_alone(repeated: RepeatedLines) -> None:
    def word(number: int) -> str:
        return "".join(chr(ord("a") + int(digit)) for digit in str(number))

    admitted = sum(repeated.admit(library(f"cannot read {word(number)}")) is not None for number in range(20_000))
    assert admitted == NEW_KINDS_RATE.burst
    assert repeated.admit(library("cannot read it", "bellows.ash")) is not None
    assert repeated.suppressed == 20_000 - admitted
