"""A door contact on a battery (IAS Zone, ZCL 8.2): it notifies its controller (CIE) once that has enrolled it."""

import struct

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import PowerSource, basic, identify
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import ENUM8, ENUM16, EUI64, MAP16, UINT8, Value, ZclStatus, fields, server_command

IAS_ZONE = 0x0500
ZONE_STATE, ZONE_TYPE, ZONE_STATUS, CIE_ADDRESS, ZONE_ID = 0x0000, 0x0001, 0x0002, 0x0010, 0x0011

_ENROLL_RESPONSE = 0x00
_STATUS_CHANGE_NOTIFICATION, _ENROLL_REQUEST = 0x00, 0x01
_NOT_ENROLLED = 0
_CONTACT_SWITCH = 0x0015
_ALARM_1, _TAMPER, _BATTERY = 0x0001, 0x0004, 0x0008
_NO_CIE = 0
_NO_ZONE_ID = 0xFF
_IAS_ZONE_DEVICE = 0x0402


class Contact(Device):
    @property
    def is_enrolled(self) -> bool:
        return bool(self.int_value(1, IAS_ZONE, ZONE_STATE))

    def open(self, is_open: bool = True) -> None:
        """The door is opened, or closed."""
        self._set_status_bit(_ALARM_1, is_open)

    def lift_cover(self, lifted: bool = True) -> None:
        """The sensor's cover is taken off, or put back."""
        self._set_status_bit(_TAMPER, lifted)

    def run_low(self, low: bool = True) -> None:
        """The battery is low, or has been changed."""
        self._set_status_bit(_BATTERY, low)

    def request_enrollment(self) -> None:
        """Send Zone Enroll Request, as after a change of the battery."""
        self.values[1, IAS_ZONE, ZONE_STATE] = _NOT_ENROLLED
        self._send_command(_ENROLL_REQUEST, struct.pack("<HH", _CONTACT_SWITCH, self.manufacturer_code))

    def set_attribute(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        super().set_attribute(endpoint, cluster, attribute, value)
        if (cluster, attribute) == (IAS_ZONE, CIE_ADDRESS):
            self.request_enrollment()

    def forget_network(self) -> None:
        super().forget_network()
        self.values[1, IAS_ZONE, ZONE_STATE] = _NOT_ENROLLED
        self.values[1, IAS_ZONE, CIE_ADDRESS] = _NO_CIE

    def _set_status_bit(self, bit: int, is_set: bool) -> None:
        key: AttributeKey = (1, IAS_ZONE, ZONE_STATUS)
        status = self.int_value(*key) & ~bit | (bit if is_set else 0)
        self.values[key] = status
        if self.is_enrolled:
            extended_status, delay = 0, 0
            zone_id = self.int_value(1, IAS_ZONE, ZONE_ID)
            payload = struct.pack("<HBBH", status, extended_status, zone_id, delay)
            self._send_command(_STATUS_CHANGE_NOTIFICATION, payload)

    def _send_command(self, command: int, payload: bytes) -> None:
        self.send(1, IAS_ZONE, server_command(self.next_sequence(), command, payload))


def _take_enroll_response(device: Contact, endpoint: int, payload: bytes) -> int:
    code, zone_id = fields("BB", payload)
    has_cie = device.int_value(1, IAS_ZONE, CIE_ADDRESS) != _NO_CIE
    device.values[1, IAS_ZONE, ZONE_STATE] = int(code == ZclStatus.SUCCESS and has_cie)
    device.values[1, IAS_ZONE, ZONE_ID] = zone_id
    return ZclStatus.SUCCESS


def contact(ieee: str, poll_interval_s: float = 5.0) -> Description[Contact]:
    zone = Cluster(
        IAS_ZONE,
        (
            Attribute(ZONE_STATE, ENUM8, _NOT_ENROLLED),
            Attribute(ZONE_TYPE, ENUM16, _CONTACT_SWITCH),
            Attribute(ZONE_STATUS, MAP16, 0),
            Attribute(CIE_ADDRESS, EUI64, _NO_CIE, writable=True),
            Attribute(ZONE_ID, UINT8, _NO_ZONE_ID),
        ),
        {_ENROLL_RESPONSE: _take_enroll_response},
    )
    clusters = (basic("DC1", PowerSource.BATTERY), identify(), zone)
    return Description(ieee, (SimulatedEndpoint(1, _IAS_ZONE_DEVICE, clusters),), Contact, poll_interval_s)
