"""Notices when a state folder that had failed, or was another one, can be used again: the daemon is to start anew then.

Nothing is mended while the databases are open: what is on disk and what is in memory may have parted.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

import structlog

from gatewayd.store.disk_space import StoreProblem, StoreProblemKind
from gatewayd.store.state_folder import DATABASES, StateFolder, can_be_written, stamp

log = structlog.get_logger(__name__)

FAILING_LIMIT_S: Final = 300.0
"""How long writing to the open database fails, while a new file can be written beside it, before it is opened anew."""

_LOOK_EVERY_S: Final = 5.0
_LOOKED_FOR: Final = frozenset({StoreProblemKind.FAILING, StoreProblemKind.NOT_KEPT})


class Restart(Enum):
    """How the daemon is to start anew."""

    ORDERLY = auto()
    """Stopping puts the copy's databases back."""

    AT_ONCE = auto()
    """Without closing the open databases, which are no longer those in the folder: SQLite would delete the WAL of the
    others, by its name. What is not on disk was never told as kept.
    """


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What was found at one look. `stamps`: of the databases in the folder, None for one that is not there."""

    is_copy_used: bool
    is_writable: bool
    is_in_place: bool
    stamps: tuple[tuple[int, int] | None, ...]
    failing_s: float


def restart_for(before: FolderLook, now: FolderLook) -> Restart | None:
    """How to start anew after two looks; None where the folder is well, or not back yet.

    A folder without databases is not adopted: the devices would be lost, which are known in memory alone then.
    """
    if not (before.is_writable and now.is_writable):
        return None
    if now.is_copy_used:
        return Restart.ORDERLY
    if not (before.is_in_place or now.is_in_place):
        is_complete = None not in now.stamps and before.stamps == now.stamps  # not one that is still being copied
        return Restart.AT_ONCE if is_complete else None
    return Restart.AT_ONCE if now.is_in_place and now.failing_s >= FAILING_LIMIT_S else None


async def wait_until_back(
    folder: StateFolder,
    problem: Callable[[], StoreProblem | None],
    is_in_place: Callable[[], bool],
    *,
    look_every_s: float = _LOOK_EVERY_S,
) -> Restart:
    """Wait until the daemon is to start anew for its state folder, and return how."""
    clock = asyncio.get_running_loop().time
    before: FolderLook | None = None
    failing_since: float | None = None
    while True:
        await asyncio.sleep(look_every_s)
        present = problem()
        if present is None or present.kind not in _LOOKED_FOR:
            before = failing_since = None
            continue
        failing_since = failing_since or clock()
        failing_s = clock() - failing_since
        # On a thread: a disk that has failed may not answer.
        now = await asyncio.to_thread(_look, folder, is_in_place, failing_s)
        if before is not None and (how := restart_for(before, now)) is not None:
            log.warning("state_folder_back", path=str(folder.wanted), problem=present.reason, restart=how.name.lower())
            return how
        before = now


def _look(folder: StateFolder, is_in_place: Callable[[], bool], failing_s: float) -> FolderLook:
    is_copy_used, in_place = folder.path != folder.wanted, is_in_place()
    is_writing_tried = is_copy_used or not in_place or failing_s >= FAILING_LIMIT_S  # each time costs flash
    return FolderLook(
        is_copy_used=is_copy_used,
        is_writable=is_writing_tried and can_be_written(folder.wanted),
        is_in_place=in_place,
        stamps=tuple(_stamp_with_wal(folder.wanted / one) for one in DATABASES),
        failing_s=failing_s,
    )


def _stamp_with_wal(database: Path) -> tuple[int, int] | None:
    """The database's stamp, with the size of its WAL."""
    found, wal = stamp(database), stamp(database.with_name(f"{database.name}-wal"))
    return found if found is None or wal is None else (max(found[0], wal[0]), found[1] + wal[1])
