"""The child of the power-cut test: writes without end and says what was acknowledged, until it is killed."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from gatewayd.model.change import Change
from gatewayd.model.record import Record
from gatewayd.store.command_journal import Begun
from gatewayd.store.store import Store
from tests.common.store import KEY, SENSOR, answer, lock, notice, request, sensor


def acknowledged(word: str) -> None:
    """Out at once, whatever happens next: no buffer of this process holds it."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


async def command(store: Store, sn: str) -> None:
    if await store.journal.begin(request(sn)) is Begun.NEW:
        acknowledged(f"begun {sn}")
    await store.journal.finish(answer(sn))
    acknowledged(f"answered {sn}")


async def event(store: Store, sn: str) -> None:
    record: Record = lock()
    await store.mirror.put(record, notice(sn))
    acknowledged(f"noticed {sn}")


async def main(path: Path, round_: str) -> None:
    async with Store.open(path, now=lambda: datetime.now(UTC), zone=UTC, key=KEY, flush_interval_s=0.001) as store:
        await store.mirror.put(sensor())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(store.run())
            for number in range(1_000_000):
                store.mirror.report(SENSOR, (Change("temperature", float(number)),), datetime.now(UTC))
                sn = f"{round_}-{number}"
                await asyncio.gather(command(store, sn), event(store, sn))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
