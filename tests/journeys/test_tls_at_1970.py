"""A board without a clock reaches the cloud over TLS: certificates are judged by the time that is known, not by 1970.

OpenSSL reads the system's clock itself, so the certificates lie in the future instead, and the cloud with them: to them
this machine is a board whose clock is a year behind.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.demo.run import settings_for
from gatewayd.simulator.environment import PASSWORD, simulated_environment
from gatewayd.trusted_time import BestClock
from tests.common.tls import private_ca, tls_in_front_of

YEAR = timedelta(days=365)
TRUTH = YEAR + timedelta(days=1)  # from this machine's time


@asynccontextmanager
async def gateway(folder: Path, *, until: timedelta) -> AsyncIterator[Console]:
    """A gateway whose cloud and broker have a certificate that becomes valid in a year, and is so to `until`."""
    ca_file, tls = private_ca(folder, since=YEAR, until=until)
    clock = BestClock(system_now=lambda: datetime(1970, 1, 1, 0, 2, tzinfo=UTC), is_synchronized=lambda: False)
    async with (
        simulated_environment(now=lambda: datetime.now(UTC) + TRUTH, tls=tls) as environment,
        tls_in_front_of(environment.broker.host, environment.broker.port, tls) as port,
    ):
        settings = settings_for(environment, folder)
        mqtt = replace(settings.mqtt, host="127.0.0.1", port=port, tls=True, ca_file=str(ca_file))
        async with daemon.running(replace(settings, mqtt=mqtt), PASSWORD, {}, clock=clock) as console:
            yield console


async def test_board_at_1970_reaches_cloud_and_broker_over_tls(tmp_path: Path) -> None:
    async with gateway(tmp_path, until=2 * YEAR) as console, asyncio.timeout(30):
        while not console.snapshots.mqtt().up:
            await asyncio.sleep(0.1)
        assert console.snapshots.rest().trouble is None


async def test_certificate_that_has_expired_by_the_clouds_time_is_refused_once_that_is_known(tmp_path: Path) -> None:
    async with gateway(tmp_path, until=TRUTH - timedelta(hours=1)) as console, asyncio.timeout(30):
        while "expired" not in str(console.snapshots.mqtt().trouble):
            await asyncio.sleep(0.1)
        while "expired" not in str(console.snapshots.rest().trouble):
            await asyncio.sleep(0.1)
        assert not console.snapshots.mqtt().up
