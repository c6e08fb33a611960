"""The state key, which seals secrets at rest: systemd's credential, else a file that is made on the first start.

A door that does not open because a key file is damaged helps nobody: where the key cannot be used, the daemon goes on
with a new one, without the secrets that the former one sealed, and says so.
"""

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store.cipher import KEY_BYTES

log = structlog.get_logger(__name__)

_FILE_NAME: Final = "state-key"


@dataclass(frozen=True, slots=True)
class StateKey:
    """The key that is used, and what is wrong with it (None: nothing)."""

    key: bytes = field(repr=False)
    problem: str | None = None


def load_key(credentials_dir: Path | None, state_dir: Path) -> StateKey:
    """The 32 bytes that seal the secrets: `credentials_dir`/state-key, else `state_dir`/state-key (0600, made here).

    A file that is no key is set aside, not deleted, and a new one is made; where that cannot be written, the key lasts
    for this run alone. A file that others can read is closed to them, and used. Each is logged, and told in `problem`.
    """
    problems: list[str] = []
    key = _credential(credentials_dir, problems) or _stored(state_dir / _FILE_NAME, problems)
    for problem in problems:
        log.error("state_key_problem", reason=problem)
    return StateKey(key, " ".join(problems) or None)


def _credential(folder: Path | None, problems: list[str]) -> bytes | None:
    if folder is None or not (path := folder / _FILE_NAME).exists():
        return None
    try:
        return _read(path)
    except StoreError as error:
        problems.append(f"{error} The key file is used instead.")
        return None


def _stored(path: Path, problems: list[str]) -> bytes:
    try:
        if os.path.lexists(path):
            _close_to_others(path, problems)
            try:
                return _read(path)
            except StoreError as error:
                aside = _set_aside(path)
                problems.append(f"{error} It was moved to {aside.name}: a new one is used, and what it sealed is lost.")
        _create(path)
        return _read(path)
    except (StoreError, OSError) as error:
        problems.append(f"{error} A key of this run alone is used: secrets are not kept over a restart.")
        return os.urandom(KEY_BYTES)


def _close_to_others(path: Path, problems: list[str]) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return
    problems.append(f"The state key {path} was open to others ({mode:o}): change the secrets that it sealed.")
    try:
        path.chmod(0o600)
    except OSError as error:
        problems.append(f"It still is: {error.strerror}.")


def _set_aside(path: Path) -> Path:
    moved_to = path.with_name(f"{path.name}.unusable-{time.time_ns()}")
    path.rename(moved_to)
    return moved_to


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(4096)
    except OSError as error:
        raise StoreError(f"The state key {path} cannot be read: {error.strerror}.") from error
    if len(raw) == KEY_BYTES:
        return raw
    try:
        key = bytes.fromhex(raw.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(f"The state key {path} must be {KEY_BYTES} bytes, raw or as hex digits; it has {len(raw)}.")
    return key


def _create(path: Path) -> None:
    """Create a whole key or none: written to another file, synced, and linked to its name, which replaces no key."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process was faster, and its key is used
        finally:
            fresh.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"The state key {path} cannot be made: {error.strerror}.") from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
