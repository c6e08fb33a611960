"""§2.8: the keys of a household's locks."""

from collections.abc import AsyncIterator
from typing import ClassVar

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.rows import ApiRow, Id


class CloudKey(ApiRow, frozen=True, kw_only=True):
    """A key. `key_type`: 0 password, 1 fingerprint, 2 card, 3 mechanical. `title` and `icon` are its member's."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"key_number"})  # a password key's number is the password

    id: Id | None = None
    info_id: int | None = None
    member_id: int | None = None
    key_type: int = 0
    key_name: str = ""
    key_number: int | str = ""
    title: str | None = None
    icon: str | None = None


class KeysApi:
    """§2.8, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self, *, info_id: int | None = None, key_type: int | None = None, key_number: str | None = None
    ) -> AsyncIterator[CloudKey]:
        """The keys, of one lock, of one type, of one number."""
        return self._caller.rows("keys.list", CloudKey, info_id=info_id, key_type=key_type, key_number=key_number)

    async def get(self, id_: int) -> CloudKey:
        """One key. Raises NotThereError."""
        return await self._caller.row("keys.get", CloudKey, id_=id_)

    async def create(self, key: CloudKey) -> CloudKey:
        """A new key as the cloud has it now. Raises AlreadyThereError, NotThereError (the lock), UncertainError."""
        return await self._caller.say("keys.create", key)

    async def update(self, key: CloudKey) -> CloudKey:
        """Change the key of that id. Raises NotThereError."""
        return await self._caller.say("keys.update", key, id_=key.id)

    async def delete(self, id_: int) -> None:
        """Raises NotThereError."""
        await self._caller.msg("keys.delete", id_=id_)
