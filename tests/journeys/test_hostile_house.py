"""A hostile guest and a hostile lock at once: the owner's unlocks are all carried out, and what the board pays is
bounded. The times are `python -m bench.fairness`'s.
"""

from pathlib import Path

import pytest

from gatewayd.model.permission import Permission
from gatewayd.zigbee.event_limit import EVENT_RATE
from tests.common.hostile_house import HOSTILE_LOCK, hostile_house

UNLOCKS = 5
MOST_GROWTH = 60 << 20
MOST_BYTES_OF_AN_EVENT = 64 << 10
"""Written to the disk for an event of a lock that is recorded, its line in the log included."""


@pytest.mark.parametrize("level", [Permission.QUERY, Permission.CONTROL])
async def test_owner_unlocks_and_costs_are_bounded_beside_a_hostile_guest_and_lock(
    tmp_path: Path, level: Permission
) -> None:
    async with hostile_house(tmp_path, level) as house:
        figures = await house.measure(UNLOCKS, every_s=1.0, guest=True, lock=True, per_s=300)
        print(figures)  # noqa: T201
        assert figures.carried_out == UNLOCKS
        assert figures.requests_sent > 500
        assert figures.lock_events_sent > 1_000
        # A burst of the lock's operations and one of its alarms, and what the rate allows beyond them.
        events = house.daemon.log().count(f'"uuid": "{HOSTILE_LOCK}", "flag"')
        most_events = 2 * (EVENT_RATE.burst + 10)
        assert events <= most_events
        assert figures.peak_rss - figures.before.rss < MOST_GROWTH
        assert figures.after.log - figures.before.log < most_events * 1_000
        assert figures.after.written - figures.before.written < most_events * MOST_BYTES_OF_AN_EVENT
        requests = house.status()["requests"]
        assert isinstance(requests, dict)
        assert requests["executed"] + requests["refused"] < 300
        assert requests["over_limit"] > 100
