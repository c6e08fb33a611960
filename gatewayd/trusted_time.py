"""The best time that is known: the cloud's (§2.13), else the system's while it is synchronized, else the board's.

The cloud's time is an offset to a monotonic clock, so that a jump of the board's clock does not change it. To date anew
what was dated by a wrong one is left to `wiring.dating`.
"""

import asyncio
import ctypes
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from gatewayd.model.api_time import UnsureDate
from gatewayd.model.errors import MalformedError, StoreError
from gatewayd.model.ports import FactStore

log = structlog.get_logger()

EARLIEST: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""Nothing that this program sees can be older than the program."""

_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_LIBC: Final = ctypes.CDLL(None)
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronized
_TIMEX_BYTES: Final = 512  # struct timex has 208 bytes on 64-bit boards, less on others
_FACT: Final = "not-before"  # the cloud's time, Unix seconds
_TOLERANCE: Final = timedelta(minutes=5)
_MAX_BACK: Final = timedelta(seconds=30)
"""An answer of the cloud may be behind by so much: it was on its way, and clocks drift. A request may be that older."""
_MAX_LEAD: Final = timedelta(days=1)
_CONFIRMED_AFTER_S: Final = 3600.0
"""Answers that have agreed for so long tell the time, however far it is from what was known."""
_TEXT: Final = "%Y-%m-%d %H:%M:%S UTC"
_STEP: Final = timedelta(minutes=1)  # what is more than a clock's drift
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_LASTS: Final = timedelta(days=1)
"""How long a clock that was synchronized is followed after it no longer is: at 100 ppm it is 9 s off by then."""


def system_now() -> datetime:
    """The board's clock, right or wrong."""
    return datetime.now(UTC)


def boottime_s() -> float:
    """Seconds since the board started, its sleep included: they never jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def is_system_synchronized() -> bool:
    """Whether something (NTP, PTP, GPS) keeps the system's clock right: adjtimex(2). A clock that is set by hand is not
    synchronized until NTP has confirmed it.
    """
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: read, change nothing
    return 0 <= int(_LIBC.adjtimex(timex)) < _TIME_ERROR


def read_boot_id() -> str:
    """The kernel's id of this boot: `boottime_s` counts from its start."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return secrets.token_hex(16)


class ClockSource(StrEnum):
    """Where the time comes from."""

    CLOUD = "cloud"
    SYSTEM = "system"  # synchronized, or it was within the last day
    GUESS = "guess"  # the board's clock, never before the lower bound: the time is not known


@dataclass(frozen=True, slots=True)
class ClockState:
    """`now` is the best time by `source`; `system_offset` is what the board's clock is ahead of it. `trouble`: why the
    cloud's last answer is not believed; None where it is, or there was none.
    """

    source: ClockSource
    now: datetime
    system_offset: timedelta
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class OtherClocks:
    """What else tells the time at the moment of an answer of the cloud.

    `bound` is past for sure; `followed` is the time by earlier answers, `system` that of the system while it is
    synchronized; None where there is none.
    """

    bound: datetime
    followed: datetime | None = None
    is_followed_confirmed: bool = False
    system: datetime | None = None


def cloud_time_fault(told: datetime, others: OtherClocks, *, is_confirmed: bool) -> str | None:
    """Why the cloud's answer `told` is not believed; None where it is. `is_confirmed`: answers have agreed for an hour.

    A time that is too early lets old requests through: an HTTP cache, a server with a wrong clock, and whoever poses as
    the cloud may tell one. So an answer behind the bound needs a synchronized system's clock that agrees; or an hour of
    answers that agree, and no such clock that contradicts. Any other that departs from what is known needs one of the
    two; one that is later than a time that nothing has confirmed is believed at once.
    """
    system, followed = others.system, others.followed
    if system is not None and is_seconded(told, system):
        return None
    if system is not None and system < others.bound - _TOLERANCE:
        system = None  # it is behind what is past
    contradiction: tuple[str, datetime] | None = None
    if told < others.bound - _MAX_BACK:
        if system is not None or not is_confirmed:
            contradiction = "by its earlier word, kept on disk, it is at least", others.bound
    elif not is_confirmed:
        if system is not None:
            contradiction = "the system's clock, which is synchronized, says", system
        elif followed is not None and _is_departure(told, followed, is_confirmed=others.is_followed_confirmed):
            contradiction = "by its earlier answers it is", followed
    if contradiction is None:
        return None
    what, moment = contradiction
    return f"the cloud's time {told:{_TEXT}} is not believed: {what} {moment:{_TEXT}}"


def _is_departure(told: datetime, followed: datetime, *, is_confirmed: bool) -> bool:
    return told < followed - _MAX_BACK or (is_confirmed and told > followed + _TOLERANCE)


def is_seconded(told: datetime, system: datetime) -> bool:
    """Whether a synchronized system's clock agrees with the cloud's time `told`."""
    return -_MAX_BACK <= told - system <= _TOLERANCE


class BestClock:
    """Tells the time (UTC), and whether it is known to be right.

    `monotonic` returns seconds that never jump; `system_now` is the board's clock; `is_synchronized` the kernel's word
    on it; `boot` the id of the boot that `monotonic` counts from.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = boottime_s,
        system_now: Callable[[], datetime] = system_now,
        is_synchronized: Callable[[], bool] = is_system_synchronized,
        boot: str | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._system_now = system_now
        self._is_synchronized = is_synchronized
        self._boot = boot or read_boot_id()
        self._cloud: datetime | None = None  # the cloud's time when `monotonic` was 0
        self._is_confirmed = False  # by answers that agreed, or by a synchronized system's clock
        self._agreed: datetime | None = None  # likewise by the first of the last answers that agreed, believed or not
        self._agreed_since = 0.0
        self._trouble: str | None = None
        self._system: datetime | None = None  # likewise by the system's clock when it was last synchronized
        self._system_until = 0.0  # until then it is followed (monotonic)
        self._guess: datetime | None = None  # likewise by the board's clock, right or wrong
        self._is_bound_told = False
        self._bound = EARLIEST  # a lower bound of the time when `monotonic` was `_bound_at`
        self._bound_at = monotonic()

    def set_cloud_time(self, timestamp: int) -> None:
        """`timestamp` (Unix seconds) is the cloud's time at this moment.

        Raises MalformedError where it can be none, or `cloud_time_fault` says why it is not believed. Only one that is
        confirmed, or that the board's clock agrees with, moves the lower bound by more than a day: a single answer far
        ahead would keep out the true ones after it for an hour.
        """
        if not 0 < timestamp < _LATEST.timestamp():
            raise MalformedError(f"the cloud's timestamp {timestamp!r} is no time between 1970 and 2200")
        told, monotonic = datetime.fromtimestamp(timestamp, UTC), self._monotonic()
        zero = told - self._elapsed()
        if self._agreed is None or abs(zero - self._agreed) > _MAX_BACK:
            self._agreed, self._agreed_since = zero, monotonic
        system = self._system_now() if self._is_synchronized() else None
        followed = None if self._cloud is None else self._cloud + self._elapsed()
        others = OtherClocks(self.not_before(), followed, self._is_confirmed, system)
        has_agreed_for_long = monotonic - self._agreed_since >= _CONFIRMED_AFTER_S
        self._trouble = cloud_time_fault(told, others, is_confirmed=has_agreed_for_long)
        if self._trouble is not None:
            raise MalformedError(self._trouble)
        is_near = followed is not None and abs(told - followed) <= _TOLERANCE
        is_confirmed = has_agreed_for_long or (system is not None and is_seconded(told, system))
        if is_confirmed or self._cloud is None or zero > self._cloud:  # or a cache holds it back bit by bit
            self._cloud = zero
        self._is_confirmed = is_confirmed or (self._is_confirmed and is_near)
        if is_confirmed or timedelta() < told - self.not_before() <= self._max_lead(told):
            self._bound, self._bound_at = max(told, EARLIEST), monotonic
            self._is_bound_told = True

    def _max_lead(self, told: datetime) -> timedelta:
        """By how much one answer that nothing has confirmed may move the bound: as far as the board's own clock is."""
        return timedelta.max if abs(told - self._system_now()) <= _TOLERANCE else _MAX_LEAD

    def set_lower_bound(self, moment: datetime) -> None:
        """It is now `moment` at least: the cloud said so before."""
        self._bound, self._bound_at = max(moment, EARLIEST), self._monotonic()

    @property
    def is_bound_told(self) -> bool:
        """Whether the cloud has told the lower bound since this clock was made."""
        return self._is_bound_told

    def now(self) -> datetime:
        """The best estimate: the known time, else the board's, which is never before the lower bound. A board's clock
        that is set forward is followed, one that is set back is not.
        """
        return self.known_now() or self._guessed_now()

    def state(self) -> ClockState:
        """What is followed now, for people."""
        source, now = self._known() or (ClockSource.GUESS, self._guessed_now())
        return ClockState(source, now, self._system_now() - now, self._trouble)

    def unsure(self) -> UnsureDate | None:
        """What goes with a date of this moment while the time is not known; None while it is."""
        if self.known_now() is not None:
            return None
        zero = self._guessed_now() - self._elapsed()
        return UnsureDate(self._boot, round(zero.timestamp() * 1000))

    def correction(self, unsure: UnsureDate) -> timedelta | None:
        """What to add to what was dated so; None while the time is not known, and where that was in another boot."""
        if unsure.boot != self._boot or (known := self.known_now()) is None:
            return None
        return known - self._elapsed() - datetime.fromtimestamp(unsure.zero_ms / 1000, UTC)

    def known_now(self) -> datetime | None:
        """The cloud's time, else the system's while it is synchronized and for a day after; None where neither is to
        be had. A system's clock that is behind the cloud's word is not believed; a cloud's that nothing has confirmed
        is not where it contradicts the system's.
        """
        known = self._known()
        return None if known is None else known[1]

    def _known(self) -> tuple[ClockSource, datetime] | None:
        cloud = None if self._cloud is None else self._cloud + self._elapsed()
        if cloud is not None and self._is_confirmed:
            return ClockSource.CLOUD, cloud
        system = self._system_known_now()
        if cloud is not None and (system is None or is_seconded(cloud, system)):
            return ClockSource.CLOUD, cloud
        return None if system is None else (ClockSource.SYSTEM, system)

    def _system_known_now(self) -> datetime | None:
        monotonic = self._monotonic()
        if self._is_synchronized():
            system = self._system_now()
            if system < self.not_before() - _TOLERANCE:
                return None
            self._system = system - self._elapsed()
            self._system_until = monotonic + _LASTS.total_seconds()
            return system
        if self._system is not None and monotonic < self._system_until:
            return self._system + self._elapsed()
        return None

    def is_system_wrong(self) -> bool:
        """Whether the board's clock is wrong for sure: not the time that is known, or behind what is past. The kernel's
        word that it is synchronized stands against both.
        """
        if self._is_synchronized():
            return False
        system, known = self._system_now(), self.known_now()
        if known is not None:
            return abs(system - known) > _TOLERANCE
        return system < self.not_before() - _TOLERANCE

    def not_before(self) -> datetime:
        """A time that is past for sure: the cloud's, as last told in this or a former run, else `EARLIEST`."""
        return self._bound + timedelta(seconds=self._monotonic() - self._bound_at)

    def _guessed_now(self) -> datetime:
        zero = max(self._system_now(), self.not_before()) - self._elapsed()
        if self._guess is None or zero - self._guess > _STEP:
            self._guess = zero
        return self._guess + self._elapsed()

    def _elapsed(self) -> timedelta:
        return timedelta(seconds=self._monotonic())


def read_lower_bound(facts: FactStore) -> datetime:
    """The cloud's time as `keep_lower_bound` last wrote it; `EARLIEST` where it never did."""
    try:
        found = datetime.fromtimestamp(int(facts.get(_FACT) or b""), UTC)
    except (ValueError, OverflowError, OSError):
        return EARLIEST
    return found if EARLIEST <= found < _LATEST else EARLIEST


async def keep_lower_bound(
    clock: BestClock, facts: FactStore, *, first_s: float = 5.0, interval_s: float = 3600.0
) -> None:
    """Write the lower bound as a fact, every `interval_s` once the cloud has told it (looked for each `first_s`), until
    cancelled.
    """
    while True:
        if not clock.is_bound_told:
            clock.known_now()  # remembers a synchronized system's time, for when it no longer is
            await asyncio.sleep(first_s)
            continue
        try:
            await facts.set(_FACT, str(int(clock.not_before().timestamp())).encode())
        except StoreError as error:
            log.warning("lower_bound_of_time_not_written", reason=str(error))
        await asyncio.sleep(interval_s)
