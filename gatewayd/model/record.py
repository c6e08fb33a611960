"""The records of §12: what the cloud and the phones see of each device.

The vendor's spellings (`swtich_id`, `illegalunlcok`) are names on the wire alone, written and read by `record_wire`.
§12 shows gateway, lock, camera and switch; the other categories follow their pattern.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType, field

from gatewayd.model.ids import Category, Uuid

Extra = dict[str, Any]
"""Keys of the wire that are nobody's here, kept as they came (JSON values)."""


SECRET_FIELDS: Final = frozenset({"pass_", "access_pass", "admin_pass", "wifi_pass", "temp_pass"})


class _Struct(msgspec.Struct, frozen=True, kw_only=True):
    """A struct whose repr shows no secret: what has a value in a secret field is shown as `***`."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if name in SECRET_FIELDS and value else repr(value)}"
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class ZigbeeParam(_Struct, frozen=True, kw_only=True, tag="zigbee"):
    """What `param` has for every Zigbee device (§12.2 to §12.4, first lines)."""

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


class GatewayParam(_Struct, frozen=True, kw_only=True, tag="gw"):
    """§12.1."""

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
    """§12.2. `operate`: 0 locked, 1 unlocked, 2 held open."""

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


class CameraParam(_Struct, frozen=True, kw_only=True, tag="camera"):
    """§12.3. A camera is not on this gateway's radio; its record is mirrored and given back."""

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
    """§12.4 `channel`: one gang of a switch, one outlet of a socket. `value`: 0 off, 100 on."""

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
    """§12.4. `operate`: 0 off, 1 on, 2 toggle; `operate_channel_id` 0 is all channels."""

    operate_channel_id: int = 0
    channel: tuple[Channel, ...] = ()


class SocketParam(SwitchParam, frozen=True, kw_only=True, tag="socket"):
    """A socket: a switch's channels and what its meter says."""

    voltage: float | None = None  # volts
    current: float | None = None  # amperes
    power: float | None = None  # watts
    energy: float | None = None  # kilowatt hours since it was made


class CurtainParam(ZigbeeParam, frozen=True, kw_only=True, tag="curtain"):
    """A curtain. `operate`: 0 close, 1 open, 2 stop."""

    position: int | None = None  # per cent open: 0 closed, 100 open


class SensorParam(ZigbeeParam, frozen=True, kw_only=True, tag="sensor"):
    """A sensor; what it does not measure stays null."""

    temperature: float | None = None  # degrees Celsius
    humidity: float | None = None  # per cent
    illuminance: float | None = None  # lux
    occupancy: bool | None = None
    alarm: bool | None = None  # an IAS zone's: a door is open, something moves, there is smoke …
    tamper: bool | None = None
    low_battery: bool | None = None  # where it gives no per cent


# Each struct carries a tag (`type`, msgspec's default field), so that the store can keep it and read it back; the tag
# is no key of §12 and does not go out.
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


class Header(_Struct, frozen=True, kw_only=True):
    """What every record says before its `param`. Times are the API's text, in the gateway's zone."""

    uuid: Uuid
    category: Category
    type_sub: str = ""
    title: str = ""
    id: int | None = None  # the cloud's; null until it has taken the record
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
    """One device as §12 shows it, and how the cloud's copy stands to it, which is no key of §12."""

    param: Param
    extra: Extra = field(default_factory=dict)
    param_extra: Extra = field(default_factory=dict)
    unlinked: bool = False  # the cloud had it and has it no longer; the radio still has the device
    edited: tuple[
        str, ...
    ] = ()  # what the household changed here and the cloud has not taken: "title", "param.room_id"
