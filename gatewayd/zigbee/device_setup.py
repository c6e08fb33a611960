"""What a device still needs: to be set up, or to be read. Done soon, for a few devices at a time.

One that does not answer is asked again ever less often, and as soon as it is heard: a battery device hears only then.
That a device is set up is a fact that outlives the daemon, so what slept through it is set up after a restart too.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Uuid
from gatewayd.model.ports import FactStore
from gatewayd.zigbee.device import ZigbeeDevice

log = structlog.get_logger()

_AT_ONCE: Final = 4
"""Devices that are set up or read at the same time: a joining house must not choke the network."""

_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 1800.0
_CALM_S: Final = 5.0
"""What is heard so soon after a failure is no reason to try again: it may hear nothing and speak all the time."""


class SetupTask(IntEnum):
    """What is to be done with a device; the greater includes the lesser."""

    READ = 1
    GREET = 2
    SET_UP = 3


@dataclass(slots=True, eq=False)
class _PendingDevice:
    """A device that needs something, and what of it is being done."""

    hosted: ZigbeeDevice
    need: SetupTask | None = None
    doing: SetupTask | None = None
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    calm_until: float = 0.0

    def add(self, need: SetupTask) -> None:
        """It needs this too."""
        self.need = need if self.need is None else max(need, self.need)


class DeviceSetup:
    """Looks after hosted devices. `heard` is on the hot path."""

    def __init__(self, facts: FactStore) -> None:
        self._facts = facts
        self._cases: dict[ZigbeeDevice, _PendingDevice] = {}
        self._new: asyncio.Queue[_PendingDevice] = asyncio.Queue()
        # What sleeps can take half a minute to say nothing: who is awake does not wait for that.
        self._turns = {sleeps: asyncio.Semaphore(_AT_ONCE) for sleeps in (False, True)}

    def resume(self, hosted: ZigbeeDevice) -> None:
        """A device that was on the network before: it is set up where it never was, else read where it is awake."""
        if self._facts.get(_set_up(hosted.uuid)) != hosted.match.driver.setup:
            self.want(hosted, SetupTask.SET_UP)
        elif not hosted.sleeps:
            self.want(hosted, SetupTask.READ)

    def want(self, hosted: ZigbeeDevice, need: SetupTask) -> None:
        """Have it done, soon and in its turn; what is being done already is enough."""
        if (case := self._cases.get(hosted)) is None:
            case = self._cases[hosted] = _PendingDevice(hosted)
            self._new.put_nowait(case)
        if case.doing is None or case.doing < need:
            case.add(need)
            case.bell.set()

    def heard(self, hosted: ZigbeeDevice) -> None:
        """It speaks, so it hears: what it left unanswered is tried again."""
        case = self._cases.get(hosted)
        if case is not None and asyncio.get_running_loop().time() >= case.calm_until:
            case.bell.set()

    def drop(self, hosted: ZigbeeDevice) -> None:
        """It is not hosted any more."""
        case = self._cases.pop(hosted, None)
        if case is not None and case.task is not None:
            case.task.cancel()

    async def run(self) -> None:
        """Look after whoever needs it, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                case = await self._new.get()
                if self._cases.get(case.hosted) is case:
                    case.task = tasks.create_task(self._look_after(case), name=f"upkeep-{case.hosted.uuid}")

    async def _look_after(self, case: _PendingDevice) -> None:
        pause, hosted = _FIRST_PAUSE_S, case.hosted
        while (need := case.need) is not None:
            case.need, case.doing = None, need
            case.bell.clear()
            try:
                await self._do(hosted, need)
            except GatewayError as error:
                log.info("device_not_reached", uuid=hosted.uuid, need=need.name, reason=str(error), again_in_s=pause)
                case.add(need)
                case.doing = None
                case.calm_until = asyncio.get_running_loop().time() + _CALM_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await case.bell.wait()
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            except Exception:  # zigpy on a device that nobody has seen before: its fault is not the daemon's end
                log.exception("device_upkeep_broke", uuid=hosted.uuid, need=need.name)
        self._cases.pop(hosted, None)

    async def _do(self, hosted: ZigbeeDevice, need: SetupTask) -> None:
        if need is SetupTask.SET_UP:
            await self._facts.delete(_set_up(hosted.uuid))  # it may have been reset, whatever was done before
        async with self._turns[hosted.sleeps]:
            if need is SetupTask.SET_UP:
                await hosted.configure()
            if need >= SetupTask.GREET:
                await hosted.enroll()
            await hosted.read()
        if need is SetupTask.SET_UP:
            await self._facts.set(_set_up(hosted.uuid), hosted.match.driver.setup)
            hosted.emit_ready()


def _set_up(uuid: Uuid) -> str:
    return f"device-set-up/{uuid}"
