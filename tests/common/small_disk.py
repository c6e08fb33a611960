"""A real file system of four megabytes, to be filled. Needs root; tests that want it are skipped where it cannot be."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of one's own needs root")


@contextmanager
def four_megabytes(folder: Path) -> Iterator[Path]:
    """The disk, mounted in `folder` until this is left."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill `disk` up to `leave` bytes; a daemon that writes to it meanwhile may leave fewer."""
    state = os.statvfs(disk)
    ballast = disk / "ballast"
    try:
        ballast.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - leave)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return ballast


@contextmanager
def flash(folder: Path) -> Iterator["Flash"]:
    """An ext4 file system in a file, mounted in `folder` until this is left."""
    found = Flash(folder)
    if subprocess.run(["mkfs.ext4", "-q", str(found.image)], check=False).returncode:
        pytest.skip("no mkfs.ext4")
    found.mount()
    try:
        yield found
    finally:
        found.unmount()


class Flash:
    """Mounted at `disk`."""

    def __init__(self, folder: Path) -> None:
        self.disk = folder / "flash"
        self.disk.mkdir()
        self.image = folder / "flash.img"
        with self.image.open("wb") as file:
            file.truncate(16 << 20)

    def mount(self) -> None:
        if subprocess.run(["mount", "-o", "loop", str(self.image), str(self.disk)], check=False).returncode:
            pytest.skip("this machine lets nobody mount")

    def fail(self) -> None:
        """As after an error of the medium: the kernel sets it read-only, and nothing that is open can be written."""
        subprocess.run(["mount", "-o", "remount,abort", str(self.disk)], check=True)

    def unmount(self) -> None:
        """Even while files on it are open."""
        subprocess.run(["umount", "-l", str(self.disk)], check=True)

    def replug(self) -> None:
        """What is on it, as a device that the kernel has not seen yet."""
        self.unmount()
        image = self.image.with_name("replugged.img")
        shutil.copyfile(self.image, image)
        self.image = image
        self.mount()
