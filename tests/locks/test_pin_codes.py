"""The slot of a new key, and the reasons to refuse it."""

import pytest

from gatewayd.locks.pin_codes import choose_slot
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Uuid
from gatewayd.model.lock import KeyState, KeyType, LockKey, PinSlots
from gatewayd.model.request import AddKey
from gatewayd.model.status import OperationStatus

SLOTS = PinSlots(count=3, min_length=4, max_length=8)


def key(slot: int, name: str) -> LockKey:
    return LockKey(Uuid("00158d0003b00001"), slot, 0, name, KeyState.SET)


MOTHER, FATHER, AUNT = key(1, "妈妈"), key(2, "爸爸"), key(3, "阿姨")


@pytest.mark.parametrize(
    ("action", "keys", "slot"),
    [
        (AddKey(KeyType.PASSWORD, "妈妈", pin="1234"), (), 1),
        (AddKey(KeyType.PASSWORD, "孩子", pin="12345678"), (MOTHER,), 2),
        (AddKey(KeyType.PASSWORD, "孩子", pin="1234"), (FATHER,), 1),
        (AddKey(KeyType.PASSWORD, "孩子", slot=3, pin="1234"), (FATHER,), 3),
    ],
)
def test_slot_is_the_requested_or_the_first_free(action: AddKey, keys: tuple[LockKey, ...], slot: int) -> None:
    assert choose_slot(action, keys, SLOTS, max_keys=100) == slot


@pytest.mark.parametrize(
    ("action", "keys", "max_keys", "status"),
    [
        (AddKey(KeyType.PASSWORD, "妈妈", pin="1234"), (MOTHER,), 100, OperationStatus.SAME_NAME_EXISTS),
        (AddKey(KeyType.PASSWORD, "孩子", pin="123"), (), 100, OperationStatus.BAD_PASSWORD_FORMAT),
        (AddKey(KeyType.PASSWORD, "孩子", pin="123456789"), (), 100, OperationStatus.BAD_PASSWORD_FORMAT),
        (AddKey(KeyType.PASSWORD, "孩子", pin="12a4"), (), 100, OperationStatus.BAD_PASSWORD_FORMAT),
        (AddKey(KeyType.PASSWORD, "孩子", pin="１２３４"), (), 100, OperationStatus.BAD_PASSWORD_FORMAT),
        (AddKey(KeyType.PASSWORD, "孩子", pin="1234"), (MOTHER, FATHER, AUNT), 100, OperationStatus.LIMIT_EXCEEDED),
        (AddKey(KeyType.PASSWORD, "孩子", pin="1234"), (MOTHER,), 1, OperationStatus.LIMIT_EXCEEDED),
        (AddKey(KeyType.PASSWORD, "孩子", slot=1, pin="1234"), (MOTHER,), 100, OperationStatus.BAD_PARAMETERS),
        (AddKey(KeyType.PASSWORD, "孩子", slot=9, pin="1234"), (), 100, OperationStatus.BAD_PARAMETERS),
    ],
)
def test_unfit_key_is_refused_with_its_status(
    action: AddKey, keys: tuple[LockKey, ...], max_keys: int, status: OperationStatus
) -> None:
    with pytest.raises(RefusedError) as raised:
        choose_slot(action, keys, SLOTS, max_keys)
    assert raised.value.status is status
    if action.pin:
        assert action.pin not in str(raised.value)
