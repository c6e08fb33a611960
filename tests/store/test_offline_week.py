"""A day offline: 50 sensors report every minute, a lock every ten. The disk stays small and no alarm is lost.

OFFLINE_DAYS=7 makes it a week.
"""

import os
import tracemalloc
from datetime import timedelta

from gatewayd.model.change import Change
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem, Route
from gatewayd.model.record import LockParam, Record, SensorParam
from gatewayd.store.store import Store
from tests.common.store import LOCK, Clock, Opener, notice

DAYS = int(os.environ.get("OFFLINE_DAYS", "1"))
SENSORS = [Uuid(f"00158d00cc{number:06x}") for number in range(50)]
FLUSH_EVERY_MIN, EVENT_EVERY_MIN = 5, 10
BYTES_PER_EVENT = 4096
MAX_BYTES_WITHOUT_EVENTS = 2 << 20


def size_of(opener: Opener) -> int:
    return sum(file.stat().st_size for file in opener.path.parent.glob("gatewayd.db*"))


async def run_offline(store: Store, clock: Clock, minutes: int) -> int:
    """Reports and alarms for so long, without the cloud; how many alarms there were."""
    events = 0
    for minute in range(minutes):
        clock.advance(timedelta(minutes=1))
        for number, uuid in enumerate(SENSORS):
            store.mirror.report(uuid, (Change("temperature", (minute * 7 + number) % 400 / 10),), clock.at)
        if minute % EVENT_EVERY_MIN == 0:
            events += 1
            sn = f"{clock.at:%d%H%M}"
            message = MessageItem(uuid=LOCK, message_type="alarm_info", flag="illegalunlock", level=3, occur_time=sn)
            await store.outbox.add(message, notice(sn, LOCK))
        if minute % FLUSH_EVERY_MIN == 0:
            await store.mirror.flush()
    return events


async def test_disk_stays_small_and_newest_values_and_every_alarm_survive(reopen: Opener, clock: Clock) -> None:
    minutes = DAYS * 24 * 60
    async with reopen() as store:
        for uuid in SENSORS:
            await store.mirror.put(Record(uuid=uuid, category=Category.SENSOR, param=SensorParam(status=1)))
        await store.mirror.put(Record(uuid=LOCK, category=Category.LOCK, param=LockParam()))
        await run_offline(store, clock, 60)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        events = await run_offline(store, clock, minutes)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        newest = [store.mirror.get(uuid) for uuid in SENSORS]
    print(f"{DAYS} days offline: {size_of(reopen) / 1e6:.2f} MB on disk, {events} alarms")  # noqa: T201
    assert size_of(reopen) < MAX_BYTES_WITHOUT_EVENTS + events * BYTES_PER_EVENT
    assert grown < (1 << 20) + events * BYTES_PER_EVENT
    async with reopen() as store:
        assert [store.mirror.get(uuid) for uuid in SENSORS] == newest
        depth = await store.outbox.depth()
        rows = await store.outbox.rows(limit=100_000)
        alarms = [row.item for row in rows if isinstance(row.item, MessageItem)]
        assert len(alarms) == len({alarm.occur_time for alarm in alarms}) == events + 6
        assert [alarm.occur_time for alarm in alarms] == sorted(alarm.occur_time for alarm in alarms)
        assert depth[Route.MQTT] == events + 6
        changed = [row.item.uuid for row in rows if isinstance(row.item, RecordItem)]
        assert sorted(changed) == sorted(SENSORS)
