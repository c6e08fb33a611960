"""Translates what zigpy and the radio libraries raise into the gateway's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zigpy.exceptions import DeliveryError, ZigbeeException

from gatewayd.model.errors import DeviceUnreachableError, GatewayError, RadioUnavailableError
from gatewayd.zigbee.radios import RADIOS

_COORDINATOR_ERRORS: Final[tuple[type[Exception], ...]] = (
    ConnectionError,
    *(error for module in RADIOS.values() for error in module.COORDINATOR_ERRORS),
)
_NETWORK_DOWN: Final = "NETWORK_DOWN"
"""How the status of a DeliveryError ends where the coordinator's network is down."""


@contextmanager
def translate_errors(tried: str) -> Iterator[None]:
    """Raises RadioUnavailableError where the coordinator cannot be used, DeviceUnreachableError where the device did
    not answer. `tried` begins the message: "reading 00158d0002a00001".
    """
    try:
        yield
    except GatewayError:
        raise
    except _COORDINATOR_ERRORS as error:
        raise RadioUnavailableError(f"{tried}: the radio is away ({error!r})") from error
    except DeliveryError as error:
        if _NETWORK_DOWN in repr(error.status):
            raise RadioUnavailableError(f"{tried}: the network is down") from error
        raise DeviceUnreachableError(f"{tried}: not delivered ({error})") from error
    except (TimeoutError, ZigbeeException) as error:
        raise DeviceUnreachableError(f"{tried}: no answer ({error!r})") from error
