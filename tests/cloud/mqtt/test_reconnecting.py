"""The real client on a real Mosquitto, through a proxy that misbehaves: pauses, and the reason that is shown."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiomqtt
import pytest

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.mqtt.session_ends import EndKind, SessionEnd, SessionEnds, pause_after
from gatewayd.simulator.broker import Broker
from tests.common.cloud import GATEWAY, OWNER, PASSWORD, running
from tests.common.rude_gateway import (
    ACK_TIMEOUT_S,
    connected,
    until,
)
from tests.common.rude_proxy import RudeProxy


async def test_takeover_is_shown_with_its_code_and_backs_off(rude: RudeProxy, tmp_path: Path) -> None:
    async with connected(rude, tmp_path) as gateway:
        rude.disconnect(142)
        await until(lambda: gateway.session.disconnect_reason is not None)
        assert "code 142" in str(gateway.session.disconnect_reason)
        assert "client id" in str(gateway.session.disconnect_reason)
        await asyncio.sleep(3)
        assert len(rude.connects) == 1


async def test_second_client_with_the_same_id_does_not_make_a_loop(
    rude: RudeProxy, broker: Broker, tmp_path: Path
) -> None:
    """Mosquitto 2.0 ends the older connection without a word."""

    async def take_over_again_and_again() -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    broker.host, broker.port, username=OWNER, password=PASSWORD, identifier=GATEWAY
                ) as other:
                    await other.subscribe("none")
                    async for _ in other.messages:
                        pass
            await asyncio.sleep(0.05)

    async with connected(rude, tmp_path) as gateway:
        other = asyncio.create_task(take_over_again_and_again())
        await until(lambda: "may be using this gateway's client id" in str(gateway.session.last_disconnect))
        other.cancel()
        assert len(rude.connects) == 3
        await until(lambda: gateway.session.is_working)


async def test_pauses_grow_while_connections_end_young(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.closes_after_s = 0.5
    async with running(rude, tmp_path / "house.db", ack_timeout_s=ACK_TIMEOUT_S):
        await until(lambda: len(rude.connects) == 4, timeout_s=30)
    first, *_, last = (later - earlier - 0.5 for earlier, later in zip(rude.connects, rude.connects[1:], strict=False))
    assert first <= 1.1
    assert last >= 2.0


@pytest.mark.parametrize("code", [0, 130, 139, 152])
async def test_code_of_disconnect_is_shown(rude: RudeProxy, tmp_path: Path, code: int) -> None:
    async with connected(rude, tmp_path) as gateway:
        rude.disconnect(code)
        await until(lambda: f"code {code}" in str(gateway.session.last_disconnect))


@pytest.mark.parametrize(("code", "words"), [(135, "Not authorized"), (137, "Server busy"), (138, "Banned")])
async def test_code_of_a_refused_connection_is_shown(rude: RudeProxy, tmp_path: Path, code: int, words: str) -> None:
    rude.rude.connack_code = code
    async with running(rude, tmp_path / "house.db") as gateway:
        await until(lambda: f"[code:{code}] {words}" in str(gateway.session.disconnect_reason))


@pytest.mark.parametrize(
    ("code", "pauses"), [(None, (0.0, 60.0)), (0, (0.0, 60.0)), (135, (1.0, 600.0)), (142, (15.0, 600.0))]
)
def test_pause_follows_the_reason_code(code: int | None, pauses: tuple[float, float]) -> None:
    assert pause_after(code) == pauses


TAKEN = SessionEnd(EndKind.LOST_SUBSCRIBED, 1.0)
OLD = SessionEnd(EndKind.LOST_SUBSCRIBED, 61.0)
DOWN = SessionEnd(EndKind.NOBODY_LISTENS, 0.0)
ACCOUNT = SessionEnd(EndKind.REFUSED, 0.0, 135)


@pytest.mark.parametrize(
    ("ends", "may_be_taken_over"),
    [
        ([TAKEN] * 2, False),
        ([TAKEN] * 3, True),
        ([TAKEN, DOWN] * 5, False),
        ([TAKEN, DOWN] * 5 + [TAKEN], False),
        ([TAKEN] * 3 + [ACCOUNT], False),
        ([TAKEN] * 3 + [DOWN], False),
        ([OLD] * 5, False),
        ([SessionEnd(EndKind.LOST, 1.0)] * 5, False),
        ([SessionEnd(EndKind.LOST_SUBSCRIBED, 1.0, 139)] * 5, False),
        ([TAKEN, TAKEN, SessionEnd(EndKind.LOST_SUBSCRIBED, 1.0, is_explained=True)], False),
    ],
)
def test_another_client_is_suspected_after_ends_alone(ends: list[SessionEnd], may_be_taken_over: bool) -> None:
    found = SessionEnds(Retries(Backoff(1.0, 60.0)))
    for end in ends:
        found.pause_s(end, now=0.0)
    assert found.may_be_taken_over is may_be_taken_over


@pytest.mark.parametrize(
    ("ends", "pauses"),
    [
        ([TAKEN] * 7, [1, 2, 4, 8, 16, 32, 60]),
        ([OLD, DOWN, DOWN, DOWN, DOWN], [1, 1, 2, 4, 5]),
        ([*[TAKEN] * 5, DOWN, DOWN, DOWN, DOWN], [1, 2, 4, 8, 16, 1, 2, 4, 5]),
        ([TAKEN, DOWN] * 3, [1, 1, 2, 1, 2, 1]),
        ([OLD, ACCOUNT, ACCOUNT], [1, 2, 4]),
        ([*[TAKEN] * 5, SessionEnd(EndKind.LOST_SUBSCRIBED, 1.0, is_explained=True)], [1, 2, 4, 8, 16, 1]),
    ],
)
def test_broker_that_restarts_is_asked_again_early(ends: list[SessionEnd], pauses: list[float]) -> None:
    found = SessionEnds(Retries(Backoff(1.0, 60.0)))
    assert [found.pause_s(end, now=100.0) for end in ends] == pauses


def test_broker_that_stays_down_is_asked_less_and_less_after_a_minute() -> None:
    found = SessionEnds(Retries(Backoff(1.0, 60.0)))
    assert [found.pause_s(DOWN, now=now) for now in (0, 10, 20, 30, 59, 61, 80, 100)] == [1, 2, 4, 5, 5, 10, 20, 40]


async def test_restarts_of_the_broker_suspect_nobody(broker: Broker, tmp_path: Path) -> None:
    async with running(broker, tmp_path / "house.db", ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        for _ in range(4):
            await until(lambda: gateway.session.is_working)
            await broker.kill()
            await until(lambda: "refused" in str(gateway.session.disconnect_reason))
            assert "client id" not in str(gateway.session.last_disconnect)
            await broker.restart()
        await until(lambda: gateway.session.is_working, timeout_s=5)


@pytest.mark.parametrize(
    "garbage", [b"\x30\x02\x00\xff", b"\x40\x01\x00", b"\x90\x00", b"\xe0\x01\xff", b"\x30\xff\xff\xff\xff\xff"]
)
async def test_garbage_from_the_broker_ends_that_connection_alone(
    rude: RudeProxy, tmp_path: Path, garbage: bytes
) -> None:
    async with connected(rude, tmp_path) as gateway:
        rude.rude.garbage = garbage
        rude.cut()
        await until(lambda: len(rude.connects) == 2)
        rude.rude.garbage = b""
        await until(lambda: gateway.session.connections >= 2 and gateway.session.is_working)
        await until(lambda: rude.open_connections == 1)
