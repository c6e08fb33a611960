"""A disk that fails or is full: the household is told, nothing is told as kept that is not, no opening is lost."""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from gatewayd import daemon
from gatewayd.demo.run import settings_for
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork, lock, switch
from tests.common.daemon_process import DaemonProcess
from tests.common.failing_fsync import FailingFsync
from tests.common.join_devices import join_all
from tests.common.small_disk import fill, four_megabytes, needs_root

PIN = "482913"
DOOR, LAMP = "00158d0003b00001", "00158d0002a00001"


async def test_openings_while_fsync_fails_are_told_once_it_works(tmp_path: Path) -> None:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    door = network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
    disk = await asyncio.to_thread(FailingFsync, tmp_path)
    async with (
        simulated_environment(network) as environment,
        environment.phone() as phone,
        DaemonProcess(environment, tmp_path) as daemon,
    ):
        await daemon.start(environ=disk.environ)
        await join_all(network, phone, (door,))
        key = {"keytype": 0, "key_name": "妈妈", "pass": PIN}
        answer = await phone.request(Category.LOCK, DOOR, ExecType.CREATE, param=key)
        assert answer.meaning is OperationStatus.CREATED
        disk.start()
        for _ in range(3):
            assert door.enter_pin(PIN)
            await asyncio.sleep(0.05)
        renamed = await phone.request(Category.LOCK, DOOR, ExecType.UPDATE, title="后门")
        assert renamed.meaning is OperationStatus.LOCAL_STORAGE_ERROR
        told = [seen for seen in phone.received if seen.meaning is OperationStatus.UNLOCK_EVENT]
        assert told == []
        disk.stop()
        async with asyncio.timeout(40):
            while len(sns := {seen.sn for seen in phone.received if seen.meaning is OperationStatus.UNLOCK_EVENT}) < 3:
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        assert len(sns) == 3
        async with asyncio.timeout(40):
            while len(messages(environment.cloud.messages())) < 3:
                await asyncio.sleep(0.05)
        assert len(messages(environment.cloud.messages())) == 3
        assert await daemon.stop() == 0


@needs_root
async def test_full_disk_is_told_as_the_gateways_state_until_there_is_space(tmp_path: Path) -> None:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    lamp = network.add(switch(LAMP, channels=1), joined=False)

    def is_told(seen: ReceivedMessage) -> bool:
        return is_state(seen) and seen.meaning is OperationStatus.LOCAL_STORAGE_ERROR

    with four_megabytes(tmp_path) as disk:
        async with simulated_environment(network) as environment, environment.phone() as phone:
            settings = settings_for(environment, disk)
            settings = replace(settings, admin=settings_for(environment, tmp_path).admin)
            async with daemon.running(settings, PASSWORD, {}):
                await join_all(network, phone, (lamp,))
                assert not any(map(is_told, phone.received))
                ballast = await asyncio.to_thread(fill, disk, 0)
                lamp.press()
                await phone.expect(is_told, timeout_s=30)
                async with environment.phone(name="another") as another:
                    state = await another.expect(lambda seen: is_state(seen) and seen.retained)
                assert state.meaning is OperationStatus.LOCAL_STORAGE_ERROR
                freed = asyncio.get_running_loop().time()
                ballast.unlink()
                await phone.expect(
                    lambda seen: is_state(seen) and seen.meaning is OperationStatus.NORMAL, since=freed, timeout_s=30
                )


def is_state(message: ReceivedMessage) -> bool:
    """Whether it is the gateway's own state."""
    return COORDINATOR in message.topic and message.topic.endswith("update")


def messages(sent: list[dict[str, object]]) -> list[dict[str, object]]:
    return [message for message in sent if message["flag"] == "password_unlock"]
