"""A gateway whose state folder is read-only, vanishes, or whose state key is another one: it is up, and says so."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd import daemon
from gatewayd.admin.client import call
from gatewayd.admin.console import Console
from gatewayd.demo.run import settings_for
from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork, switch
from tests.common.daemon_process import DaemonProcess
from tests.common.join_devices import join_all
from tests.common.small_disk import flash, four_megabytes, needs_root

LAMP = "00158d0002a00001"


@pytest.fixture
async def environment() -> AsyncIterator[Environment]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    lamp = network.add(switch(LAMP, channels=1), joined=False)
    async with simulated_environment(network) as environment:
        environment.network.devices[LAMP] = lamp
        yield environment


async def run_once(environment: Environment, folder: Path) -> None:
    """Let the gateway know its lamp and its cloud, and stop it."""
    async with daemon.running(settings_for(environment, folder), PASSWORD, {}), environment.phone() as phone:
        await join_all(environment.network, phone, (environment.network.devices[LAMP],))


async def until_up(console: Console, phone: AppClient) -> None:
    """Wait until the radio is up and the gateway answers."""
    async with asyncio.timeout(30):
        while not (console.snapshots.radio().up and console.snapshots.mqtt().up):
            await asyncio.sleep(0.05)
        while True:
            sn = await phone.send(Category.SWITCH, LAMP, ExecType.QUERY)
            try:
                await phone.expect(lambda seen: seen.sn == sn and seen.is_final_answer, timeout_s=1)  # noqa: B023
            except TimeoutError:
                continue
            return


@needs_root
async def test_read_only_state_folder_leaves_the_gateway_up_and_nothing_is_told_as_kept(
    environment: Environment, tmp_path: Path
) -> None:
    with four_megabytes(tmp_path) as disk:
        settings = settings_for(environment, disk)
        settings = replace(settings, admin=settings_for(environment, tmp_path).admin)
        await run_once(environment, disk)
        await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(disk)], check=True)
        async with daemon.running(settings, PASSWORD, {}) as console, environment.phone() as phone:
            await until_up(console, phone)
            assert "cannot be written" in str(console.snapshots.store().problem)
            answer = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
            assert answer.meaning is OperationStatus.LOCAL_STORAGE_ERROR
            answer = await phone.request(Category.SWITCH, LAMP, ExecType.QUERY)
            assert answer.meaning is OperationStatus.DEVICE_NORMAL


async def test_state_folder_that_vanishes_ends_nothing_and_nothing_is_told_as_kept(
    environment: Environment, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "state", tmp_path / "elsewhere"
    async with daemon.running(settings_for(environment, folder), PASSWORD, {}) as console, environment.phone() as phone:
        await join_all(environment.network, phone, (environment.network.devices[LAMP],))
        folder.rename(moved)
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
        assert answer.meaning is OperationStatus.LOCAL_STORAGE_ERROR
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.QUERY)
        assert answer.meaning is OperationStatus.DEVICE_NORMAL
        await asyncio.sleep(6)  # the store looks again
        assert "gone from the state folder" in str(console.snapshots.store().problem)
        moved.rename(folder)
        async with asyncio.timeout(30):
            while console.snapshots.store().problem:
                await asyncio.sleep(0.05)
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
        assert answer.meaning is OperationStatus.UPDATED


async def store_problem(process: DaemonProcess) -> str | None:
    """What `status` says of the store; a daemon that is starting has a problem too."""
    try:
        status = await asyncio.to_thread(call, process.folder / "admin.sock", "status")
    except GatewayError as error:
        return str(error)
    problem: str | None = status["store"]["problem"]
    return problem


async def until_back(process: DaemonProcess, phone: AppClient) -> None:
    """Wait until the store has no problem, and the lamp's title is kept."""
    async with asyncio.timeout(60):
        while await store_problem(process) is not None:
            await asyncio.sleep(0.2)
        while True:
            with suppress(TimeoutError):
                sn = await phone.send(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
                seen = await phone.expect(lambda seen: seen.sn == sn and seen.is_final_answer, timeout_s=2)  # noqa: B023
                if seen.meaning is OperationStatus.UPDATED:
                    return


@needs_root
async def test_folder_that_can_be_written_again_is_used_without_a_restart(
    environment: Environment, tmp_path: Path
) -> None:
    with four_megabytes(tmp_path) as disk:
        await run_once(environment, disk)
        await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(disk)], check=True)
        async with DaemonProcess(environment, tmp_path) as process, environment.phone() as phone:
            await process.start(environ={"GATEWAYD_GATEWAY_STATE_DIR": str(disk)})
            await process.until_logged("gatewayd_started")
            pid = process.pid
            assert "cannot be written" in str(await store_problem(process))
            await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,rw", str(disk)], check=True)
            await until_back(process, phone)
            assert process.pid == pid
            assert await process.stop() == 0


async def test_folder_that_another_has_replaced_is_used_without_a_restart(
    environment: Environment, tmp_path: Path
) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    await run_once(environment, state)
    async with DaemonProcess(environment, tmp_path) as process, environment.phone() as phone:
        await process.start(environ={"GATEWAYD_GATEWAY_STATE_DIR": str(state)})
        await process.until_logged("mqtt_connected")
        pid = process.pid
        await asyncio.to_thread(shutil.copytree, state, other)
        state.rename(tmp_path / "gone")
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
        assert answer.meaning is OperationStatus.LOCAL_STORAGE_ERROR
        other.rename(state)
        await until_back(process, phone)
        assert process.pid == pid
        assert await process.stop() == 0


async def test_request_is_not_executed_again_after_the_wal_was_removed_and_the_daemon_killed(
    environment: Environment, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    await run_once(environment, state)
    lamp, turn_on = environment.network.devices[LAMP], {"operate": 2, "operate_channel_id": 1}
    async with DaemonProcess(environment, tmp_path) as process, environment.phone() as phone:
        await process.start(environ={"GATEWAYD_GATEWAY_STATE_DIR": str(state)})
        await process.until_logged("mqtt_connected")
        await process.until_logged("radio_started")
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, sn="once", param=turn_on)
        assert answer.meaning is OperationStatus.CONTROLLED
        (state / "gatewayd.db-wal").unlink()
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, sn="not", param=turn_on)
        assert answer.meaning is OperationStatus.LOCAL_STORAGE_ERROR
        await process.kill()
        await process.start(environ={"GATEWAYD_GATEWAY_STATE_DIR": str(state)})
        await process.until_logged("mqtt_connected")
        await process.until_logged("radio_started")
        executed = len(lamp.executed)
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, sn="once", param=turn_on)
        assert answer.meaning is OperationStatus.CONTROLLED
        assert len(lamp.executed) == executed

        pid = process.pid
        (state / "gatewayd.db-wal").unlink()
        await process.until_logged("state_folder_back")
        await until_back(process, phone)
        assert process.pid == pid
        assert await process.stop() == 0


@needs_root
async def test_flash_that_fails_and_is_mounted_anew_is_used_without_a_restart(
    environment: Environment, tmp_path: Path
) -> None:
    with flash(tmp_path) as medium:
        await run_once(environment, medium.disk)
        async with DaemonProcess(environment, tmp_path) as process, environment.phone() as phone:
            await process.start(environ={"GATEWAYD_GATEWAY_STATE_DIR": str(medium.disk)})
            await process.until_logged("mqtt_connected")
            await process.until_logged("radio_started")
            pid = process.pid
            await asyncio.to_thread(medium.fail)
            answer = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
            assert answer.meaning is OperationStatus.LOCAL_STORAGE_ERROR
            answer = await phone.request(Category.SWITCH, LAMP, ExecType.QUERY)
            assert answer.meaning is OperationStatus.DEVICE_NORMAL
            await asyncio.to_thread(medium.replug)
            await until_back(process, phone)
            assert process.pid == pid
            assert await process.stop() == 0


@pytest.mark.parametrize("key", [b"another key, of thirty-two bytes", b"no key", None])
async def test_another_broken_or_lost_state_key_leaves_the_gateway_up(
    environment: Environment, tmp_path: Path, key: bytes | None
) -> None:
    await run_once(environment, tmp_path)
    path = tmp_path / "state-key"
    path.unlink()
    if key is not None:
        path.write_bytes(key)
        path.chmod(0o600)
    settings = settings_for(environment, tmp_path)
    async with daemon.running(settings, PASSWORD, {}) as console, environment.phone() as phone:
        await until_up(console, phone)
        answer = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
        assert answer.meaning is OperationStatus.UPDATED
        if key == b"no key":
            assert "32 bytes" in str(console.snapshots.store().secrets)
