"""A door contact on a battery (IAS Zone): it tells its controller, once that has enrolled it."""

import struct

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import BATTERY, basic, identify
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import ENUM8, ENUM16, IEEE, MAP16, SUCCESS, U8, Value, fields, notification

ZONE, ZONE_STATE, ZONE_STATUS, CONTROLLER, ZONE_ID = 0x0500, 0x0000, 0x0002, 0x0010, 0x0011
_STATUS_CHANGED, _ENROL = 0x00, 0x01
_CONTACT_SWITCH, _IAS_ZONE = 0x0015, 0x0402
_ALARM, _TAMPER, _BATTERY_LOW = 0x0001, 0x0004, 0x0008
_NO_CONTROLLER = 0


class Contact(Device):
    @property
    def is_enrolled(self) -> bool:
        return bool(self.number(1, ZONE, ZONE_STATE))

    def open(self, is_open: bool = True) -> None:
        """Somebody opens the door, or shuts it."""
        self._become(_ALARM, is_open)

    def lift_cover(self, lifted: bool = True) -> None:
        self._become(_TAMPER, lifted)

    def run_low(self, low: bool = True) -> None:
        self._become(_BATTERY_LOW, low)

    def ask_to_be_enrolled(self) -> None:
        """As after a change of its battery."""
        self.values[1, ZONE, ZONE_STATE] = 0
        self._say(_ENROL, struct.pack("<HH", _CONTACT_SWITCH, self.manufacturer_code))

    def put(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        super().put(endpoint, cluster, attribute, value)
        if (cluster, attribute) == (ZONE, CONTROLLER):
            self.ask_to_be_enrolled()

    def forget_network(self) -> None:
        super().forget_network()
        self.values[1, ZONE, ZONE_STATE] = 0
        self.values[1, ZONE, CONTROLLER] = _NO_CONTROLLER

    def _become(self, bit: int, is_set: bool) -> None:
        key: AttributeKey = (1, ZONE, ZONE_STATUS)
        status = self.number(*key) & ~bit | (bit if is_set else 0)
        self.values[key] = status
        if self.is_enrolled:
            self._say(_STATUS_CHANGED, struct.pack("<HBBH", status, 0, self.number(1, ZONE, ZONE_ID), 0))

    def _say(self, command: int, payload: bytes) -> None:
        self.send(1, ZONE, notification(self.next_sequence(), command, payload))


def _enrolled(device: Contact, endpoint: int, payload: bytes) -> int:
    code, zone = fields("BB", payload)
    device.values[1, ZONE, ZONE_STATE] = int(code == SUCCESS and device.number(1, ZONE, CONTROLLER) != _NO_CONTROLLER)
    device.values[1, ZONE, ZONE_ID] = zone
    return SUCCESS


def contact(ieee: str, poll_interval_s: float = 5.0) -> Description[Contact]:
    zone = Cluster(
        ZONE,
        (
            Attribute(ZONE_STATE, ENUM8, 0),
            Attribute(0x0001, ENUM16, _CONTACT_SWITCH),
            Attribute(ZONE_STATUS, MAP16, 0),
            Attribute(CONTROLLER, IEEE, _NO_CONTROLLER, writable=True),
            Attribute(ZONE_ID, U8, 0xFF),
        ),
        {0x00: _enrolled},
    )
    return Description(
        ieee, (SimulatedEndpoint(1, _IAS_ZONE, (basic("DC1", BATTERY), identify(), zone)),), Contact, poll_interval_s
    )
