"""What zigpy and bellows raise, translated at this room's door."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bellows.ash import AshException
from bellows.exception import ControllerError, EzspError
from zigpy.exceptions import DeliveryError, ZigbeeException

from gatewayd.model.errors import DeviceUnreachableError, GatewayError, RadioUnavailableError
from gatewayd.model.ids import Uuid

_NETWORK_IS_DOWN: Final = "NETWORK_DOWN"


@contextmanager
def translated(uuid: Uuid, tried: str) -> Iterator[None]:
    """Raises RadioUnavailableError where the coordinator is away, DeviceUnreachableError where the device is."""
    try:
        yield
    except GatewayError:
        raise
    except (EzspError, ControllerError, AshException, ConnectionError) as error:
        raise RadioUnavailableError(f"{tried} {uuid}: the radio is away ({error!r})") from error
    except DeliveryError as error:
        if _NETWORK_IS_DOWN in repr(error.status):
            raise RadioUnavailableError(f"{tried} {uuid}: the network is down") from error
        raise DeviceUnreachableError(f"{tried} {uuid}: not delivered ({error})") from error
    except (TimeoutError, ZigbeeException) as error:
        raise DeviceUnreachableError(f"{tried} {uuid}: no answer ({error!r})") from error
