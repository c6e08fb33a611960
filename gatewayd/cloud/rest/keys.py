"""§2.8 Keys Management: the keys of locks."""

from collections.abc import AsyncIterator
from typing import ClassVar

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject, Id


class CloudKey(ApiObject, frozen=True, kw_only=True):
    """A key. `key_type`: 0 password, 1 fingerprint, 2 card, 3 mechanical. `title` and `icon` are its member's."""

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"key_number"})  # a password key's number is the password

    id: Id | None = None
    info_id: int | None = None
    member_id: int | None = None
    key_type: int = 0
    key_name: str = ""
    key_number: int | str = ""
    title: str | None = None
    icon: str | None = None


class KeysApi:
    """§2.8. `create` and `update` return the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(
        self, *, info_id: int | None = None, key_type: int | None = None, key_number: str | None = None
    ) -> AsyncIterator[CloudKey]:
        """All keys that match the filters; `info_id` is the lock's."""
        return self._session.list_objects(
            "keys.list", CloudKey, info_id=info_id, key_type=key_type, key_number=key_number
        )

    async def get(self, id_: int) -> CloudKey:
        """The key with that id. Raises NotFoundError."""
        return await self._session.call_for_object("keys.get", CloudKey, id_=id_)

    async def create(self, key: CloudKey) -> CloudKey:
        """Create `key`. Raises AlreadyExistsError, NotFoundError (the lock), UncertainError."""
        return await self._session.send_object("keys.create", key)

    async def update(self, key: CloudKey) -> CloudKey:
        """Update the key with the id of `key`. Raises NotFoundError."""
        return await self._session.send_object("keys.update", key, id_=key.id)

    async def delete(self, id_: int) -> None:
        """Delete the key with that id. Raises NotFoundError."""
        await self._session.call("keys.delete", id_=id_)
