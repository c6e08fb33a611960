"""The service starts on a board that lacks the groups of its devices, and `systemctl status` says how it is."""

from pathlib import Path

from tests.common.board import booted_board, needs_board

pytestmark = needs_board

GROUPS = ("dialout", "input", "netdev")


async def test_service_starts_on_a_board_without_the_groups_of_its_devices(tmp_path: Path) -> None:
    async with booted_board(tmp_path) as board:
        for group in GROUPS:
            await board.run(f"sed -i '/^{group}:/d' /etc/group /etc/gshadow")
        assert await board.run(f"getent group {' '.join(GROUPS)}") == ""
        await board.run("systemd-sysusers")  # as a package's installation and each start of the board do
        await board.start()
        groups = await board.run("id --name --groups gatewayd")
        assert {"dialout", "input"} <= set(groups.split())
        assert await board.shown("WatchdogUSec") == "30s"
        await board.until_shown("StatusText", "radio away: cannot start.*")
        assert 'Status: "radio away: cannot start' in await board.run("systemctl status gatewayd")
        await board.stop()
        assert await board.shown("Result") == "success"
