"""`python -m bench.fairness`: what a hostile guest and a hostile lock cost the owner and the board.

One daemon, in one run: the owner unlocks his door once a second, alone, beside each of the hostile ones, beside both,
and alone again. Prints a row a phase; the phases are compared with one another, not with another machine's.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measures import Spread
from gatewayd.model.permission import Permission
from gatewayd.model.status import OperationStatus
from tests.common.hostile_house import Figures, hostile_house

_PHASES = (
    ("alone", False, False),
    ("hostile guest", True, False),
    ("hostile lock", False, True),
    ("both", True, True),
    ("alone again", False, False),
)
_COLUMNS = (
    "carried out",
    "answered so",
    "p50 ms",
    "p99 ms",
    "max ms",
    "RSS before, after MB",
    "log KB",
    "written KB",
    "CPU s",
    "requests",
    "lock events",
)


def row(figures: Figures) -> list[str]:
    """The figures of a phase, as `_COLUMNS` has them."""
    spread = Spread.of(figures.took_s)
    before, after = figures.before, figures.after
    return [
        f"{figures.carried_out} of {figures.unlocks}",
        str(figures.answers.count(OperationStatus.CONTROLLED)),
        f"{spread.p50:.0f}",
        f"{spread.p99:.0f}",
        f"{max(figures.took_s) * 1e3:.0f}",
        f"{before.rss / 1e6:.1f}, {after.rss / 1e6:.1f}",
        f"{(after.log - before.log) / 1e3:.0f}",
        f"{(after.written - before.written) / 1e3:.0f}",
        f"{after.cpu_s - before.cpu_s:.1f}",
        str(figures.requests_sent),
        str(figures.lock_events_sent),
    ]


async def main() -> int:
    """Measure every phase with the guest's level that the command line gives, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness")
    parser.add_argument("--unlocks", type=int, default=60, help="in each phase")
    parser.add_argument("--level", type=int, choices=(2, 3), default=3, help="the guest's, on the owner's door")
    parser.add_argument("--requests", type=int, default=0, help="of the guest, a second; 0: as fast as he can")
    parser.add_argument("--folder", type=Path, help="on a real disk, so that what is written counts")
    options = parser.parse_args()
    table = Table("", *_COLUMNS)
    with tempfile.TemporaryDirectory(dir=options.folder or Path.cwd(), prefix=".bench-") as folder:
        async with hostile_house(Path(folder), Permission(options.level)) as house:
            for name, guest, lock in _PHASES:
                figures = await house.measure(
                    options.unlocks, every_s=1.0, guest=guest, lock=lock, per_s=options.requests
                )
                table.add_row(name, *row(figures))
    Console(width=160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
