"""A board of its own: Debian with systemd as PID 1 in systemd-nspawn, and gatewayd installed as the service.

The clean root is made once by debootstrap and kept outside the tree (BOARD_CACHE, /var/cache/gatewayd-board); each
board is an overlay over it. It has no network. The Python and the libraries are those that run the tests, bound
read-only.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("BOARD_CACHE", "/var/cache/gatewayd-board"))
SOURCE = Path(__file__).parents[2]
BOOT_S = 60
_PROGRAMS = ("systemd-nspawn", "debootstrap", "mount")
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")

needs_board = pytest.mark.skipif(
    "BOARD" not in os.environ or os.geteuid() != 0 or any(shutil.which(program) is None for program in _PROGRAMS),
    reason="a board of its own takes minutes (make board), and needs root, systemd-container and debootstrap",
)

_GATEWAYD = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONHOME=/opt/python PYTHONPATH=/opt/source:/opt/site PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3 -c "from gatewayd.cli import main; main(prog_name='gatewayd')" "$@"
"""
_SETTINGS = """
[radio]
path = "socket://127.0.0.1:1"
[cloud]
base_url = "http://127.0.0.1:1"
username = "18900000001"
password_file = "/nowhere"
[mqtt]
host = "127.0.0.1"
port = 1
[wifi]
backend = "none"
"""
_RUN_SCRIPT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /test/script
StandardOutput=file:/test/out
StandardError=file:/test/err
ExecStopPost=/bin/systemctl poweroff --no-block
[Install]
WantedBy=multi-user.target
"""


class Board:
    """The root of one board, not booted yet."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Make a file on the board."""
        file = self._root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link on the board."""
        link = self._root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def run(self, script: str, within_s: float) -> str:
        """Boot, run `script` (bash) once the board is up, power it off; what the script printed."""
        self.write("/test/script", script)
        binds = {sys.base_prefix: "/opt/python", sysconfig.get_path("purelib"): "/opt/site", str(SOURCE): "/opt/source"}
        options = [f"--bind-ro={source}:{target}" for source, target in binds.items()]
        board = ["systemd-nspawn", "-q", "-D", str(self._root), "--private-network", "--keep-unit", "--register=no"]
        subprocess.run(
            ["timeout", "--kill-after=5", str(within_s + BOOT_S), *board, *options, "-b"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        out, err = self._root / "test/out", self._root / "test/err"
        assert out.exists(), "the board did not come up"
        return out.read_text(encoding="utf-8") + err.read_text(encoding="utf-8")


@contextmanager
def clean_board(folder: Path) -> Iterator[Board]:
    """A board with the service installed from this tree, as docs/install.md says; gone when this is left."""
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
            board = Board(root)
            _install(board)
            yield board
        finally:
            subprocess.run(["umount", str(root)], check=True)
    finally:
        subprocess.run(["umount", str(folder / "layer")], check=True)


def _install(board: Board) -> None:
    for name, place in (
        ("gatewayd.service", "/etc/systemd/system/gatewayd.service"),
        ("gatewayd.sysusers", "/etc/sysusers.d/gatewayd.conf"),
    ):
        board.write(place, (SOURCE / "systemd" / name).read_text(encoding="utf-8"))
    board.write("/opt/gatewayd/bin/gatewayd", _GATEWAYD, 0o755)
    board.write("/etc/gatewayd/gatewayd.toml", _SETTINGS)
    board.write("/etc/gatewayd/cloud-password", "open-sesame-7\n", 0o600)
    board.write("/etc/systemd/system/board-test.service", _RUN_SCRIPT)
    board.link("/etc/systemd/system/multi-user.target.wants/board-test.service", "../board-test.service")


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
