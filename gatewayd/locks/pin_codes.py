"""Adds and removes password keys: a PIN code is programmed into a slot of the lock, its key (§2.8) is stored.

A key is stored before it is programmed, and until it is cleared, so that a power cut never leaves a PIN code in a lock
that the gateway has no record of: `PinCodes.remove_unfinished` clears it.
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
    """Stores keys durably."""

    def keys_of(self, uuid: Uuid) -> tuple[LockKey, ...]: ...

    async def put_key(self, key: LockKey) -> None: ...

    async def drop_key(self, uuid: Uuid, slot: int) -> None: ...


class PinProgrammer(Protocol):
    """Programs a lock's PIN slots (ZCL Door Lock: Set PIN Code, Clear PIN Code). Raises GatewayError where the lock
    does not answer or refuses.
    """

    async def pin_slots(self, uuid: Uuid) -> PinSlots: ...

    async def set_pin(self, uuid: Uuid, slot: int, pin: str) -> None: ...

    async def clear_pin(self, uuid: Uuid, slot: int) -> None: ...


class PinCodes:
    """Handlers that add and remove a lock's keys.

    `on_unfinished` is called with a lock where one broke off; `remove_unfinished` is to be called then. A lock's keys
    are changed one at a time, so that a key that is being added is not taken for an unfinished one.
    """

    def __init__(
        self,
        records: RecordReader,
        store: KeyStore,
        programmer: PinProgrammer,
        *,
        max_keys: int,
        on_unfinished: Callable[[Uuid], None],
    ) -> None:
        self._records = records
        self._store = store
        self._programmer = programmer
        self._max_keys = max_keys
        self._on_unfinished = on_unfinished
        self._mutexes: defaultdict[Uuid, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def add(self, request: Request, action: AddKey) -> Answer:
        """Add a password key. Raises RefusedError with the §9 status that fits, or what programmer or store raise."""
        if action.key_type != KeyType.PASSWORD or action.pin is None:
            raise RefusedError(
                f"a key of type {action.key_type} is made at the lock itself; a password key (0) needs a pin",
                OperationStatus.BAD_PARAMETERS,
            )
        async with self._mutexes[request.uuid]:
            await self._add_key(request.uuid, action, action.pin)
        return Answer(OperationStatus.CREATED, self._records.get(request.uuid))

    async def remove(self, request: Request, action: RemoveKey) -> Answer:
        """Remove a key. Raises RefusedError where its slot is empty, or what programmer or store raise."""
        async with self._mutexes[request.uuid]:
            key = next((key for key in self._store.keys_of(request.uuid) if key.slot == action.slot), None)
            if key is None:
                raise RefusedError(f"no key in slot {action.slot}", OperationStatus.NO_SUCH_INFORMATION)
            with self._report_unfinished(key.uuid):
                await self._remove_key(key)
        return Answer(OperationStatus.DELETED, self._records.get(request.uuid))

    async def remove_unfinished(self, uuid: Uuid) -> None:
        """Remove from the lock every key whose adding or removing broke off. Raises GatewayError where the lock does
        not answer or refuses.
        """
        async with self._mutexes[uuid]:
            await self._remove_unfinished(uuid)

    async def _remove_unfinished(self, uuid: Uuid) -> None:
        for key in self._store.keys_of(uuid):
            if key.state is not KeyState.SET:
                await self._remove_key(key)

    async def _add_key(self, uuid: Uuid, action: AddKey, pin: str) -> None:
        await self._remove_unfinished(uuid)
        slots = await self._programmer.pin_slots(uuid)
        slot = choose_slot(action, self._store.keys_of(uuid), slots, self._max_keys)
        key = LockKey(uuid, slot, action.key_type, action.name, KeyState.PENDING, action.member_id)
        with self._report_unfinished(uuid):
            await self._store.put_key(key)
            await self._programmer.set_pin(uuid, slot, pin)
            await self._store.put_key(replace(key, state=KeyState.SET))
        log.info("key_added", uuid=uuid, slot=slot, name=action.name)

    async def _remove_key(self, key: LockKey) -> None:
        await self._store.put_key(replace(key, state=KeyState.REMOVING))
        await self._programmer.clear_pin(key.uuid, key.slot)
        await self._store.drop_key(key.uuid, key.slot)
        log.info("key_removed", uuid=key.uuid, slot=key.slot)

    @contextmanager
    def _report_unfinished(self, uuid: Uuid) -> Iterator[None]:
        """Call `on_unfinished` where the block breaks off, also where it is cancelled at the request's deadline."""
        try:
            yield
        except BaseException:
            self._on_unfinished(uuid)
            raise


def choose_slot(action: AddKey, keys: Iterable[LockKey], slots: PinSlots, max_keys: int) -> int:
    """The slot for a new key: the requested one, else the first free. Raises RefusedError where its name or slot is
    taken, the lock is full, or the PIN does not fit the lock.
    """
    taken = {key.slot: key for key in keys}
    if any(key.name == action.name for key in taken.values()):
        raise RefusedError(f"a key named {action.name!r} is there already", OperationStatus.SAME_NAME_EXISTS)
    pin = action.pin or ""
    if not (slots.min_length <= len(pin) <= slots.max_length and pin.isdecimal() and pin.isascii()):
        raise RefusedError(
            f"this lock accepts {slots.min_length} to {slots.max_length} digits", OperationStatus.BAD_PASSWORD_FORMAT
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
