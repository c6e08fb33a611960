"""A real NetworkManager in a network namespace of its own, with a veth and no radio, on a private bus."""

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
from tests.common.networkmanager.private_bus import find, need, private_bus, running

# /sys is read-only so that NetworkManager does not wait for a udev that is not there; /run is its own.
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
    """Where it is, and what it has written."""

    address: str
    folder: Path

    def written(self) -> dict[str, str]:
        """The profiles on disk: a file's name, and what is in it."""
        return {file.name: file.read_text() for file in (self.folder / "profiles").iterdir()}


@asynccontextmanager
async def real_network_manager(folder: Path) -> AsyncIterator[RealManager]:
    """Start it, and wait until it answers; skip where it cannot run."""
    need_namespaces()
    command = ("unshare", "--net", "--mount", "sh", "-c", START, *network_manager(folder, polkit=False))
    async with private_bus(folder) as address:
        env = {"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        async with running(*command, env=env) as process:
            await asyncio.wait_for(until_ready(address, process), 20)
            yield RealManager(address, folder)


def network_manager(folder: Path, *, polkit: bool) -> tuple[str, ...]:
    """The program and its options, with all that it writes in `folder`."""
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
    """Skip where this cannot run, saying why."""
    need("dbus-daemon", "NetworkManager", "unshare", "ip")
    if os.geteuid() != 0:
        pytest.skip("a NetworkManager of our own takes a network namespace, and that takes root")
    command = ("unshare", "--net", "--mount", "mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys")
    tried = subprocess.run(command, capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("this machine permits no network namespaces")


async def until_ready(address: str, process: Process) -> None:
    """Wait until it answers on the bus and has found the veth."""
    while process.returncode is None:
        try:
            async with open_bus(address, timeout_s=10) as bus:
                if (await NetworkManagerObjects.read(bus)).path_of("gw0") is not None:
                    return
        except BusError:
            pass  # not there yet
        await asyncio.sleep(0.05)
    pytest.fail(f"NetworkManager ended with {process.returncode}")
