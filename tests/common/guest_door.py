"""A gateway on a real broker with a door on which a guest has a level; the door's record has a private field."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from gatewayd.cloud.access_control import AccessControl
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.permission import Grant, Permission
from gatewayd.model.record import LockParam, Record
from gatewayd.simulator.broker import Broker
from gatewayd.store.store import Store
from tests.common.clock import HandClock
from tests.common.cloud import GUEST, OWNER, Gateway, running

PHONE: Final = "13825182430"
DOOR: Final = Record(
    uuid=Uuid("00158d00ff0000d0"),
    category=Category.LOCK,
    title="大门",
    id=41,
    param=LockParam(status=1, operate=0, hijack_contact_phone=PHONE),
)


@asynccontextmanager
async def gateway_with(
    broker: Broker, path: Path, level: Permission | None, clock: HandClock | None = None
) -> AsyncIterator[tuple[Gateway, AccessControl]]:
    """A gateway with a door on which the guest has `level`."""
    created: list[AccessControl] = []

    def create_access(store: Store) -> AccessControl:
        access = AccessControl(OWNER, store.mirror, store.facts, clock or HandClock(), grants_valid=timedelta(days=7))
        access.set_grants(grants(level))
        created.append(access)
        return access

    async with running(broker, path, records=[DOOR], audience_of=create_access) as gateway:
        yield gateway, created[0]


def grants(level: Permission | None) -> list[Grant]:
    """The guest's grant; none for None."""
    return [] if level is None else [Grant(GUEST, DOOR.id or 0, level)]
