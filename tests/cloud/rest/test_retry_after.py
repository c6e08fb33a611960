"""429 and 503 with Retry-After: the cloud is not called before the pause has ended."""

import asyncio

import pytest

from gatewayd.cloud.rest import transport
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import CloudUnavailableError, UncertainError
from gatewayd.cloud.rest.retry_after import requested_pause_s
from gatewayd.cloud.rest.spaces import Space
from gatewayd.simulator.cloud import SimulatedCloud

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("retry_after", "date", "pause_s"),
    [
        ("120", "", 120.0),
        (" 0 ", "", 0.0),
        ("9" * 40, "", 1e9),
        ("Wed, 21 Oct 2026 07:30:00 GMT", DATE, 120.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", DATE, 0.0),
        ("Wed, 21 Oct 2026 07:30:00 GMT", "", None),
        ("-5", DATE, None),
        ("1.5", DATE, None),
        ("²", DATE, None),
        ("soon", DATE, None),
        ("", DATE, None),
        ("Wed, 99 Oct 99999 07:30:00 GMT", DATE, None),
    ],
)
def test_pause_is_read_from_seconds_and_from_a_time(retry_after: str, date: str, pause_s: float | None) -> None:
    assert requested_pause_s(retry_after, date) == pause_s


@pytest.mark.parametrize("status", [429, 503])
async def test_long_pause_fails_every_call_without_asking_the_cloud(
    cloud: SimulatedCloud, client: CloudClient, status: int
) -> None:
    await client.log_in()
    cloud.faults.fail("/", status=status, headers={"Retry-After": "600"})
    with pytest.raises(CloudUnavailableError):
        await client.service.timestamp()
    asked = len(cloud.requests)
    with pytest.raises(CloudUnavailableError, match=r"asks for a pause, of (600|59\d) s"):
        await client.spaces.create(Space(type="unit", title="x"))
    assert len(cloud.requests) == asked


async def test_short_pause_is_waited_for_within_the_call(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.faults.fail("/", status=429, headers={"Retry-After": "1"})
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await client.service.timestamp() > 0
    assert clock() - began >= 0.9


async def test_pause_ends_at_its_upper_bound(
    cloud: SimulatedCloud, client: CloudClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LONGEST_PAUSE_S", 0.2)
    await client.log_in()
    cloud.faults.fail("/", status=429, headers={"Retry-After": "31536000"})
    async with asyncio.timeout(5):
        assert await client.service.timestamp() > 0


async def test_post_that_is_refused_with_429_was_not_carried_out(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.faults.fail("/", status=429, times=3)
    with pytest.raises(CloudUnavailableError) as refused:
        await client.spaces.create(Space(type="unit", title="x"))
    assert not isinstance(refused.value, UncertainError)
