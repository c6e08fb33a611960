"""Keys of a lock: a password key is programmed into a slot of the lock, named, and kept here.

A key stands in the book before the lock has it and until the lock no longer has it, so that after a power cut no
password is left in a lock that nobody knows of: `settle` takes it out again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import structlog

from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Uuid
from gatewayd.model.lock import KeyState, KeyType, LockKey, PinSlots
from gatewayd.model.ports import RecordReader
from gatewayd.model.request import AddKey, Answer, RemoveKey, Request
from gatewayd.model.status import OperationStatus

log = structlog.get_logger()


class KeyStore(Protocol):
    """Where keys are kept, durably."""

    def keys_of(self, uuid: Uuid) -> tuple[LockKey, ...]: ...

    async def put_key(self, key: LockKey) -> None: ...

    async def drop_key(self, uuid: Uuid, slot: int) -> None: ...


class PinProgrammer(Protocol):
    """The lock's PIN slots (ZCL 0x0101 commands 0x05, 0x07). Raises GatewayError where the lock does not take it."""

    async def pin_slots(self, uuid: Uuid) -> PinSlots: ...

    async def set_pin(self, uuid: Uuid, slot: int, pin: str) -> None: ...

    async def clear_pin(self, uuid: Uuid, slot: int) -> None: ...


class PinCodes:
    """Handlers for adding and removing a lock's keys. `left_unsettled` hears of a lock where one was not finished.

    One thing at a time is done with a lock's keys: what is just being added is not half done.
    """

    def __init__(
        self,
        records: RecordReader,
        book: KeyStore,
        radio: PinProgrammer,
        *,
        max_keys: int,
        left_unsettled: Callable[[Uuid], None],
    ) -> None:
        self._records = records
        self._book = book
        self._radio = radio
        self._max_keys = max_keys
        self._left_unsettled = left_unsettled
        self._turns: defaultdict[Uuid, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def add(self, request: Request, action: AddKey) -> Answer:
        """lock, `create`: put a password key into its slot. Raises RefusedError with the §9 meaning that fits."""
        if action.key_type != KeyType.PASSWORD or action.pin is None:
            raise RefusedError(
                f"a key of type {action.key_type} is made at the lock itself; a password key (0) needs a pin",
                OperationStatus.BAD_PARAMETERS,
            )
        async with self._turns[request.uuid]:
            await self._put_in(request.uuid, action, action.pin)
        return Answer(OperationStatus.CREATED, self._records.get(request.uuid))

    async def remove(self, request: Request, action: RemoveKey) -> Answer:
        """lock, `delete` with a key: take it out of its slot. Raises RefusedError where there is none."""
        async with self._turns[request.uuid]:
            key = next((key for key in self._book.keys_of(request.uuid) if key.slot == action.slot), None)
            if key is None:
                raise RefusedError(f"no key in slot {action.slot}", OperationStatus.NO_SUCH_INFORMATION)
            with self._finished_later(key.uuid):
                await self._take_out(key)
        return Answer(OperationStatus.DELETED, self._records.get(request.uuid))

    async def settle(self, uuid: Uuid) -> None:
        """Bring to an end what a crash or a silent lock left half done: such a key is taken out of the lock.

        Raises GatewayError where the lock does not let it be done now.
        """
        async with self._turns[uuid]:
            await self._settle(uuid)

    async def _settle(self, uuid: Uuid) -> None:
        for key in self._book.keys_of(uuid):
            if key.state is not KeyState.SET:
                await self._take_out(key)

    async def _put_in(self, uuid: Uuid, action: AddKey, pin: str) -> None:
        await self._settle(uuid)
        slots = await self._radio.pin_slots(uuid)
        slot = choose_slot(action, self._book.keys_of(uuid), slots, self._max_keys)
        key = LockKey(uuid, slot, action.key_type, action.name, KeyState.PENDING, action.member_id)
        with self._finished_later(uuid):
            await self._book.put_key(key)
            await self._radio.set_pin(uuid, slot, pin)
            await self._book.put_key(replace(key, state=KeyState.SET))
        log.info("key_added", uuid=uuid, slot=slot, name=action.name)

    async def _take_out(self, key: LockKey) -> None:
        await self._book.put_key(replace(key, state=KeyState.REMOVING))
        await self._radio.clear_pin(key.uuid, key.slot)
        await self._book.drop_key(key.uuid, key.slot)
        log.info("key_removed", uuid=key.uuid, slot=key.slot)

    @contextmanager
    def _finished_later(self, uuid: Uuid) -> Iterator[None]:
        """Whatever breaks off in here, the requester's patience included, is told to who settles it."""
        try:
            yield
        except BaseException:
            self._left_unsettled(uuid)
            raise


def choose_slot(action: AddKey, keys: Iterable[LockKey], slots: PinSlots, max_keys: int) -> int:
    """The slot that a new key takes; raises RefusedError: name or slot taken, full, or a PIN unfit for the lock."""
    taken = {key.slot: key for key in keys}
    if any(key.name == action.name for key in taken.values()):
        raise RefusedError(f"a key named {action.name!r} is there already", OperationStatus.SAME_NAME_EXISTS)
    pin = action.pin or ""
    if not (slots.min_length <= len(pin) <= slots.max_length and pin.isdecimal() and pin.isascii()):
        raise RefusedError(
            f"this lock takes {slots.min_length} to {slots.max_length} digits", OperationStatus.BAD_PASSWORD_FORMAT
        )
    if len(taken) >= min(max_keys, slots.count):
        raise RefusedError(f"the lock holds {len(taken)} keys already", OperationStatus.LIMIT_EXCEEDED)
    free = [slot for slot in range(1, slots.count + 1) if slot not in taken]
    if action.slot is None:
        return free[0]
    if action.slot not in free:
        raise RefusedError(
            f"slot {action.slot} is taken, or not one of 1 to {slots.count}", OperationStatus.BAD_PARAMETERS
        )
    return action.slot
