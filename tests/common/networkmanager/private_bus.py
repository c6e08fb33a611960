"""A system bus for one test, and what runs on it: python-dbusmock's NetworkManager."""

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
    """Skip where one is missing, saying how to get it."""
    packages = {"dbus-daemon": "dbus", "nmcli": "network-manager", "NetworkManager": "network-manager"}
    for program in programs:
        if find(program) is None:
            package = packages.get(program, program)
            pytest.skip(f"{program} is not installed (Debian: apt-get install {package})")


def need_dbusmock() -> None:
    """Skip where there is no python-dbusmock, saying how to get it."""
    need("dbus-daemon")
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import dbusmock"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"{SYSTEM_PYTHON} has no dbusmock (Debian: apt-get install python3-dbusmock)")


def find(program: str) -> str | None:
    """Where it is; an ordinary user's PATH leaves out the system's programs."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


@asynccontextmanager
async def running(*command: str, env: Mapping[str, str] | None = None, stdout: int = DEVNULL) -> AsyncIterator[Process]:
    """A process that ends with the block."""
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
    """A bus daemon on a socket of its own; gives its address."""
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
    async with running(*command, stdout=PIPE) as daemon:
        assert daemon.stdout is not None
        ready = await asyncio.wait_for(daemon.stdout.readline(), 10)
        assert ready, "dbus-daemon did not start"
        yield f"unix:path={socket}"


@asynccontextmanager
async def mock_network_manager(address: str) -> AsyncIterator[Process]:
    """python-dbusmock's NetworkManager; what it logs is dropped, since it logs each call with its arguments."""
    command = (SYSTEM_PYTHON, "-m", "dbusmock", "--system", "--template", "networkmanager")
    async with running(*command, env={"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/bin:/bin"}) as process:
        yield process
