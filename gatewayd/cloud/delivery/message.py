"""Delivers a message to the household (§2.9, POST), once."""

from gatewayd.cloud.delivery.handler import DeliveryCall, UnlinkedError, is_gone
from gatewayd.cloud.delivery.record_link import RecordLinker
from gatewayd.cloud.rest.batch import BatchOutcome, RestCall
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.messages import cloud_message
from gatewayd.cloud.sync.records import unlink
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem
from gatewayd.store.mirror import Mirror


class MessageHandler:
    """Handles MessageItem."""

    def __init__(self, client: CloudClient, mirror: Mirror, linker: RecordLinker) -> None:
        self._client = client
        self._mirror = mirror
        self._linker = linker

    async def prepare(self, item: MessageItem, *, maybe_sent: bool) -> DeliveryCall | None:
        """A message names the cloud's record of its device, which is created first where there is none.

        Raises UnlinkedError where the cloud has that record no longer.
        """
        info_id = await self._info_id(item.uuid)
        if info_id is None:
            raise UnlinkedError(f"the cloud has no device {item.uuid} any more")
        if maybe_sent and await self._client.messages.count_same(info_id, item) >= item.ordinal:
            return None
        return DeliveryCall(item.uuid, RestCall.create_message(cloud_message(info_id, item)))

    async def settle(self, call: DeliveryCall, outcome: BatchOutcome) -> None:
        """Where the cloud has the device no longer, it is unlinked."""
        if is_gone(outcome.error):
            await unlink(self._mirror, call.uuid)
        if outcome.error is not None:
            raise outcome.error

    async def _info_id(self, uuid: Uuid) -> int | None:
        """The cloud's id of the device; of one that has left since, the cloud is asked."""
        record = self._mirror.get(uuid)
        if record is None:
            return await self._linker.find_id(uuid)
        if record.unlinked or record.id is not None:
            return record.id
        return (await self._linker.find_or_create(record)).id
