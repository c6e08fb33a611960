"""Every fault has its effect on bellows, and the network recovers when the fault is over."""

import asyncio
from typing import Any

import pytest
from zigpy.exceptions import DeliveryError, TransientConnectionError

from gatewayd.simulator.radio import SimulatedNetwork, Switch, ash, ezsp, switch
from gatewayd.simulator.radio.devices.common import ON_OFF, ON_OFF_STATE
from tests.common.bellows_host import BellowsHost, bellows_on

IEEE = "00158d0002a00001"


@pytest.fixture
def light(network: SimulatedNetwork) -> Switch:
    return network.add(switch(IEEE))


@pytest.fixture
async def zigpy_device(network: SimulatedNetwork, host: BellowsHost, light: Switch) -> Any:
    """The switch as zigpy has it, interviewed, with reports of its first channel."""
    device = await host.join(network, light)
    await host.configure_reporting(device.endpoints[1].on_off, ON_OFF_STATE, 0, 3600, 1)
    return device


@pytest.mark.parametrize("direction", ["to_host", "from_host"])
@pytest.mark.parametrize("fault", ["drop_frames", "corrupt_frames", "duplicate_frames"])
async def test_command_is_executed_once_when_frame_is_damaged(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any, *, fault: str, direction: str
) -> None:
    getattr(network.faults, fault)(1, direction)
    answer = await zigpy_device.endpoints[1].on_off.toggle()
    assert answer.status == 0
    assert len(light.executed) == 1
    assert light.is_on()


async def test_report_arrives_when_frame_is_damaged(
    network: SimulatedNetwork, host: BellowsHost, light: Switch, zigpy_device: Any
) -> None:
    network.faults.corrupt_frames(1, "to_host")
    light.press()
    light.press()
    await host.listener.wait_until(lambda: host.reports() == [1, 0])


async def test_commands_are_executed_when_connection_is_slow(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any
) -> None:
    network.faults.delay_connection(0.02)
    answer = await zigpy_device.endpoints[1].on_off.on()
    assert answer.status == 0
    network.faults.delay_connection(0)
    await zigpy_device.endpoints[1].on_off.off()
    assert [one.command for one in light.executed] == [1, 0]


async def test_host_loses_connection_on_reset_and_recovers_by_restart(network: SimulatedNetwork, light: Switch) -> None:
    async with network.serve() as url:
        async with bellows_on(url) as host:
            network.faults.reset_ncp(ash.ResetReason.WATCHDOG)
            await host.listener.wait_until(lambda: host.listener.count("connection_lost") > 0)
            assert not network.ncp.running
        async with bellows_on(url) as host:
            await host.join(network, light)
            assert network.ncp.running


async def test_host_loses_connection_on_error_and_recovers_by_restart(network: SimulatedNetwork, light: Switch) -> None:
    async with network.serve() as url:
        async with bellows_on(url) as host:
            network.faults.fail_ncp(ash.ERROR_ACK_TIMEOUTS)
            await host.listener.wait_until(lambda: host.listener.count("connection_lost") > 0)
        async with bellows_on(url) as host:
            await host.join(network, light)


async def test_hanging_coordinator_answers_after_it_resumes(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any
) -> None:
    network.faults.hang_ncp()
    command = asyncio.create_task(zigpy_device.endpoints[1].on_off.on())
    await asyncio.sleep(0.1)
    assert not command.done()
    assert light.executed == []
    network.faults.resume_ncp()
    answer = await command
    assert answer.status == 0
    assert len(light.executed) == 1


async def test_host_recovers_network_after_connection_is_cut(network: SimulatedNetwork, light: Switch) -> None:
    async with network.serve() as url:
        async with bellows_on(url) as host:
            network.faults.cut_connection()
            await host.listener.wait_until(lambda: host.listener.count("connection_lost") > 0)
        async with bellows_on(url) as host:
            await host.join(network, light)


async def test_host_connects_after_refused_connections_are_accepted_again(network: SimulatedNetwork) -> None:
    async with network.serve() as url:
        network.faults.refuse_connections()
        with pytest.raises(TransientConnectionError):
            async with bellows_on(url):
                pass
        network.faults.accept_connections()
        async with bellows_on(url) as host:
            assert host.app.is_controller_running


async def test_second_host_disconnects_first(network: SimulatedNetwork) -> None:
    async with network.serve() as url, bellows_on(url) as first, bellows_on(url) as second:
        assert second.app.is_controller_running
        await first.listener.wait_until(lambda: first.listener.count("connection_lost") > 0)


async def test_command_to_unreachable_device_fails_until_reachable(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any
) -> None:
    network.faults.delivery_timeout_s = 0.01
    network.faults.make_unreachable(IEEE)
    with pytest.raises(DeliveryError):
        await zigpy_device.endpoints[1].on_off.on()
    light.press()
    assert light.executed == []
    network.faults.clear()
    assert (await zigpy_device.endpoints[1].on_off.on()).status == 0


async def test_device_with_delayed_answers_executes_command_at_once(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any
) -> None:
    network.faults.delay_answers(IEEE, 0.1)
    command = asyncio.create_task(zigpy_device.endpoints[1].on_off.on())
    await asyncio.sleep(0.05)
    assert light.is_on()
    assert not command.done()
    assert (await command).status == 0


async def test_command_is_executed_when_answer_is_lost(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any
) -> None:
    network.faults.lose_answers(IEEE)
    with pytest.raises(TimeoutError):
        await zigpy_device.endpoints[1].on_off.on(timeout=0.1, retries=0)
    assert light.is_on()
    assert (await zigpy_device.endpoints[1].on_off.off()).status == 0


@pytest.mark.parametrize("status", [ezsp.EmberStatus.MAX_MESSAGE_LIMIT_REACHED, ezsp.EmberStatus.NETWORK_BUSY])
async def test_refused_message_succeeds_on_retry(
    network: SimulatedNetwork, light: Switch, zigpy_device: Any, *, status: int
) -> None:
    network.faults.refuse_messages(1, status)
    with pytest.raises(DeliveryError):
        await zigpy_device.endpoints[1].on_off.on(retries=0)
    assert light.executed == []
    network.faults.refuse_messages(1, status)
    assert (await zigpy_device.endpoints[1].on_off.on()).status == 0
    assert len(light.executed) == 1


async def test_duplicated_report_has_same_counters(
    network: SimulatedNetwork, host: BellowsHost, light: Switch, zigpy_device: Any, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[bytes] = []
    assert network.ncp.host is not None
    callback = network.ncp.host.callback

    def record(frame: bytes) -> None:
        frames.append(frame)
        callback(frame)

    monkeypatch.setattr(network.ncp.host, "callback", record)
    network.faults.duplicate_reports(1)
    light.press()
    await host.listener.wait_until(lambda: host.reports() == [1])
    assert len(frames) == 2
    assert frames[0] == frames[1]


async def test_malformed_messages_from_device_are_ignored(
    network: SimulatedNetwork, host: BellowsHost, light: Switch, zigpy_device: Any
) -> None:
    for payload in (b"", b"\x18", b"\x18\x01\x0a\x00", b"\xff" * 60, b"\x18\x01\x0a\x00\x00\xee\x01"):
        light.send(1, ON_OFF, payload)
    network.faults.garble_reports(20)
    for _ in range(21):
        light.press()
    await host.listener.wait_until(lambda: host.reports() == [1])
    assert (await zigpy_device.endpoints[1].on_off.off()).status == 0
