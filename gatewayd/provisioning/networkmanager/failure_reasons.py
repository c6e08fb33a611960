"""Why a join failed: NetworkManager's reasons, for a device or an active connection, as a JoinFailure. Pure.

When a join has failed is left to `join`.
"""

from enum import IntEnum
from typing import Final

from gatewayd.model.wifi import JoinFailure
from gatewayd.provisioning.networkmanager.objects import NmDeviceState


class NmDeviceStateReason(IntEnum):
    """NMDeviceStateReason, those that a Wi-Fi device gives."""

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


class NmActiveConnectionStateReason(IntEnum):
    """NMActiveConnectionStateReason, those that say more than that the connection ended."""

    USER_DISCONNECTED = 2
    IP_CONFIG_INVALID = 5
    CONNECT_TIMEOUT = 6
    NO_SECRETS = 9
    LOGIN_FAILED = 10
    CONNECTION_REMOVED = 11
    DEVICE_REMOVED = 14


_FAILURES: Final[dict[int, JoinFailure]] = {
    NmDeviceStateReason.CONFIG_FAILED: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.IP_CONFIG_UNAVAILABLE: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.IP_CONFIG_EXPIRED: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.NO_SECRETS: JoinFailure.WRONG_PASSPHRASE,
    NmDeviceStateReason.SUPPLICANT_DISCONNECT: JoinFailure.WRONG_PASSPHRASE,
    NmDeviceStateReason.SUPPLICANT_CONFIG_FAILED: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.SUPPLICANT_FAILED: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.SUPPLICANT_TIMEOUT: JoinFailure.WRONG_PASSPHRASE,
    NmDeviceStateReason.DHCP_START_FAILED: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.DHCP_ERROR: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.DHCP_FAILED: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.AUTOIP_START_FAILED: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.AUTOIP_ERROR: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.AUTOIP_FAILED: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.FIRMWARE_MISSING: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.REMOVED: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.SLEEPING: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.CONNECTION_REMOVED: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.USER_REQUESTED: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.NEW_ACTIVATION: JoinFailure.UNAVAILABLE,
    NmDeviceStateReason.CARRIER: JoinFailure.LOST,
    NmDeviceStateReason.SSID_NOT_FOUND: JoinFailure.NOT_FOUND,
    NmDeviceStateReason.IP_ADDRESS_DUPLICATE: JoinFailure.NO_ADDRESS,
    NmDeviceStateReason.IP_METHOD_UNSUPPORTED: JoinFailure.NO_ADDRESS,
}

_DEVICE_REASONS: Final[dict[int, NmDeviceStateReason]] = {
    NmActiveConnectionStateReason.USER_DISCONNECTED: NmDeviceStateReason.USER_REQUESTED,
    NmActiveConnectionStateReason.IP_CONFIG_INVALID: NmDeviceStateReason.IP_CONFIG_UNAVAILABLE,
    NmActiveConnectionStateReason.CONNECT_TIMEOUT: NmDeviceStateReason.SUPPLICANT_TIMEOUT,
    NmActiveConnectionStateReason.NO_SECRETS: NmDeviceStateReason.NO_SECRETS,
    NmActiveConnectionStateReason.LOGIN_FAILED: NmDeviceStateReason.NO_SECRETS,
    NmActiveConnectionStateReason.CONNECTION_REMOVED: NmDeviceStateReason.CONNECTION_REMOVED,
    NmActiveConnectionStateReason.DEVICE_REMOVED: NmDeviceStateReason.REMOVED,
}


def failure_of(reason: int, furthest_state: int, *, is_secured: bool, is_in_range: bool) -> JoinFailure:
    """The failure that a device's `reason` (NMDeviceStateReason) stands for.

    `furthest_state` is the furthest NmDeviceState that the activation reached. `is_secured`: the network takes a
    passphrase. `is_in_range`: the last scan found it.
    """
    failure = _FAILURES.get(reason)
    match failure:
        case JoinFailure.WRONG_PASSPHRASE if furthest_state >= NmDeviceState.IP_CONFIG:
            return JoinFailure.LOST  # the passphrase was accepted before
        case JoinFailure.WRONG_PASSPHRASE if not is_secured:
            return _lost_or_not_found(is_in_range=is_in_range)
        case JoinFailure.WRONG_PASSPHRASE if reason == NmDeviceStateReason.SUPPLICANT_TIMEOUT and not is_in_range:
            return JoinFailure.NOT_FOUND
        case JoinFailure.NOT_FOUND:
            return _lost_or_not_found(is_in_range=is_in_range)
        case None:
            return JoinFailure.LOST
    return failure


def failure_at_timeout(furthest_state: int) -> JoinFailure:
    """The failure where NetworkManager gave no reason in time."""
    return JoinFailure.NO_ADDRESS if furthest_state >= NmDeviceState.IP_CONFIG else JoinFailure.LOST


def device_reason(active_reason: int) -> int:
    """The device's reason that corresponds to an active connection's (NMActiveConnectionStateReason)."""
    return _DEVICE_REASONS.get(active_reason, NmDeviceStateReason.UNKNOWN)


def reason_name(reason: int) -> str:
    """The name of a device's reason, or its number where it has none here; for the log and the error."""
    return NmDeviceStateReason(reason).name if reason in set(NmDeviceStateReason) else f"reason {reason}"


def _lost_or_not_found(*, is_in_range: bool) -> JoinFailure:
    return JoinFailure.LOST if is_in_range else JoinFailure.NOT_FOUND
