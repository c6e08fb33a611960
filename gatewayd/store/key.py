"""The key that secrets are sealed with: systemd's credential `state-key`, else a file made on first start."""

import os
import stat
from pathlib import Path

from gatewayd.model.errors import StoreError

_LENGTH = 32


def load_key(credentials_dir: Path | None, state_dir: Path) -> bytes:
    """32 bytes. Raises StoreError where the key is not as long, or others may read its file."""
    if credentials_dir is not None and (credential := credentials_dir / "state-key").exists():
        return _checked(credential.read_bytes(), "the credential state-key")
    path = state_dir / "state-key"
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreError(f"{path}: others can read it; chmod 600 it, and change what it protected")
        return _checked(path.read_bytes(), str(path))
    except FileNotFoundError:
        return _make(path)


def _make(path: Path) -> bytes:
    """A new key, whole on disk or not there at all."""
    key = os.urandom(_LENGTH)
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return key


def _checked(key: bytes, place: str) -> bytes:
    if len(key) != _LENGTH:
        raise StoreError(f"{place}: {len(key)} bytes; a state key has {_LENGTH}")
    return key
