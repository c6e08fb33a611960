"""The errors of gatewayd, one tree rooted in `GatewayError`.

A message says what was tried, on what, and what the user can do. `status` is the §9 status that answers a request which
ends with this error.
"""

from gatewayd.model.status import OperationStatus


class GatewayError(Exception):
    """Anything that gatewayd refuses or could not do."""

    status: OperationStatus = OperationStatus.FAILED


class ConfigError(GatewayError):
    """The configuration cannot be used. `faults` lists every fault: the key, what was found, what is allowed."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class RadioUnavailableError(GatewayError):
    """The coordinator is away or its network is down; the radio supervisor is restarting it."""

    status = OperationStatus.ZIGBEE_NETWORK_ERROR


class DeviceUnreachableError(GatewayError):
    """A device did not answer in time, or the network could not deliver to it."""

    status = OperationStatus.NODE_NOT_RESPONDING


class DeviceOfflineError(DeviceUnreachableError):
    """A device of the gateway's is away: not on the network now, not interviewed since, or silent for long."""

    status = OperationStatus.OFFLINE


class UnknownDeviceError(GatewayError):
    """No device of that uuid is on this gateway."""

    status = OperationStatus.NO_SUCH_INFORMATION


class RefusedError(GatewayError):
    """A valid request that is refused, with the §9 status that says why."""

    def __init__(self, message: str, status: OperationStatus) -> None:
        super().__init__(message)
        self.status = status


class MalformedError(GatewayError):
    """Input that cannot be decoded. The message names the place in the input and the reason."""

    status = OperationStatus.BAD_PARAMETERS


class StoreError(GatewayError):
    """The database refused: the disk is full, the file damaged or locked."""

    status = OperationStatus.LOCAL_STORAGE_ERROR


class CloudError(GatewayError):
    """The cloud could not be reached, or refused a call."""

    status = OperationStatus.CLOUD_ADD_FAILED


class NotIdentifiedError(CloudError):
    """The gateway's uuid is not known yet; the parts that talk to the cloud start only then."""

    def __init__(self) -> None:
        super().__init__("the radio has not reported the gateway's uuid yet; the cloud's parts start after that")
