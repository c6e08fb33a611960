"""Lines about refusals: short, without the values that were refused, few for one source."""

import pytest
import structlog
from structlog.testing import capture_logs

from gatewayd.refusal_log import RefusalLog, redact


@pytest.fixture(autouse=True)
def _uncached_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another test has configured the log, the module's own logger is cached, and nothing can capture it."""
    monkeypatch.setattr("gatewayd.refusal_log.log", structlog.get_logger())


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("msg.title: found '482913'; at most 64 characters", "msg.title: found …; at most 64 characters"),
        ('msg.title: found "it\'s 4829"; text', "msg.title: found …; text"),
        ("msg.param.operate: found 482913; a lock takes [0, 1]", "msg.param.operate: found …; a lock takes [0, 1]"),
        ("msg.title: found {'pin': 482913, 'x': '1'}; text", "msg.title: found {…: …, …: …}; text"),
        ("found '48\\'2913' there", "found … there"),
        ("found '" + "4829 " * 500, "found …"),
        ("18900000002 may not control 00158d0003b00001", "… may not control 00158d0003b00001"),
        ("sent at 2026-11-25 17:00:00+00:00: too old", "sent at 2026-11-25 17:00:00+00:00: too old"),
        ("the device's queue is full, it's the lock's", "the device's queue is full, it's the lock's"),
    ],
)
def test_reason_is_shown_without_the_values_that_it_quotes(reason: str, shown: str) -> None:
    assert redact(reason) == shown


@pytest.mark.parametrize("reason", ["x" * 70_000, "'" * 70_000, "'\\" * 35_000, "\"'" * 35_000])
def test_reason_of_any_length_is_cut(reason: str) -> None:
    assert len(redact(reason)) <= 201


def test_source_that_repeats_itself_gets_few_lines_that_count_the_others() -> None:
    now = [0.0]
    refusals = RefusalLog(lambda: now[0])
    with capture_logs() as lines:
        for _ in range(300):
            refusals.warning("request_refused", "no", source="guest", topic="t" * 70_000)
        refusals.warning("request_refused", "no", source="owner", topic="t")
        now[0] = 30.0
        refusals.warning("request_refused", "no", source="guest", topic="t")
    assert len(lines) == 12
    assert lines[-1]["suppressed"] == 290
    assert max(len(str(line)) for line in lines) < 400


def test_sources_that_are_remembered_are_bounded() -> None:
    now = [0.0]
    refusals = RefusalLog(lambda: now[0], burst=1)
    with capture_logs() as lines:
        for number in range(10_000):
            now[0] += 3.0  # within the share of all
            refusals.info("request_refused", "no", source=str(number))
        refusals.info("request_refused", "no", source="9999")
    assert len(lines) == 10_000


def test_many_sources_together_get_few_lines_too() -> None:
    now = [0.0]
    refusals = RefusalLog(lambda: now[0])
    with capture_logs() as lines:
        for number in range(10_000):
            refusals.info("request_refused", "no", source=str(number))
        assert len(lines) == 100
        now[0] = 3.0
        refusals.info("request_refused", "no", source="another")
    assert len(lines) == 101
    assert lines[-1]["suppressed_of_all"] == 9_900
