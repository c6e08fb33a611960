"""The cloud's records and ours: those that both have are merged, those that the cloud lost are unlinked."""

from typing import Any

import structlog
from msgspec.structs import replace

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import NotThereError, RefusedByCloudError, UnreadableAnswerError
from gatewayd.cloud.rest.records import read_record
from gatewayd.cloud.sync.merge import Wire, is_behind, merge, was_edited
from gatewayd.cloud.sync.progress import SyncStep
from gatewayd.model.errors import CloudError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import GatewayParam, Record
from gatewayd.store.mirror import Mirror

log = structlog.get_logger()


class RecordSync:
    """Holds one page of the cloud's records at a time, however many there are."""

    def __init__(self, client: CloudClient, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror

    async def run(self, step: SyncStep) -> None:
        """One record that cannot be read, or asked for, holds up no other. Raises CloudError; what was merged stays."""
        before = {one.uuid: one for one in self._mirror.all()}
        linked = {one.uuid: one.id for one in before.values() if one.id is not None}
        fault: CloudError | None = None
        async for place, wire in self._client.records.wires():
            step.seen += 1
            mine = self._of(wire)
            if mine is None:
                continue  # somebody else's
            linked.pop(mine.uuid, None)
            if was_edited(before.pop(mine.uuid, mine), mine):
                continue  # the cloud may not have known it yet when it said this
            try:
                step.changed += await self._take(mine, read_record(wire, place), wire)
            except UnreadableAnswerError as error:
                fault = fault or error
        for uuid, id_ in linked.items():
            try:
                step.changed += await self._lost(uuid, id_)
            except RefusedByCloudError as error:
                fault = fault or error
        if fault is not None:
            raise fault

    def _of(self, wire: Any) -> Record | None:
        """Our record of the device that one of the cloud's is about, if it is here."""
        uuid = wire.get("uuid") if isinstance(wire, dict) else None
        return self._mirror.get(Uuid(uuid)) if isinstance(uuid, str) else None

    async def _take(self, mine: Record, theirs: Record, wire: Wire) -> bool:
        """Merge a record of the cloud into ours."""
        merged = merge(mine, theirs, wire)
        due = (RecordItem(uuid=mine.uuid),) if mine.id is None or is_behind(merged, wire) else ()
        if merged == mine and not due:
            return False
        await self._mirror.put(merged, *due)
        if mine.unlinked:
            log.info("device_linked_again", uuid=mine.uuid)
        return merged != mine

    async def _lost(self, uuid: Uuid, id_: int | None) -> bool:
        """A linked record that no page showed: asked for by itself, since pages shift while they are read."""
        record = self._mirror.get(uuid)
        if record is None or record.id is None or record.id != id_:
            return False
        try:
            await self._client.records.get(record.id)
        except NotThereError:
            pass
        else:
            return False
        await unlink(self._mirror, uuid)
        return True


async def unlink(mirror: Mirror, uuid: Uuid) -> None:
    """The cloud has this device no longer: it stays on the radio, and nobody there can ask it for anything.

    The gateway itself is told to the cloud anew: without it nothing else has a place there.
    """
    record = mirror.get(uuid)
    if record is None:
        return
    if isinstance(record.param, GatewayParam):
        await mirror.put(replace(record, id=None), RecordItem(uuid=uuid))
    else:
        await mirror.put(replace(record, id=None, unlinked=True))
    log.warning("cloud_record_gone", uuid=uuid, category=record.category)
