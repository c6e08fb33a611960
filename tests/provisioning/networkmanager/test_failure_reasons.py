"""NetworkManager's reasons as failures of a join: tables."""

import pytest

from gatewayd.model.wifi import JoinFailure
from gatewayd.provisioning.networkmanager.failure_reasons import (
    NmActiveConnectionStateReason,
    NmDeviceStateReason,
    device_reason,
    failure_at_timeout,
    failure_of,
    reason_name,
)
from gatewayd.provisioning.networkmanager.objects import NmDeviceState


@pytest.mark.parametrize(
    ("reason", "furthest_state", "is_secured", "is_in_range", "failure"),
    [
        (NmDeviceStateReason.NO_SECRETS, NmDeviceState.NEED_AUTH, True, True, JoinFailure.WRONG_PASSPHRASE),
        (NmDeviceStateReason.SUPPLICANT_DISCONNECT, NmDeviceState.CONFIG, True, True, JoinFailure.WRONG_PASSPHRASE),
        (NmDeviceStateReason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, True, True, JoinFailure.WRONG_PASSPHRASE),
        (NmDeviceStateReason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, True, False, JoinFailure.NOT_FOUND),
        (NmDeviceStateReason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, False, True, JoinFailure.LOST),
        (NmDeviceStateReason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, False, False, JoinFailure.NOT_FOUND),
        (NmDeviceStateReason.SUPPLICANT_DISCONNECT, NmDeviceState.IP_CONFIG, True, True, JoinFailure.LOST),
        (NmDeviceStateReason.IP_CONFIG_UNAVAILABLE, NmDeviceState.IP_CONFIG, True, True, JoinFailure.NO_ADDRESS),
        (NmDeviceStateReason.DHCP_FAILED, NmDeviceState.IP_CONFIG, False, True, JoinFailure.NO_ADDRESS),
        (NmDeviceStateReason.SSID_NOT_FOUND, NmDeviceState.CONFIG, True, False, JoinFailure.NOT_FOUND),
        (NmDeviceStateReason.SSID_NOT_FOUND, NmDeviceState.CONFIG, True, True, JoinFailure.LOST),
        (NmDeviceStateReason.CARRIER, NmDeviceState.IP_CONFIG, True, True, JoinFailure.LOST),
        (NmDeviceStateReason.REMOVED, NmDeviceState.CONFIG, True, True, JoinFailure.UNAVAILABLE),
        (NmDeviceStateReason.SUPPLICANT_FAILED, NmDeviceState.CONFIG, True, True, JoinFailure.UNAVAILABLE),
        (NmDeviceStateReason.USER_REQUESTED, NmDeviceState.IP_CONFIG, True, True, JoinFailure.UNAVAILABLE),
        (NmDeviceStateReason.UNKNOWN, NmDeviceState.CONFIG, True, True, JoinFailure.LOST),
        (999, NmDeviceState.CONFIG, True, True, JoinFailure.LOST),
    ],
)
def test_failure_of_device_reason(
    reason: int, furthest_state: int, is_secured: bool, is_in_range: bool, failure: JoinFailure
) -> None:
    assert failure_of(reason, furthest_state, is_secured=is_secured, is_in_range=is_in_range) is failure


@pytest.mark.parametrize(
    ("furthest_state", "failure"),
    [(NmDeviceState.CONFIG, JoinFailure.LOST), (NmDeviceState.IP_CONFIG, JoinFailure.NO_ADDRESS)],
)
def test_failure_at_timeout_depends_on_the_furthest_state(furthest_state: int, failure: JoinFailure) -> None:
    assert failure_at_timeout(furthest_state) is failure


@pytest.mark.parametrize(
    ("active_reason", "reason"),
    [
        (NmActiveConnectionStateReason.NO_SECRETS, NmDeviceStateReason.NO_SECRETS),
        (3, NmDeviceStateReason.UNKNOWN),
        (99, NmDeviceStateReason.UNKNOWN),
    ],
)
def test_active_connection_reason_corresponds_to_device_reason(active_reason: int, reason: int) -> None:
    assert device_reason(active_reason) == reason


def test_reason_without_a_name_is_shown_as_a_number() -> None:
    assert (reason_name(7), reason_name(999)) == ("NO_SECRETS", "reason 999")
