"""Why a join failed, read from what NetworkManager says of its device and of the connection being activated.

Pure. The numbers are NMDeviceStateReason and NMActiveConnectionStateReason.
"""

from enum import IntEnum
from typing import Final

from gatewayd.model.wifi import JoinFailure
from gatewayd.provisioning.networkmanager.objects import NmDeviceState


class Reason(IntEnum):
    """NMDeviceStateReason, as far as a Wi-Fi device gives it."""

    NONE = 0
    UNKNOWN = 1
    NOW_MANAGED = 2
    NOW_UNMANAGED = 3
    CONFIG_FAILED = 4
    IP_CONFIG_UNAVAILABLE = 5
    IP_CONFIG_EXPIRED = 6
    NO_SECRETS = 7
    SUPPLICANT_DISCONNECT = 8
    SUPPLICANT_CONFIG_FAILED = 9
    SUPPLICANT_FAILED = 10
    SUPPLICANT_TIMEOUT = 11
    DHCP_START_FAILED = 15
    DHCP_ERROR = 16
    DHCP_FAILED = 17
    AUTOIP_START_FAILED = 20
    AUTOIP_ERROR = 21
    AUTOIP_FAILED = 22
    FIRMWARE_MISSING = 35
    REMOVED = 36
    SLEEPING = 37
    CONNECTION_REMOVED = 38
    USER_REQUESTED = 39
    CARRIER = 40
    SSID_NOT_FOUND = 53
    NEW_ACTIVATION = 60
    IP_ADDRESS_DUPLICATE = 64
    IP_METHOD_UNSUPPORTED = 65


_MEANING: Final = {
    Reason.CONFIG_FAILED: JoinFailure.UNAVAILABLE,
    Reason.IP_CONFIG_UNAVAILABLE: JoinFailure.NO_ADDRESS,
    Reason.IP_CONFIG_EXPIRED: JoinFailure.NO_ADDRESS,
    Reason.NO_SECRETS: JoinFailure.WRONG_PASSPHRASE,
    Reason.SUPPLICANT_DISCONNECT: JoinFailure.WRONG_PASSPHRASE,
    Reason.SUPPLICANT_CONFIG_FAILED: JoinFailure.UNAVAILABLE,
    Reason.SUPPLICANT_FAILED: JoinFailure.UNAVAILABLE,
    Reason.SUPPLICANT_TIMEOUT: JoinFailure.WRONG_PASSPHRASE,
    Reason.DHCP_START_FAILED: JoinFailure.NO_ADDRESS,
    Reason.DHCP_ERROR: JoinFailure.NO_ADDRESS,
    Reason.DHCP_FAILED: JoinFailure.NO_ADDRESS,
    Reason.AUTOIP_START_FAILED: JoinFailure.NO_ADDRESS,
    Reason.AUTOIP_ERROR: JoinFailure.NO_ADDRESS,
    Reason.AUTOIP_FAILED: JoinFailure.NO_ADDRESS,
    Reason.FIRMWARE_MISSING: JoinFailure.UNAVAILABLE,
    Reason.REMOVED: JoinFailure.UNAVAILABLE,
    Reason.SLEEPING: JoinFailure.UNAVAILABLE,
    Reason.CONNECTION_REMOVED: JoinFailure.UNAVAILABLE,
    Reason.USER_REQUESTED: JoinFailure.UNAVAILABLE,
    Reason.NEW_ACTIVATION: JoinFailure.UNAVAILABLE,
    Reason.CARRIER: JoinFailure.LOST,
    Reason.SSID_NOT_FOUND: JoinFailure.NOT_FOUND,
    Reason.IP_ADDRESS_DUPLICATE: JoinFailure.NO_ADDRESS,
    Reason.IP_METHOD_UNSUPPORTED: JoinFailure.NO_ADDRESS,
}

# The active connection's own reasons are vaguer; those that are missing here say no more than that it ended.
_ACTIVE_MEANING: Final = {
    2: Reason.USER_REQUESTED,
    5: Reason.IP_CONFIG_UNAVAILABLE,
    6: Reason.SUPPLICANT_TIMEOUT,
    9: Reason.NO_SECRETS,
    10: Reason.NO_SECRETS,  # login failed
    11: Reason.CONNECTION_REMOVED,
    14: Reason.REMOVED,
}


def failure_of(reason: int, stage: int, *, is_secured: bool, was_heard: bool) -> JoinFailure:
    """The failure behind a device's `reason`, given the furthest State that it came to."""
    meaning = _MEANING.get(Reason(reason)) if reason in set(Reason) else None
    match meaning:
        case JoinFailure.WRONG_PASSPHRASE if stage >= NmDeviceState.IP_CONFIG:
            return JoinFailure.LOST  # the passphrase had been good enough by then
        case JoinFailure.WRONG_PASSPHRASE if not is_secured or (reason == Reason.SUPPLICANT_TIMEOUT and not was_heard):
            return _gone(was_heard=was_heard)
        case JoinFailure.NOT_FOUND:
            return _gone(was_heard=was_heard)
        case None:
            return JoinFailure.LOST
    return meaning


def failure_at(stage: int) -> JoinFailure:
    """The failure when time is up and NetworkManager has not said why, at the furthest State that it came to."""
    return JoinFailure.NO_ADDRESS if stage >= NmDeviceState.IP_CONFIG else JoinFailure.LOST


def device_reason(active_reason: int) -> int:
    """The device's reason that an active connection's reason amounts to."""
    return _ACTIVE_MEANING.get(active_reason, Reason.UNKNOWN)


def name_of(reason: int) -> str:
    """For the log and the error."""
    return Reason(reason).name if reason in set(Reason) else f"reason {reason}"


def _gone(*, was_heard: bool) -> JoinFailure:
    return JoinFailure.LOST if was_heard else JoinFailure.NOT_FOUND
