"""The real client on a real Mosquitto, through a proxy that misbehaves: the message at fault is left out, no other."""

import asyncio
import random
from pathlib import Path

import pytest

from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.simulator.app_client import AppClient
from tests.common.cloud import LOCK, OWNER, Audience, running
from tests.common.rude_gateway import (
    ACK_TIMEOUT_S,
    SENSOR,
    STATES_OF_SENSOR,
    connected,
    is_notice,
    is_state_of,
    notice,
    sensor,
    until,
    until_dead_letter,
    waiting,
)
from tests.common.rude_proxy import RudeProxy


@pytest.mark.parametrize(("is_mqtt_5", "code"), [(False, None), (True, None), (True, 149), (True, 135)])
async def test_state_that_ends_connections_is_left_out(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, is_mqtt_5: bool, code: int | None
) -> None:
    rude.rude.refuses_mqtt_5 = not is_mqtt_5
    rude.rude.cuts_at, rude.rude.cut_code = is_state_of(SENSOR), code
    async with running(rude, tmp_path / "house.db", records=[sensor()], ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: gateway.session.refused_states.keys() == STATES_OF_SENSOR, timeout_s=40)
        assert all("closes the connection" in reason for reason in gateway.session.refused_states.values())
        await until(lambda: gateway.session.is_working)
        connections = gateway.session.connections
        await gateway.store.outbox.add(notice(1))
        await phone.expect(lambda seen: seen.sn == "n1")
        assert gateway.session.connections == connections <= 8


async def test_notice_that_ends_connections_is_a_dead_letter(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.cuts_at = is_notice(1)
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1), notice(2), notice(3))
        assert "closes the connection" in await until_dead_letter(gateway)
        await phone.expect(lambda seen: seen.sn == "n3")
        async with asyncio.timeout(10):
            while await waiting(gateway):
                await asyncio.sleep(0.02)


async def test_filter_that_ends_connections_is_left_out(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.cuts_at_filter = lambda name: SENSOR in name and OWNER in name
    async with running(rude, tmp_path / "house.db", records=[sensor()], ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: bool(gateway.session.refused_filters), timeout_s=40)
        await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert [*gateway.session.refused_filters] == [f"{OWNER}/sensor/{SENSOR}/+"]


class WithBadName(Audience):
    """One user of every device has a name that no topic can have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def topic_users(self, uuid: Uuid) -> tuple[str, ...]:
        return (*super().topic_users(uuid), self._name) if uuid == SENSOR else super().topic_users(uuid)


@pytest.mark.parametrize(
    "name", ["a#b", "x" * 70_000, "nul\0", "\x01", "\ud800"], ids=["wildcard", "long", "nul", "control", "surrogate"]
)
async def test_filter_of_a_bad_name_leaves_the_others_subscribed(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, name: str
) -> None:
    async with running(
        rude,
        tmp_path / "house.db",
        records=[sensor()],
        audience_of=lambda _store: WithBadName(name),
        ack_timeout_s=ACK_TIMEOUT_S,
    ) as gateway:
        await until(lambda: gateway.session.is_working and bool(gateway.session.refused_filters), timeout_s=40)
        assert [*gateway.session.refused_filters] == [f"{name}/sensor/{SENSOR}/+"]
        await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})


async def test_connection_that_is_cut_at_any_time_blames_nothing(rude: RudeProxy, tmp_path: Path) -> None:
    async with running(rude, tmp_path / "house.db", records=[sensor()], ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        chance = random.Random(7)
        for number in range(6):
            await gateway.store.outbox.add(notice(number))
            await asyncio.sleep(chance.uniform(0, 0.05))
            rude.cut()
        assert not await gateway.store.outbox.dead_letters()
        assert not gateway.session.refused_states
