"""When the daemon starts anew for a state folder that is back, and how."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.store.disk_space import StoreProblem, StoreProblemKind
from gatewayd.store.folder_return import FAILING_LIMIT_S, FolderLook, Restart, restart_for, wait_until_back
from gatewayd.store.state_folder import StateFolder

STAMPS = ((1, 4096), (2, 4096))
WELL = FolderLook(is_copy_used=False, is_writable=True, is_in_place=True, stamps=STAMPS, failing_s=10.0)
COPY = replace(WELL, is_copy_used=True)
REPLACED = replace(WELL, is_in_place=False)
FAILING = replace(WELL, failing_s=FAILING_LIMIT_S)


@pytest.mark.parametrize(
    ("before", "now", "how"),
    [
        (WELL, WELL, None),
        (COPY, COPY, Restart.ORDERLY),
        (replace(COPY, is_writable=False), COPY, None),
        (replace(COPY, is_writable=False), replace(COPY, is_writable=False), None),
        (REPLACED, REPLACED, Restart.AT_ONCE),
        (REPLACED, WELL, None),
        (REPLACED, replace(REPLACED, stamps=((1, 8192), (2, 4096))), None),  # still being copied
        (replace(REPLACED, stamps=((1, 4096), None)), replace(REPLACED, stamps=((1, 4096), None)), None),
        (replace(REPLACED, stamps=(None, None)), replace(REPLACED, stamps=(None, None)), None),
        (replace(REPLACED, is_writable=False), replace(REPLACED, is_writable=False), None),
        (FAILING, FAILING, Restart.AT_ONCE),
        (replace(FAILING, is_writable=False), FAILING, None),
    ],
)
def test_daemon_starts_anew_once_two_looks_agree(before: FolderLook, now: FolderLook, how: Restart | None) -> None:
    assert restart_for(before, now) is how


async def test_full_disk_is_no_reason_to_look(tmp_path: Path) -> None:
    problem = StoreProblem(StoreProblemKind.DISK_FULL, "full", datetime.now(UTC))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await wait_until_back(
                StateFolder(tmp_path / "copy", tmp_path), lambda: problem, lambda: False, look_every_s=0.01
            )


async def test_folder_of_which_a_copy_is_used_is_back_once_it_can_be_written(tmp_path: Path) -> None:
    wanted = tmp_path / "state"
    problem = StoreProblem(StoreProblemKind.NOT_KEPT, "read-only", datetime.now(UTC))
    folder = StateFolder(tmp_path / "copy", wanted, problem.reason)
    waiting = asyncio.create_task(wait_until_back(folder, lambda: problem, lambda: True, look_every_s=0.01))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    wanted.mkdir()
    assert await asyncio.wait_for(waiting, 5) is Restart.ORDERLY
