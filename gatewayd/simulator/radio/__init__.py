"""A Zigbee coordinator and its devices, simulated down to the wire: ASH and EZSP 13 over TCP or a pty."""

from gatewayd.simulator.radio.device import Description, Device, ExecutedCommand
from gatewayd.simulator.radio.devices.climate import ClimateSensor, climate_sensor
from gatewayd.simulator.radio.devices.contact import Contact, contact
from gatewayd.simulator.radio.devices.curtain import Curtain, curtain
from gatewayd.simulator.radio.devices.lock import Lock, lock
from gatewayd.simulator.radio.devices.socket import Socket, socket
from gatewayd.simulator.radio.devices.switch import Switch, switch
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, SimulatedEndpoint, ZclReply
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.simulated_network import JoiningNotPermittedError, SimulatedNetwork

__all__ = [
    "Attribute",
    "ClimateSensor",
    "Cluster",
    "Contact",
    "Curtain",
    "Description",
    "Device",
    "ExecutedCommand",
    "JoiningNotPermittedError",
    "Lock",
    "RadioFaults",
    "SimulatedEndpoint",
    "SimulatedNetwork",
    "Socket",
    "Switch",
    "ZclReply",
    "climate_sensor",
    "contact",
    "curtain",
    "lock",
    "socket",
    "switch",
]
