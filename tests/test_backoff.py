"""Pauses grow, are bounded, start anew after a success, and are spread by jitter."""

import random

import pytest

from gatewayd.backoff import Backoff, Retries


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 2), (2, 4), (3, 8), (4, 10), (5, 10), (10_000, 10)])
def test_pause_doubles_with_each_failure_up_to_the_longest(failures: int, pause_s: float) -> None:
    assert Backoff(2, 10).pause_s(failures) == pause_s


def test_retries_double_until_reset() -> None:
    retries = Retries(Backoff(1, 4))
    assert [retries.next_pause_s() for _ in range(4)] == [1, 2, 4, 4]
    retries.reset()
    assert retries.next_pause_s() == 1


def test_a_bound_given_with_the_failure_replaces_the_policys() -> None:
    retries = Retries(Backoff(1, 4))
    assert [retries.next_pause_s(longest_s=longest) for longest in (600, 600, 600, 600, 2, 600)] == [1, 2, 4, 8, 2, 4]


@pytest.mark.parametrize(("lasted_s", "pause_s"), [(16, 8), (16.1, 1)])
def test_attempt_that_lasted_long_enough_resets(lasted_s: float, pause_s: float) -> None:
    retries = Retries(Backoff(1, 60))
    assert [retries.next_pause_s() for _ in range(3)] == [1, 2, 4]
    retries.reset_if_lasted(lasted_s)
    assert retries.next_pause_s() == pause_s


def test_jitter_shortens_by_half_at_most_and_differs() -> None:
    pauses = [Retries(Backoff(8, 8), random.Random(seed)).next_pause_s() for seed in range(100)]
    assert all(4 <= pause <= 8 for pause in pauses)
    assert len(set(pauses)) > 50
