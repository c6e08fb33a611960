"""IEEE addresses as the gateway writes them (16 lower-case hex digits) and as zigpy does."""

from zigpy.types import EUI64

from gatewayd.model.ids import Uuid


def uuid_of(ieee: EUI64) -> Uuid:
    """The uuid of the device with this address."""
    return Uuid(str(ieee).replace(":", ""))


def ieee_of(uuid: Uuid) -> EUI64:
    """The address of the device with this uuid."""
    return EUI64.convert(":".join(uuid[place : place + 2] for place in range(0, 16, 2)))
