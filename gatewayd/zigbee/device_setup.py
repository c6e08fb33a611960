"""Configures, enrolls and reads devices in the background: after joining, after a restart, after an absence.

`retry_worker` repeats what failed, at once where `device_registry` reports a packet from the device: a sleepy device
receives only around its own packets. That a device is set up is stored, so that one that slept through its set-up is
set up after a restart of the daemon too.
"""

import asyncio
from enum import IntEnum
from typing import Final

import structlog

from gatewayd.backoff import Backoff
from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Uuid
from gatewayd.model.ports import FactStore
from gatewayd.retry_worker import RetryWorker
from gatewayd.zigbee.device import ZigbeeDevice

log = structlog.get_logger()

_BACKOFF: Final = Backoff(first_s=5.0, longest_s=1800.0)
_IGNORE_WAKES_S: Final = 5.0
"""A packet so soon after a failure is no reason to try again: a device may send all the time and receive nothing."""

_CONCURRENT: Final = 4
"""Devices that are set up or read at the same time: many joining devices must not overload the network."""


class SetupTask(IntEnum):
    """What is to be done with a device; the greater includes the lesser."""

    READ = 1
    ENROLL = 2
    SET_UP = 3


class DeviceSetup:
    """Runs set-up tasks of devices, each soon after it is requested, until it succeeds."""

    def __init__(self, facts: FactStore) -> None:
        self._facts = facts
        self._worker: RetryWorker[ZigbeeDevice, SetupTask] = RetryWorker(
            "device-setup", self._attempt, _BACKOFF, on_failure=_log_failure, merge=max, ignore_wakes_s=_IGNORE_WAKES_S
        )
        # A sleepy device can take half a minute to not answer: devices that are awake do not wait for that.
        self._slots = {sleeps: asyncio.Semaphore(_CONCURRENT) for sleeps in (False, True)}

    def resume(self, device: ZigbeeDevice) -> None:
        """Request what a device needs that was on the network before: SET_UP where it was never completed with the
        driver's present settings, else READ where the device is awake.
        """
        if self._facts.get(_fact_name(device.uuid)) != device.match.driver.setup_digest:
            self.request(device, SetupTask.SET_UP)
        elif not device.sleeps:
            self.request(device, SetupTask.READ)

    def request(self, device: ZigbeeDevice, task: SetupTask) -> None:
        """Run `task` soon; no effect where the attempt in progress includes it."""
        running = self._worker.running(device)
        if running is None or running < task:
            self._worker.request(device, task)

    def wake(self, device: ZigbeeDevice) -> None:
        """The device has sent a packet: try again now what failed. Called for every packet."""
        self._worker.wake(device)

    def drop(self, device: ZigbeeDevice) -> None:
        """Forget the tasks of a device that is no longer registered."""
        self._worker.drop(device)

    async def run(self) -> None:
        """Run requested tasks until cancelled."""
        await self._worker.run()

    async def _attempt(self, device: ZigbeeDevice, task: SetupTask) -> None:
        if task is SetupTask.SET_UP:
            await self._facts.delete(_fact_name(device.uuid))  # the device may have been reset since its last set-up
        async with self._slots[device.sleeps]:
            if task is SetupTask.SET_UP:
                await device.configure()
            if task >= SetupTask.ENROLL:
                await device.enroll()
            await device.read()
        if task is SetupTask.SET_UP:
            await self._facts.set(_fact_name(device.uuid), device.match.driver.setup_digest)
            device.emit_ready()


def _fact_name(uuid: Uuid) -> str:
    """Names the fact that holds the digest of the settings that the device was set up with."""
    return f"device-set-up/{uuid}"


def _log_failure(device: ZigbeeDevice, task: SetupTask, error: GatewayError, pause_s: float) -> None:
    log.info("device_setup_failed", uuid=device.uuid, task=task.name, reason=str(error), retry_in_s=pause_s)
