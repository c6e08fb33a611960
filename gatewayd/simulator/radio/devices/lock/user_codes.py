"""Who may open a lock and when: its user slots, PINs and year-day schedules. Pure."""

from dataclasses import dataclass, field
from enum import Enum, auto

from gatewayd.simulator.radio.devices.lock.codes import UserStatus, UserType


class CodeCheck(Enum):
    WELCOME = auto()
    WRONG = auto()
    NOT_NOW = auto()


class SetPinStatus(Enum):
    """What became of setting a PIN; its value is ZCL's status for Set PIN Code."""

    SET = 0
    FAILED = 1
    DUPLICATE = 3


@dataclass(slots=True)
class UserCode:
    status: UserStatus
    type: int
    pin: bytes = field(repr=False)
    schedules: dict[int, tuple[int, int]] = field(default_factory=dict)

    def may_enter(self, local_time: int) -> bool:
        if self.type != UserType.YEAR_DAY:
            return self.type != UserType.NON_ACCESS
        return any(start <= local_time <= end for start, end in self.schedules.values())


@dataclass(slots=True)
class UserCodes:
    """`slots` user numbers from 0 on, PINs of `shortest` to `longest` digits, `schedules` for each user."""

    slots: int
    shortest: int
    longest: int
    schedules: int
    users: dict[int, UserCode] = field(default_factory=dict)

    def has_slot(self, number: int) -> bool:
        return 0 <= number <= self.slots

    def set_pin(self, number: int, status: int, kind: int, pin: bytes) -> SetPinStatus:
        if not self.has_slot(number) or not self.shortest <= len(pin) <= self.longest or not pin.isdigit():
            return SetPinStatus.FAILED
        if status not in {UserStatus.ENABLED, UserStatus.DISABLED}:
            return SetPinStatus.FAILED
        if any(user.pin == pin and other != number for other, user in self.users.items()):
            return SetPinStatus.DUPLICATE
        before = self.users.get(number)
        schedules = before.schedules if before is not None else {}
        self.users[number] = UserCode(UserStatus(status), kind, pin, schedules)
        return SetPinStatus.SET

    def clear(self, number: int) -> bool:
        """Empty a slot, its schedules too; says whether somebody was in it."""
        return self.users.pop(number, None) is not None

    def find(self, pin: bytes) -> int | None:
        found = (number for number, user in self.users.items() if user.pin == pin)
        return next((number for number in found if self.users[number].status is UserStatus.ENABLED), None)

    def judge(self, number: int | None, local_time: int) -> CodeCheck:
        """Whether the user (None: nobody known) may enter at `local_time`, seconds since 2000-01-01."""
        user = None if number is None else self.users.get(number)
        if user is None or user.status is not UserStatus.ENABLED:
            return CodeCheck.WRONG
        return CodeCheck.WELCOME if user.may_enter(local_time) else CodeCheck.NOT_NOW
