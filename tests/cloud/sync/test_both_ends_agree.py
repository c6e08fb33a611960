"""Whatever is changed at either end, and however often the line breaks: at the end both say the same.

Seeded chance, real HTTP, real SQLite. AGREE_ROUNDS makes more runs, AGREE_SEED repeats one.
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

from gatewayd.cloud.rest.batch import BatchPart
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.commands.record_edits import edit
from gatewayd.model.change import Change
from gatewayd.model.errors import CloudError
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from gatewayd.model.record import Channel, GatewayParam, LockParam, Record, SensorParam, SwitchParam
from gatewayd.model.record_wire import to_wire
from gatewayd.model.request import UpdateRecord
from tests.common.rest import connected
from tests.common.sync import OWNER, PASSWORD, Both, both_ends, now

ROUNDS = int(os.environ.get("AGREE_ROUNDS", "8"))
SEEDS = [int(os.environ["AGREE_SEED"])] if "AGREE_SEED" in os.environ else [1000 + n for n in range(ROUNDS)]
STEPS = 60
PATHS = ("/", "/api/iot/iot_manage_view/", "/api/iot/patch/", "/api/iot/messages/")


@dataclass
class Story:
    """What happened so far, as far as the end depends on it."""

    both: Both
    app: CloudClient
    chance: random.Random
    devices: int = 0
    said: int = 0
    messages: list[tuple[str, str]] = field(default_factory=list)
    left: list[Record] = field(default_factory=list)
    may_be_gone: set[str] = field(default_factory=set)
    """Flags of messages whose device was removed: the cloud forgets them with it."""

    def any_record(self) -> Record | None:
        return self.chance.choice(self.both.store.mirror.all() or (None,))

    def word(self) -> str:
        self.said += 1
        return f"名{self.said}"

    async def join(self) -> None:
        """A new device, or one that was here before."""
        if self.left and self.chance.random() < 0.5:
            again = self.left.pop(self.chance.randrange(len(self.left)))
            again = replace(again, id=None, unlinked=False, edited=())
            await self.both.store.mirror.put(again, RecordItem(uuid=again.uuid))
            return
        self.devices += 1
        uuid = Uuid(f"00158d00aa{self.devices:06x}")
        kind, param = self.chance.choice(
            (
                (Category.SENSOR, SensorParam(status=1)),
                (Category.LOCK, LockParam(status=1)),
                (Category.SWITCH, SwitchParam(status=1, channel=(Channel(id=1, value=0), Channel(id=2, value=0)))),
            )
        )
        record = Record(uuid=uuid, category=kind, title=self.word(), param=param)
        await self.both.store.mirror.put(record, RecordItem(uuid=uuid))

    async def remove(self) -> None:
        record = self.any_record()
        if record is not None and self.chance.random() < 0.3:
            removal = () if record.unlinked else (RemovalItem(uuid=record.uuid, id=record.id),)
            await self.both.store.mirror.remove(record.uuid, *removal)
            self.left.append(record)
            self.may_be_gone |= self.said_of(record)

    def said_of(self, record: Record) -> set[str]:
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
        """A name, or a room that there may not be."""
        record = self.any_record()
        if record is None:
            return
        about = self.chance.choice(
            (
                UpdateRecord({"title": self.word()}, {}),
                UpdateRecord({"icon": self.word()}, {}),
                UpdateRecord({}, {"room_id": self.chance.randrange(13)}),
            )
        )
        await self.both.store.mirror.put(edit(record, about), RecordItem(uuid=record.uuid))

    async def edit_there(self) -> None:
        record = self.any_record()
        if record is None or record.id is None:
            return
        about = self.chance.choice(({"title": self.word()}, {"param": {"room_id": self.chance.randrange(9)}}))
        await self.app.batch.send_alone(BatchPart(name="records.update", about=about, id=record.id))

    async def delete_there(self) -> None:
        record = self.any_record()
        if record is not None and record.id is not None and self.chance.random() < 0.4:
            self.may_be_gone |= self.said_of(record)
            await self.app.batch.send_alone(BatchPart(name="records.delete", id=record.id))

    async def link_again_there(self) -> None:
        """Somebody gives a device back to the cloud that it had forgotten."""
        unlinked = [record for record in self.both.store.mirror.all() if record.unlinked]
        if unlinked:
            await self.app.batch.send_alone(BatchPart(name="records.create", about=self.chance.choice(unlinked)))

    async def ring(self) -> None:
        record = self.any_record()
        if record is None or record.unlinked:
            return
        flag = f"flag-{self.said}-{self.chance.randrange(10**6)}"
        due = MessageItem(
            uuid=record.uuid, message_type="t", flag=flag, level=1, occur_time=f"2026-11-24 08:00:{self.said % 60:02d}"
        )
        await self.both.store.outbox.add(due)
        self.messages.append((record.uuid, flag))

    async def break_the_line(self) -> None:
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
                self.let_in(False)
                self.both.cloud.revoke_tokens()
            case _:
                self.both.cloud.revoke_tokens()

    def let_in(self, is_active: bool) -> None:
        """Whether the cloud takes the account's logins."""
        self.both.cloud.state.db.all("UPDATE accounts SET is_active = ? WHERE username = ?", is_active, OWNER)

    async def pull(self) -> None:
        self.both.sync.ask()

    async def wait(self) -> None:
        self.let_in(True)
        await asyncio.sleep(self.chance.random() * 0.05)

    async def go_on(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (3, self.join), (1, self.remove), (4, self.report), (3, self.edit_here), (3, self.edit_there),
            (1, self.delete_there), (1, self.link_again_there), (3, self.ring),
            (3, self.break_the_line), (2, self.pull), (4, self.wait),
        ]  # fmt: skip
        weights, plays = zip(*steps, strict=True)
        for play in self.chance.choices(plays, weights, k=STEPS):
            try:
                await play()
            except CloudError:
                continue  # the app's own call met the broken line


def as_the_cloud_may_say(record: Record) -> dict[str, Any]:
    """A record without what each end stamps by itself."""
    wire: dict[str, Any] = json.loads(json.dumps(to_wire(record)))
    for name in ("update_time", "create_time", "type", "type_sub", "perm", "authorization_id"):
        wire.pop(name, None)
    return wire


def differences(record: Record, theirs: dict[str, Any]) -> list[str]:
    """The fields that the two ends say differently."""
    ours = as_the_cloud_may_say(record)
    param = {name: value for name, value in ours.pop("param").items() if name not in ("id", "info_id")}
    pairs = [(name, mine, theirs.get(name)) for name, mine in ours.items()]
    pairs += [(f"param.{name}", mine, theirs["param"].get(name)) for name, mine in param.items()]
    return [f"{name}: {mine!r} here, {there!r} there" for name, mine, there in pairs if mine != there]


@pytest.mark.parametrize("seed", SEEDS)
async def test_at_the_end_both_say_the_same(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    story: Story | None = None
    async with (
        both_ends(tmp_path, login_pause_s=0.02) as both,
        connected(both.cloud, username=OWNER, password=PASSWORD, login_pause_s=0.02) as app,
    ):
        story = Story(both, app, chance)
        await story.go_on()
        both.cloud.faults.clear()
        story.let_in(True)
        for _ in range(3):
            await both.store.mirror.flush()
            await both.drained()
            assert set((await both.synced()).values()) == {None}
        await both.drained()
        there = {record["uuid"]: record for record in both.cloud.records(OWNER)}
        for record in both.store.mirror.all():
            if record.unlinked:
                assert record.uuid not in there, f"seed {seed}: {record.uuid} is unlinked, and the cloud has it"
            else:
                assert differences(record, there[record.uuid]) == [], f"seed {seed}: {record.uuid} {record.category}"
                assert record.edited == ()
        assert there.keys() <= {record.uuid for record in both.store.mirror.all()}
        flags = [str(message["flag"]) for message in both.cloud.messages()]
        assert len(flags) == len(set(flags)), f"seed {seed}: a message is there twice"
        buried = {getattr(letter.item, "flag", None) for letter in await both.store.outbox.dead_letters()}
        gone = {flag for uuid, flag in story.messages if uuid not in there} | story.may_be_gone
        lost = {flag for _, flag in story.messages} - set(flags) - buried - gone
        assert lost == set(), f"seed {seed}: lost"
