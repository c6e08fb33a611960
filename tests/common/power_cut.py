"""The child process of the power-cut test: writes until it is killed, and prints what was acknowledged."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from gatewayd.model.change import Change
from gatewayd.store.command_journal import Begun
from gatewayd.store.store import Store
from tests.common.store import KEY, SENSOR, answer, lock, notice, request, sensor


def acknowledge(what: str, sn: str) -> None:
    """Print past every buffer of this process, which may be killed next."""
    os.write(sys.stdout.fileno(), f"{what} {sn}\n".encode())


async def write_command(store: Store, sn: str) -> None:
    if await store.journal.begin(request(sn)) is Begun.NEW:
        acknowledge("begun", sn)
    await store.journal.finish(answer(sn))
    acknowledge("answered", sn)


async def write_event(store: Store, sn: str) -> None:
    await store.mirror.put(lock(), notice(sn))
    acknowledge("noticed", sn)


async def main(path: Path, round_: str) -> None:
    async with Store.open(path, now=lambda: datetime.now(UTC), zone=UTC, key=KEY, flush_interval_s=0.001) as store:
        await store.mirror.put(sensor())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(store.run())
            for number in range(1_000_000):
                store.mirror.report(SENSOR, (Change("temperature", float(number)),), datetime.now(UTC))
                sn = f"{round_}-{number}"
                await asyncio.gather(write_command(store, sn), write_event(store, sn))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
