"""The radios: one module per radio library that zigpy drives, chosen by `radio.driver` of the configuration.

A radio module offers what `base.RadioModule` declares: `create_application`, which builds a zigpy application derived
from `base.RadioApplication`, and `COORDINATOR_ERRORS`, what its library raises while the coordinator cannot be used.
To add one, write the module, and name it in `RADIOS` and in `config.RadioSettings.driver`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.errors import ConfigError
from gatewayd.zigbee.radios import ezsp
from gatewayd.zigbee.radios.base import RadioModule

RADIOS: Final[Mapping[str, RadioModule]] = MappingProxyType(
    {
        "ezsp": ezsp,
        "simulated": ezsp,  # the demo's coordinator speaks EZSP
    }
)


def radio_module(driver: str) -> RadioModule:
    """The module of `radio.driver`. Raises ConfigError for one that there is not."""
    if (module := RADIOS.get(driver)) is None:
        raise ConfigError((f"radio.driver: found {driver!r}; allowed: {', '.join(RADIOS)}",))
    return module
