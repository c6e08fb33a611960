"""Calls the simulated cloud over plain HTTP, so that a test sees its answers as they are on the wire."""

from dataclasses import dataclass
from typing import Any

import aiohttp

USER, GUEST, ADMIN, PASSWORD = "18900000001", "18900000002", "18900000009", "open-sesame-7"
USER_ID, GUEST_ID = 1, 2

LOCK = {"category": "lock", "type_sub": "AA02SL-HE", "uuid": "00158d0003b00001", "title": "门锁"}


@dataclass
class ApiUser:
    """A user with a token, or without one (empty)."""

    session: aiohttp.ClientSession
    token: str

    async def request(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The answer's JSON."""
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        async with self.session.request(method, path, json=body, params=query, headers=headers) as response:
            return await response.json()

    async def create(self, path: str, **data: Any) -> int:
        """POST `data`; returns the id of what was created."""
        answer = await self.request("POST", path, {"data": data})
        id_: int = answer["msg"]["data"]["id"]
        return id_


async def log_in(session: aiohttp.ClientSession, username: str) -> ApiUser:
    body = {"username": username, "password": PASSWORD}
    answer = await ApiUser(session, "").request("POST", "/api/accounts/login/", body)
    return ApiUser(session, answer["msg"]["token"])
