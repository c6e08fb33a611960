"""An item with which we have a fault is tried a few times and given up; the items of its device and of others go on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatewayd.cloud.delivery.message import MessageHandler
from gatewayd.model.outbox_items import MessageItem
from tests.common.sync import LOCK, SENSOR, gateway_and_cloud

FAULTY = MessageItem(uuid=LOCK, message_type="t", flag="faulty", level=1, occur_time="2026-11-24 08:00:00")
LATER = replace(FAULTY, flag="later", occur_time="2026-11-24 08:00:01")
OF_ANOTHER = replace(FAULTY, uuid=SENSOR, flag="another")


@pytest.mark.parametrize("step", ["prepare", "settle"])
async def test_item_that_crashes_becomes_a_dead_letter_after_five_attempts_and_holds_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    crashes: list[object] = []
    prepare, settle = MessageHandler.prepare, MessageHandler.settle
    faulty_calls: list[object] = []

    async def prepare_or_crash(self: MessageHandler, item: MessageItem, *, maybe_sent: bool) -> Any:
        if item.flag == "faulty" and step == "prepare":
            crashes.append(item)
            raise ZeroDivisionError("a fault of ours")
        call = await prepare(self, item, maybe_sent=False)
        if item.flag == "faulty":
            faulty_calls.append(call)
        return call

    async def settle_or_crash(self: MessageHandler, call: Any, outcome: Any) -> None:
        if any(call is faulty for faulty in faulty_calls):
            crashes.append(call)
            raise ZeroDivisionError("a fault of ours")
        await settle(self, call, outcome)

    monkeypatch.setattr(MessageHandler, "prepare", prepare_or_crash)
    monkeypatch.setattr(MessageHandler, "settle", settle_or_crash)
    async with gateway_and_cloud(tmp_path) as both:
        await both.wait_until_sent()
        for item in (FAULTY, LATER, OF_ANOTHER):
            await both.store.outbox.add(item)
        async with asyncio.timeout(30):
            while not (dead := await both.store.outbox.dead_letters()):
                both.sender.send_soon(LOCK)  # instead of waiting for half a minute of growing pauses
                await asyncio.sleep(0.02)
        await both.wait_until_sent()
        sent = [message["flag"] for message in both.cloud.messages()]
    assert [letter.item for letter in dead] == [FAULTY]
    assert "ZeroDivisionError" in dead[0].reason
    assert len(crashes) == 5
    assert "later" in sent
    assert "another" in sent
