"""The folder of the databases and the key. Where it cannot be written (a file system that the kernel has set read-only,
a flash that fails), a copy of it in memory or in the temporary folder stands in: the daemon is up, and tells.
"""

import errno
import fcntl
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store.state_key import sync_folder

log = structlog.get_logger(__name__)

_READ_ONLY: Final = frozenset({errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EUCLEAN})
"""What a file system answers that has failed. A missing permission is a wrong setting, and refused as one."""

_COPIED: Final = ("gatewayd.db", "gatewayd.db-wal", "zigbee.db", "zigbee.db-wal", "state-key")
DATABASES: Final = ("gatewayd.db", "zigbee.db")
_MAX_COPIED_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Where the databases are for this run, where they belong (`wanted`), and why that is another place (None: it is
    not).
    """

    path: Path
    wanted: Path
    problem: str | None = None


@contextmanager
def state_folder(wanted: Path, scratch: Path | None = None) -> Iterator[StateFolder]:
    """The folder `wanted`, made where it is not there; where it cannot be written, a copy of it under `scratch` (None:
    the system's temporary folder), for the length of the block.

    At the end the copy's databases replace those in `wanted`, where that can be written by then and nobody else has
    changed them. Raises StoreError where the folder is not ours to write, or another process has its database open.
    """
    try:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        _try_writing(wanted)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise StoreError(
                f"The state directory {wanted} cannot be made: {error.strerror}; gateway.state_dir says where."
            ) from error
        problem = f"the state folder {wanted} cannot be written: {error.strerror}. What changes is lost with a restart"
    else:
        yield StateFolder(wanted, wanted)
        return
    log.error("state_folder_not_writable", path=str(wanted), reason=problem)
    _refuse_if_in_use(wanted / DATABASES[0])
    with tempfile.TemporaryDirectory(prefix="gatewayd-", dir=scratch, ignore_cleanup_errors=True) as name:
        copy = Path(name)
        copied_at = {one: stamp(wanted / one) for one in DATABASES}
        for one in _COPIED:
            _copy(wanted / one, copy / one)
        try:
            yield StateFolder(copy, wanted, problem)
        finally:  # a daemon that is stopped is cancelled
            if copied_at == {one: stamp(wanted / one) for one in DATABASES}:
                _put_back(copy, wanted)


def can_be_written(folder: Path) -> bool:
    """Whether a file can be made in `folder` and reaches the disk."""
    try:
        _try_writing(folder)
    except OSError:
        return False
    return True


def _try_writing(folder: Path) -> None:
    """Raises OSError where nothing can be written. A full disk can: the store says what it does then."""
    probe = folder / f".writable-{os.getpid()}"
    try:
        with os.fdopen(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise


def _refuse_if_in_use(database: Path) -> None:
    """Raises StoreError where another process has locked the database: a gateway must not run twice."""
    try:
        with database.open("rb") as file:
            asked = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)  # struct flock, 64-bit
            (kind,) = struct.unpack_from("h", fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return
    if kind != fcntl.F_UNLCK:
        raise StoreError(f"Another process has the database {database} open. Is gatewayd already running?")


def stamp(path: Path) -> tuple[int, int] | None:
    """When `path` was last written, and its size; None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _copy(source: Path, target: Path) -> None:
    try:
        if source.stat().st_size > _MAX_COPIED_BYTES:
            log.error("state_file_not_copied", path=str(source), reason="too large")
            return
        shutil.copyfile(source, target)
        target.chmod(0o600)
    except FileNotFoundError:
        return
    except OSError as error:
        log.error("state_file_not_copied", path=str(source), reason=str(error))  # noqa: TRY400
        target.unlink(missing_ok=True)


def _put_back(copy: Path, wanted: Path) -> None:
    """Replace the databases, each whole or not at all."""
    try:
        _try_writing(wanted)
        for one in DATABASES:
            if not (copy / one).exists() or (copy / f"{one}-wal").exists():
                continue  # not closed cleanly: the one that is there stays
            fresh = wanted / f"{one}.new"
            shutil.copyfile(copy / one, fresh)
            fresh.chmod(0o600)
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            (wanted / f"{one}-wal").unlink(missing_ok=True)
            fresh.rename(wanted / one)
        if not (wanted / "state-key").exists():
            _copy(copy / "state-key", wanted / "state-key")
        sync_folder(wanted)
    except OSError as error:
        log.warning("state_not_put_back", reason=str(error))
    else:
        log.info("state_put_back", path=str(wanted))
