"""What the log says about refused requests: a few short lines of one user, and none of what was refused."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gatewayd import log
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from tests.common.cloud import SWITCH, Gateway

PIN = "482913"


@pytest.fixture
def lines(gateway: Gateway) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    log.configure("info", "json", stream)
    yield stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


async def test_300_refused_requests_leave_little_in_the_log_and_no_pin(lines: io.StringIO, phone: AppClient) -> None:
    for number in range(300):
        title = f"门锁 {PIN} " + "x" * 60_000
        await phone.send(Category.SWITCH, SWITCH, ExecType.UPDATE, sn=f"title-{number}", title=title)
    answer = await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, sn="operate", param={"operate": PIN})
    assert answer.meaning is OperationStatus.BAD_PARAMETERS
    await phone.request(Category.SWITCH, SWITCH, ExecType.UPDATE, sn="last", title=PIN + "x" * 60)
    said = lines.getvalue()
    assert "request_refused" in said
    assert PIN not in said
    assert len(said) < 10_000
    for line in said.splitlines():
        assert len(line) < 1_000, json.loads(line)["event"]
