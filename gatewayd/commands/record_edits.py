"""Edits of what the household owns: titles, icons, rooms, limits (`update` and `set` requests, §4.2)."""

import msgspec
from msgspec.structs import replace

from gatewayd.model.errors import UnknownDeviceError
from gatewayd.model.ids import ExecType
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.ports import RecordWriter
from gatewayd.model.record import Record
from gatewayd.model.request import Answer, Request, UpdateRecord
from gatewayd.model.status import OperationStatus


class RecordEdits:
    """Handles UpdateRecord: the record is changed in the mirror, and the outbox takes it to the cloud."""

    def __init__(self, records: RecordWriter) -> None:
        self._records = records

    async def update(self, request: Request, action: UpdateRecord) -> Answer:
        """Change the record; on disk when this returns. Raises UnknownDeviceError, StoreError."""
        record = self._records.get(request.uuid)
        if record is None:
            raise UnknownDeviceError(f"no device {request.uuid} here")
        edited = edit(record, action)
        if edited != record:
            await self._records.put(edited, RecordItem(uuid=request.uuid))
        status = OperationStatus.SET_DONE if request.exectype is ExecType.SET else OperationStatus.UPDATED
        return Answer(status, edited)


def edit(record: Record, action: UpdateRecord) -> Record:
    """`record` with the fields of `action`; the names of those that changed are added to `edited`."""
    after = replace(record, **action.header, param=replace(record.param, **action.param))
    spelled = {item.name: item.encode_name for item in msgspec.structs.fields(type(record.param))}
    edited = {name for name in action.header if getattr(after, name) != getattr(record, name)}
    edited |= {
        f"param.{spelled[name]}" for name in action.param if getattr(after.param, name) != getattr(record.param, name)
    }
    return replace(after, edited=tuple(sorted(edited.union(record.edited))))
