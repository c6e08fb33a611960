"""After random changes on both sides and random failures between them, gateway and cloud have the same records.

The seeds are fixed. AGREE_ROUNDS sets the number of runs, AGREE_SEED repeats one.
"""

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatewayd.backoff import Backoff
from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.commands.record_edits import edit
from gatewayd.model.change import Change
from gatewayd.model.errors import CloudError
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from gatewayd.model.record import Channel, GatewayParam, LockParam, Record, SensorParam, SwitchParam
from gatewayd.model.record_wire import to_wire
from gatewayd.model.request import UpdateRecord
from tests.common.rest import connect_client
from tests.common.sync import OWNER, PASSWORD, GatewayAndCloud, gateway_and_cloud, now

ROUNDS = int(os.environ.get("AGREE_ROUNDS", "8"))
SEEDS = [int(os.environ["AGREE_SEED"])] if "AGREE_SEED" in os.environ else [1000 + n for n in range(ROUNDS)]
STEPS = 60
LOGIN_BACKOFF = Backoff(0.02, 1800)
PATHS = ("/", "/api/iot/iot_manage_view/", "/api/iot/patch/", "/api/iot/messages/")


@dataclass
class RandomChanges:
    """Changes and failures in random order, and what the final checks need to know of them."""

    both: GatewayAndCloud
    app: CloudClient
    chance: random.Random
    devices: int = 0
    values: int = 0
    messages: list[tuple[str, str]] = field(default_factory=list)
    removed: list[Record] = field(default_factory=list)
    may_be_deleted: set[str] = field(default_factory=set)
    """Flags of messages whose device was removed: the cloud deletes them with it."""

    def any_record(self) -> Record | None:
        return self.chance.choice(self.both.store.mirror.all() or (None,))

    def new_text(self) -> str:
        self.values += 1
        return f"名{self.values}"

    async def join(self) -> None:
        """A new device joins, or a removed one joins again."""
        if self.removed and self.chance.random() < 0.5:
            record = self.removed.pop(self.chance.randrange(len(self.removed)))
            record = replace(record, id=None, unlinked=False, edited=())
            await self.both.store.mirror.put(record, RecordItem(uuid=record.uuid))
            return
        self.devices += 1
        uuid = Uuid(f"00158d00aa{self.devices:06x}")
        category, param = self.chance.choice(
            (
                (Category.SENSOR, SensorParam(status=1)),
                (Category.LOCK, LockParam(status=1)),
                (Category.SWITCH, SwitchParam(status=1, channel=(Channel(id=1, value=0), Channel(id=2, value=0)))),
            )
        )
        record = Record(uuid=uuid, category=category, title=self.new_text(), param=param)
        await self.both.store.mirror.put(record, RecordItem(uuid=uuid))

    async def remove(self) -> None:
        record = self.any_record()
        if record is not None and self.chance.random() < 0.3:
            removal = () if record.unlinked else (RemovalItem(uuid=record.uuid, id=record.id),)
            await self.both.store.mirror.remove(record.uuid, *removal)
            self.removed.append(record)
            self.may_be_deleted |= self.flags_of(record)

    def flags_of(self, record: Record) -> set[str]:
        return {flag for uuid, flag in self.messages if uuid == record.uuid}

    async def report(self) -> None:
        record = self.any_record()
        if record is None:
            return
        value = self.chance.randrange(100)
        match record.param:
            case SwitchParam():
                change = Change("value", value, channel=1)
            case GatewayParam():
                change = Change("zgb_channel", str(value))
            case _:
                change = Change("battery", value)
        self.both.store.mirror.report(record.uuid, (change,), now())

    async def edit_here(self) -> None:
        """Edit title, icon or room here; the room may not exist."""
        record = self.any_record()
        if record is None:
            return
        update = self.chance.choice(
            (
                UpdateRecord({"title": self.new_text()}, {}),
                UpdateRecord({"icon": self.new_text()}, {}),
                UpdateRecord({}, {"room_id": self.chance.randrange(13)}),
            )
        )
        await self.both.store.mirror.put(edit(record, update), RecordItem(uuid=record.uuid))

    async def edit_in_app(self) -> None:
        record = self.any_record()
        if record is None or record.id is None:
            return
        fields = self.chance.choice(({"title": self.new_text()}, {"param": {"room_id": self.chance.randrange(9)}}))
        await self.app.batch.send_one(RestCall(name="records.update", body=fields, id=record.id))

    async def delete_in_app(self) -> None:
        record = self.any_record()
        if record is not None and record.id is not None and self.chance.random() < 0.4:
            self.may_be_deleted |= self.flags_of(record)
            await self.app.batch.send_one(RestCall(name="records.delete", id=record.id))

    async def create_in_app(self) -> None:
        """Create a record again that was deleted in the cloud."""
        unlinked = [record for record in self.both.store.mirror.all() if record.unlinked]
        if unlinked:
            await self.app.batch.send_one(RestCall(name="records.create", body=self.chance.choice(unlinked)))

    async def send_message(self) -> None:
        record = self.any_record()
        if record is None or record.unlinked:
            return
        flag = f"flag-{self.values}-{self.chance.randrange(10**6)}"
        item = MessageItem(
            uuid=record.uuid,
            message_type="t",
            flag=flag,
            level=1,
            occur_time=f"2026-11-24 08:00:{self.values % 60:02d}",
        )
        await self.both.store.outbox.add(item)
        self.messages.append((record.uuid, flag))

    async def inject_fault(self) -> None:
        faults, path = self.both.cloud.faults, self.chance.choice(PATHS)
        match self.chance.randrange(6):
            case 0:
                faults.fail(path, status=503, times=self.chance.randrange(1, 4))
            case 1:
                faults.cut_after(path)
            case 2:
                faults.cut_within(path, at=self.chance.randrange(1, 200))
            case 3:
                faults.hang(path, seconds=0.05)
            case 4:
                self.set_account_active(False)
                self.both.cloud.revoke_tokens()
            case _:
                self.both.cloud.revoke_tokens()

    def set_account_active(self, is_active: bool) -> None:
        """Let the cloud accept or refuse the account's logins."""
        self.both.cloud.state.db.all("UPDATE accounts SET is_active = ? WHERE username = ?", is_active, OWNER)

    async def request_sync(self) -> None:
        self.both.sync.request_run()

    async def wait(self) -> None:
        self.set_account_active(True)
        await asyncio.sleep(self.chance.random() * 0.05)

    async def run(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (3, self.join), (1, self.remove), (4, self.report), (3, self.edit_here), (3, self.edit_in_app),
            (1, self.delete_in_app), (1, self.create_in_app), (3, self.send_message),
            (3, self.inject_fault), (2, self.request_sync), (4, self.wait),
        ]  # fmt: skip
        weights, actions = zip(*steps, strict=True)
        for action in self.chance.choices(actions, weights, k=STEPS):
            try:
                await action()
            except CloudError:
                continue  # the app's own call failed


def comparable(record: Record) -> dict[str, Any]:
    """The record as JSON, without the fields that each side sets for itself."""
    encoded: dict[str, Any] = json.loads(json.dumps(to_wire(record)))
    for name in ("update_time", "create_time", "type", "type_sub", "perm", "authorization_id"):
        encoded.pop(name, None)
    return encoded


def differences(local: Record, remote: dict[str, Any]) -> list[str]:
    """The fields that differ between the local and the remote record."""
    fields = comparable(local)
    param = {name: value for name, value in fields.pop("param").items() if name not in ("id", "info_id")}
    pairs = [(name, value, remote.get(name)) for name, value in fields.items()]
    pairs += [(f"param.{name}", value, remote["param"].get(name)) for name, value in param.items()]
    return [f"{name}: {here!r} here, {there!r} in the cloud" for name, here, there in pairs if here != there]


@pytest.mark.parametrize("seed", SEEDS)
async def test_gateway_and_cloud_agree_after_random_changes_and_failures(tmp_path: Path, seed: int) -> None:
    async with (
        gateway_and_cloud(tmp_path, login_backoff=LOGIN_BACKOFF) as both,
        connect_client(both.cloud, OWNER, PASSWORD, login_backoff=LOGIN_BACKOFF) as app,
    ):
        changes = RandomChanges(both, app, random.Random(seed))
        await changes.run()
        both.cloud.faults.clear()
        changes.set_account_active(True)
        for _ in range(3):
            await both.store.mirror.flush()
            await both.wait_until_sent()
            assert set((await both.run_sync()).values()) == {None}
        await both.wait_until_sent()
        remote = {record["uuid"]: record for record in both.cloud.records(OWNER)}
        for record in both.store.mirror.all():
            if record.unlinked:
                assert record.uuid not in remote, f"seed {seed}: {record.uuid} is unlinked, and the cloud has it"
            else:
                assert differences(record, remote[record.uuid]) == [], f"seed {seed}: {record.uuid} {record.category}"
                assert record.edited == ()
        assert remote.keys() <= {record.uuid for record in both.store.mirror.all()}
        flags = [str(message["flag"]) for message in both.cloud.messages()]
        assert len(flags) == len(set(flags)), f"seed {seed}: a message was created twice"
        refused = {getattr(row.item, "flag", None) for row in await both.store.outbox.dead_letters()}
        deleted = {flag for uuid, flag in changes.messages if uuid not in remote} | changes.may_be_deleted
        lost = {flag for _, flag in changes.messages} - set(flags) - refused - deleted
        assert lost == set(), f"seed {seed}: lost"
