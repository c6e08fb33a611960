"""What goes up over REST: the outbox's records, removals and messages, in order for each device.

A few are sent one by one, many as one batch (§2.5); each has its own outcome: taken, put off, or buried. While the
cloud does not answer it is asked for the time alone; when it does, all that waited goes at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from gatewayd.cloud.delivery.items import DeliveryCall, ItemDelivery, UnlinkedError
from gatewayd.cloud.rest.batch import BatchOutcome
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import RefusedByCloudError
from gatewayd.model.errors import CloudError, GatewayError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, OutboxRow

log = structlog.get_logger()

_MOST_AT_ONCE: Final = 50
_AWAY_AFTER: Final = 3
"""Failures in a row, after which it is the cloud that is away and not a row that it cannot stomach."""
_WORTH_A_BATCH: Final = 5
_BATCHES_LOST: Final = 6
"""Batches in a row without an answer, after which a cloud that is there is told everything one by one …"""
_WITHOUT_BATCHES_S: Final = 600.0
"""… for so long."""
_SIDE_BY_SIDE: Final = 4
_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_FIRST_PROBE_S: Final = 0.5
_PROBE_EVERY_S: Final = 30.0


class RestSender:
    """Drains the REST lane. A record is told at most every `record_interval` a device: readings are many."""

    def __init__(
        self,
        client: CloudClient,
        mirror: Mirror,
        outbox: Outbox,
        *,
        now: Callable[[], datetime],
        record_interval: timedelta = timedelta(seconds=30),
        probe_every_s: float = _PROBE_EVERY_S,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._outgoing = ItemDelivery(client, mirror, outbox)
        self._now = now
        self._record_interval = record_interval
        self._told: dict[Uuid, float] = {}  # by the loop's clock, since the board's may be set meanwhile
        self._side_by_side = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._was_batch_lost = False  # just now
        self._batches_lost = 0  # in a row
        self._batches_from = 0.0  # by the loop's clock
        self._probe_every_s = probe_every_s
        self._failures = 0
        self.trouble: str | None = None

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            if self._failures >= _AWAY_AFTER:
                await self._until_reached()
            rows = await self._outbox.take("rest", _MOST_AT_ONCE)
            try:
                await self._send(rows)
            except BaseException:
                self._outbox.release(*(row.id for row in rows))
                raise

    def send_soon(self, uuid: Uuid) -> None:
        """Somebody waits to see this device's words go out."""
        self._told.pop(uuid, None)
        self._outbox.retry_now("rest")

    async def _until_reached(self) -> None:
        """Wait for the cloud. If it was never away, it fails at batches, or at rows: these keep their pace."""
        pause, was_away = _FIRST_PROBE_S, False
        while not await self._answers():
            was_away = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._probe_every_s)
        is_blameless = self._was_batch_lost  # whatever was in it
        self._failures, self._was_batch_lost = 0, False
        if was_away:
            self.trouble = None
            log.info("cloud_reached_again")
        elif self._batches_lost >= _BATCHES_LOST:
            self._do_without_batches(self.trouble)
        if was_away or is_blameless:
            self._outbox.retry_now("rest")

    def _do_without_batches(self, reason: object) -> None:
        log.warning("cloud_takes_no_batches", reason=str(reason))
        self._batches_lost, self._batches_from = 0, asyncio.get_running_loop().time() + _WITHOUT_BATCHES_S

    async def _answers(self) -> bool:
        """§2.13, which changes nothing."""
        try:
            await self._client.service.timestamp()
        except RefusedByCloudError:
            return True
        except CloudError as error:
            self.trouble = str(error)
            return False
        return True

    async def _send(self, taken: Sequence[OutboxRow]) -> None:
        in_batches = asyncio.get_running_loop().time() >= self._batches_from
        rows = together(taken) if in_batches else heads(taken)
        self._outbox.release(*({row.id for row in taken} - {row.id for row in rows}))
        devices: dict[Uuid, list[OutboxRow]] = {}
        for row in rows:
            if not self._was_told_just_now(row):
                devices.setdefault(row.due.uuid, []).append(row)
        async with asyncio.TaskGroup() as tasks:
            prepared = [tasks.create_task(self._prepare(queue)) for queue in devices.values()]
        calls = [call for task in prepared for call in task.result()]
        if in_batches and (len(calls) >= _WORTH_A_BATCH or len(calls) > len(devices)):
            outcomes = await self._as_batch(calls)
        else:
            outcomes = None
        if outcomes is None:
            calls = self._first_of_each_device(calls)
        async with asyncio.TaskGroup() as tasks:
            for place, call in enumerate(calls):
                tasks.create_task(self._finish(call, None if outcomes is None else outcomes[place]))

    def _note_told(self, row: OutboxRow) -> None:
        if isinstance(row.due, RecordItem):
            self._told[row.due.uuid] = asyncio.get_running_loop().time()

    def _first_of_each_device(self, calls: Sequence[DeliveryCall]) -> list[DeliveryCall]:
        """Calls that go side by side keep no order: what comes after a device's first waits."""
        first = {row.id for row in heads([call.row for call in calls])}
        self._outbox.release(*(call.row.id for call in calls if call.row.id not in first))
        return [call for call in calls if call.row.id in first]

    def _was_told_just_now(self, row: OutboxRow) -> bool:
        if not isinstance(row.due, RecordItem) or row.due.uuid not in self._told:
            return False
        ago = timedelta(seconds=asyncio.get_running_loop().time() - self._told[row.due.uuid])
        if ago >= self._record_interval:
            return False
        self._outbox.delay(row.id, self._now() + self._record_interval - ago)
        return True

    async def _prepare(self, queue: Sequence[OutboxRow]) -> list[DeliveryCall]:
        """One device's rows in their order, up to the first that cannot go now."""
        calls: list[DeliveryCall] = []
        async with self._side_by_side:
            for place, row in enumerate(queue):
                try:
                    call = await self._outgoing.prepare(row)
                except GatewayError as error:
                    await self._failed(row, error)
                    self._outbox.release(*(later.id for later in queue[place + 1 :]))
                    break
                if call is not None:
                    calls.append(call)
        return calls

    async def _as_batch(self, calls: Sequence[DeliveryCall]) -> list[BatchOutcome] | None:
        """An outcome each; None where the cloud takes no batches: then they go one by one, for a while."""
        try:
            outcomes = await self._client.batch.send([call.part for call in calls])
        except RefusedByCloudError as error:
            self._do_without_batches(error)
            return None
        except CloudError as error:
            self._was_batch_lost, self._batches_lost = True, self._batches_lost + 1
            return [BatchOutcome(part=call.part, error=error) for call in calls]
        self._batches_lost = 0
        return outcomes

    async def _finish(self, call: DeliveryCall, outcome: BatchOutcome | None) -> None:
        async with self._side_by_side:
            try:
                await self._outgoing.settle(call, outcome or await self._client.batch.send_alone(call.part))
            except GatewayError as error:
                await self._failed(call.row, error)
            else:
                self._failures, self.trouble = 0, None
                self._note_told(call.row)

    async def _failed(self, row: OutboxRow, error: GatewayError) -> None:
        """A refusal that will not change buries the row; anything else, a full disk too, is tried again later."""
        if isinstance(error, UnlinkedError) or (isinstance(error, RefusedByCloudError) and not error.is_token_refused):
            self._outgoing.forget(row)
            log.warning("cloud_refused", uuid=row.due.uuid, kind=type(row.due).__name__, reason=str(error))
            self._note_told(row)
            await self._outbox.dead_letter(row.id, str(error))
            return
        if self.trouble is None:
            log.warning("cloud_not_reached", reason=str(error))
        self.trouble, self._failures = str(error), self._failures + 1
        pause = min(_FIRST_PAUSE * 2 ** min(row.attempts, 12), _LONGEST_PAUSE)
        await self._outbox.postpone(row.id, str(error), self._now() + pause)


def heads(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """The first row of each device."""
    found: dict[Uuid, OutboxRow] = {}
    for row in rows:
        found.setdefault(row.due.uuid, row)
    return list(found.values())


def together(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """The first row of each device, and the messages after it as far as the cloud can tell them all apart.

    Messages that look alike are counted to see which of them it has: they go one after the other.
    """
    found: list[OutboxRow] = []
    ended: set[Uuid] = set()
    said: set[tuple[Uuid, str, str]] = set()
    for row in rows:
        uuid, due = row.due.uuid, row.due
        if uuid in ended:
            continue
        if isinstance(due, MessageItem):
            looks = (uuid, due.flag, due.occur_time)
            if looks in said:
                ended.add(uuid)
                continue
            said.add(looks)
        found.append(row)
    return found
