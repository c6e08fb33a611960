"""Delivers the removal of a device (§2.1, DELETE): deletes the cloud's record of it."""

from msgspec.structs import replace

from gatewayd.cloud.delivery.handler import DeliveryCall, is_gone
from gatewayd.cloud.delivery.record_link import RecordLinker
from gatewayd.cloud.rest.batch import BatchOutcome, RestCall
from gatewayd.model.outbox_items import RemovalItem
from gatewayd.store.mirror import Mirror


class RemovalHandler:
    """Handles RemovalItem."""

    def __init__(self, mirror: Mirror, linker: RecordLinker) -> None:
        self._mirror = mirror
        self._linker = linker

    async def prepare(self, item: RemovalItem, *, maybe_sent: bool) -> DeliveryCall | None:
        """Nothing is sent where the cloud has no record of the device. To delete it twice does no harm."""
        id_ = item.id if item.id is not None else await self._linker.find_id(item.uuid)
        return None if id_ is None else DeliveryCall(item.uuid, RestCall.delete_record(id_))

    async def settle(self, call: DeliveryCall, outcome: BatchOutcome) -> None:
        """The device may have joined again meanwhile: it no longer has that id in the cloud."""
        if outcome.error is not None and not is_gone(outcome.error):
            raise outcome.error
        record = self._mirror.get(call.uuid)
        if record is not None and record.id == call.part.id:
            await self._mirror.put(replace(record, id=None))
