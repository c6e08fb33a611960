"""What the daemon reads of the system is there for it, within the restrictions of its unit."""

import json
from pathlib import Path

from tests.common.board import booted_board, needs_board

pytestmark = needs_board

LOOK = """
import ctypes, json
from gatewayd import trusted_time
from gatewayd.provisioning import interfaces
print("found", json.dumps({
    "clock_can_be_judged": ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) >= 0,
    "is_boot_id_the_kernels": trusted_time.read_boot_id() == trusted_time.read_boot_id(),
    "has_routes": interfaces.ROUTES.exists(),
}))
"""


async def test_service_can_read_the_clock_the_boot_id_and_the_routes(tmp_path: Path) -> None:
    async with booted_board(tmp_path) as board:
        board.write("/opt/faults/sitecustomize.py", LOOK)
        await board.run("systemctl start gatewayd")
        await board.stop()
        journal = await board.journal()
    (found,) = {line.partition(" ")[2] for line in journal.splitlines() if line.startswith("found")}
    assert json.loads(found) == {"clock_can_be_judged": True, "is_boot_id_the_kernels": True, "has_routes": True}
