"""The log: one event a line, secrets masked."""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import structlog

from gatewayd import log
from gatewayd.repeated_lines import KIND_RATE

_BLOCKED_S = 120
"""A writer that has not ended by then never will."""


class Lines(io.StringIO):
    """A stream that is read once everything logged so far is in it."""

    def getvalue(self) -> str:
        log.flush()
        return super().getvalue()


@pytest.fixture(params=["json"])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = Lines()
    before = logging.getLogger().handlers[:]
    log.configure("info", request.param, stream)
    yield stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


def test_event_is_one_line_of_json_with_its_facts(lines: io.StringIO) -> None:
    structlog.get_logger().info("device_joined", uuid="00158d0002a00001", title="客厅灯")
    said = json.loads(lines.getvalue())
    assert said["event"] == "device_joined"
    assert said["title"] == "客厅灯"
    assert "客厅灯" in lines.getvalue()


def test_secrets_are_masked_at_any_depth(lines: io.StringIO) -> None:
    structlog.get_logger().info("key_added", pin="482913", param={"pwd": "tiger-7", "deep": {"token": "t0ken"}})
    for secret in ("482913", "tiger-7", "t0ken"):
        assert secret not in lines.getvalue()


def test_library_records_are_logged_from_warning_on(lines: io.StringIO) -> None:
    log.set_level("debug")
    logging.getLogger("bellows.ash").debug("Sending data 31323334")
    logging.getLogger("bellows.ash").warning("NCP entered failed state")
    said = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["event"] for line in said] == ["NCP entered failed state"]


def test_exception_is_part_of_its_event(lines: io.StringIO) -> None:
    try:
        int("why")
    except ValueError:
        structlog.get_logger().exception("handler_failed")
    assert "ValueError: invalid literal" in json.loads(lines.getvalue())["exception"]


@pytest.mark.parametrize("lines", ["json", "console"], indirect=True)
def test_traceback_shows_no_local_variables(lines: io.StringIO) -> None:
    def join(passphrase: str) -> None:
        raise ValueError(f"{len(passphrase)} characters")

    secret = "".join(["tiger", "-7"])  # the line itself is shown
    try:
        join(secret)
    except ValueError:
        structlog.get_logger().exception("handler_failed")
        logging.getLogger("asyncio").exception("Exception in callback")
    assert lines.getvalue().count("ValueError: 7 characters") == 2
    assert secret not in lines.getvalue()


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A pipe that nobody empties, set up as the log's stream: its reader's end, its writer's."""
    reader, writer = os.pipe()
    before = logging.getLogger().handlers[:]
    stream = open(writer, "w", encoding="utf-8")  # noqa: SIM115  (the log's thread writes to it to the end)
    log.configure("info", "json", stream)
    yield reader, stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()
    os.close(reader)
    with suppress(BrokenPipeError):
        stream.close()


def test_reader_that_stalls_blocks_nobody_and_what_it_missed_is_counted(pipe: tuple[int, io.TextIOWrapper]) -> None:
    def write() -> None:
        for number in range(30_000):
            structlog.get_logger().info("report_received", number=number, padding="x" * 50)
        log.flush()

    reader, _ = pipe
    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(_BLOCKED_S)
    assert not writing.is_alive()
    missed = log.dropped_lines()
    assert missed > 10_000

    said = bytearray()
    while b"log_lines_dropped" not in said:
        said += os.read(reader, 1 << 16)
    events = [json.loads(line) for line in said.splitlines()]
    assert events[-1]["event"] == "log_lines_dropped"
    assert events[-1]["count"] == missed
    assert [event["number"] for event in events[:-1]] == list(range(30_000 - missed))


def test_reader_that_is_gone_ends_nothing(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reader, _ = pipe
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, reader)  # closes the reader's end
    os.close(null)
    structlog.get_logger().info("gatewayd_started")
    log.flush()
    assert log.dropped_lines() > 0


def said_in(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def fail(logger: logging.Logger) -> None:
    try:
        int("x" * 50)
    except ValueError:
        logger.exception("Failed to parse frame %d", 7)


def test_library_that_repeats_itself_gets_few_lines_and_one_traceback(lines: io.StringIO) -> None:
    before = log.suppressed_lines()
    for _ in range(300):
        fail(logging.getLogger("zigpy.zcl"))
    said = said_in(lines)
    assert len(said) == KIND_RATE.burst
    assert ["exception" in line for line in said] == [True, *([False] * (KIND_RATE.burst - 1))]
    assert "ValueError: invalid literal" in str(said[1]["error"])
    assert log.suppressed_lines() - before == 300 - KIND_RATE.burst


def test_own_warning_about_a_device_that_repeats_itself_gets_few_lines(lines: io.StringIO) -> None:
    for device in ("00158d0002a00001", "00158d0002a00002"):
        for number in range(300):
            structlog.get_logger("gatewayd.zigbee.device").warning("report_not_understood", uuid=device, number=number)
    said = said_in(lines)
    assert [line["uuid"] for line in said].count("00158d0002a00002") == KIND_RATE.burst
    assert len(said) == 2 * KIND_RATE.burst


def test_own_events_and_messages_that_differ_are_all_written(lines: io.StringIO) -> None:
    for number in range(300):
        structlog.get_logger("gatewayd.locks").info("lock_event_kept", uuid="00158d0003b00001", number=number)
    for name in range(50):
        logging.getLogger("zigpy").warning("message " + "abcdefghij"[name % 10] + "x" * (name // 10))
    assert len(said_in(lines)) == 350
