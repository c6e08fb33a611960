"""§3.2 APP and firmware release manage, for administrators."""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import field

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.objects import ApiObject, Id, params_of


class Release(ApiObject, frozen=True, kw_only=True):
    """A release of an app. `type` is sent, `type_id` is received. `app_version`: its versions, as JSON."""

    ALIASES: ClassVar[Mapping[str, str]] = {"type_id": "type"}

    id: Id | None = None
    type: str
    name: str
    platform: str
    package_name: str
    version: str
    brief: str | None = None
    icon_url: str | None = None
    pm: str | None = None
    qrcode: str | None = None
    app_version: list[dict[str, Any]] = field(default_factory=list)
    down_count: int = 0
    create_time: str | None = None


class ReleasesApi:
    """§3.2. `create` and `update` return the object as the cloud stores it.

    The API shows no address of one release; as in other sections it is the list's with the id.
    """

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    async def create(self, release: Release) -> Release:
        """Create `release`. Raises ForbiddenError where the user is no administrator, UncertainError."""
        return await self._send("releases.create", release)

    async def update(self, release: Release) -> Release:
        """Update the release with the id of `release`. Raises RefusedByCloudError."""
        return await self._send("releases.update", release)

    async def delete(self, id_: int) -> None:
        """Delete the release with that id. Raises RefusedByCloudError."""
        await self._session.call("releases.delete", id_=id_)

    async def _send(self, name: str, release: Release) -> Release:
        params = params_of(ENDPOINTS[name], release)
        return await self._session.call_for_bare_object(name, Release, id_=release.id, params=params)
