"""The log: one event a line, secrets masked."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gatewayd import log


@pytest.fixture(params=["json"])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
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
