"""How many packets of one device are decoded: a device with a defect, or a hostile one, may send hundreds a second.

Pure: the time is a parameter, in monotonic seconds. Each packet that zigpy decodes costs a slow core some milliseconds,
which every other device's command waits for.
"""

from dataclasses import dataclass
from typing import Final

from gatewayd.token_bucket import Rate, TokenBucket

PACKET_RATE: Final = Rate(per_s=50.0, burst=500)
"""A meter that reports five values every second stays ten times below it."""


@dataclass(slots=True)
class _Sender:
    bucket: TokenBucket
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class FloodChange:
    """Packets of the device `nwk` are dropped from now on, or no longer: then `dropped` were."""

    nwk: int
    is_flood: bool
    dropped: int = 0


class PacketLimit:
    """Admits the packets of each device, by its network address, up to `rate`."""

    def __init__(self, rate: Rate = PACKET_RATE) -> None:
        self._rate = rate
        self._devices: dict[int, _Sender] = {}  # at most one for each network address

    def admit(self, nwk: int, now: float) -> tuple[bool, FloodChange | None]:
        """Count a packet: whether it is to be decoded, and whether that has just changed."""
        device = self._devices.get(nwk)
        if device is None:
            device = self._devices[nwk] = _Sender(TokenBucket(self._rate, now))
        if not device.bucket.take(now):
            device.dropped += 1
            return False, FloodChange(nwk, is_flood=True) if device.dropped == 1 else None
        if device.dropped and device.bucket.level(now) >= self._rate.burst / 2:
            dropped, device.dropped = device.dropped, 0
            return True, FloodChange(nwk, is_flood=False, dropped=dropped)
        return True, None
