"""What goes up over REST: the outbox's records, removals and messages, in order for each device."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from gatewayd.cloud.rest.client import EXISTS, GONE, CloudClient
from gatewayd.cloud.rest.errors import CloudUnavailableError, RefusedByCloudError, UncertainError
from gatewayd.model.errors import CloudError
from gatewayd.model.outgoing import MessageDue, RecordDue, RemovalDue
from gatewayd.model.words import Uuid
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, Row

log = structlog.get_logger()

_AT_ONCE: Final = 4
_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(minutes=10)


class RestUplink:
    """Drains the REST lane. A record is told at most every `record_interval` a device: readings are many."""

    def __init__(
        self,
        client: CloudClient,
        mirror: Mirror,
        outbox: Outbox,
        *,
        now: Callable[[], datetime],
        record_interval: timedelta = timedelta(seconds=30),
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._outbox = outbox
        self._now = now
        self._record_interval = record_interval
        self._told: dict[Uuid, datetime] = {}
        self._uncertain: set[int] = set()
        self.trouble: str | None = None

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            rows = await self._outbox.take("rest", _AT_ONCE)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for row in rows:
                        tasks.create_task(self._deliver(row))
            except BaseException:
                self._outbox.release(*(row.id for row in rows))
                raise

    async def _deliver(self, row: Row) -> None:
        """One row: taken, put off, or buried with the reason."""
        try:
            await self._send(row)
        except RefusedByCloudError as error:
            if error.is_token:
                await self._put_off(row, error)  # the account is refused, not the row
            else:
                await self._outbox.bury(row.id, str(error))
        except CloudError as error:
            if isinstance(error, UncertainError):
                self._uncertain.add(row.id)
            await self._put_off(row, error)
        else:
            self.trouble = None
            self._uncertain.discard(row.id)

    async def _put_off(self, row: Row, error: CloudError) -> None:
        pause = min(_FIRST_PAUSE * 2 ** min(row.attempts, 12), _LONGEST_PAUSE)
        if self.trouble is None:
            log.warning("cloud_not_reached", reason=str(error))
        self.trouble = str(error)
        await self._outbox.put_off(row.id, str(error), self._now() + pause)

    async def _send(self, row: Row) -> None:
        match row.due:
            case RecordDue(uuid=uuid):
                if (again_at := self._told.get(uuid, self._now())) > self._now():
                    await self._outbox.put_off(row.id, "told a moment ago", again_at)
                    return
                await self._tell_record(uuid)
                self._told[uuid] = self._now() + self._record_interval
            case RemovalDue(id=id_):
                await self._delete(id_)
            case MessageDue() as message:
                await self._tell_message(row, message)
            case _:
                raise TypeError(f"{type(row.due).__name__} does not travel over REST")
        await self._outbox.done(row.id)

    async def _tell_record(self, uuid: Uuid) -> None:
        """Create or update the cloud's copy; a device that is gone meanwhile needs none."""
        record = self._mirror.get(uuid)
        if record is None:
            return
        if record.id is not None:
            try:
                await self._client.records.update(record)
            except RefusedByCloudError as error:
                if error.code != GONE:
                    raise
                await self._adopt(uuid, None)
                raise CloudUnavailableError(
                    f"{uuid}: the cloud has no record {record.id}; a new one is made"
                ) from error
            return
        try:
            await self._adopt(uuid, (await self._client.records.create(record)).id)
        except UncertainError:
            await self._find(uuid)
        except RefusedByCloudError as error:
            if error.code != EXISTS:
                raise
            await self._find(uuid)

    async def _find(self, uuid: Uuid) -> None:
        """Adopt the id of the cloud's record of this device. Raises CloudUnavailableError where there is none."""
        async for found in self._client.records.list(uuid=uuid):
            if found.uuid == uuid and found.id is not None:
                await self._adopt(uuid, found.id)
                return
        raise CloudUnavailableError(f"{uuid}: the cloud does not show the record that it may have taken")

    async def _adopt(self, uuid: Uuid, id_: int | None) -> None:
        if (record := self._mirror.get(uuid)) is not None:
            await self._mirror.put(replace(record, id=id_))

    async def _delete(self, id_: int) -> None:
        try:
            await self._client.records.delete(id_)
        except RefusedByCloudError as error:
            if error.code != GONE:
                raise

    async def _tell_message(self, row: Row, message: MessageDue) -> None:
        """Post a message; one that may have been posted already is looked for first (§2.9's filters)."""
        record = self._mirror.get(message.uuid)
        if record is None:
            return
        if record.id is None:
            await self._tell_record(message.uuid)
            record = self._mirror.get(message.uuid)
            if record is None or record.id is None:
                raise CloudUnavailableError(f"{message.uuid}: the cloud has not taken its record yet")
        may_be_there = row.recovered or row.id in self._uncertain
        if may_be_there and await self._client.messages.count_like(record.id, message) >= message.ordinal:
            return
        await self._client.messages.tell(record.id, message)
