"""How the time until an answer is divided, and when a silent lock is asked again."""

import pytest

from gatewayd.zigbee.command_time import DiscardedCommand


@pytest.mark.parametrize(
    ("now", "heard_at", "is_recent"),
    [
        (100.0, 7.0, True),
        (159.0, 7.0, True),
        (159.0, 6.0, True),  # a restart of the radio knows an older stamp
        (160.0, 7.0, False),
        (101.0, 7.5, False),  # it has said something since
    ],
)
def test_silent_lock_is_asked_again_once_it_is_heard_or_a_minute_has_passed(
    now: float, heard_at: float, *, is_recent: bool
) -> None:
    assert DiscardedCommand(at=100.0, heard_at=7.0).is_recent(now, heard_at) is is_recent
