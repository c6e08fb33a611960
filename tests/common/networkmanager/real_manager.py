"""A real NetworkManager in a network namespace, with a veth and without a radio, on a private bus."""

import asyncio
import os
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatewayd.provisioning.networkmanager.bus import BusError, open_bus
from gatewayd.provisioning.networkmanager.objects import NetworkManagerObjects
from tests.common.networkmanager.private_bus import find, need, private_bus, running_process

# A read-only /sys keeps NetworkManager from waiting for udev, which does not run; /run is private.
NAMESPACE = """
set -e
ip link set lo up
ip link add gw0 type veth peer name gw1
ip link set gw1 up
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /run
"""
START = f'{NAMESPACE} exec "$0" --no-daemon "$@"'

CONFIG = """
[main]
plugins=keyfile
dhcp=internal
dns=none
rc-manager=unmanaged
no-auto-default=*
auth-polkit={polkit}
[keyfile]
path={folder}/profiles
"""


@dataclass(frozen=True)
class RealManager:
    """The address of its bus, and the folder for its files."""

    address: str
    folder: Path

    def stored_profiles(self) -> dict[str, str]:
        """The profiles on disk: each file's name and content."""
        return {file.name: file.read_text() for file in (self.folder / "profiles").iterdir()}


@asynccontextmanager
async def real_network_manager(folder: Path) -> AsyncIterator[RealManager]:
    """Run it for the length of the block, once it answers; skip the test where it cannot run."""
    need_namespaces()
    command = ("unshare", "--net", "--mount", "sh", "-c", START, *network_manager(folder, polkit=False))
    async with private_bus(folder) as address:
        env = {"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        async with running_process(*command, env=env) as process:
            await asyncio.wait_for(until_ready(address, process), 20)
            yield RealManager(address, folder)


def network_manager(folder: Path, *, polkit: bool) -> tuple[str, ...]:
    """The command that starts NetworkManager with all its files in `folder`."""
    (folder / "profiles").mkdir(exist_ok=True)
    config = folder / "NetworkManager.conf"
    config.write_text(CONFIG.format(folder=folder, polkit=str(polkit).lower()))
    files = {
        "config": config,
        "config-dir": folder / "none",
        "system-config-dir": folder / "none",
        "intern-config": folder / "intern",
        "state-file": folder / "state",
        "pid-file": folder / "pid",
    }
    return find("NetworkManager") or "", *(f"--{name}={path}" for name, path in files.items())


def need_namespaces() -> None:
    """Skip the test where network namespaces or a program are missing, with the reason."""
    need("dbus-daemon", "NetworkManager", "unshare", "ip")
    if os.geteuid() != 0:
        pytest.skip("running NetworkManager in a network namespace needs root")
    command = ("unshare", "--net", "--mount", "mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys")
    result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode != 0:
        pytest.skip("network namespaces are not permitted on this machine")


async def until_ready(address: str, process: Process) -> None:
    """Wait until NetworkManager answers on the bus and knows the veth; fail where its process ends."""
    while process.returncode is None:
        try:
            async with open_bus(address, timeout_s=10) as bus:
                if (await NetworkManagerObjects.read(bus)).path_of("gw0") is not None:
                    return
        except BusError:
            pass  # not on the bus yet
        await asyncio.sleep(0.05)
    pytest.fail(f"NetworkManager ended with {process.returncode}")
