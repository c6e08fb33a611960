"""Whether devices can be reached: a silent mains device is pinged, a sleepy one is offline after three silent hours.

`device_registry` records packets; that a device sends again makes it available.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Final

import structlog

from gatewayd.model.errors import DeviceUnreachableError, RadioUnavailableError
from gatewayd.model.event import AvailabilityChanged
from gatewayd.zigbee.device import Emit, ZigbeeDevice

log = structlog.get_logger()

_CHECK_INTERVAL_S: Final = 60.0
_MAINS_SILENCE_S: Final = 10 * 60.0  # the longest that a mains device goes without a report
_SLEEPY_SILENCE_S: Final = 3 * 3600.0


class SilenceAction(Enum):
    """What to do about a device that has been silent for some time."""

    NONE = "none"
    PING = "ping"
    SET_OFFLINE = "set offline"


def silence_action(silent_s: float, *, sleeps: bool) -> SilenceAction:
    """What to do about a device that has been silent for `silent_s` seconds. A sleepy one cannot be pinged."""
    if sleeps:
        return SilenceAction.SET_OFFLINE if silent_s > _SLEEPY_SILENCE_S else SilenceAction.NONE
    return SilenceAction.PING if silent_s > _MAINS_SILENCE_S else SilenceAction.NONE


class AvailabilityMonitor:
    """Checks the `devices` from time to time, and emits AvailabilityChanged."""

    def __init__(self, devices: Callable[[], Iterable[ZigbeeDevice]], emit: Emit, now: Callable[[], datetime]) -> None:
        self._devices = devices
        self._emit = emit
        self._now = now

    async def run(self) -> None:
        """Check all devices each minute, until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL_S)
            await self.check()

    async def check(self) -> None:
        """Check all devices now. Pings go out side by side, so that a dead device does not delay another's."""
        now = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for device in self._devices():
                match silence_action(now - device.last_seen, sleeps=device.sleeps):
                    case SilenceAction.SET_OFFLINE:
                        self.set_online(device, online=False)
                    case SilenceAction.PING:
                        tasks.create_task(self._ping(device))

    def set_online(self, device: ZigbeeDevice, *, online: bool) -> None:
        """Set whether the device can be reached; a change is emitted."""
        if device.online is not online:
            device.online = online
            self._emit(AvailabilityChanged(device.uuid, online, self._now()))

    async def _ping(self, device: ZigbeeDevice) -> None:
        try:
            await device.ping()
        except DeviceUnreachableError:
            self.set_online(device, online=False)
        except RadioUnavailableError:
            return
        except Exception:  # a fault of ours, or of a quirk: the other devices are checked all the same
            log.exception("ping_crashed", uuid=device.uuid)
