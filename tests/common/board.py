"""A board of its own: Debian with systemd as PID 1 in systemd-nspawn, and gatewayd installed as the service.

The clean root is made once by debootstrap and kept outside the tree (BOARD_CACHE, /var/cache/gatewayd-board); each
board is an overlay over it. It shares this machine's loopback, so that the service reaches what a test simulates. The
Python and the libraries are those that run the tests, bound read-only.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gatewayd.simulator.environment import OWNER, PASSWORD, Environment
from tests.common.processes import children_of

CACHE = Path(os.environ.get("BOARD_CACHE", "/var/cache/gatewayd-board"))
SOURCE = Path(__file__).parents[2]
BOOT_S = 60
POWER_OFF_S = 20
_PROGRAMS = ("systemd-nspawn", "debootstrap", "mount", "nsenter")
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")

needs_board = pytest.mark.skipif(
    "BOARD" not in os.environ or os.geteuid() != 0 or any(shutil.which(program) is None for program in _PROGRAMS),
    reason="a board of its own takes minutes (make board), and needs root, systemd-container and debootstrap",
)

_PROGRAM = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONHOME=/opt/python PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=/opt/faults:/opt/source:/opt/site
exec /opt/python/bin/python3 -c "from {module} import main; main(prog_name='{name}')" "$@"
"""
_NOWHERE = """
[radio]
path = "socket://127.0.0.1:1"
[cloud]
base_url = "http://127.0.0.1:1"
username = "18900000001"
password_file = "/nowhere"
[mqtt]
host = "127.0.0.1"
port = 1
[udp]
interfaces = ["lo"]
[wifi]
backend = "none"
"""


def settings_in(environment: Environment) -> str:
    """The board's gatewayd.toml in this environment."""
    listen_port, announce_port = environment.udp_ports
    return f"""
[radio]
path = "{environment.radio_url}"
[cloud]
base_url = "{environment.cloud.base_url}"
username = "{OWNER}"
password_file = "/nowhere"
[mqtt]
host = "{environment.broker.host}"
port = {environment.broker.port}
[udp]
listen_port = {listen_port}
announce_port = {announce_port}
interfaces = ["lo"]
[wifi]
backend = "none"
"""


class Board:
    """A board that is up. `pid` is its PID 1 as this machine sees it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._root = Path(f"/proc/{pid}/root")  # its files, as its PID 1 sees them

    def write(self, path: str, text: str) -> None:
        """Make a file on the board, which everybody may read. What stands in /opt/faults/sitecustomize.py is run by the
        service's Python before all else.
        """
        _write(self._root, path, text)

    async def run(self, script: str, within_s: float = 60.0) -> str:
        """Run `script` (bash) as root; what it printed. Raises TimeoutError."""
        entered = ["nsenter", f"--target={self._pid}", "--all", "--root", "--wd", "--"]
        process = await asyncio.create_subprocess_exec(
            *entered,
            "/bin/bash",
            "-c",
            script,
            env={"PATH": "/opt/gatewayd/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(within_s):
                printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return printed.decode().strip()

    async def start(self) -> None:
        """`systemctl start gatewayd`: returns when it has said that it is ready."""
        assert await self.run("systemctl start gatewayd") == ""

    async def stop(self) -> float:
        """`systemctl stop gatewayd`: how long that took, in seconds."""
        began = time.monotonic()
        assert await self.run("systemctl stop gatewayd") == ""
        return time.monotonic() - began

    async def shown(self, name: str) -> str:
        """A property of the service, as `systemctl show` has it (MainPID, Result, NRestarts …)."""
        return await self.run(f"systemctl show -p {name} --value gatewayd")

    async def until_shown(self, name: str, pattern: str, within_s: float = 30.0) -> str:
        """Wait until a property of the service is what `pattern` (a regular expression) says, and return it."""
        shown = ""
        try:
            async with asyncio.timeout(within_s):
                while not re.fullmatch(pattern, shown):
                    await asyncio.sleep(0.1)
                    shown = await self.shown(name)
        except TimeoutError:
            raise AssertionError(f"{name} is {shown!r} after {within_s:g} s, not {pattern!r}") from None
        return shown

    async def pid_of_service(self) -> str:
        """The service's process, as the board numbers it; "0" where there is none."""
        return await self.shown("MainPID")

    async def journal(self) -> str:
        """What the service has logged, and systemd about it."""
        return await self.run("journalctl -u gatewayd -o cat --no-pager")


@asynccontextmanager
async def booted_board(folder: Path, settings: str = _NOWHERE) -> AsyncIterator[Board]:
    """A board with the service installed from this tree, as docs/install.md says, and not started; gone when this is
    left. Without `settings` it has neither radio nor cloud.
    """
    with _clean_board(folder) as root:
        _install(root, settings)
        binds = {sys.base_prefix: "/opt/python", sysconfig.get_path("purelib"): "/opt/site", str(SOURCE): "/opt/source"}
        options = [f"--bind-ro={source}:{target}" for source, target in binds.items()]
        machine = await asyncio.create_subprocess_exec(
            "systemd-nspawn",
            "-q",
            f"--directory={root}",
            f"--machine={folder.name.replace('_', '-')}",
            "--keep-unit",
            "--register=no",
            "--system-call-filter=adjtimex clock_adjtime",  # a real board has no such filter around it
            *options,
            "-b",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            process_group=0,
        )
        try:
            board = await _until_up(machine.pid)
            yield board
            await board.run("systemctl poweroff --force", POWER_OFF_S)
            async with asyncio.timeout(POWER_OFF_S):
                await machine.wait()
        finally:
            if machine.returncode is None:
                os.killpg(machine.pid, signal.SIGKILL)
                await machine.wait()


async def _until_up(nspawn: int) -> Board:
    async with asyncio.timeout(BOOT_S):
        while True:
            for pid in children_of(nspawn):
                board = Board(pid)
                if await board.run("systemctl is-system-running") in {"running", "degraded"}:
                    return board
            await asyncio.sleep(0.1)


@contextmanager
def _clean_board(folder: Path) -> Iterator[Path]:
    """The root of a clean board."""
    base = _clean_root()
    root, upper, work = folder / "root", folder / "layer/upper", folder / "layer/work"
    for one in (root, folder / "layer"):
        one.mkdir()
    # A file system of its own: an overlay's upper layer cannot be on an overlay.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder / "layer")], check=True)
    try:
        upper.mkdir()
        work.mkdir()
        layers = f"lowerdir={base},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)], check=True)
        try:
            yield root
        finally:
            subprocess.run(["umount", str(root)], check=True)
    finally:
        subprocess.run(["umount", str(folder / "layer")], check=True)


def _install(root: Path, settings: str) -> None:
    for name, place in (
        ("gatewayd.service", "/etc/systemd/system/gatewayd.service"),
        ("gatewayd.sysusers", "/etc/sysusers.d/gatewayd.conf"),
    ):
        _write(root, place, (SOURCE / "systemd" / name).read_text(encoding="utf-8"))
    _write(root, "/opt/gatewayd/bin/gatewayd", _PROGRAM.format(module="gatewayd.cli", name="gatewayd"), 0o755)
    _write(root, "/opt/gatewayd/bin/gatewayctl", _PROGRAM.format(module="gatewayd.ctl.main", name="gatewayctl"), 0o755)
    _write(root, "/etc/gatewayd/gatewayd.toml", settings)
    _write(root, "/etc/gatewayd/cloud-password", f"{PASSWORD}\n", 0o600)


def _write(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def _clean_root() -> Path:
    root = CACHE / "bookworm"
    if root.exists():
        return root
    if not _SOURCES.exists():
        pytest.skip("the clean root is made from the machine's own Debian mirror, and there is none here")
    uris = [line.split()[1] for line in _SOURCES.read_text().splitlines() if line.startswith("URIs:")]
    making = CACHE / f"making-{os.getpid()}-{time.monotonic_ns()}"
    CACHE.mkdir(parents=True, exist_ok=True)
    packages = "--include=systemd,systemd-sysv,dbus,python3"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", str(making), uris[0]], check=True)
    making.rename(root)
    return root
