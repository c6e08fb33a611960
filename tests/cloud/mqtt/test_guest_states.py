"""States for guests, over a real broker: who may query sees them, without private fields, and no longer than that."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gatewayd.model.permission import Permission
from gatewayd.model.record import LockParam
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from tests.common.clock import HandClock
from tests.common.cloud import GUEST, OWNER, PASSWORD
from tests.common.guest_door import DOOR, PHONE, gateway_with

TOPIC = f"{GUEST}/lock/{DOOR.uuid}/update"


async def last_retained(broker: Broker) -> Mapping[str, Any] | None:
    """The state that the guest finds when he opens his app; None where there is none."""
    async with AppClient.connect(broker.host, broker.port, GUEST, PASSWORD, name="other") as app:
        await app.publish("switch", "f" * 16, "query", b"{}")  # comes back after what is retained
        await app.expect(lambda seen: "f" * 16 in seen.topic)
        found = [seen for seen in app.received if seen.topic == TOPIC and seen.retained]
        return found[-1].msg if found else None


async def test_guest_who_may_query_gets_states_without_private_fields(broker: Broker, tmp_path: Path) -> None:
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", Permission.QUERY) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        seen = await guest.expect(lambda seen: seen.topic == TOPIC)
        assert (seen.msg["perm"], seen.msg["param"]["operate"]) == (Permission.QUERY, 0)
        assert PHONE not in str(seen.msg)
        record = gateway.store.mirror.get(DOOR.uuid)
        assert record is not None
        assert isinstance(record.param, LockParam)
        await gateway.store.mirror.put(replace(record, param=replace(record.param, operate=1)))
        await guest.expect(lambda seen: seen.topic == TOPIC and seen.msg["param"]["operate"] == 1)


async def test_guest_without_permission_gets_no_state(broker: Broker, tmp_path: Path) -> None:
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", Permission.NONE),
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as owner,
    ):
        await owner.expect(lambda seen: DOOR.uuid in seen.topic and seen.topic.startswith(OWNER))
        assert await last_retained(broker) is None


async def test_state_is_cleared_when_the_permission_ends(broker: Broker, tmp_path: Path) -> None:
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", Permission.CONTROL) as (_, access),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        await guest.expect(lambda seen: seen.topic == TOPIC)
        assert await last_retained(broker) is not None
        access.set_grants([])
        await guest.expect(lambda seen: seen.topic == TOPIC and not seen.msg)
    assert await last_retained(broker) is None


async def test_state_is_cleared_when_the_permission_ended_while_the_gateway_was_off(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", Permission.CONTROL),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        await guest.expect(lambda seen: seen.topic == TOPIC)
    assert await last_retained(broker) is not None
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", None),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        await guest.expect(lambda seen: seen.topic == TOPIC and not seen.msg)
    assert await last_retained(broker) is None


async def test_state_is_cleared_when_the_cloud_has_the_device_no_longer(broker: Broker, tmp_path: Path) -> None:
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", Permission.CONTROL) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as owner,
    ):
        await guest.expect(lambda seen: seen.topic == TOPIC)
        record = gateway.store.mirror.get(DOOR.uuid)
        assert record is not None
        await gateway.store.mirror.put(replace(record, id=None, unlinked=True))
        await guest.expect(lambda seen: seen.topic == TOPIC and not seen.msg)
        await owner.expect(lambda seen: seen.topic == f"{OWNER}/lock/{DOOR.uuid}/update" and not seen.msg)
    assert await last_retained(broker) is None


async def test_private_fields_leave_the_retained_state_when_grants_are_no_longer_valid(
    broker: Broker, tmp_path: Path
) -> None:
    clock = HandClock()
    async with (
        gateway_with(broker, tmp_path / "gatewayd.db", Permission.AUTHORIZE, clock) as (_, access),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        await access.confirm(access.suspensions)
        following = asyncio.create_task(access.follow_validity(look_every_s=0.05))
        await guest.expect(lambda seen: seen.topic == TOPIC and PHONE in str(seen.msg))
        clock.at += timedelta(days=8)
        await guest.expect(lambda seen: seen.topic == TOPIC and seen.msg["perm"] == Permission.QUERY)
        assert PHONE not in str(await last_retained(broker))
        before = guest.received[-1].at + 1e-6  # the state may be here before `confirm` has returned
        await access.confirm(access.suspensions)
        await guest.expect(lambda seen: seen.topic == TOPIC and PHONE in str(seen.msg), since=before)
        following.cancel()
