"""Dates anew, once the time is known, what was dated while it was not and has not left yet."""

import asyncio
from datetime import timedelta, tzinfo
from typing import Final

import structlog
from msgspec.structs import replace

from gatewayd.model.api_time import UnsureDate, shift_api_time
from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import MessageItem, NoticeItem, OutboxItem, Route
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock

log = structlog.get_logger()

_LOOK_EVERY_S: Final = 0.5
_AGAIN_AFTER_S: Final = 5.0  # what was being written while the time became known
_RETRY_S: Final = 10.0


class Dating:
    """`run` does it, each time that the time becomes known."""

    def __init__(self, clock: BestClock, store: Store, zone: tzinfo) -> None:
        self._clock = clock
        self._store = store
        self._zone = zone
        self._is_done = False

    def may_leave(self, item: OutboxItem) -> bool:
        """False for an item whose date is to be corrected as soon as the time is known."""
        return self._is_done or not isinstance(item, MessageItem) or item.unsure is None

    async def run(self) -> None:
        """Date anew whenever the time has become known, until cancelled."""
        while True:
            if self._clock.known_now() is None:
                self._is_done = False
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            try:
                is_first, self._is_done = not self._is_done, await self._date_anew()
            except StoreError as error:
                log.warning("not_dated_anew", reason=str(error), retry_in_s=_RETRY_S)
                await asyncio.sleep(_RETRY_S)
                continue
            self._store.outbox.retry_now(Route.REST)
            await asyncio.sleep(_AGAIN_AFTER_S if is_first else 60.0)

    async def _date_anew(self) -> bool:
        items = await self._store.outbox.rewrite(self._corrected)
        records = self._store.mirror.date_anew(self._shifted)
        if items or records:
            log.info("dated_anew", items=items, records=records)
        return True

    def _corrected(self, item: OutboxItem) -> OutboxItem:
        if not isinstance(item, MessageItem | NoticeItem) or item.unsure is None:
            return item
        if (offset := self._clock.correction(item.unsure)) is None:
            return item
        return shifted(item, offset, self._zone)

    def _shifted(self, text: str, unsure: UnsureDate) -> str:
        offset = self._clock.correction(unsure)
        return text if offset is None else shift_api_time(text, offset, self._zone)


def shifted(item: MessageItem | NoticeItem, offset: timedelta, zone: tzinfo) -> MessageItem | NoticeItem:
    """`item` with its date moved by `offset`, and sure from now on."""
    match item:
        case MessageItem():
            return replace(item, occur_time=shift_api_time(item.occur_time, offset, zone), unsure=None)
        case NoticeItem(record=record):
            update_time = shift_api_time(record.update_time or "", offset, zone) or None
            return replace(item, record=replace(record, update_time=update_time), unsure=None)
