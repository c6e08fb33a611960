"""The cloud's records and ours: those that both have are merged, those that the cloud lost are unlinked."""

import structlog
from msgspec.structs import replace

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import NotThereError
from gatewayd.cloud.rest.records import read_record
from gatewayd.cloud.sync.merge import Wire, is_behind, merge
from gatewayd.cloud.sync.progress import Step
from gatewayd.model.outgoing import RecordDue
from gatewayd.model.record import GatewayParam, Record
from gatewayd.model.words import Uuid
from gatewayd.store.mirror import Mirror

log = structlog.get_logger()


class RecordSync:
    """Holds one page of the cloud's records at a time, however many there are."""

    def __init__(self, client: CloudClient, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror

    async def run(self, step: Step) -> None:
        """Raises CloudError, and what was merged until then stays."""
        linked = {one.uuid: one.id for one in self._mirror.all() if one.id is not None}
        seen: set[Uuid] = set()
        async for place, wire in self._client.records.wires():
            theirs = read_record(wire, place)
            step.seen += 1
            seen.add(theirs.uuid)
            step.changed += await self._take(theirs, wire)
        for uuid in linked.keys() - seen:
            step.changed += await self._lost(uuid, linked[uuid])

    async def _take(self, theirs: Record, wire: Wire) -> bool:
        """Merge a record of the cloud into ours; those of devices that are not here are somebody else's."""
        mine = self._mirror.get(theirs.uuid)
        if mine is None:
            return False
        merged = merge(mine, theirs, wire)
        due = (RecordDue(uuid=mine.uuid),) if mine.id is None or is_behind(merged, wire) else ()
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
        await mirror.put(replace(record, id=None), RecordDue(uuid=uuid))
    else:
        await mirror.put(replace(record, id=None, unlinked=True))
    log.warning("cloud_record_gone", uuid=uuid, category=record.category)
