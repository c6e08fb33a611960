"""What the simulated cloud knows: accounts, tokens, records, messages, versions. In memory; no I/O."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(slots=True)
class Account:
    """A user (§1), or a gateway's account (§2.4)."""

    id: int
    username: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(slots=True)
class State:
    """Everything, and the rules that need more than one thing."""

    now: Callable[[], datetime]
    clock_offset: timedelta = timedelta()
    accounts: dict[str, Account] = field(default_factory=dict)
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    def next_id(self) -> int:
        """Ids are never used twice."""
        return next(self._ids)

    def register(self, username: str, password: str) -> Account:
        """A new account."""
        account = Account(self.next_id(), username, password)
        self.accounts[username] = account
        return account

    def log_in(self, account: Account) -> str:
        """The account's token, made if there is none."""
        account.token = account.token or secrets.token_hex(20)
        return account.token

    def account_of(self, token: str) -> Account | None:
        """Whose token it is."""
        return next((one for one in self.accounts.values() if token and one.token == token), None)

    def time(self) -> datetime:
        """The cloud's clock."""
        return self.now().astimezone(UTC) + self.clock_offset

    def stamp(self) -> str:
        """The cloud's clock as the API writes it."""
        return self.time().astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")

    def records_of(self, account: Account) -> list[dict[str, Any]]:
        """The records that the account owns, oldest first."""
        return [record for record in self.records.values() if record["user_id"] == account.id]

    def add_record(self, account: Account, data: Mapping[str, Any]) -> dict[str, Any]:
        """A new record, with what the cloud gives it."""
        id_ = self.next_id()
        stamp = self.stamp()
        record = {"perm": None, "authorization_id": None, **data}
        record |= {"id": id_, "user_id": account.id, "create_time": stamp, "update_time": stamp}
        record["param"] = {**data.get("param", {}), "id": self.next_id(), "info_id": id_}
        self.records[id_] = record
        return record

    def change_record(self, record: dict[str, Any], data: Mapping[str, Any]) -> None:
        """Take over what `data` says; ids and owner stay."""
        kept = {name: record[name] for name in ("id", "user_id", "create_time", "uuid")}
        param = {**record["param"], **data.get("param", {})}
        param |= {name: record["param"][name] for name in ("id", "info_id")}
        record.update(data)
        record.update(kept)
        record |= {"param": param, "update_time": self.stamp()}
