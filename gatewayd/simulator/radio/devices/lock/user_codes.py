"""Who may open a lock and when: its user slots, PINs and year-day schedules (ZCL 7.3). Pure."""

from dataclasses import dataclass, field
from enum import Enum, auto

from gatewayd.simulator.radio.devices.lock.codes import UserStatus, UserType


class CodeCheck(Enum):
    """Whether a user may enter."""

    VALID = auto()
    WRONG = auto()
    OUT_OF_SCHEDULE = auto()


class SetPinStatus(Enum):
    """The status of Set PIN Code Response."""

    SET = 0
    FAILED = 1
    DUPLICATE = 3


@dataclass(slots=True)
class UserCode:
    """A user slot that is in use. `schedules` are year-day schedules: number → (start, end), local ZCL time."""

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
    """Users 0 to `slots`, PINs of `shortest` to `longest` digits, `schedules` for each user."""

    slots: int
    shortest: int
    longest: int
    schedules: int
    users: dict[int, UserCode] = field(default_factory=dict)

    def has_slot(self, user_id: int) -> bool:
        return 0 <= user_id <= self.slots

    def set_pin(self, user_id: int, status: int, type_: int, pin: bytes) -> SetPinStatus:
        """Set a slot's PIN, status and type; its schedules stay."""
        if not self.has_slot(user_id) or not self.shortest <= len(pin) <= self.longest or not pin.isdigit():
            return SetPinStatus.FAILED
        if status not in {UserStatus.ENABLED, UserStatus.DISABLED}:
            return SetPinStatus.FAILED
        if any(user.pin == pin and other != user_id for other, user in self.users.items()):
            return SetPinStatus.DUPLICATE
        before = self.users.get(user_id)
        schedules = before.schedules if before is not None else {}
        self.users[user_id] = UserCode(UserStatus(status), type_, pin, schedules)
        return SetPinStatus.SET

    def clear(self, user_id: int) -> bool:
        """Empty a slot, with its schedules; False where it was empty."""
        return self.users.pop(user_id, None) is not None

    def find(self, pin: bytes) -> int | None:
        """The enabled user of a PIN."""
        found = (user_id for user_id, user in self.users.items() if user.pin == pin)
        return next((user_id for user_id in found if self.users[user_id].status is UserStatus.ENABLED), None)

    def check(self, user_id: int | None, local_time: int) -> CodeCheck:
        """Whether the user may enter at `local_time`, seconds since 2000-01-01; None: the code belongs to no user."""
        user = None if user_id is None else self.users.get(user_id)
        if user is None or user.status is not UserStatus.ENABLED:
            return CodeCheck.WRONG
        return CodeCheck.VALID if user.may_enter(local_time) else CodeCheck.OUT_OF_SCHEDULE
