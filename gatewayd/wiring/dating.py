"""Dates anew, once the time is known, what was dated while it was not and has not left yet."""

import asyncio
from contextlib import suppress
from datetime import timedelta, tzinfo
from typing import Final

import structlog
from msgspec.structs import replace

from gatewayd.model.api_time import UnsureDate, shift_api_time
from gatewayd.model.errors import StoreError
from gatewayd.model.ids import ExecType
from gatewayd.model.outbox_items import MessageItem, NoticeItem, OutboxItem, Route
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock

log = structlog.get_logger()

NOTICES_WAIT_S: Final = 10.0
"""How long notices wait for the time once it is not known; then they leave with the board's best guess: an alarm that
comes late is worse than one with a wrong date, and the message over REST (§2.9), which waits on, has the right one.
"""

_LOOK_EVERY_S: Final = 0.5
_LOOK_AGAIN_S: Final = 60.0
_RETRY_S: Final = 10.0


class Dating:
    """`run` does it, each time that the time becomes known."""

    def __init__(self, clock: BestClock, store: Store, zone: tzinfo) -> None:
        self._clock = clock
        self._store = store
        self._zone = zone
        self._is_done = False  # what waited when the time became known is dated anew
        self._not_done_since = asyncio.get_running_loop().time()
        self._is_overdue = False  # notices have waited for long enough
        self._is_found = asyncio.Event()  # something that can be dated anew

    def may_leave(self, item: OutboxItem) -> bool:
        """False for an item that is to be dated anew first, now or as soon as the time is known, and for a notice that
        would overtake such a one.

        Notices do not wait for longer than NOTICES_WAIT_S for a time that is not known.
        """
        match item:
            case MessageItem(unsure=None):
                return True
            case NoticeItem(unsure=None, exectype=ExecType.UPDATE):
                return self._is_done or self._is_overdue
            case MessageItem() | NoticeItem() if item.unsure is not None:
                return self._may_leave_unsurely(item, item.unsure)
            case _:
                return True

    def _may_leave_unsurely(self, item: MessageItem | NoticeItem, unsure: UnsureDate) -> bool:
        if self._clock.known_now() is None:
            return isinstance(item, NoticeItem) and self._is_overdue
        if self._clock.correction(unsure) is None:  # of another boot: its date stays as it is
            return self._is_done or (isinstance(item, NoticeItem) and self._is_overdue)
        self._is_found.set()  # it was being written, or in flight, while the others were dated anew
        return False

    async def run(self) -> None:
        """Date anew whenever the time has become known, until cancelled."""
        while True:
            if self._clock.known_now() is None:
                self._note_unknown()
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            self._is_found.clear()
            try:
                changed = await self._date_anew()
            except StoreError as error:
                log.warning("not_dated_anew", reason=str(error), retry_in_s=_RETRY_S)
                self._note_overdue()
                await asyncio.sleep(_RETRY_S)
                continue
            is_first, self._is_done, self._is_overdue = not self._is_done, True, False
            if changed or is_first:
                for route in Route:
                    self._store.outbox.retry_now(route)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._is_found.wait()

    def _note_unknown(self) -> None:
        if self._is_done:
            self._is_done, self._not_done_since = False, asyncio.get_running_loop().time()
        self._note_overdue()

    def _note_overdue(self) -> None:
        if not self._is_overdue and asyncio.get_running_loop().time() - self._not_done_since >= NOTICES_WAIT_S:
            self._is_overdue = True
            self._store.outbox.retry_now(Route.MQTT)

    async def _date_anew(self) -> bool:
        """Whether any item was."""
        items = await self._store.outbox.rewrite(self._corrected)
        records = self._store.mirror.date_anew(self._shifted)
        if items or records:
            log.info("dated_anew", items=items, records=records)
        return items > 0

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
