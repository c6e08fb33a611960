"""NetworkManager's reasons, as failures of a join."""

import pytest

from gatewayd.model.wifi import JoinFailure
from gatewayd.provisioning.networkmanager.failure_reasons import Reason, device_reason, failure_at, failure_of, name_of
from gatewayd.provisioning.networkmanager.objects import NmDeviceState


@pytest.mark.parametrize(
    ("reason", "stage", "is_secured", "was_heard", "failure"),
    [
        (Reason.NO_SECRETS, NmDeviceState.NEED_AUTH, True, True, JoinFailure.WRONG_PASSPHRASE),
        (Reason.SUPPLICANT_DISCONNECT, NmDeviceState.CONFIG, True, True, JoinFailure.WRONG_PASSPHRASE),
        (Reason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, True, True, JoinFailure.WRONG_PASSPHRASE),
        (Reason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, True, False, JoinFailure.NOT_FOUND),
        (Reason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, False, True, JoinFailure.LOST),
        (Reason.SUPPLICANT_TIMEOUT, NmDeviceState.CONFIG, False, False, JoinFailure.NOT_FOUND),
        (Reason.SUPPLICANT_DISCONNECT, NmDeviceState.IP_CONFIG, True, True, JoinFailure.LOST),
        (Reason.IP_CONFIG_UNAVAILABLE, NmDeviceState.IP_CONFIG, True, True, JoinFailure.NO_ADDRESS),
        (Reason.DHCP_FAILED, NmDeviceState.IP_CONFIG, False, True, JoinFailure.NO_ADDRESS),
        (Reason.SSID_NOT_FOUND, NmDeviceState.CONFIG, True, False, JoinFailure.NOT_FOUND),
        (Reason.SSID_NOT_FOUND, NmDeviceState.CONFIG, True, True, JoinFailure.LOST),
        (Reason.CARRIER, NmDeviceState.IP_CONFIG, True, True, JoinFailure.LOST),
        (Reason.REMOVED, NmDeviceState.CONFIG, True, True, JoinFailure.UNAVAILABLE),
        (Reason.SUPPLICANT_FAILED, NmDeviceState.CONFIG, True, True, JoinFailure.UNAVAILABLE),
        (Reason.USER_REQUESTED, NmDeviceState.IP_CONFIG, True, True, JoinFailure.UNAVAILABLE),
        (Reason.UNKNOWN, NmDeviceState.CONFIG, True, True, JoinFailure.LOST),
        (999, NmDeviceState.CONFIG, True, True, JoinFailure.LOST),
    ],
)
def test_a_reason_becomes_a_failure(
    reason: int, stage: int, is_secured: bool, was_heard: bool, failure: JoinFailure
) -> None:
    assert failure_of(reason, stage, is_secured=is_secured, was_heard=was_heard) is failure


@pytest.mark.parametrize(("stage", "failure"), [(50, JoinFailure.LOST), (70, JoinFailure.NO_ADDRESS)])
def test_when_time_is_up_the_stage_says_why(stage: int, failure: JoinFailure) -> None:
    assert failure_at(stage) is failure


@pytest.mark.parametrize(("active", "device"), [(9, Reason.NO_SECRETS), (3, Reason.UNKNOWN), (99, Reason.UNKNOWN)])
def test_an_active_connections_reason_amounts_to_a_devices(active: int, device: Reason) -> None:
    assert device_reason(active) == device


def test_a_reason_without_a_name_is_shown_as_its_number() -> None:
    assert (name_of(7), name_of(999)) == ("NO_SECRETS", "reason 999")
