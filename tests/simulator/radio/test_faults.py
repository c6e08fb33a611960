"""Every fault has its effect on the real bellows, and the world recovers when it is over."""

import asyncio
from typing import Any

import pytest
from zigpy.exceptions import DeliveryError, TransientConnectionError

from gatewayd.simulator.radio import SimulatedNetwork, Switch, ash, ezsp, switch
from tests.common.bellows_host import Host, bellows_on

IEEE = "00158d0002a00001"


@pytest.fixture
def light(network: SimulatedNetwork) -> Switch:
    return network.add(switch(IEEE))


@pytest.fixture
async def seen(network: SimulatedNetwork, host: Host, light: Switch) -> Any:
    """The switch as bellows sees it, interviewed, with its first channel reported."""
    device = await host.take_in(network, light)
    await host.listen_to(device.endpoints[1].on_off, 0x0000, 0, 3600, 1)
    return device


@pytest.mark.parametrize("direction", ["to_host", "from_host"])
@pytest.mark.parametrize("fault", ["drop_frames", "corrupt_frames", "duplicate_frames"])
async def test_a_bad_line_is_healed_and_no_command_runs_twice(
    network: SimulatedNetwork, light: Switch, seen: Any, *, fault: str, direction: str
) -> None:
    getattr(network.faults, fault)(1, direction)
    answer = await seen.endpoints[1].on_off.toggle()
    assert answer.status == 0
    assert len(light.executed) == 1
    assert light.is_on()


async def test_a_report_survives_a_bad_line(network: SimulatedNetwork, host: Host, light: Switch, seen: Any) -> None:
    network.faults.corrupt_frames(1, "to_host")
    light.press()
    light.press()
    await host.ear.until(lambda: host.reports() == [1, 0])


async def test_a_slow_line_only_takes_longer(network: SimulatedNetwork, light: Switch, seen: Any) -> None:
    network.faults.delay_connection(0.02)
    answer = await seen.endpoints[1].on_off.on()
    assert answer.status == 0
    network.faults.delay_connection(0)
    await seen.endpoints[1].on_off.off()
    assert [one.command for one in light.executed] == [1, 0]


async def test_a_reset_by_itself_is_told_to_the_host_and_a_new_start_heals_it(
    network: SimulatedNetwork, light: Switch
) -> None:
    async with network.serve() as url:
        async with bellows_on(url) as host:
            network.faults.reset_ncp(ash.ResetReason.WATCHDOG)
            await host.ear.until(lambda: host.ear.count("connection_lost") > 0)
            assert not network.ncp.running
        async with bellows_on(url) as host:
            await host.take_in(network, light)
            assert network.ncp.running


async def test_an_error_frame_is_told_to_the_host_and_a_new_start_heals_it(
    network: SimulatedNetwork, light: Switch
) -> None:
    async with network.serve() as url:
        async with bellows_on(url) as host:
            network.faults.fail_ncp(0x51)
            await host.ear.until(lambda: host.ear.count("connection_lost") > 0)
        async with bellows_on(url) as host:
            await host.take_in(network, light)


async def test_a_silent_coordinator_answers_nothing_until_it_speaks_again(
    network: SimulatedNetwork, light: Switch, seen: Any
) -> None:
    network.faults.hang_ncp()
    command = asyncio.create_task(seen.endpoints[1].on_off.on())
    await asyncio.sleep(0.1)
    assert not command.done()
    assert light.executed == []
    network.faults.resume_ncp()
    answer = await command
    assert answer.status == 0
    assert len(light.executed) == 1


async def test_a_cut_line_is_lost_and_a_new_connection_finds_the_network(
    network: SimulatedNetwork, light: Switch
) -> None:
    async with network.serve() as url:
        async with bellows_on(url) as host:
            network.faults.cut_connection()
            await host.ear.until(lambda: host.ear.count("connection_lost") > 0)
        async with bellows_on(url) as host:
            await host.take_in(network, light)


async def test_refused_connections_fail_until_they_are_let_in_again(network: SimulatedNetwork) -> None:
    async with network.serve() as url:
        network.faults.refuse_connections()
        with pytest.raises(TransientConnectionError):
            async with bellows_on(url):
                pass
        network.faults.accept_connections()
        async with bellows_on(url) as host:
            assert host.app.is_controller_running


async def test_a_second_host_takes_the_line_from_the_first(network: SimulatedNetwork) -> None:
    async with network.serve() as url, bellows_on(url) as first, bellows_on(url) as second:
        assert second.app.is_controller_running
        await first.ear.until(lambda: first.ear.count("connection_lost") > 0)


async def test_an_unreachable_device_fails_and_comes_back(network: SimulatedNetwork, light: Switch, seen: Any) -> None:
    network.faults.delivery_timeout_s = 0.01
    network.faults.make_unreachable(IEEE)
    with pytest.raises(DeliveryError):
        await seen.endpoints[1].on_off.on()
    light.press()
    assert light.executed == []
    network.faults.clear()
    assert (await seen.endpoints[1].on_off.on()).status == 0


async def test_a_slow_device_obeys_at_once_and_answers_late(
    network: SimulatedNetwork, light: Switch, seen: Any
) -> None:
    network.faults.delay_answers(IEEE, 0.1)
    command = asyncio.create_task(seen.endpoints[1].on_off.on())
    await asyncio.sleep(0.05)
    assert light.is_on()
    assert not command.done()
    assert (await command).status == 0


async def test_a_lost_answer_leaves_the_command_done_and_the_host_waiting(
    network: SimulatedNetwork, light: Switch, seen: Any
) -> None:
    network.faults.lose_answers(IEEE)
    with pytest.raises(TimeoutError):
        await seen.endpoints[1].on_off.on(timeout=0.1, retries=0)
    assert light.is_on()
    assert (await seen.endpoints[1].on_off.off()).status == 0


@pytest.mark.parametrize("status", [ezsp.EmberStatus.MAX_MESSAGE_LIMIT_REACHED, ezsp.EmberStatus.NETWORK_BUSY])
async def test_a_busy_network_refuses_and_the_hosts_next_try_succeeds(
    network: SimulatedNetwork, light: Switch, seen: Any, *, status: int
) -> None:
    network.faults.refuse_messages(1, status)
    with pytest.raises(DeliveryError):
        await seen.endpoints[1].on_off.on(retries=0)
    assert light.executed == []
    network.faults.refuse_messages(1, status)
    assert (await seen.endpoints[1].on_off.on()).status == 0
    assert len(light.executed) == 1


async def test_a_doubled_report_carries_the_same_counters(
    network: SimulatedNetwork, host: Host, light: Switch, seen: Any, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[bytes] = []
    assert network.ncp.host is not None
    really = network.ncp.host.callback

    def note(frame: bytes) -> None:
        frames.append(frame)
        really(frame)

    monkeypatch.setattr(network.ncp.host, "callback", note)
    network.faults.duplicate_reports(1)
    light.press()
    await host.ear.until(lambda: host.reports() == [1])
    assert len(frames) == 2
    assert frames[0] == frames[1]


async def test_garbage_from_a_device_harms_nothing(
    network: SimulatedNetwork, host: Host, light: Switch, seen: Any
) -> None:
    for payload in (b"", b"\x18", b"\x18\x01\x0a\x00", b"\xff" * 60, b"\x18\x01\x0a\x00\x00\xee\x01"):
        light.send(1, 0x0006, payload)
    network.faults.garble_reports(20)
    for _ in range(21):
        light.press()
    await host.ear.until(lambda: host.reports() == [1])
    assert (await seen.endpoints[1].on_off.off()).status == 0
