"""The simulated cloud asked by hand, so that what it says is seen as it stands on the wire."""

from dataclasses import dataclass
from typing import Any

import aiohttp

USER, GUEST, ADMIN, PASSWORD = "18900000001", "18900000002", "18900000009", "open-sesame-7"
USER_ID, GUEST_ID = 1, 2


LOCK = {"category": "lock", "type_sub": "AA02SL-HE", "uuid": "00158d0003b00001", "title": "门锁"}


@dataclass
class Caller:
    """Somebody with a token."""

    session: aiohttp.ClientSession
    token: str

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The answer's JSON."""
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        async with self.session.request(method, path, json=body, params=query, headers=headers) as response:
            return await response.json()

    async def made(self, path: str, **data: Any) -> int:
        """The id of what a POST made."""
        answer = await self.ask("POST", path, {"data": data})
        id_: int = answer["msg"]["data"]["id"]
        return id_


async def logged_in(session: aiohttp.ClientSession, username: str) -> Caller:
    body = {"username": username, "password": PASSWORD}
    answer = await Caller(session, "").ask("POST", "/api/accounts/login/", body)
    return Caller(session, answer["msg"]["token"])
