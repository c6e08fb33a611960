"""Which clock is followed, and what stays known of the time over a jump, a loss of synchronization and a restart."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.model.api_time import UnsureDate
from gatewayd.model.errors import MalformedError
from gatewayd.store.store import Store
from gatewayd.trusted_time import (
    EARLIEST,
    BestClock,
    ClockSource,
    ClockState,
    OtherClocks,
    cloud_time_fault,
    is_system_synchronized,
    keep_lower_bound,
    read_lower_bound,
)

TRUTH = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
BOARD_AT_1970 = datetime(1970, 1, 1, 0, 3, tzinfo=UTC)


@dataclass
class Board:
    """A board's clocks: what its wall clock shows, whether it is synchronized, and how long it has been up."""

    wall: datetime = TRUTH
    is_synchronized: bool = False
    up_s: float = 1_000.0
    clock: BestClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = BestClock(lambda: self.up_s, lambda: self.wall, lambda: self.is_synchronized, boot="this boot")

    def wait(self, seconds: float) -> None:
        self.up_s += seconds
        self.wall += timedelta(seconds=seconds)


def test_without_cloud_and_synchronization_the_time_is_not_known() -> None:
    board = Board()
    assert board.clock.known_now() is None
    assert board.clock.now() == TRUTH


def test_board_at_1970_with_the_clouds_time_tells_the_clouds() -> None:
    board = Board(wall=BOARD_AT_1970)
    board.clock.set_cloud_time(int(TRUTH.timestamp()))
    board.wait(90)
    assert board.clock.known_now() == board.clock.now() == TRUTH + timedelta(seconds=90)


def test_board_at_1970_that_knows_nothing_dates_not_before_what_it_knew() -> None:
    board = Board(wall=BOARD_AT_1970)
    assert board.clock.now() == EARLIEST
    board.clock.set_lower_bound(TRUTH)
    board.wait(60)
    assert board.clock.now() == board.clock.not_before() == TRUTH + timedelta(seconds=60)


@pytest.mark.parametrize("step", [timedelta(hours=-3), timedelta(hours=5)])
def test_step_of_the_boards_clock_moves_nothing_while_the_clouds_time_is_known(step: timedelta) -> None:
    board = Board()
    board.clock.set_cloud_time(int(TRUTH.timestamp()))
    board.wall += step
    board.wait(10)
    assert board.clock.now() == TRUTH + timedelta(seconds=10)


def test_cloud_is_believed_before_a_synchronized_system() -> None:
    board = Board(is_synchronized=True)
    board.clock.set_cloud_time(int(TRUTH.timestamp()) + 40)
    assert board.clock.known_now() == TRUTH + timedelta(seconds=40)


def test_system_that_was_synchronized_is_followed_for_a_day_after_a_step() -> None:
    board = Board(is_synchronized=True)
    assert board.clock.known_now() == TRUTH
    board.is_synchronized = False  # as the kernel says after settimeofday
    board.wall -= timedelta(hours=3)
    board.wait(3600)
    assert board.clock.known_now() == board.clock.now() == TRUTH + timedelta(hours=1)
    board.wait(86_400)
    assert board.clock.known_now() is None


def test_synchronized_system_that_is_behind_the_clouds_word_is_not_believed() -> None:
    board = Board(wall=TRUTH - timedelta(hours=3), is_synchronized=True)
    board.clock.set_lower_bound(TRUTH)
    assert board.clock.known_now() is None
    assert board.clock.now() == TRUTH


@pytest.mark.parametrize("timestamp", [0, -1, 10**11, 10**400])
def test_timestamp_that_is_no_time_is_refused(timestamp: int) -> None:
    board = Board()
    with pytest.raises(MalformedError):
        board.clock.set_cloud_time(timestamp)
    assert board.clock.known_now() is None


def test_date_of_an_unknown_time_is_corrected_once_it_is_known() -> None:
    board = Board(wall=TRUTH - timedelta(hours=3))
    dated, unsure = board.clock.now(), board.clock.unsure()
    assert unsure is not None
    assert board.clock.correction(unsure) is None
    board.wall -= timedelta(hours=5)  # a step back is not followed
    board.wait(60)
    assert board.clock.now() == dated + timedelta(seconds=60)
    board.clock.set_cloud_time(int(TRUTH.timestamp()) + 60)
    assert board.clock.unsure() is None
    offset = board.clock.correction(unsure)
    assert offset is not None
    assert abs(dated + offset - TRUTH) < timedelta(milliseconds=2)


def test_clock_that_is_set_forward_is_followed_and_each_date_is_corrected_by_its_own_offset() -> None:
    board = Board(wall=TRUTH - timedelta(hours=3))
    first, unsure = board.clock.now(), board.clock.unsure()
    board.wall += timedelta(hours=1)
    second, later = board.clock.now(), board.clock.unsure()
    assert second - first == timedelta(hours=1)
    board.clock.set_cloud_time(int(TRUTH.timestamp()))
    assert unsure is not None
    assert later is not None
    assert board.clock.correction(unsure) == timedelta(hours=3)
    assert board.clock.correction(later) == timedelta(hours=2)


def test_date_of_another_boot_cannot_be_corrected() -> None:
    board = Board()
    board.clock.set_cloud_time(int(TRUTH.timestamp()))
    assert board.clock.correction(UnsureDate("another boot", 0)) is None


def test_kernel_is_asked_without_changing_its_clock() -> None:
    before = datetime.now(UTC)
    assert is_system_synchronized() in (True, False)
    assert datetime.now(UTC) - before < timedelta(seconds=5)


async def test_clouds_time_is_a_lower_bound_after_a_restart(tmp_path: Path) -> None:
    board = Board(is_synchronized=True)
    board.clock.set_cloud_time(int(TRUTH.timestamp()))
    async with Store.open(tmp_path / "db", now=board.clock.now, zone=UTC, key=bytes(32)) as store:
        keeper = asyncio.create_task(keep_lower_bound(board.clock, store.facts, first_s=0.01))
        async with asyncio.timeout(10):
            while read_lower_bound(store.facts) == EARLIEST:
                await asyncio.sleep(0.01)
        keeper.cancel()
    after = Board(wall=BOARD_AT_1970)
    async with Store.open(tmp_path / "db", now=after.clock.now, zone=UTC, key=bytes(32)) as store:
        after.clock.set_lower_bound(read_lower_bound(store.facts))
    assert after.clock.not_before() == TRUTH
    assert after.clock.known_now() is None


@pytest.mark.parametrize("value", [b"", b"x", b"9" * 11, b"9" * 400, b"\xff", b"-1"])
async def test_lower_bound_that_cannot_be_read_is_none(tmp_path: Path, value: bytes) -> None:
    async with Store.open(tmp_path / "db", now=lambda: TRUTH, zone=UTC, key=bytes(32)) as store:
        await store.facts.set("not-before", value)
        assert read_lower_bound(store.facts) == EARLIEST


@pytest.mark.parametrize(
    ("wall", "is_synchronized", "cloud", "is_wrong"),
    [
        (TRUTH, False, None, False),
        (BOARD_AT_1970, False, None, True),
        (BOARD_AT_1970, True, None, False),  # a bound that is wrong must not lock out a board with NTP
        (BOARD_AT_1970, False, TRUTH, True),
        (TRUTH, False, TRUTH, False),
        (TRUTH + timedelta(days=900), False, TRUTH, True),
        (TRUTH + timedelta(days=900), False, None, False),  # nobody can tell
    ],
)
def test_boards_clock_is_wrong_for_sure_where_it_is_not_the_known_time_or_behind_the_bound(
    wall: datetime, is_synchronized: bool, cloud: datetime | None, is_wrong: bool
) -> None:
    board = Board(wall=wall, is_synchronized=is_synchronized)
    if cloud is not None:
        board.clock.set_cloud_time(int(cloud.timestamp()))
    assert board.clock.is_system_wrong() is is_wrong


SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("told", "others", "is_confirmed", "is_believed"),
    [
        # The bound alone: an answer behind it needs an hour, one ahead of it nothing.
        (TRUTH, OtherClocks(TRUTH), False, True),
        (TRUTH - 20 * SECOND, OtherClocks(TRUTH), False, True),
        (TRUTH - 40 * SECOND, OtherClocks(TRUTH), False, False),
        (TRUTH - 20 * DAY, OtherClocks(TRUTH), False, False),
        (TRUTH - 20 * DAY, OtherClocks(TRUTH), True, True),
        (TRUTH + 20 * DAY, OtherClocks(TRUTH), False, True),  # the board was off for so long
        # A synchronized system's clock that agrees settles it; one that contradicts keeps a cloud behind the bound out.
        (TRUTH, OtherClocks(TRUTH + 900 * DAY, system=TRUTH), False, True),
        (TRUTH, OtherClocks(TRUTH - 20 * DAY, system=TRUTH), False, True),
        (TRUTH - 20 * DAY, OtherClocks(TRUTH, system=TRUTH), True, False),
        (TRUTH - 10 * DAY, OtherClocks(TRUTH - 20 * DAY, system=TRUTH), False, False),
        (TRUTH - 10 * DAY, OtherClocks(TRUTH - 20 * DAY, system=TRUTH), True, True),
        (TRUTH - 40 * SECOND, OtherClocks(TRUTH - DAY, system=TRUTH), False, False),
        (TRUTH + 4 * MINUTE, OtherClocks(TRUTH - DAY, system=TRUTH), False, True),
        (TRUTH, OtherClocks(TRUTH, system=TRUTH - 20 * DAY), False, True),  # such a system's is none
        (TRUTH - 20 * DAY, OtherClocks(TRUTH, system=TRUTH - 40 * DAY), True, True),
        # What is followed: a confirmed time gives way to an hour alone, another one to a later time at once.
        (TRUTH, OtherClocks(EARLIEST, TRUTH), False, True),
        (TRUTH - 20 * DAY, OtherClocks(EARLIEST, TRUTH), False, False),
        (TRUTH - 20 * DAY, OtherClocks(EARLIEST, TRUTH), True, True),
        (TRUTH + 20 * DAY, OtherClocks(EARLIEST, TRUTH), False, True),
        (TRUTH + 20 * DAY, OtherClocks(EARLIEST, TRUTH, is_followed_confirmed=True), False, False),
        (TRUTH + 20 * DAY, OtherClocks(EARLIEST, TRUTH, is_followed_confirmed=True), True, True),
    ],
)
def test_answer_of_the_cloud_is_believed_by_what_else_tells_the_time(
    told: datetime, others: OtherClocks, *, is_confirmed: bool, is_believed: bool
) -> None:
    assert (cloud_time_fault(told, others, is_confirmed=is_confirmed) is None) is is_believed


def tell(board: Board, moment: datetime) -> bool:
    """The cloud answers `moment`; whether it is believed."""
    try:
        board.clock.set_cloud_time(int(moment.timestamp()))
    except MalformedError:
        return False
    return True


@pytest.mark.parametrize("wall", [TRUTH, BOARD_AT_1970])
def test_cached_answer_is_never_believed_behind_the_bound_and_status_says_so(wall: datetime) -> None:
    board = Board(wall=wall)
    board.clock.set_lower_bound(TRUTH)
    for _ in range(200):  # two days
        assert not tell(board, TRUTH - 20 * DAY)
        assert board.clock.known_now() is None
        board.wait(900)
    assert "not believed" in str(board.clock.state().trouble)


@pytest.mark.parametrize("every_s", [1, 10, 20, 60, 900])
def test_cached_answer_does_not_hold_the_time_back(every_s: int) -> None:
    board = Board()
    tell(board, TRUTH)
    for _ in range(0, 10_000, every_s):
        tell(board, TRUTH)
        board.wait(every_s)
        assert board.clock.known_now() == board.wall


def test_answer_that_goes_back_leaves_the_time_as_it_was() -> None:
    board = Board()
    assert tell(board, TRUTH)
    board.wait(900)
    assert not tell(board, TRUTH - 20 * DAY)
    assert board.clock.known_now() == TRUTH + 15 * MINUTE
    assert board.clock.state().trouble is not None
    assert tell(board, TRUTH + 15 * MINUTE)
    assert board.clock.state().trouble is None


def test_single_answer_far_ahead_moves_no_bound() -> None:
    board = Board()
    board.clock.set_lower_bound(TRUTH)
    assert tell(board, TRUTH + 900 * DAY)
    board.wait(60)
    assert not board.clock.is_bound_told
    assert board.clock.not_before() == TRUTH + MINUTE
    after = Board(wall=board.wall)
    after.clock.set_lower_bound(board.clock.not_before())
    assert tell(after, after.wall)


@pytest.mark.parametrize(
    ("wall", "lead", "is_moved"),
    [
        (BOARD_AT_1970, DAY, True),
        (BOARD_AT_1970, 2 * DAY, False),
        (TRUTH, 30 * DAY, True),  # the board's clock agrees, though nothing keeps it right
        (TRUTH, timedelta(), False),
    ],
)
def test_single_answer_moves_the_bound_by_a_day_or_as_far_as_the_boards_clock_is(
    wall: datetime, lead: timedelta, *, is_moved: bool
) -> None:
    board = Board(wall=wall)
    board.clock.set_lower_bound(TRUTH - lead)
    assert tell(board, TRUTH)
    assert board.clock.is_bound_told is is_moved
    assert board.clock.not_before() == (TRUTH if is_moved else TRUTH - lead)


def test_bound_that_is_too_high_is_corrected_by_an_hour_of_answers_and_by_no_single_one() -> None:
    board = Board(wall=BOARD_AT_1970)
    board.clock.set_lower_bound(TRUTH + 900 * DAY)
    for minutes in range(0, 60, 15):
        assert not tell(board, TRUTH + minutes * MINUTE)
        assert board.clock.known_now() is None
        board.wait(900)
    assert tell(board, TRUTH + 60 * MINUTE)
    assert board.clock.known_now() == board.clock.not_before() == TRUTH + 60 * MINUTE
    assert board.clock.is_bound_told


def test_bad_answer_among_the_true_ones_begins_the_hour_anew() -> None:
    board = Board(wall=BOARD_AT_1970)
    board.clock.set_lower_bound(TRUTH + 900 * DAY)
    for minutes in range(0, 105, 15):
        is_cached = minutes == 30
        assert not tell(board, TRUTH - 20 * DAY if is_cached else TRUTH + minutes * MINUTE)
        board.wait(900)
    assert tell(board, TRUTH + 105 * MINUTE)


def test_bound_that_is_too_high_is_corrected_at_once_by_cloud_and_synchronized_system_together() -> None:
    board = Board(is_synchronized=True)
    board.clock.set_lower_bound(TRUTH + 900 * DAY)
    assert board.clock.known_now() is None
    assert tell(board, TRUTH)
    assert board.clock.known_now() == board.clock.not_before() == TRUTH


def test_first_answer_that_was_too_old_gives_way_to_a_system_that_is_synchronized_later() -> None:
    board = Board()
    board.clock.set_lower_bound(TRUTH - 30 * DAY)
    assert tell(board, TRUTH - 20 * DAY)
    assert board.clock.known_now() == TRUTH - 20 * DAY
    board.is_synchronized = True
    assert board.clock.known_now() == TRUTH
    assert board.clock.state().source is ClockSource.SYSTEM


@pytest.mark.parametrize("parts_per_million", [-200, 200])
def test_board_that_drifts_for_a_month_believes_every_answer(parts_per_million: int) -> None:
    board = Board()
    for quarters in range(30 * 96):
        assert tell(board, TRUTH + quarters * timedelta(minutes=15))
        board.wait(900 * (1 + parts_per_million / 1e6))


def test_state_says_which_clock_is_followed_and_how_far_the_boards_is_off() -> None:
    board = Board(wall=BOARD_AT_1970)
    assert board.clock.state() == ClockState(ClockSource.GUESS, EARLIEST, BOARD_AT_1970 - EARLIEST)
    board.wall, board.is_synchronized = TRUTH, True
    assert board.clock.state() == ClockState(ClockSource.SYSTEM, TRUTH, timedelta())
    board.clock.set_cloud_time(int(TRUTH.timestamp()) - 20)
    assert board.clock.state() == ClockState(ClockSource.CLOUD, TRUTH - timedelta(seconds=20), timedelta(seconds=20))
