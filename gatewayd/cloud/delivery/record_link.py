"""Ties a device's record in the mirror to the cloud's: finds it, creates it, merges it, and unlinks it again.

The handlers of all kinds of items use this. Which fields win in a merge is left to cloud/sync.
"""

from typing import Any

from msgspec.structs import replace

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import AlreadyExistsError, CloudUnavailableError, RefusedByCloudError
from gatewayd.cloud.rest.records import decode_record
from gatewayd.cloud.sync.merge import merge
from gatewayd.cloud.sync.records import unlink
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire
from gatewayd.model.rest_status import SPACE_NOT_FOUND
from gatewayd.store.mirror import Mirror


class RecordLinker:
    """Its methods write the mirror; they raise CloudError and StoreError."""

    def __init__(self, client: CloudClient, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror

    async def find_id(self, uuid: Uuid) -> int | None:
        """The cloud's id of a device that is not in the mirror any more; None where the cloud has no record of it."""
        async for place, wire in self._client.records.list_json(uuid=uuid):
            if (found := decode_record(wire, place)).uuid == uuid:
                return found.id
        return None

    async def find(self, record: Record) -> Record | None:
        """Look for the cloud's record of this device and merge it into ours; None where the cloud has none."""
        async for place, wire in self._client.records.list_json(uuid=record.uuid):
            if isinstance(wire, dict) and wire.get("uuid") == record.uuid:
                return await self.merge(record, place, wire)
        return None

    async def find_or_create(self, record: Record) -> Record:
        """The record with its id in the cloud, where it is created if it is not there.

        Raises CloudUnavailableError where another attempt may fare better.
        """
        if (found := await self.find(record)) is not None:
            return found
        try:
            created = await self._client.records.create(record)
        except AlreadyExistsError as error:
            raise CloudUnavailableError(f"{record.uuid}: the cloud has a record of it, and does not show it") from error
        except RefusedByCloudError as error:
            if await self.take_back(record, error.code):
                raise CloudUnavailableError(f"{error}; it is sent again without what was refused") from error
            raise
        linked = replace(record, id=created.id)
        await self._mirror.put(linked)
        return linked

    async def merge(self, record: Record, place: str, wire: dict[str, Any]) -> Record:
        """Our record (as it is by now) with what the cloud's, `wire`, says. `place` is where errors say it stood."""
        remote = decode_record(wire, place)
        local = self._mirror.get(record.uuid) or record
        merged = merge(local, remote, wire)
        if merged != local:
            await self._mirror.put(merged)
        return merged

    async def unlink_if_linked_to(self, uuid: Uuid, id_: int | None) -> None:
        """The cloud has no record `id_`: unlink the device, unless the cloud has given it another id meanwhile."""
        if (record := self._mirror.get(uuid)) is not None and record.id == id_:
            await unlink(self._mirror, uuid)

    async def take_back(self, sent: Record, code: int) -> bool:
        """The cloud has refused `sent` with that status: undo what made it do so, and send the record again.

        False where `sent` has nothing that can be undone.
        """
        record = self._mirror.get(sent.uuid)
        if record is None:
            return False
        after = without_refused(record, sent, code)
        if after == record:
            return False
        await self._mirror.put(after, RecordItem(uuid=record.uuid))
        return True


def remaining_edits(current: Record, sent: Record) -> tuple[str, ...]:
    """Those of `current.edited` that `sent` did not carry: edited here after it was sent, or edited again since."""
    now, then = to_wire(current), to_wire(sent)
    return tuple(name for name in current.edited if name not in sent.edited or _value(now, name) != _value(then, name))


def without_refused(current: Record, sent: Record, code: int) -> Record:
    """`current` without what made the cloud refuse `sent`: the household's edits, and spaces that it does not have."""
    after = replace(current, edited=remaining_edits(current, sent))
    if code == SPACE_NOT_FOUND:
        after = replace(after, param=replace(after.param, unit_id=None, floor_id=None, room_id=None))
    return after


def _value(wire: dict[str, Any], name: str) -> Any:
    return wire["param"].get(name.removeprefix("param.")) if name.startswith("param.") else wire.get(name)
