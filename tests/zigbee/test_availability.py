"""When a device is asked, and when it is given up."""

import pytest

from gatewayd.zigbee.availability import Verdict, judge

MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(
    ("silent_s", "sleeps", "verdict"),
    [
        (0, False, Verdict.FINE),
        (10 * MINUTE, False, Verdict.FINE),
        (10 * MINUTE + 1, False, Verdict.PING),
        (7 * 24 * HOUR, False, Verdict.PING),  # what is fed by the mains is asked before it is given up
        (0, True, Verdict.FINE),
        (11 * MINUTE, True, Verdict.FINE),  # what sleeps cannot be asked
        (3 * HOUR, True, Verdict.FINE),
        (3 * HOUR + 1, True, Verdict.GONE),
    ],
)
def test_the_verdict_on_silence(silent_s: float, sleeps: bool, verdict: Verdict) -> None:
    assert judge(silent_s, sleeps=sleeps) is verdict
