"""The simulated cloud's state, and the rules that several sections need: accounts, tokens, permissions (§7)."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.database import CloudDatabase, Row

_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(slots=True)
class CloudState:
    """`chance` makes tokens and codes; `shows_member_ids`: see SimulatedCloud."""

    db: CloudDatabase
    now: Callable[[], datetime]
    clock_offset: timedelta = timedelta()
    shows_member_ids: bool = False
    chance: random.Random = field(default_factory=random.SystemRandom)

    def time(self) -> datetime:
        """The cloud's clock."""
        return self.now().astimezone(UTC) + self.clock_offset

    def stamp(self) -> str:
        """The cloud's time in the API's format, Asia/Shanghai."""
        return self.time().astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")

    def register(self, username: str, password: str, **columns: Any) -> int:
        """Add an account, with a home that has a default unit, floor and room and the user as a member (§2.7).

        `columns` are further ones of the account. Returns its id.
        """
        joined = self.time().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        row = {"username": username, "password": password, "date_joined": joined, **columns}
        id_ = self.db.add("accounts", row)
        home_id = self.db.add("homes", {"user_id": id_, "title": "我的家", "icon": "local:5001"})
        self.db.add("members", {"home_id": home_id, "user_id": id_, "title": username, "icon": "local:5001"})
        superior_id = None
        for kind, title in (("unit", "默认单元"), ("floor", "默认楼层"), ("room", "默认房间")):
            space = {"home_id": home_id, "superior_id": superior_id, "type": kind, "title": title, "is_default": True}
            superior_id = self.db.add("spaces", space)
        return id_

    def log_in(self, account_id: int) -> str:
        """The account's token; a new one where it has none."""
        account = self.db.get("accounts", account_id)
        assert account is not None
        token = account["token"] or f"{self.chance.getrandbits(160):040x}"
        self.db.change("accounts", account_id, {"token": token, "last_login": self.stamp()})
        return str(token)

    def account_by_token(self, token: str) -> Row | None:
        """The account with that token."""
        return self.db.one("SELECT * FROM accounts WHERE token = ? AND token != ''", token)

    def account_by_name(self, username: str) -> Row | None:
        """The account with that username."""
        return self.db.one("SELECT * FROM accounts WHERE username = ?", username)

    def home_of(self, account_id: int) -> int:
        """The id of the user's first home."""
        home = self.db.one("SELECT id FROM homes WHERE user_id = ? ORDER BY id", account_id)
        assert home is not None
        return int(home["id"])

    def level(self, account_id: int, record: Row) -> Permission:
        """A user's permission on a device: all on his own, else that of his authorization (§2.2), else none."""
        if record["user_id"] == account_id:
            return Permission.DELETE
        authorization = self.authorization(account_id, record["id"])
        return Permission.NONE if authorization is None else Permission(authorization["perm"])

    def authorization(self, account_id: int, record_id: int) -> Row | None:
        """A user's authorization on a device."""
        query = "SELECT * FROM authorizations WHERE authorized_id = ? AND info_id = ?"
        return self.db.one(query, account_id, record_id)

    def record_sent(self, kind: str, receiver: str, content: Any) -> int:
        """Record an SMS or a push as sent."""
        text = json.dumps(content, ensure_ascii=False)
        return self.db.add("sent", {"kind": kind, "receiver": receiver, "content": text})
