"""The tree of errors. Each says what was tried, on what, and what the user can do; `status` is what a phone is told."""

from gatewayd.model.status import OperationStatus


class GatewayError(Exception):
    """Anything that gatewayd itself refuses or could not do.

    `status` is the §9 meaning that a requester is answered when this error ends his request.
    """

    status: OperationStatus = OperationStatus.FAILED


class ConfigError(GatewayError):
    """The configuration cannot be used. `faults` holds every fault at once: key, what was found, what is allowed."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class RadioUnavailableError(GatewayError):
    """The coordinator is away or its network is down; it is being brought back."""

    status = OperationStatus.ZIGBEE_NETWORK_ERROR


class DeviceUnreachableError(GatewayError):
    """A device did not answer in time, or the network could not deliver to it."""

    status = OperationStatus.NODE_NOT_RESPONDING


class UnknownDeviceError(GatewayError):
    """No device of that uuid is hosted here."""

    status = OperationStatus.NO_SUCH_INFORMATION


class RefusedError(GatewayError):
    """A request that is understood and refused; carries the §9 meaning that fits."""

    def __init__(self, message: str, status: OperationStatus) -> None:
        super().__init__(message)
        self.status = status


class MalformedError(GatewayError):
    """Input that cannot be read. The message names the place and the reason."""

    status = OperationStatus.BAD_PARAMETERS


class StoreError(GatewayError):
    """The database refused: full disk, damaged file, lock."""

    status = OperationStatus.LOCAL_STORAGE_ERROR


class CloudError(GatewayError):
    """The cloud could not be reached or refused."""

    status = OperationStatus.CLOUD_ADD_FAILED


class NotIdentifiedError(CloudError):
    """The gateway's uuid is not known yet, and the parts that talk to the cloud start only then."""

    def __init__(self) -> None:
        super().__init__("the radio has not reported the gateway's uuid yet; the cloud's parts start after that")
