"""Which datagrams are read, and how much is answered: tables over time, which is a parameter."""

from ipaddress import IPv4Address, IPv4Interface

import pytest

from gatewayd.provisioning.datagrams import MAX_REQUEST_BYTES
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.rate_limit import RateDecision, RateLimiter, RateLimits
from gatewayd.token_bucket import Rate, TokenBucket

HOME = Subnet("eth0", IPv4Interface("192.168.1.20/24"), IPv4Address("192.168.1.255"))
SECOND = Subnet("eth0", IPv4Interface("10.0.0.1/30"), IPv4Address("10.0.0.3"))
PHONE = IPv4Address("192.168.1.50")


@pytest.mark.parametrize(
    ("source", "size", "admission"),
    [
        ("192.168.1.50", 20, RateDecision.ADMITTED),
        ("192.168.1.20", 20, RateDecision.ADMITTED),  # gatewayctl on the board itself
        ("192.168.1.50", MAX_REQUEST_BYTES, RateDecision.ADMITTED),
        ("192.168.1.50", MAX_REQUEST_BYTES + 1, RateDecision.TOO_LARGE),
        ("10.0.0.2", 20, RateDecision.ADMITTED),
        ("10.0.0.4", 20, RateDecision.FOREIGN),
        ("192.168.2.50", 20, RateDecision.FOREIGN),
        ("8.8.8.8", 20, RateDecision.FOREIGN),
        ("127.0.0.1", 20, RateDecision.FOREIGN),
        ("192.168.1.255", 20, RateDecision.FOREIGN),
        ("192.168.1.0", 20, RateDecision.FOREIGN),
        ("255.255.255.255", 20, RateDecision.FOREIGN),
        ("0.0.0.0", 20, RateDecision.FOREIGN),
    ],
)
def test_only_short_datagrams_from_own_subnets_are_admitted(source: str, size: int, admission: RateDecision) -> None:
    assert RateLimiter(RateLimits(), 0).admit(IPv4Address(source), size, (HOME, SECOND), 0) is admission


def test_without_an_address_nothing_is_admitted() -> None:
    assert RateLimiter(RateLimits(), 0).admit(PHONE, 20, (), 0) is RateDecision.FOREIGN


def test_rate_of_one_source_does_not_limit_others() -> None:
    limiter = RateLimiter(RateLimits(each_source=Rate(2, 10)), 0)
    admissions = [limiter.admit(PHONE, 20, (HOME,), 0) for _ in range(12)]
    assert admissions == [RateDecision.ADMITTED] * 10 + [RateDecision.TOO_OFTEN] * 2
    assert limiter.admit(PHONE + 1, 20, (HOME,), 0) is RateDecision.ADMITTED
    assert [limiter.admit(PHONE, 20, (HOME,), 1) for _ in range(3)] == [RateDecision.ADMITTED] * 2 + [
        RateDecision.TOO_OFTEN
    ]


def test_rate_of_all_sources_together_is_limited() -> None:
    limiter = RateLimiter(RateLimits(total=Rate(10, 40)), 0)
    admissions = [limiter.admit(HOME.address.network[host], 20, (HOME,), 0) for host in range(1, 61)]
    assert admissions == [RateDecision.ADMITTED] * 40 + [RateDecision.TOO_MANY] * 20


def test_source_is_forgotten_after_max_sources_others() -> None:
    once = Rate(1e-9, 1)
    limiter = RateLimiter(RateLimits(each_source=once, total=Rate(1e6, 1e6), max_sources=8), 0)
    assert limiter.admit(PHONE, 20, (HOME,), 0) is RateDecision.ADMITTED
    for host in range(1, 8):
        limiter.admit(HOME.address.network[host], 20, (HOME,), 0)
    assert limiter.admit(PHONE, 20, (HOME,), 0) is RateDecision.TOO_OFTEN
    for host in range(1, 9):
        limiter.admit(HOME.address.network[host], 20, (HOME,), 0)
    assert limiter.admit(PHONE, 20, (HOME,), 0) is RateDecision.ADMITTED


def test_answers_are_limited_in_bytes() -> None:
    limiter = RateLimiter(RateLimits(answers=Rate(1000, 3000)), 0)
    assert [limiter.admit_answer(1400, 0) for _ in range(3)] == [True, True, False]
    assert limiter.admit_answer(1400, 2)


@pytest.mark.parametrize(
    ("takes", "taken"),
    [
        ([(1, 0.0)] * 4, [True, True, True, False]),
        ([(3, 0.0), (1, 0.5), (1, 1.0)], [True, False, True]),
        ([(3, 0.0), (4, 1000.0), (3, 1000.0)], [True, False, True]),
        ([(3, 10.0), (1, 5.0), (1, 11.0)], [True, False, True]),  # a clock that goes back adds nothing
    ],
)
def test_bucket_refills_over_time(takes: list[tuple[float, float]], taken: list[bool]) -> None:
    bucket = TokenBucket(Rate(1, 3), 0)
    assert [bucket.take(now, amount) for amount, now in takes] == taken
