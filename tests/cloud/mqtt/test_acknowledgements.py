"""The real client on a real Mosquitto, through a proxy that misbehaves: PUBACK, SUBACK and what they are for."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.cloud.mqtt import connection as connection_module
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from tests.common.cloud import LOCK, OWNER, SWITCH, running
from tests.common.rude_gateway import (
    ACK_TIMEOUT_S,
    connected,
    is_notice,
    notice,
    until,
    until_dead_letter,
    waiting,
)
from tests.common.rude_proxy import RudeProxy

# ---- PUBACK


async def test_withheld_puback_blocks_neither_answers_nor_notices_of_the_same_lock(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.withholds_puback = is_notice(1)
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1))
        await until(lambda: any(is_notice(1)(sent) for sent in rude.sent))
        async with asyncio.timeout(ACK_TIMEOUT_S / 2):
            answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
            await gateway.store.outbox.add(notice(2))
            await phone.expect(lambda seen: seen.sn == "n2")
        assert answer.meaning is OperationStatus.CONTROLLED
        assert "attempt 3 of 3" in await until_dead_letter(gateway)
        assert gateway.session.connections == 1
        assert await waiting(gateway) == 0
        assert gateway.session.is_working


async def test_broker_that_acknowledges_nothing_is_left_and_nothing_is_lost(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.withholds_puback = lambda _message: True
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1))
        await until(lambda: gateway.session.connections == 0 or not gateway.session.is_working)
        await until(lambda: gateway.session.connections > 1)
        assert "acknowledge" in str(gateway.session.last_disconnect)
        rude.rude.withholds_puback = lambda _message: False
        async with asyncio.timeout(20):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert not await gateway.store.outbox.dead_letters()


async def test_broker_that_answers_pings_only_is_left(
    rude: RudeProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_CHECK_EVERY_S", 0.5)
    async with connected(rude, tmp_path) as gateway:
        rude.rude.pings_only = True
        await until(lambda: gateway.session.disconnect_reason is not None)
        assert "has not answered" in str(gateway.session.disconnect_reason)


async def test_broker_that_acknowledges_no_progress_is_left_though_it_answers_else(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    """No row of the outbox waits that would tell: a hundred answers that are in none fill every slot."""
    rude.rude.withholds_puback = lambda _message: True
    async with connected(rude, tmp_path) as gateway:
        for number in range(101):
            await phone.send(Category.LOCK, LOCK, ExecType.CONTROL, sn=f"p{number}", param={"operate": 7})
        await until(lambda: "acknowledged no message" in str(gateway.session.last_disconnect))


@pytest.mark.parametrize("code", [135, 144, 149, 153])
async def test_final_refusal_is_a_dead_letter_with_its_code(rude: RudeProxy, tmp_path: Path, code: int) -> None:
    rude.rude.puback_code = lambda message: code if is_notice(1)(message) else None
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1), notice(2))
        assert f"code {code}" in await until_dead_letter(gateway)
        async with asyncio.timeout(5):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert gateway.session.connections == 1


@pytest.mark.parametrize("code", [128, 131, 145, 151, 201])
async def test_other_refusal_is_tried_again(rude: RudeProxy, phone: AppClient, tmp_path: Path, code: int) -> None:
    rude.rude.puback_code = lambda message: code if is_notice(1)(message) else None
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1), notice(2))
        await phone.expect(lambda seen: seen.sn == "n2")
        rude.rude.puback_code = lambda _message: None
        await phone.expect(lambda seen: seen.sn == "n1", timeout_s=6)
        assert not await gateway.store.outbox.dead_letters()


async def test_broker_that_refuses_everything_makes_no_dead_letters(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.puback_code = lambda _message: 151
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(*(notice(number) for number in range(5)))
        await asyncio.sleep(1)
        assert not await gateway.store.outbox.dead_letters()
        assert await waiting(gateway) == 5
        assert all(row.attempts == 0 for row in await gateway.store.outbox.rows())


@pytest.mark.parametrize("name", ["delays", "duplicates", "reorders"])
async def test_late_doubled_and_reordered_acknowledgements_lose_nothing(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, name: str
) -> None:
    rude.rude.delay_s = 0.3 if name == "delays" else 0.0
    rude.rude.duplicates = name == "duplicates"
    rude.rude.reorders = name == "reorders"
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(*(notice(number) for number in range(30)))
        await phone.expect(lambda seen: seen.sn == "n29")
        async with asyncio.timeout(10):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert [seen.sn for seen in phone.received if seen.sn] == [f"n{number}" for number in range(30)]
        assert gateway.session.connections == 1


# ---- SUBACK


async def test_refused_subscription_is_shown_and_asked_for_again(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.suback_code = lambda name: 135 if f"{OWNER}/lock" in name else None
    async with connected(rude, tmp_path) as gateway:
        (refused,) = gateway.session.refused_filters.items()
        assert refused[0] == f"{OWNER}/lock/{LOCK}/+"
        assert "code 135" in refused[1]
        rude.rude.suback_code = lambda _name: None
        await until(lambda: not gateway.session.refused_filters, timeout_s=5)
        answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert answer.meaning is OperationStatus.CONTROLLED
        assert gateway.session.connections == 1


async def test_all_subscriptions_refused_are_asked_for_again(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.suback_code = lambda _name: 128
    rude.rude.refuses_mqtt_5 = True
    async with connected(rude, tmp_path) as gateway:
        assert len(gateway.session.refused_filters) == 6
        rude.rude.suback_code = lambda _name: None
        await until(lambda: not gateway.session.refused_filters, timeout_s=5)
        await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1})


async def test_suback_with_too_few_codes_counts_as_refused(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.suback_codes_kept = 2
    async with connected(rude, tmp_path) as gateway:
        assert len(gateway.session.refused_filters) == 4


async def test_connection_without_suback_is_left(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.withholds_suback = True
    async with running(rude, tmp_path / "house.db", ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: "SUBSCRIBE" in str(gateway.session.last_disconnect))
        assert not gateway.session.is_working
        rude.rude.withholds_suback = False
        await until(lambda: gateway.session.is_working)


# ---- what was not asked


async def test_acknowledgement_of_what_was_not_asked_is_ignored(
    rude: RudeProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    suback, unsuback = b"\x90\x04\x27\x0f\x00\x00", b"\xb0\x04\x27\x0f\x00\x00"
    rude.rude.garbage = suback + unsuback
    async with connected(rude, tmp_path) as gateway:
        assert gateway.session.connections == 1
    assert "Unexpected message ID" not in caplog.text


async def test_own_notice_that_mqtt_3_sends_back_revokes_nothing(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    """A lock that refuses a key out of its schedule has the notice 授权失效, which is what the owner's app says too."""
    rude.rude.refuses_mqtt_5 = True
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(replace(notice(1), status=OperationStatus.AUTHORIZATION_EXPIRED.name))
        await phone.expect(lambda seen: seen.meaning is OperationStatus.AUTHORIZATION_EXPIRED)
        await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert gateway.bench.access_changed == []
