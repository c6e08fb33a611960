"""Where provisioning keeps its few durable bytes; the store's vault is one."""

from typing import Protocol


class Keep(Protocol):
    """Bytes by name, durable and secret."""

    async def get(self, name: str) -> bytes | None:
        """What is under `name`. Raises StoreError."""
        ...

    async def put(self, name: str, secret: bytes) -> None:
        """Keep `secret` under `name`. Raises StoreError."""
        ...
