"""The sync of records (§2.1): merges records that both sides have, unlinks those that the cloud deleted."""

from collections.abc import Mapping
from typing import Any

import structlog
from msgspec.structs import replace

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import NotFoundError, RefusedByCloudError, UnreadableAnswerError
from gatewayd.cloud.rest.records import decode_record
from gatewayd.cloud.sync.merge import JsonObject, has_household_change, is_cloud_outdated, merge
from gatewayd.cloud.sync.progress import SyncStep
from gatewayd.model.errors import CloudError, GatewayError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import GatewayParam, Record
from gatewayd.store.mirror import Mirror

log = structlog.get_logger()


class RecordSync:
    """Syncs the mirror's records with one page of the cloud's records in memory at a time."""

    def __init__(self, client: CloudClient, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror

    async def run(self, step: SyncStep) -> None:
        """Sync all records. A record that cannot be decoded, or fetched, is skipped, and its error raised at the end.

        Raises CloudError; what was merged until then stays.
        """
        before = {record.uuid: record for record in self._mirror.all()}
        unlisted = {record.uuid: record.id for record in before.values() if record.id is not None}
        others: dict[Uuid, tuple[Record, JsonObject]] = {}  # with another id than ours: the cloud may have both
        failure: CloudError | None = None
        async for place, remote_json in self._client.records.list_json():
            step.received += 1
            local = self._find_local(remote_json)
            if local is None:
                continue  # a device of another gateway
            try:
                remote = decode_record(remote_json, place)
                if None not in (local.id, remote.id) and remote.id != local.id:
                    others.setdefault(local.uuid, (remote, remote_json))
                    continue
                unlisted.pop(local.uuid, None)
                if not has_household_change(before.pop(local.uuid, local), local):  # else the page may be older
                    step.changed += await self._merge(local, remote, remote_json)
            except UnreadableAnswerError as error:
                unlisted.pop(local.uuid, None)
                failure = failure or error
            except GatewayError:
                raise
            except Exception as error:  # a fault of ours: the other records are synced
                log.exception("record_not_synced", uuid=local.uuid)
                failure = failure or CloudError(f"{place}: {type(error).__name__}; the log says more")
        failure = await self._check_all_unlisted(step, unlisted, others) or failure
        if failure is not None:
            raise failure

    async def _check_all_unlisted(
        self, step: SyncStep, unlisted: Mapping[Uuid, int | None], others: dict[Uuid, tuple[Record, JsonObject]]
    ) -> CloudError | None:
        """Check each of `unlisted`; a device of `others` stays linked to its own record where the cloud has that."""
        failure: CloudError | None = None
        for uuid, id_ in unlisted.items():
            try:
                step.changed += await self._check_unlisted(uuid, id_, others.get(uuid))
            except RefusedByCloudError as error:
                failure = failure or error
        for uuid, (remote, _) in others.items():
            if (local := self._mirror.get(uuid)) is not None and local.id != remote.id:
                log.warning("second_record_ignored", uuid=uuid, id=remote.id)
        return failure

    def _find_local(self, remote_json: Any) -> Record | None:
        """The local record of the same device; None where the device is not on this gateway."""
        uuid = remote_json.get("uuid") if isinstance(remote_json, dict) else None
        return self._mirror.get(Uuid(uuid)) if isinstance(uuid, str) else None

    async def _merge(self, local: Record, remote: Record, remote_json: JsonObject) -> bool:
        """Merge into the mirror, and queue the record where the cloud's copy is outdated. True where it changed."""
        merged = merge(local, remote, remote_json)
        is_outdated = local.id is None or is_cloud_outdated(merged, remote_json)
        items = (RecordItem(uuid=local.uuid),) if is_outdated else ()
        if merged == local and not items:
            return False
        await self._mirror.put(merged, *items)
        if local.unlinked:
            log.info("device_relinked", uuid=local.uuid)
        return merged != local

    async def _check_unlisted(self, uuid: Uuid, id_: int | None, other: tuple[Record, JsonObject] | None) -> bool:
        """Fetch a record that no page had, since pages shift while they are read. True where the cloud deleted it: the
        device is linked to the `other` record that the cloud has of it, or unlinked.
        """
        record = self._mirror.get(uuid)
        if record is None or record.id is None or record.id != id_:
            return False
        try:
            await self._client.records.get(record.id)
        except NotFoundError:
            if other is None:
                await unlink(self._mirror, uuid)
            else:
                await self._merge(self._mirror.get(uuid) or record, *other)
            return True
        return False


async def unlink(mirror: Mirror, uuid: Uuid) -> None:
    """Take note that the cloud has deleted the record of this device.

    The device stays on the radio and cannot be controlled from the cloud. The gateway's own record is created again:
    without it the cloud accepts no record of its devices.
    """
    record = mirror.get(uuid)
    if record is None:
        return
    if isinstance(record.param, GatewayParam):
        await mirror.put(replace(record, id=None), RecordItem(uuid=uuid))
    else:
        await mirror.put(replace(record, id=None, unlinked=True))
    log.warning("device_unlinked", uuid=uuid, category=record.category)
