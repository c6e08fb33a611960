"""Sends the outbox's items for REST, in order for each device: a few one by one, many as one batch (§2.5).

Each has its own outcome: delivered, postponed, or moved to the dead letters. While the cloud does not answer, it is
only asked for the time (§2.13); once it does, all that waited is sent at once. What is sent for an item, and what the
outcome changes, is left to the item's handler.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.delivery.batching import BatchBreaker, batchable, first_of_each_device
from gatewayd.cloud.delivery.handler import DeliveryCall, ItemDelivery, UnlinkedError, is_refusal
from gatewayd.cloud.delivery.message import MessageHandler
from gatewayd.cloud.delivery.record import RecordHandler
from gatewayd.cloud.delivery.record_link import RecordLinker
from gatewayd.cloud.delivery.removal import RemovalHandler
from gatewayd.cloud.rest.batch import BatchOutcome
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import AlreadyExistsError, RefusedByCloudError, UncertainError
from gatewayd.model.errors import CloudError, GatewayError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem, OutboxItem, RecordItem, RemovalItem, Route
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, OutboxRow

log = structlog.get_logger()

_MAX_TAKEN: Final = 50
_MIN_BATCH: Final = 5
_MAX_CONCURRENT: Final = 4
_AWAY_AFTER: Final = 3
"""Failures in a row after which the cloud is probed: it may be away, and not fail at a certain item."""
_MAX_CRASHES: Final = 5
"""Attempts after which an item with which we have a fault is given up: it keeps back the later ones of its device."""
_ROW_BACKOFF: Final = Backoff(first_s=2.0, longest_s=600.0)
_FIRST_PROBE_S: Final = 0.5
_PROBE_EVERY_S: Final = 30.0
_LOOK_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Delivery:
    row: OutboxRow
    handler: ItemDelivery[Any]
    call: DeliveryCall


def item_handlers(client: CloudClient, mirror: Mirror) -> Mapping[type[OutboxItem], ItemDelivery[Any]]:
    """The handler of each kind of item for REST."""
    linker = RecordLinker(client, mirror)
    return {
        RecordItem: RecordHandler(client, mirror, linker),
        RemovalItem: RemovalHandler(mirror, linker),
        MessageItem: MessageHandler(client, mirror, linker),
    }


class RestSender:
    """Empties the outbox's REST queue. A device's record is sent at most every `record_interval`: readings are many.

    An item that `may_leave` denies waits: its date is about to be corrected. `trouble` says why the last attempt
    failed; None once one has succeeded.
    """

    def __init__(
        self,
        client: CloudClient,
        mirror: Mirror,
        outbox: Outbox,
        *,
        record_interval: timedelta = timedelta(seconds=30),
        probe_every_s: float = _PROBE_EVERY_S,
        may_leave: Callable[[OutboxItem], bool] = lambda _: True,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._handlers = item_handlers(client, mirror)
        self._may_leave = may_leave
        self._record_interval_s = record_interval.total_seconds()
        self._record_sent_at: dict[Uuid, float] = {}  # by the loop's clock, since the board's may be set meanwhile
        self._concurrency = asyncio.Semaphore(_MAX_CONCURRENT)
        self._breaker = BatchBreaker()
        self._was_batch_lost = False  # since the cloud was last probed
        self._probe_backoff = Backoff(_FIRST_PROBE_S, probe_every_s)
        self._failures = 0  # in a row
        self.trouble: str | None = None

    async def run(self) -> None:
        """Send what is in the outbox, until cancelled."""
        while True:
            if self._failures >= _AWAY_AFTER:
                await self._wait_until_reached()
            rows = await self._outbox.take(Route.REST, _MAX_TAKEN)
            try:
                await self._send(rows)
            except BaseException:
                self._outbox.release(*(row.id for row in rows))
                raise

    def send_soon(self, uuid: Uuid) -> None:
        """End all pauses, and let this device's record be sent though its interval has not passed."""
        self._record_sent_at.pop(uuid, None)
        self._outbox.retry_now(Route.REST)

    async def _wait_until_reached(self) -> None:
        """Probe the cloud until it answers.

        If it answers at once it was never away, but fails at batches or at certain items: those keep their pauses. The
        items of a lost batch do not: it cannot be told which of them is at fault.
        """
        retries, was_away = Retries(self._probe_backoff), False
        while not await self._probe():
            was_away = True
            await asyncio.sleep(retries.next_pause_s())
        was_batch_lost = self._was_batch_lost
        self._failures, self._was_batch_lost = 0, False
        if was_away:
            self.trouble = None
            log.info("cloud_reached_again")
        elif self._breaker.has_lost_many:
            self._suspend_batches(self.trouble)
        if was_away or was_batch_lost:
            self._outbox.retry_now(Route.REST)

    async def _probe(self) -> bool:
        """Whether the cloud answers §2.13, which changes nothing."""
        try:
            await self._client.service.timestamp()
        except RefusedByCloudError:
            return True
        except CloudError as error:
            self.trouble = str(error)
            return False
        return True

    def _suspend_batches(self, reason: object) -> None:
        log.warning("batches_suspended", reason=str(reason))
        self._breaker.open(_loop_time())

    async def _send(self, taken: Sequence[OutboxRow]) -> None:
        may_batch = self._breaker.allows_batches(_loop_time())
        rows = batchable(taken) if may_batch else first_of_each_device(taken)
        self._outbox.release(*({row.id for row in taken} - {row.id for row in rows}))
        devices: dict[Uuid, list[OutboxRow]] = {}
        for row in rows:
            if not self._delayed(row):
                devices.setdefault(row.item.uuid, []).append(row)
        async with asyncio.TaskGroup() as tasks:
            prepared = [tasks.create_task(self._prepare(queue)) for queue in devices.values()]
        deliveries = [delivery for task in prepared for delivery in task.result()]
        outcomes = None
        if may_batch and (len(deliveries) >= _MIN_BATCH or len(deliveries) > len(devices)):
            outcomes = await self._send_batch(deliveries)
        if outcomes is None:
            deliveries = self._keep_first_of_each_device(deliveries)
        async with asyncio.TaskGroup() as tasks:
            for place, delivery in enumerate(deliveries):
                tasks.create_task(self._finish(delivery, None if outcomes is None else outcomes[place]))

    def _delayed(self, row: OutboxRow) -> bool:
        """Delay a record whose device had one sent within the interval, and what may not leave yet; True if delayed."""
        if not self._may_leave(row.item):
            self._outbox.delay(row.id, _LOOK_AGAIN_S)
            return True
        sent_at = self._record_sent_at.get(row.item.uuid)
        if not isinstance(row.item, RecordItem) or sent_at is None:
            return False
        pause_s = sent_at + self._record_interval_s - _loop_time()
        if pause_s <= 0:
            return False
        self._outbox.delay(row.id, pause_s)
        return True

    def _note_sent(self, row: OutboxRow) -> None:
        if isinstance(row.item, RecordItem):
            self._record_sent_at[row.item.uuid] = _loop_time()

    async def _prepare(self, queue: Sequence[OutboxRow]) -> list[_Delivery]:
        """Calls for one device's rows in their order, up to the first that cannot be sent now."""
        deliveries: list[_Delivery] = []
        async with self._concurrency:
            for place, row in enumerate(queue):
                handler = self._handlers[type(row.item)]
                try:
                    call = await handler.prepare(row.item, maybe_sent=row.maybe_sent)
                except GatewayError as error:
                    await self._failed(row, error)
                    self._outbox.release(*(later.id for later in queue[place + 1 :]))
                    break
                except Exception as error:  # noqa: BLE001  (it is logged, and counts against this item alone)
                    await self._crashed(row, error)
                    self._outbox.release(*(later.id for later in queue[place + 1 :]))
                    break
                if call is None:
                    await self._outbox.done(row.id)
                else:
                    deliveries.append(_Delivery(row, handler, call))
        return deliveries

    def _keep_first_of_each_device(self, deliveries: Sequence[_Delivery]) -> list[_Delivery]:
        """Release what cannot be sent side by side."""
        first = {row.id for row in first_of_each_device([delivery.row for delivery in deliveries])}
        self._outbox.release(*(delivery.row.id for delivery in deliveries if delivery.row.id not in first))
        return [delivery for delivery in deliveries if delivery.row.id in first]

    async def _send_batch(self, deliveries: Sequence[_Delivery]) -> list[BatchOutcome] | None:
        """An outcome for each; None where the cloud refuses batches: then they are sent one by one, for a while."""
        parts = [delivery.call.part for delivery in deliveries]
        try:
            outcomes = await self._client.batch.send(parts)
        except RefusedByCloudError as error:
            self._suspend_batches(error)
            return None
        except CloudError as error:
            self._was_batch_lost = True
            self._breaker.note_lost()
            return [BatchOutcome(part=part, error=error) for part in parts]
        except Exception as error:  # a fault of ours with one of them: sent one by one, it is found
            log.exception("batch_crashed")
            self._suspend_batches(repr(error))
            return None
        self._breaker.note_answered()
        return outcomes

    async def _finish(self, delivery: _Delivery, outcome: BatchOutcome | None) -> None:
        """Send the call by itself where it has no outcome yet, and settle it."""
        row, call = delivery.row, delivery.call
        async with self._concurrency:
            try:
                outcome = outcome or await self._client.batch.send_one(call.part)
                if _may_be_carried_out(outcome):
                    self._outbox.mark_maybe_sent(row.id)
                await delivery.handler.settle(call, outcome)
            except GatewayError as error:
                await self._failed(row, error)
                return
            except Exception as error:  # noqa: BLE001  (likewise)
                await self._crashed(row, error)
                return
            await self._outbox.done(row.id)
            self._failures, self.trouble = 0, None
            self._note_sent(row)

    async def _failed(self, row: OutboxRow, error: GatewayError) -> None:
        """Move a refused row to the dead letters; postpone it after any other failure, one of our own disk included."""
        if is_refusal(error) or isinstance(error, UnlinkedError):
            log.warning("cloud_refused", uuid=row.item.uuid, kind=row.item.kind(), reason=str(error))
            self._note_sent(row)
            await self._outbox.dead_letter(row.id, str(error))
            return
        if self.trouble is None:
            log.warning("cloud_not_reached", reason=str(error))
        self.trouble, self._failures = str(error), self._failures + 1
        self._outbox.postpone(row.id, _ROW_BACKOFF.pause_s(row.attempts + 1), str(error))

    async def _crashed(self, row: OutboxRow, error: Exception) -> None:
        """An item with which we have a fault is tried again, and moved to the dead letters after some attempts; the
        items of other devices go on.
        """
        log.error("delivery_crashed", uuid=row.item.uuid, kind=row.item.kind(), exc_info=error)
        if row.attempts + 1 >= _MAX_CRASHES:
            await self._outbox.dead_letter(row.id, f"a fault of ours: {error!r}")
        else:
            self._outbox.postpone(row.id, _ROW_BACKOFF.pause_s(row.attempts + 1), repr(error))


def _may_be_carried_out(outcome: BatchOutcome) -> bool:
    """True where the cloud may have what was sent: before another attempt it is looked up."""
    return outcome.error is None or isinstance(outcome.error, UncertainError | AlreadyExistsError)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
