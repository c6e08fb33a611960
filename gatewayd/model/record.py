"""The records of §12: what the cloud and the phones see of each device.

The vendor's spellings (`swtich_id`, `illegalunlcok`) appear only on the wire; `record_wire` encodes and decodes them.
§12 shows gateway, lock, camera and switch; the other categories follow their pattern.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType, field

from gatewayd.model.ids import Category, Uuid

Extra = dict[str, Any]
"""Keys of a JSON object that no field here has, with their values as they were received."""

SECRET_FIELDS: Final = frozenset({"pass_", "access_pass", "admin_pass", "wifi_pass", "temp_pass"})
"""Fields that no repr shows and that the store encrypts."""


class _RedactedStruct(msgspec.Struct, frozen=True, kw_only=True):
    """A struct whose repr shows `***` for the value of a secret field, and leaves out what is None."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if name in SECRET_FIELDS and value else repr(value)}"
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class ZigbeeParam(_RedactedStruct, frozen=True, kw_only=True, tag="zigbee"):
    """The part of `param` that every Zigbee device has (§12.2 to §12.4, first lines)."""

    zgb_short: str | None = None  # network address, "FF:FF"
    zgb_ieee: str | None = None  # IEEE address, "FF:FF:FF:FF:FF:FF:FF:FF"
    zgb_ver: str | None = None  # the device's own firmware
    zgb_channel: str | None = None  # 802.15.4 channel, "11" to "26"
    zgb_status: str | None = None  # "1": on the network
    status: int = 0  # 1 online, 0 not
    ip: str | None = None
    lng: str | None = None
    devinfo: str | None = None
    battery: int | None = None  # per cent
    unit_id: int | None = None
    floor_id: int | None = None
    room_id: int | None = None
    operate: int | None = None  # the last operation, as in a control request


class GatewayParam(_RedactedStruct, frozen=True, kw_only=True, tag="gw"):
    """The `param` of the gateway (§12.1)."""

    id: int | None = None
    info_id: int | None = None
    zgb_short: str | None = None
    zgb_ieee: str | None = None
    zgb_ver: str | None = None
    zgb_channel: str | None = None
    zgb_status: str | None = None
    status_id: int | None = None
    ip: str | None = None
    lng: str | None = None
    devinfo: str | None = None
    room_id: int | None = None
    floor_id: int | None = None
    unit_id: int | None = None
    env_thsensor_id: int | None = None
    env_pmsensor_id: int | None = None
    is_local_env: bool = False
    shortcut_dev_id1: int | None = None
    shortcut_dev_id2: int | None = None
    shortcut_dev_id3: int | None = None
    shortcut_dev_id4: int | None = None
    ap_ssid: str | None = None
    access_ssid: str | None = None
    access_pass: str | None = None
    is_remind_devoff: bool = False
    remind_start_time: str | None = None
    remind_stop_time: str | None = None


class LockParam(ZigbeeParam, frozen=True, kw_only=True, tag="lock"):
    """The `param` of a lock (§12.2). `operate`: a `LockOperation`; it shows the lock's state."""

    user: str | None = None
    pass_: str | None = field(default=None, name="pass")
    appid: int | None = None
    key_id: int | None = field(default=None, name="keyid")
    key_type: int | None = field(default=None, name="keytype")
    user_type: int | None = field(default=None, name="usertype")
    no_open_count: int = 0
    no_close_count: int = 0
    temp_pass: str | None = None
    temp_duration: int = 0
    temp_phone: str | None = None
    temp_brief: str | None = None
    temp_time: str | None = None
    door_contact_id: int | None = None
    is_remind_status: int = 0
    no_open_remtime: str | int | None = None
    no_close_remtime: str | int | None = None
    low_power_limit: int = field(default=20, name="lowpower_limit")  # per cent
    pass_error_limit: int = 5
    is_push_operate: bool = True
    is_push_low_power: bool = field(default=True, name="is_push_lowpower")
    is_push_no_open: bool = field(default=True, name="is_push_noopen")
    is_push_pass_error: bool = field(default=True, name="is_push_passerr")
    is_push_hijack: bool = True
    is_push_illegal_unlock: bool = field(default=True, name="is_push_illegalunlcok")
    hijack_name: str | None = None
    hijack_contact: str | None = None
    hijack_contact_phone: str | None = None
    hijack_contact_addr: str | None = None
    illegal_unlock_alarm_phone1: str | None = field(default=None, name="illegalunlcok_alarm_phone1")
    illegal_unlock_alarm_contact1: str | None = field(default=None, name="illegalunlcok_alarm_contact1")
    illegal_unlock_alarm_phone2: str | None = field(default=None, name="illegalunlcok_alarm_phone2")
    illegal_unlock_alarm_contact2: str | None = field(default=None, name="illegalunlcok_alarm_contact2")


class CameraParam(_RedactedStruct, frozen=True, kw_only=True, tag="camera"):
    """The `param` of a camera (§12.3). No camera is on this gateway's radio; its record is only mirrored."""

    status: int = 0
    ip: str | None = None
    lng: str | None = None
    devinfo: str | None = None
    battery: int | None = None
    unit_id: int | None = None
    floor_id: int | None = None
    room_id: int | None = None
    operate: int | None = None
    user: str | None = None
    pass_: str | None = field(default=None, name="pass")
    admin_user: str | None = None
    admin_pass: str | None = None
    p2pid: str | None = None
    wifi_ssid: str | None = None
    wifi_pass: str | None = None
    wifi_channel: int | str | None = None
    wifi_status: int | str | None = None
    wifi_safety: int | str | None = None
    is_mirror: bool = False
    volume: int | None = None
    is_full_screen: bool = False
    dev_time: str | None = None
    time_zone: str | None = None
    is_auto_time: bool = True
    ntp_server: str | None = None
    sd_capacity: int | str | None = None
    sd_status: int | str | None = None
    record_cover: bool = False
    record_sound: bool = False
    record_timer: bool = False


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One gang of a switch or outlet of a socket (§12.4 `channel`). `value`: 0 off, 100 on."""

    id: int  # 1 … n
    switch_id: int | None = field(default=None, name="swtich_id")
    icon: str | None = None
    title: str | None = None
    unit_id: int | None = None
    floor_id: int | None = None
    room_id: int | None = None
    status: int = 0
    value: int | None = None
    onclick_bind_id: int | None = None
    onclick_bind_value: int | None = None
    doubleclick_bind_id: int | None = None
    doubleclick_bind_value: int | None = None
    current_power: float | None = None  # watts
    rated_power: float | None = None  # watts
    no_open_count: int = 0
    no_close_count: int = 0
    countdown_state: int = 0
    countdown: int = 0
    countdown_value: int = 0
    extra: Extra = field(default_factory=dict)


class SwitchParam(ZigbeeParam, frozen=True, kw_only=True, tag="switch"):
    """The `param` of a switch (§12.4). `operate`: a `SwitchOperation`; `operate_channel_id` 0 is all channels."""

    operate_channel_id: int = 0
    channel: tuple[Channel, ...] = ()


class SocketParam(SwitchParam, frozen=True, kw_only=True, tag="socket"):
    """The `param` of a socket: a switch's channels and the readings of its meter."""

    voltage: float | None = None  # volts
    current: float | None = None  # amperes
    power: float | None = None  # watts
    energy: float | None = None  # kilowatt hours since manufacture


class CurtainParam(ZigbeeParam, frozen=True, kw_only=True, tag="curtain"):
    """The `param` of a curtain. `operate`: a `CurtainOperation`."""

    position: int | None = None  # per cent open: 0 closed, 100 open


class SensorParam(ZigbeeParam, frozen=True, kw_only=True, tag="sensor"):
    """The `param` of a sensor; what it does not measure is null."""

    temperature: float | None = None  # degrees Celsius
    humidity: float | None = None  # per cent
    illuminance: float | None = None  # lux
    occupancy: bool | None = None
    alarm: bool | None = None  # of an IAS zone: door open, motion, smoke …
    tamper: bool | None = None
    low_battery: bool | None = None  # of a sensor that reports no percentage


# Each struct has a tag (`type`, msgspec's default field), so that the store can decode it again; the tag is no key of
# §12 and `record_wire` leaves it out.
Param = GatewayParam | LockParam | CameraParam | SwitchParam | SocketParam | CurtainParam | SensorParam | ZigbeeParam

PARAM_OF: Final[Mapping[Category, type[Param]]] = MappingProxyType(
    {
        Category.GATEWAY: GatewayParam,
        Category.LOCK: LockParam,
        Category.CAMERA: CameraParam,
        Category.SWITCH: SwitchParam,
        Category.SOCKET: SocketParam,
        Category.CURTAIN: CurtainParam,
        Category.SENSOR: SensorParam,
        Category.PANEL: ZigbeeParam,
        Category.UNKNOWN: ZigbeeParam,
    }
)


class Header(_RedactedStruct, frozen=True, kw_only=True):
    """The keys of every record beside `param`. Times are the API's text, in the gateway's zone."""

    uuid: Uuid
    category: Category
    type_sub: str = ""
    title: str = ""
    id: int | None = None  # the cloud's; null until the cloud has created the record
    user_id: int | None = None
    create_time: str | None = None
    update_time: str | None = None
    cluster: str | UnsetType | None = UNSET
    ver: str | None = None
    icon: str | None = None
    body: str | None = None
    perm: int | None = None
    authorization_id: int | UnsetType | None = UNSET


class Record(Header, frozen=True, kw_only=True):
    """One device as §12 shows it.

    `unlinked` and `edited` are not keys of §12; they say how the cloud's copy of the record differs. `unlinked`: the
    cloud had a record of the device and deleted it; the device is still on the radio. `edited`: the fields, such as
    "title" and "param.room_id", that the household changed here and the cloud has not stored yet.
    """

    param: Param
    extra: Extra = field(default_factory=dict)
    param_extra: Extra = field(default_factory=dict)
    unlinked: bool = False
    edited: tuple[str, ...] = ()
