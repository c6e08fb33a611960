"""Who is heard, how often, and how much goes out: tables over time that is a parameter."""

from ipaddress import IPv4Address, IPv4Interface

import pytest

from gatewayd.provisioning.datagrams import MAX_REQUEST
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.rate_limit import Admission, Rate, RateLimiter, RateLimits, TokenBucket
from gatewayd.provisioning.seal import Nonces

HOME = Subnet("eth0", IPv4Interface("192.168.1.20/24"), IPv4Address("192.168.1.255"))
SECOND = Subnet("eth0", IPv4Interface("10.0.0.1/30"), IPv4Address("10.0.0.3"))
PHONE = IPv4Address("192.168.1.50")


@pytest.mark.parametrize(
    ("source", "size", "verdict"),
    [
        ("192.168.1.50", 20, Admission.ADMITTED),
        ("192.168.1.20", 20, Admission.ADMITTED),  # gatewayctl on the board itself
        ("192.168.1.50", MAX_REQUEST, Admission.ADMITTED),
        ("192.168.1.50", MAX_REQUEST + 1, Admission.TOO_LARGE),
        ("10.0.0.2", 20, Admission.ADMITTED),
        ("10.0.0.4", 20, Admission.FOREIGN),
        ("192.168.2.50", 20, Admission.FOREIGN),
        ("8.8.8.8", 20, Admission.FOREIGN),
        ("127.0.0.1", 20, Admission.FOREIGN),
        ("192.168.1.255", 20, Admission.FOREIGN),
        ("192.168.1.0", 20, Admission.FOREIGN),
        ("255.255.255.255", 20, Admission.FOREIGN),
        ("0.0.0.0", 20, Admission.FOREIGN),
    ],
)
def test_only_neighbours_with_short_questions_are_heard(source: str, size: int, verdict: Admission) -> None:
    assert RateLimiter(RateLimits(), 0).admit(IPv4Address(source), size, (HOME, SECOND), 0) is verdict


def test_a_gateway_without_an_address_hears_nobody() -> None:
    assert RateLimiter(RateLimits(), 0).admit(PHONE, 20, (), 0) is Admission.FOREIGN


def test_one_source_is_slowed_down_and_others_are_not() -> None:
    guard = RateLimiter(RateLimits(each_source=Rate(2, 10)), 0)
    verdicts = [guard.admit(PHONE, 20, (HOME,), 0) for _ in range(12)]
    assert verdicts == [Admission.ADMITTED] * 10 + [Admission.TOO_OFTEN] * 2
    assert guard.admit(PHONE + 1, 20, (HOME,), 0) is Admission.ADMITTED
    assert [guard.admit(PHONE, 20, (HOME,), 1) for _ in range(3)] == [Admission.ADMITTED] * 2 + [Admission.TOO_OFTEN]


def test_many_sources_together_are_slowed_down() -> None:
    guard = RateLimiter(RateLimits(total=Rate(10, 40)), 0)
    verdicts = [guard.admit(HOME.address.network[place], 20, (HOME,), 0) for place in range(1, 61)]
    assert verdicts == [Admission.ADMITTED] * 40 + [Admission.TOO_MANY] * 20


def test_sources_are_forgotten_so_that_memory_stays_bounded() -> None:
    wide = Subnet("eth0", IPv4Interface("10.0.0.1/8"), IPv4Address("10.255.255.255"))
    guard = RateLimiter(RateLimits(max_sources=8), 0)
    for place in range(1, 5000):
        guard.admit(wide.address.network[place], 20, (wide,), place)
    assert len(guard._sources) == 8


def test_answers_have_a_budget_of_bytes() -> None:
    guard = RateLimiter(RateLimits(answers=Rate(1000, 3000)), 0)
    assert [guard.may_answer(1400, 0) for _ in range(3)] == [True, True, False]
    assert guard.may_answer(1400, 2)


@pytest.mark.parametrize(
    ("takes", "taken"),
    [
        ([(1, 0.0)] * 4, [True, True, True, False]),
        ([(3, 0.0), (1, 0.5), (1, 1.0)], [True, False, True]),
        ([(3, 0.0), (4, 1000.0), (3, 1000.0)], [True, False, True]),
        ([(3, 10.0), (1, 5.0), (1, 11.0)], [True, False, True]),  # a clock that steps back gives nothing
    ],
)
def test_a_bucket_fills_again(takes: list[tuple[float, float]], taken: list[bool]) -> None:
    bucket = TokenBucket(Rate(1, 3), 0)
    assert [bucket.take(amount, now) for amount, now in takes] == taken


def test_a_nonce_is_good_once() -> None:
    nonces = Nonces(lifetime_s=300)
    nonce = nonces.current(0)
    assert nonces.current(299) == nonce
    assert nonces.spend(nonce, 299)
    assert not nonces.spend(nonce, 299)
    assert nonces.current(299) != nonce


def test_a_nonce_of_a_moment_before_the_change_still_serves_and_an_old_one_does_not() -> None:
    nonces = Nonces(lifetime_s=300)
    first = nonces.current(0)
    second = nonces.current(300)
    third = nonces.current(600)
    assert nonces.spend(second, 601)
    assert not nonces.spend(first, 601)
    assert not nonces.spend(third, 601 + 600)


@pytest.mark.parametrize("nonce", [b"", b"x", bytes(16)])
def test_a_nonce_that_was_never_announced_is_not_good(nonce: bytes) -> None:
    nonces = Nonces()
    assert not nonces.spend(nonce, 0)
    nonces.current(0)
    assert not nonces.spend(nonce, 0)
