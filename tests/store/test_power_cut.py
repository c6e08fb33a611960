"""kill -9 while writing: what was acknowledged is on disk, and every transaction is whole."""

import asyncio
import sqlite3
import sys
from collections import defaultdict
from pathlib import Path

from gatewayd.model.outbox_items import AnswerItem, NoticeItem, Route
from tests.common.store import Opener

ROUNDS = 20


async def run_until_killed(path: Path, round_: int) -> list[tuple[str, str]]:
    """What a child acknowledged, (what, sn), before it was killed, a little later in each round."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.common.power_cut", str(path), str(round_)), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [await child.stdout.readline() for _ in range(1 + 3 * round_)]
    child.kill()
    lines += (await child.stdout.read()).splitlines(keepends=True)
    await child.wait()
    return [parse(line) for line in lines if line.endswith(b"\n")]


def parse(line: bytes) -> tuple[str, str]:
    what, sn = line.decode().split()
    return what, sn


async def test_every_acknowledged_write_survives_kill_9(reopen: Opener) -> None:
    acknowledged: dict[str, set[str]] = defaultdict(set)
    for round_ in range(ROUNDS):
        for what, sn in await run_until_killed(reopen.path, round_):
            acknowledged[what].add(sn)
    async with reopen() as store:
        assert store.damaged_copy is None
        rows = await store.outbox.rows(limit=1_000_000)
    answers = {row.item.sn for row in rows if isinstance(row.item, AnswerItem)}
    notices = {row.item.sn for row in rows if isinstance(row.item, NoticeItem)}
    raw = sqlite3.connect(reopen.path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    begun = {sn for (sn,) in raw.execute("SELECT sn FROM journal")}
    answered = {sn for (sn,) in raw.execute("SELECT sn FROM journal WHERE answer IS NOT NULL")}
    raw.close()

    assert len(acknowledged["noticed"]) > ROUNDS
    assert acknowledged["begun"] <= begun
    assert acknowledged["answered"] <= answered
    assert acknowledged["noticed"] <= notices
    assert answered == answers  # the answer and its row are one transaction
    assert sum(row.item.route is Route.REST for row in rows) <= 1  # one record a device, over all restarts
