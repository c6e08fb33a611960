"""A disk whose fsync fails for a while: nobody is told that something is kept, and no opening of the door is lost."""

import asyncio
from pathlib import Path

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.environment import COORDINATOR, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork, lock
from tests.common.daemon_process import DaemonProcess
from tests.common.failing_fsync import FailingFsync
from tests.common.join_devices import join_all

PIN = "482913"
DOOR = "00158d0003b00001"


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


def messages(sent: list[dict[str, object]]) -> list[dict[str, object]]:
    return [message for message in sent if message["flag"] == "password_unlock"]
