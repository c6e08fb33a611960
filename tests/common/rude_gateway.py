"""A gateway behind a `RudeProxy`, and what its tests wait for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import NoticeItem, Route
from gatewayd.model.record import LockParam, Record, SensorParam
from tests.common.cloud import GUEST, LOCK, OWNER, Gateway, running
from tests.common.rude_proxy import RudeProxy, SentPublish

SENSOR = Uuid("00158d0004c00001")
STATES_OF_SENSOR = {f"{user}/sensor/{SENSOR}/update" for user in (OWNER, GUEST)}
ACK_TIMEOUT_S = 0.6


@asynccontextmanager
async def connected(rude: RudeProxy, path: Path, *records: Record) -> AsyncIterator[Gateway]:
    """A gateway that hosts `records` too, once its session works through the proxy."""
    async with running(rude, path / "house.db", records=records, ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: gateway.session.is_working)
        yield gateway


async def until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    """Wait until `is_so()`. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.01)


def notice(number: int, uuid: Uuid = LOCK, title: str = "") -> NoticeItem:
    """A lock's notice with `sn` n<number>."""
    record = Record(uuid=uuid, category=Category.LOCK, title=title, param=LockParam(status=1))
    return NoticeItem(
        uuid=uuid, category=Category.LOCK, exectype=ExecType.UPDATE, sn=f"n{number}", status="ON", record=record
    )


def sensor(title: str = "") -> Record:
    """The record of SENSOR."""
    return Record(uuid=SENSOR, category=Category.SENSOR, title=title, param=SensorParam(status=1))


def is_notice(number: int) -> Callable[[SentPublish], bool]:
    """Whether a message is the notice of that number."""
    return lambda message: f'"n{number}"'.encode() in message.payload


def is_state_of(uuid: Uuid) -> Callable[[SentPublish], bool]:
    """Whether a message is a state of that device."""
    return lambda message: message.retain and uuid in message.topic


async def waiting(gateway: Gateway) -> int:
    """How many rows of the outbox wait for the broker."""
    return (await gateway.store.outbox.depth())[Route.MQTT]


async def until_dead_letter(gateway: Gateway) -> str:
    """Wait for the one dead letter; returns its reason."""
    async with asyncio.timeout(40):
        while not (found := await gateway.store.outbox.dead_letters()):
            await asyncio.sleep(0.02)
    (letter,) = found
    return letter.reason
