"""What may come in and go out: where from, how large, how often. Pure: time is a parameter, in monotonic seconds.

Whoever shares a network with the gateway can send it datagrams, under any address of that network.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from gatewayd.provisioning.datagrams import MAX_REQUEST
from gatewayd.provisioning.interfaces import Subnet


class Admission(Enum):
    """What becomes of a datagram; all but the first are dropped without a word."""

    ADMITTED = "admitted"
    TOO_LARGE = "too large"
    FOREIGN = "not from a host of the gateway's own subnets"
    TOO_OFTEN = "too often from there"
    TOO_MANY = "too many in all"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second, and so many at once after a rest."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much is too much. A phone that asks once a second, or ten phones in one hallway, notice nothing.

    What goes out on request is bounded as well: `answers`, in bytes, direct answers and broadcasts together. A list
    (≤ 1,400 bytes) and an announcement (about 950) each go out twice.
    """

    each_source: Rate = Rate(2, 10)
    total: Rate = Rate(10, 40)
    answers: Rate = Rate(8_192, 65_536)
    max_sources: int = 256


class TokenBucket:
    """A token bucket."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._left = rate.burst
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """True, and `amount` is gone, where that much is there."""
        self._left = min(self._rate.burst, self._left + max(0.0, now - self._at) * self._rate.per_s)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


class RateLimiter:
    """Judges each datagram by its source and its size; knows at most `max_sources` sources at a time."""

    def __init__(self, limits: RateLimits, now: float) -> None:
        self._limits = limits
        self._total = TokenBucket(limits.total, now)
        self._answers = TokenBucket(limits.answers, now)
        self._sources: OrderedDict[IPv4Address, TokenBucket] = OrderedDict()

    def admit(self, source: IPv4Address, size: int, own: Iterable[Subnet], now: float) -> Admission:
        """May a datagram of `size` bytes from `source` be read by a gateway on the subnets `own`?"""
        if size > MAX_REQUEST:
            return Admission.TOO_LARGE
        if not any(subnet.has_host(source) for subnet in own):
            return Admission.FOREIGN
        if not self._bucket(source, now).take(1, now):
            return Admission.TOO_OFTEN
        return Admission.ADMITTED if self._total.take(1, now) else Admission.TOO_MANY

    def may_answer(self, size: int, now: float) -> bool:
        """May `size` more bytes go out because somebody asked?"""
        return self._answers.take(size, now)

    def _bucket(self, source: IPv4Address, now: float) -> TokenBucket:
        bucket = self._sources.get(source)
        if bucket is None:
            bucket = self._sources[source] = TokenBucket(self._limits.each_source, now)
            if len(self._sources) > self._limits.max_sources:
                self._sources.popitem(last=False)
        self._sources.move_to_end(source)
        return bucket
