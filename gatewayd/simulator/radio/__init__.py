"""A Zigbee coordinator and its devices, simulated down to the wire: ASH and EZSP 13 over TCP or a pty."""

from gatewayd.simulator.radio.device import Attribute, Cluster, Description, Device, Endpoint, Executed, Reply
from gatewayd.simulator.radio.devices.climate import ClimateSensor, climate_sensor
from gatewayd.simulator.radio.devices.contact import Contact, contact
from gatewayd.simulator.radio.devices.curtain import Curtain, curtain
from gatewayd.simulator.radio.devices.lock import Lock, lock
from gatewayd.simulator.radio.devices.socket import Socket, socket
from gatewayd.simulator.radio.devices.switch import Switch, switch
from gatewayd.simulator.radio.faults import Faults
from gatewayd.simulator.radio.simulated_network import House, JoiningNotPermittedError

__all__ = [
    "Attribute",
    "ClimateSensor",
    "Cluster",
    "Contact",
    "Curtain",
    "Description",
    "Device",
    "Endpoint",
    "Executed",
    "Faults",
    "House",
    "JoiningNotPermittedError",
    "Lock",
    "Reply",
    "Socket",
    "Switch",
    "climate_sensor",
    "contact",
    "curtain",
    "lock",
    "socket",
    "switch",
]
