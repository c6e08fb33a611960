"""A private bus for one test, with python-dbusmock's NetworkManager on it."""

import asyncio
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"  # python-dbusmock is Debian's, for Debian's Python


def need(*programs: str) -> None:
    """Skip the test where a program is missing, naming its Debian package."""
    packages = {"dbus-daemon": "dbus", "nmcli": "network-manager", "NetworkManager": "network-manager"}
    for program in programs:
        if find(program) is None:
            package = packages.get(program, program)
            pytest.skip(f"{program} is not installed (Debian: apt-get install {package})")


def need_dbusmock() -> None:
    """Skip the test where python-dbusmock is missing, naming its Debian package."""
    need("dbus-daemon")
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import dbusmock"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"{SYSTEM_PYTHON} has no dbusmock (Debian: apt-get install python3-dbusmock)")


def find(program: str) -> str | None:
    """The path of `program`, also in /usr/sbin and /sbin, which a user's PATH may leave out."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


@asynccontextmanager
async def running_process(
    *command: str, env: Mapping[str, str] | None = None, stdout: int = DEVNULL
) -> AsyncIterator[Process]:
    """Run `command` for the length of the block."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=stdout, stderr=DEVNULL)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def private_bus(folder: Path) -> AsyncIterator[str]:
    """Run a bus daemon on a socket in `folder`; yields its address."""
    need("dbus-daemon")
    socket = folder / "bus"
    socket.unlink(missing_ok=True)
    command = (
        "dbus-daemon",
        "--session",
        "--nofork",
        "--nopidfile",
        "--print-address",
        f"--address=unix:path={socket}",
    )
    async with running_process(*command, stdout=PIPE) as daemon:
        assert daemon.stdout is not None
        ready = await asyncio.wait_for(daemon.stdout.readline(), 10)
        assert ready, "dbus-daemon did not start"
        yield f"unix:path={socket}"


@asynccontextmanager
async def mock_network_manager(address: str) -> AsyncIterator[Process]:
    """Run python-dbusmock's NetworkManager; its log is dropped, since it contains the arguments of each call."""
    command = (SYSTEM_PYTHON, "-m", "dbusmock", "--system", "--template", "networkmanager")
    async with running_process(*command, env={"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/bin:/bin"}) as process:
        yield process
