"""A simulated cloud on loopback, and clients of it."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import GatewayParam, LockParam, Record
from gatewayd.simulator.cloud import SimulatedCloud

USER, GUEST, FRIEND, ADMIN, PASSWORD = "18900000001", "18900000002", "18900000003", "18900000009", "open-sesame-7"


GATEWAY = Record(uuid=Uuid("00158d0000d04700"), category=Category.GATEWAY, type_sub="AA01GW-UG", title="网关",
                 param=GatewayParam(zgb_ver="v1"))  # fmt: skip


LOCK = Record(uuid=Uuid("00158d0003b00001"), category=Category.LOCK, type_sub="AA02SL-HE", title="门锁",
              param=LockParam())  # fmt: skip


@asynccontextmanager
async def connected(
    cloud: SimulatedCloud,
    username: str = USER,
    password: str = PASSWORD,
    *,
    register: bool = True,
    login_pause_s: float = 30.0,
    **transport_settings: Any,
) -> AsyncIterator[CloudClient]:
    """A client that does not wait long before it tries again."""
    who = Credentials(username, password, register=register)
    transport = Transport(cloud.base_url, chance=random.Random(1), first_pause_s=0.01, **transport_settings)
    async with CloudClient.connect(transport, who, login_pause_s=login_pause_s) as client:
        yield client


async def created(client: CloudClient, record: Record = GATEWAY) -> int:
    """The id of a record that the cloud has now."""
    id_ = (await client.records.create(record)).id
    assert id_ is not None
    return id_
