"""A Zigbee coordinator and its devices, simulated down to the wire: ASH and EZSP 13 over TCP or a pty."""

from gatewayd.simulator.radio.device import Attribute, Cluster, Description, Device, Endpoint, Executed, Reply
from gatewayd.simulator.radio.faults import Faults
from gatewayd.simulator.radio.house import House, JoiningNotPermittedError
from gatewayd.simulator.radio.kinds.switch import Switch, switch

__all__ = [
    "Attribute",
    "Cluster",
    "Description",
    "Device",
    "Endpoint",
    "Executed",
    "Faults",
    "House",
    "JoiningNotPermittedError",
    "Reply",
    "Switch",
    "switch",
]
