"""Whether a device can be reached: a mains device is asked when it has been silent, a battery one is judged by when
it last spoke.
"""

from enum import Enum
from typing import Final

CHECK_EVERY_S: Final = 60.0
_MAINS_SILENT_S: Final = 10 * 60.0  # the longest that a mains device goes without a report
_BATTERY_SILENT_S: Final = 3 * 3600.0


class SilenceCheck(Enum):
    """What to do about a device."""

    FINE = "fine"
    PING = "ping"
    GONE = "gone"


def judge(silent_s: float, *, sleeps: bool) -> SilenceCheck:
    """The verdict on a device that has been silent for so long."""
    if sleeps:
        return SilenceCheck.GONE if silent_s > _BATTERY_SILENT_S else SilenceCheck.FINE
    return SilenceCheck.PING if silent_s > _MAINS_SILENT_S else SilenceCheck.FINE
