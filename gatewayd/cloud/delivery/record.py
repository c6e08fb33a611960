"""Delivers a device's record (§2.1): creates or updates the cloud's copy from the mirror."""

from typing import Any

from msgspec.structs import replace

from gatewayd.cloud.delivery.handler import DeliveryCall, is_gone, is_refusal
from gatewayd.cloud.delivery.record_link import RecordLinker, remaining_edits
from gatewayd.cloud.rest.batch import BatchOutcome, RestCall
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import AlreadyExistsError, CloudUnavailableError, NotFoundError
from gatewayd.cloud.rest.records import decode_record, record_params
from gatewayd.model.field_ownership import HOUSEHOLD_FIELDS, household_param_fields
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import Record, SwitchParam
from gatewayd.store.mirror import Mirror


class RecordHandler:
    """Handles RecordItem."""

    def __init__(self, client: CloudClient, mirror: Mirror, linker: RecordLinker) -> None:
        self._client = client
        self._mirror = mirror
        self._linker = linker

    async def prepare(self, item: RecordItem, *, maybe_sent: bool) -> DeliveryCall | None:
        """Nothing is sent for a device that has left, or that the cloud has no longer."""
        record = self._mirror.get(item.uuid)
        if record is None or record.unlinked:
            return None
        if record.id is None and maybe_sent:
            record = await self._linker.find(record) or record
        if (id_ := record.id) is None:
            return DeliveryCall(record.uuid, RestCall.create_record(record), record)
        if isinstance(record.param, SwitchParam):
            # Its channels are sent as one list, with the household's names for them, of which the cloud has the newest.
            try:
                record = await self._linker.merge(record, *await self._client.records.get_json(id_))
            except NotFoundError:
                await self._linker.unlink_if_linked_to(record.uuid, id_)
                return None
        return DeliveryCall(record.uuid, RestCall.update_record(id_, update_fields(record)), record)

    async def settle(self, call: DeliveryCall, outcome: BatchOutcome) -> None:
        """Take over the id that the cloud has given; drop from `edited` what the cloud has accepted or refused."""
        assert call.sent is not None
        is_creation = call.part.id is None
        error = outcome.error
        if error is None:
            id_ = decode_record(outcome.data, "the created record").id if is_creation else None
            await self._accepted(call.sent, created_id=id_)
        elif is_creation and isinstance(error, AlreadyExistsError):
            # The next attempt looks it up, and links the device to it.
            raise CloudUnavailableError(f"{call.uuid}: the cloud has a record of it already") from error
        elif not is_creation and is_gone(error):
            await self._linker.unlink_if_linked_to(call.uuid, call.part.id)
        else:
            if is_refusal(error):
                await self._linker.take_back(call.sent, error.code)
            raise error

    async def _accepted(self, sent: Record, *, created_id: int | None) -> None:
        record = self._mirror.get(sent.uuid)
        if record is None:
            return
        if created_id is not None:
            await self._mirror.put(replace(record, id=created_id, edited=remaining_edits(record, sent)))
        elif record.edited:
            await self._mirror.put(replace(record, edited=remaining_edits(record, sent)))


def update_fields(record: Record) -> dict[str, Any]:
    """The fields of a PUT: all that the radio knows, and of the household's fields those that were edited here."""
    fields = record_params(record)
    omitted = HOUSEHOLD_FIELDS - set(record.edited)
    omitted_param = {name for name in household_param_fields(record.category) if f"param.{name}" not in record.edited}
    param = {name: value for name, value in fields["param"].items() if name not in omitted_param}
    return {name: value for name, value in fields.items() if name not in omitted} | {"param": param}
