"""§3.2: releases of apps, for administrators."""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import field

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.rows import ApiRow, Id, params_of


class Release(ApiRow, frozen=True, kw_only=True):
    """An app. It is asked for with `type` and answered with `type_id`. `app_version`: its versions, as they came."""

    ALSO: ClassVar[Mapping[str, str]] = {"type_id": "type"}

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
    """§3.2, call by call. The API shows no address for one release; it is the list's with the id, as elsewhere."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(self, release: Release) -> Release:
        """Raises RefusedByCloudError (400302: not an administrator), UncertainError."""
        return await self._said("releases.create", release)

    async def update(self, release: Release) -> Release:
        """Raises RefusedByCloudError."""
        return await self._said("releases.update", release)

    async def delete(self, id_: int) -> None:
        """Raises RefusedByCloudError."""
        await self._caller.msg("releases.delete", id_=id_)

    async def _said(self, name: str, release: Release) -> Release:
        params = params_of(ENDPOINTS[name], release)
        return await self._caller.bare(name, Release, id_=release.id, params=params)
