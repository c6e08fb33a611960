"""nmcli on a private bus."""

import asyncio
import subprocess

from tests.common.networkmanager.private_bus import need


async def nmcli(bus: str, *arguments: str) -> list[list[str]]:
    """Run nmcli; returns the rows that it prints, split into fields."""
    need("nmcli")
    process = await asyncio.create_subprocess_exec(
        "nmcli", "--terse", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"DBUS_SYSTEM_BUS_ADDRESS": bus, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    printed, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, errors.decode()
    return [line.split(":") for line in printed.decode().splitlines()]
