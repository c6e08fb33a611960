"""A word of the outbox as a call to the cloud, and what the cloud's outcome does to mirror and outbox.

How calls are sent, alone or many at once, and when they are tried again, is the uplink's business.
"""

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from gatewayd.cloud.rest.batch import BatchOutcome, BatchPart
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import (
    AlreadyExistsError,
    CloudUnavailableError,
    NotFoundError,
    RefusedByCloudError,
    UncertainError,
)
from gatewayd.cloud.rest.messages import cloud_message
from gatewayd.cloud.rest.records import decode_record, record_params
from gatewayd.cloud.sync.merge import merge
from gatewayd.cloud.sync.records import unlink
from gatewayd.model.errors import CloudError
from gatewayd.model.field_ownership import HOUSEHOLD_FIELDS, household_param_fields
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from gatewayd.model.record import Record, SwitchParam
from gatewayd.model.record_wire import to_wire
from gatewayd.model.rest_status import DEVICE_NOT_FOUND, SPACE_NOT_FOUND
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, OutboxRow


class UnlinkedError(CloudError):
    """A word about a device that the cloud has no longer: it will never take it."""


@dataclass(frozen=True, slots=True)
class DeliveryCall:
    """A row and what has to be sent for it; `sent` is the record as it goes out."""

    row: OutboxRow
    part: BatchPart
    sent: Record | None = None


class ItemDelivery:
    """Prepares calls and settles their outcomes. Knows which rows the cloud may have taken without saying so."""

    def __init__(self, client: CloudClient, mirror: Mirror, outbox: Outbox) -> None:
        self._client = client
        self._mirror = mirror
        self._outbox = outbox
        self._uncertain: set[int] = set()

    async def prepare(self, row: OutboxRow) -> DeliveryCall | None:
        """What to send for `row`; None where it needs nothing any more, and then it is done.

        What may be in the cloud already is looked for first (§2.9's filters, §2.1's uuid). Raises CloudError.
        """
        match row.due:
            case RecordItem(uuid=uuid):
                call = await self._record(row, uuid)
            case RemovalItem(uuid=uuid, id=id_):
                call = await self._removal(row, uuid, id_)
            case MessageItem() as message:
                call = await self._message(row, message)
            case _:
                raise TypeError(f"{type(row.due).__name__} does not travel over REST")
        if call is None:
            await self._done(row)
        return call

    async def settle(self, call: DeliveryCall, outcome: BatchOutcome) -> None:
        """Take the outcome in. Raises its CloudError where that is the uplink's to deal with: later, or never."""
        row, error = call.row, outcome.error
        is_gone = isinstance(error, NotFoundError) and error.code == DEVICE_NOT_FOUND
        if isinstance(error, UncertainError):
            self._uncertain.add(row.id)
        match call.part.name:
            case "records.create" if error is None:
                self._uncertain.add(row.id)  # until its id could be read
                await self._adopt(call, decode_record(outcome.data, "the created record"))
            case "records.create" if isinstance(error, AlreadyExistsError):
                self._uncertain.add(row.id)  # the next attempt finds it, and makes it ours
                raise CloudUnavailableError(f"{row.due.uuid}: the cloud has a record of it already") from error
            case "records.update" if error is None:
                await self._taken(call)
            case "records.update" if is_gone:
                await self._gone(row.due.uuid, call.part.id)
            case "messages.create" if error is not None and is_gone:
                await unlink(self._mirror, row.due.uuid)
                raise error
            case "records.delete" if error is None or is_gone:
                await self._deleted(row.due.uuid, call.part.id)
            case "records.create" | "records.update" if (
                isinstance(error, RefusedByCloudError) and not error.is_token_refused
            ):
                await self._concede(call.sent, error)
                raise error
            case _ if error is not None:
                raise error
        await self._done(row)

    def forget(self, row: OutboxRow) -> None:
        """The row was given up."""
        self._uncertain.discard(row.id)

    async def _record(self, row: OutboxRow, uuid: Uuid) -> DeliveryCall | None:
        """Create or change the cloud's copy; a device that is gone here or there needs none."""
        record = self._mirror.get(uuid)
        if record is None or record.unlinked:
            return None
        if record.id is None and self._may_be_there(row):
            record = await self._find(record) or record
        if record.id is None:
            return DeliveryCall(row, BatchPart(name="records.create", body=record), record)
        if isinstance(record.param, SwitchParam):
            # Its channels go out as one list, what the household calls them among it: the cloud knows that better.
            try:
                record = await self._merged(record, *await self._client.records.get_json(record.id))
            except NotFoundError:
                await self._gone(uuid, record.id)
                return None
        return DeliveryCall(row, BatchPart(name="records.update", body=news_of(record), id=record.id), record)

    async def _removal(self, row: OutboxRow, uuid: Uuid, id_: int | None) -> DeliveryCall | None:
        id_ = id_ if id_ is not None else await self._id_of(uuid)
        return None if id_ is None else DeliveryCall(row, BatchPart(name="records.delete", id=id_))

    async def _id_of(self, uuid: Uuid) -> int | None:
        """The cloud's id of a device that is not here any more; None where the cloud does not have it either."""
        async for place, wire in self._client.records.list_json(uuid=uuid):
            if (found := decode_record(wire, place)).uuid == uuid:
                return found.id
        return None

    async def _message(self, row: OutboxRow, message: MessageItem) -> DeliveryCall | None:
        info_id = await self._info_id(message.uuid)
        if info_id is None:
            raise UnlinkedError(f"the cloud has no device {message.uuid} any more")
        if self._may_be_there(row) and await self._client.messages.count_same(info_id, message) >= message.ordinal:
            return None
        return DeliveryCall(row, BatchPart(name="messages.create", body=cloud_message(info_id, message)))

    async def _info_id(self, uuid: Uuid) -> int | None:
        """What a message says its device by. One that left the house after it rang is looked for in the cloud."""
        record = self._mirror.get(uuid)
        if record is None:
            return await self._id_of(uuid)
        if record.unlinked or record.id is not None:
            return record.id
        return (await self._made_known(record)).id

    async def _made_known(self, record: Record) -> Record:
        """A message needs its device's record in the cloud. Raises CloudError."""
        found = await self._find(record)
        if found is None:
            try:
                created = await self._client.records.create(record)
            except AlreadyExistsError as error:
                raise CloudUnavailableError(
                    f"{record.uuid}: the cloud has a record of it, and does not show it"
                ) from error
            except RefusedByCloudError as error:
                if await self._concede(record, error):
                    raise CloudUnavailableError(f"{error}; it is told again without that") from error
                raise
            found = replace(record, id=created.id)
            await self._mirror.put(found)
        return found

    async def _find(self, record: Record) -> Record | None:
        """The cloud's record of this device, made ours; None where it has none."""
        async for place, wire in self._client.records.list_json(uuid=record.uuid):
            if isinstance(wire, dict) and wire.get("uuid") == record.uuid:
                return await self._merged(record, place, wire)
        return None

    async def _merged(self, record: Record, place: str, wire: dict[str, Any]) -> Record:
        theirs = decode_record(wire, place)
        mine = self._mirror.get(record.uuid) or record
        merged = merge(mine, theirs, wire)
        if merged != mine:
            await self._mirror.put(merged)
        return merged

    async def _adopt(self, call: DeliveryCall, created: Record) -> None:
        """The cloud has made a record: its id is ours, and what was edited here has been said."""
        if (record := self._mirror.get(call.row.due.uuid)) is not None and call.sent is not None:
            await self._mirror.put(replace(record, id=created.id, edited=still_edited(record, call.sent)))

    async def _taken(self, call: DeliveryCall) -> None:
        record = self._mirror.get(call.row.due.uuid)
        if record is None or call.sent is None or not record.edited:
            return
        await self._mirror.put(replace(record, edited=still_edited(record, call.sent)))

    async def _gone(self, uuid: Uuid, id_: int | None) -> None:
        """The cloud has no record of that id; if it has given the device another one meanwhile, that is another."""
        if (record := self._mirror.get(uuid)) is not None and record.id == id_:
            await unlink(self._mirror, uuid)

    async def _deleted(self, uuid: Uuid, id_: int | None) -> None:
        """The device that the cloud forgot may be back in the house already: it has no id there any more."""
        if (record := self._mirror.get(uuid)) is not None and record.id == id_:
            await self._mirror.put(replace(record, id=None))

    async def _concede(self, sent: Record | None, error: RefusedByCloudError) -> bool:
        """What the cloud will not hear is taken back, so that it hears the rest; False where there is nothing such."""
        record = None if sent is None else self._mirror.get(sent.uuid)
        if sent is None or record is None:
            return False
        after = conceded(record, sent, error.code)
        if after == record:
            return False
        await self._mirror.put(after, RecordItem(uuid=record.uuid))
        return True

    def _may_be_there(self, row: OutboxRow) -> bool:
        return row.recovered or row.id in self._uncertain

    async def _done(self, row: OutboxRow) -> None:
        self._uncertain.discard(row.id)
        await self._outbox.done(row.id)


def news_of(record: Record) -> dict[str, Any]:
    """What a PUT says: what the radio knows, and of what the household says only what was changed here."""
    said = record_params(record)
    silent = HOUSEHOLD_FIELDS - set(record.edited)
    silent_param = {name for name in household_param_fields(record.category) if f"param.{name}" not in record.edited}
    param = {name: value for name, value in said["param"].items() if name not in silent_param}
    return {name: value for name, value in said.items() if name not in silent} | {"param": param}


def still_edited(now: Record, sent: Record) -> tuple[str, ...]:
    """What the household has changed here since `sent` went out, and what was not said in it."""
    here, there = to_wire(now), to_wire(sent)
    return tuple(name for name in now.edited if name not in sent.edited or _value(here, name) != _value(there, name))


def conceded(now: Record, sent: Record, code: int) -> Record:
    """`now` without what made the cloud refuse `sent`: the household's changes, and a place that is none there."""
    after = replace(now, edited=still_edited(now, sent))
    if code == SPACE_NOT_FOUND:
        after = replace(after, param=replace(after.param, unit_id=None, floor_id=None, room_id=None))
    return after


def _value(wire: dict[str, Any], name: str) -> Any:
    return wire["param"].get(name.removeprefix("param.")) if name.startswith("param.") else wire.get(name)
