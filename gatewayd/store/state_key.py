"""The state key, which seals secrets at rest: systemd's credential, else a file that is made on the first start."""

import os
import stat
from pathlib import Path
from typing import Final

from gatewayd.model.errors import StoreError
from gatewayd.store.cipher import KEY_BYTES

_FILE_NAME: Final = "state-key"


def load_key(credentials_dir: Path | None, state_dir: Path) -> bytes:
    """The 32 bytes that seal the secrets: `credentials_dir`/state-key, else `state_dir`/state-key (0600, made here).

    Raises StoreError where there is a key that cannot be used: a new one would lose every secret, so none is made.
    """
    if credentials_dir is not None and (credential := credentials_dir / _FILE_NAME).exists():
        return _read(credential)
    path = state_dir / _FILE_NAME
    if not path.exists():
        _create(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StoreError(f"The state key {path} is open to others: chmod 600 it, and change the secrets it sealed.")
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
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
