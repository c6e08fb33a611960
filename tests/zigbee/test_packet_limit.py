"""How many packets of a device are decoded, in table form; with the daemon: tests/journeys/test_hostile_house.py."""

from gatewayd.token_bucket import Rate
from gatewayd.zigbee.packet_limit import FloodChange, PacketLimit

RATE = Rate(per_s=5.0, burst=10)


def test_device_within_its_rate_loses_no_packet() -> None:
    limit = PacketLimit(RATE)
    assert all(limit.admit(0x1234, number / 5) == (True, None) for number in range(1_000))


def test_flood_of_one_device_is_dropped_and_told_once_and_costs_no_other() -> None:
    limit = PacketLimit(RATE)
    outcomes = [limit.admit(0x1234, number / 100) for number in range(1_000)]
    admitted = sum(is_admitted for is_admitted, _ in outcomes)
    assert 55 <= admitted <= 61  # the burst, and five a second for ten seconds
    assert [change for _, change in outcomes if change is not None] == [FloodChange(0x1234, is_flood=True)]
    assert limit.admit(0x5678, 10.0) == (True, None)


def test_end_of_a_flood_is_told_with_what_was_dropped() -> None:
    limit = PacketLimit(RATE)
    dropped = sum(not limit.admit(0x1234, 0.0)[0] for _ in range(30))
    assert dropped == 20
    assert limit.admit(0x1234, 0.2) == (True, None)  # a flood that pauses for a moment is still one
    assert limit.admit(0x1234, 60.0) == (True, FloodChange(0x1234, is_flood=False, dropped=20))
    assert limit.admit(0x1234, 60.1) == (True, None)
