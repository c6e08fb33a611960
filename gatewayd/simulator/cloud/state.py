"""What the simulated cloud knows, and the rules that more than one section needs: who is who, and who may what (§7)."""

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
    """The database, the clock, and chance (for tokens and codes)."""

    db: CloudDatabase
    now: Callable[[], datetime]
    clock_offset: timedelta = timedelta()
    shows_member_ids: bool = False
    chance: random.Random = field(default_factory=random.SystemRandom)

    def time(self) -> datetime:
        """The cloud's clock."""
        return self.now().astimezone(UTC) + self.clock_offset

    def stamp(self) -> str:
        """The cloud's clock as the API writes it."""
        return self.time().astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")

    def register(self, username: str, password: str, **columns: Any) -> int:
        """A new account's id; with a home, its default unit, floor and room, and himself as its member (§2.7)."""
        joined = self.time().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        row = {"username": username, "password": password, "date_joined": joined, **columns}
        id_ = self.db.add("accounts", row)
        home_id = self.db.add("homes", {"user_id": id_, "title": "我的家", "icon": "local:5001"})
        self.db.add("members", {"home_id": home_id, "user_id": id_, "title": username, "icon": "local:5001"})
        above = None
        for kind, title in (("unit", "默认单元"), ("floor", "默认楼层"), ("room", "默认房间")):
            space = {"home_id": home_id, "superior_id": above, "type": kind, "title": title, "is_default": True}
            above = self.db.add("spaces", space)
        return id_

    def log_in(self, account_id: int) -> str:
        """The account's token, made if there is none."""
        account = self.db.get("accounts", account_id)
        assert account is not None
        token = account["token"] or f"{self.chance.getrandbits(160):040x}"
        self.db.change("accounts", account_id, {"token": token, "last_login": self.stamp()})
        return str(token)

    def account_of(self, token: str) -> Row | None:
        """Whose token it is."""
        return self.db.one("SELECT * FROM accounts WHERE token = ? AND token != ''", token)

    def account_named(self, username: str) -> Row | None:
        """The account of that name."""
        return self.db.one("SELECT * FROM accounts WHERE username = ?", username)

    def home_of(self, account_id: int) -> int:
        """The user's own home."""
        home = self.db.one("SELECT id FROM homes WHERE user_id = ? ORDER BY id", account_id)
        assert home is not None
        return int(home["id"])

    def level(self, account_id: int, record: Row) -> Permission:
        """What a user may do with a device: all with his own, else what §2.2 says, else nothing."""
        if record["user_id"] == account_id:
            return Permission.DELETE
        given = self.authorization(account_id, record["id"])
        return Permission.NONE if given is None else Permission(given["perm"])

    def authorization(self, account_id: int, record_id: int) -> Row | None:
        """What was given to a user of a device."""
        query = "SELECT * FROM authorizations WHERE authorized_id = ? AND info_id = ?"
        return self.db.one(query, account_id, record_id)

    def send(self, kind: str, receiver: str, said: Any) -> int:
        """An SMS or a push on its way."""
        said_as = json.dumps(said, ensure_ascii=False)
        return self.db.add("sent", {"kind": kind, "receiver": receiver, "said": said_as})
