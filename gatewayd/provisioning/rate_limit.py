"""Limits on what is received and sent: by sender, size and rate. Pure: time is a parameter, in monotonic seconds.

Any host of a network that the gateway is on can send it datagrams, under any address of that network.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from gatewayd.provisioning.datagrams import MAX_REQUEST_BYTES
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.token_bucket import Rate, TokenBucket

_EACH_SOURCE: Final = Rate(2, 10)
_TOTAL: Final = Rate(10, 40)
_ANSWERS: Final = Rate(8_192, 65_536)


class RateDecision(Enum):
    """Whether a datagram is read, and why not; all but ADMITTED are dropped without an answer."""

    ADMITTED = "admitted"
    TOO_LARGE = "too large"
    FOREIGN = "not from a host of the gateway's own subnets"
    TOO_OFTEN = "too many from this source"
    TOO_MANY = "too many from all sources"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits as shipped; one phone that asks every second, or ten phones side by side, stay within them.

    `each_source` and `total` count datagrams. `answers` counts bytes sent on request, direct answers and broadcasts
    together: a list (≤ 1,400 bytes) and an announcement (about 950) are each sent twice.
    """

    each_source: Rate = _EACH_SOURCE
    total: Rate = _TOTAL
    answers: Rate = _ANSWERS
    max_sources: int = 256


class RateLimiter:
    """Applies `limits` to datagrams and answers.

    Counts for the `max_sources` sources that sent most recently; a source beyond them starts afresh.
    """

    def __init__(self, limits: RateLimits, now: float) -> None:
        self._limits = limits
        self._total = TokenBucket(limits.total, now)
        self._answers = TokenBucket(limits.answers, now)
        self._sources: OrderedDict[IPv4Address, TokenBucket] = OrderedDict()

    def admit(self, source: IPv4Address, size: int, subnets: Iterable[Subnet], now: float) -> RateDecision:
        """Count a datagram of `size` bytes from `source`; return whether a gateway on `subnets` reads it."""
        if size > MAX_REQUEST_BYTES:
            return RateDecision.TOO_LARGE
        if not any(subnet.has_host(source) for subnet in subnets):
            return RateDecision.FOREIGN
        if not self._bucket(source, now).take(now):
            return RateDecision.TOO_OFTEN
        return RateDecision.ADMITTED if self._total.take(now) else RateDecision.TOO_MANY

    def admit_answer(self, size: int, now: float) -> bool:
        """Count `size` bytes sent because of a request; False where the budget does not allow them."""
        return self._answers.take(now, size)

    def _bucket(self, source: IPv4Address, now: float) -> TokenBucket:
        bucket = self._sources.get(source)
        if bucket is None:
            bucket = self._sources[source] = TokenBucket(self._limits.each_source, now)
            if len(self._sources) > self._limits.max_sources:
                self._sources.popitem(last=False)
        self._sources.move_to_end(source)
        return bucket
