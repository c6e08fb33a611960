"""Clients of a simulated cloud on loopback, and the records that tests create there."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gatewayd.backoff import Backoff
from gatewayd.cloud.rest.client import LOGIN_BACKOFF, CloudClient, Credentials
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import GatewayParam, LockParam, Record
from gatewayd.simulator.cloud import SimulatedCloud

USER, GUEST, FRIEND, ADMIN, PASSWORD = "18900000001", "18900000002", "18900000003", "18900000009", "open-sesame-7"
GATEWAY = Record(
    uuid=Uuid("00158d0000d04700"),
    category=Category.GATEWAY,
    type_sub="AA01GW-UG",
    title="网关",
    param=GatewayParam(zgb_ver="v1"),
)
LOCK = Record(
    uuid=Uuid("00158d0003b00001"), category=Category.LOCK, type_sub="AA02SL-HE", title="门锁", param=LockParam()
)
SHORT_BACKOFF = Backoff(first_s=0.01, longest_s=0.02)


@asynccontextmanager
async def connect_client(
    cloud: SimulatedCloud,
    username: str = USER,
    password: str = PASSWORD,
    *,
    register: bool = True,
    login_backoff: Backoff = LOGIN_BACKOFF,
    **transport_settings: Any,
) -> AsyncIterator[CloudClient]:
    """A client of `cloud` with short pauses between the attempts of a call."""
    credentials = Credentials(username, password, register=register)
    transport = Transport(cloud.base_url, chance=random.Random(1), backoff=SHORT_BACKOFF, **transport_settings)
    async with CloudClient.connect(transport, credentials, login_backoff=login_backoff) as client:
        yield client


async def create_record(client: CloudClient, record: Record = GATEWAY) -> int:
    """Create `record` in the cloud; returns its id."""
    id_ = (await client.records.create(record)).id
    assert id_ is not None
    return id_
