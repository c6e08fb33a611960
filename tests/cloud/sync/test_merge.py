"""A record is merged field by field from the field's owner; edited fields stay until the cloud has stored them."""

from typing import Any

import pytest
from msgspec.structs import replace

from gatewayd.cloud.sync.merge import is_cloud_outdated, merge
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import Channel, LockParam, Record, SwitchParam
from gatewayd.model.record_wire import from_wire, to_wire

LOCK = Record(
    uuid=Uuid("00158d0003b00001"),
    category=Category.LOCK,
    type_sub="AA02SL-HE",
    title="门",
    id=7,
    ver="1.0",
    param=LockParam(battery=80, operate=0, room_id=3, low_power_limit=15, zgb_ver="v2"),
)
SWITCH = Record(
    uuid=Uuid("00158d0002a00001"),
    category=Category.SWITCH,
    title="灯",
    id=8,
    param=SwitchParam(channel=(Channel(id=1, value=100, title="左"), Channel(id=2, value=0))),
)


def merge_json(local: Record, wire: dict[str, Any]) -> Record:
    wire = {"uuid": local.uuid, "category": str(local.category), **wire}
    return merge(local, from_wire(wire), wire)


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"title": "大门"}, "title", "大门"),
        ({"title": None}, "title", "门"),  # a title cannot be null: ignored
        ({"icon": "5001"}, "icon", "5001"),
        ({"perm": 7, "user_id": 9}, "perm", 7),
        ({"id": 70}, "id", 70),
        ({"ver": "9.9"}, "ver", "1.0"),  # owned by the radio
        ({"type": "XX"}, "type_sub", "AA02SL-HE"),
    ],
)
def test_header_field_is_merged_from_its_owner(wire: dict[str, Any], field: str, value: object) -> None:
    assert getattr(merge_json(LOCK, wire), field) == value


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"room_id": 6}, "room_id", 6),
        ({"room_id": None}, "room_id", None),
        ({}, "room_id", 3),  # missing: unchanged
        ({"lowpower_limit": 25}, "low_power_limit", 25),
        ({"lowpower_limit": None}, "low_power_limit", 15),
        ({"hijack_contact_phone": "110"}, "hijack_contact_phone", "110"),
        ({"battery": 5}, "battery", 80),
        ({"operate": 1}, "operate", 0),
        ({"zgb_ver": "v9"}, "zgb_ver", "v2"),
    ],
)
def test_param_field_is_merged_from_its_owner(wire: dict[str, Any], field: str, value: object) -> None:
    assert getattr(merge_json(LOCK, {"param": wire}).param, field) == value


def test_channel_takes_its_title_from_the_cloud_and_its_value_from_the_radio() -> None:
    wire = {"channel": [{"id": 1, "value": 0, "title": "吊灯"}, {"id": 2, "unknown": 5}, {"id": 9, "title": "?"}]}
    param = merge_json(SWITCH, {"param": wire}).param
    assert isinstance(param, SwitchParam)
    assert [(one.id, one.value, one.title) for one in param.channel] == [(1, 100, "吊灯"), (2, 0, None)]
    assert param.channel[1].extra == {"unknown": 5}


def test_edited_fields_stay_and_all_others_are_merged() -> None:
    local = replace(LOCK, edited=("param.room_id", "title"))
    after = merge_json(local, {"title": "B", "icon": "5", "param": {"room_id": 9, "floor_id": 2}})
    assert (after.title, after.icon) == ("门", "5")
    assert isinstance(after.param, LockParam)
    assert (after.param.room_id, after.param.floor_id) == (3, 2)
    assert after.edited == local.edited


def test_unknown_keys_are_kept_and_the_device_is_linked() -> None:
    after = merge_json(replace(LOCK, unlinked=True, id=None), {"id": 9, "colour": "red", "param": {"mood": 1}})
    assert (after.id, after.unlinked, after.extra, after.param_extra) == (9, False, {"colour": "red"}, {"mood": 1})


def test_other_category_in_the_cloud_still_merges_the_header() -> None:
    wire = {"uuid": LOCK.uuid, "category": "switch", "title": "B", "param": {"room_id": 9}}
    after = merge(LOCK, from_wire(wire), wire)
    assert (after.title, after.category, after.param) == ("B", Category.LOCK, LOCK.param)


@pytest.mark.parametrize(
    ("wire", "is_outdated"),
    [
        ({}, False),
        ({"ver": "1.0", "param": {"battery": 80}}, False),
        ({"param": {"battery": 79}}, True),
        ({"ver": "0.9"}, True),
        ({"title": "B", "param": {"room_id": 9, "id": 1, "info_id": 7}}, False),  # not owned by the radio
        ({"param": {"unknown": 1}}, False),
    ],
)
def test_cloud_is_outdated_when_a_radio_field_differs(wire: dict[str, Any], is_outdated: bool) -> None:
    assert is_cloud_outdated(LOCK, wire) is is_outdated


def test_cloud_is_outdated_when_a_channel_value_differs() -> None:
    assert is_cloud_outdated(SWITCH, {"param": {"channel": [{"id": 1, "value": 0}]}})
    assert not is_cloud_outdated(SWITCH, {"param": {"channel": [{"id": 1, "value": 100, "title": "别的"}, {"id": 2}]}})


@pytest.mark.parametrize("channel", [5, "x", {"id": 1}, [7, {"id": [1]}, {"id": {}}, {}]])
def test_channels_of_a_record_of_another_category_are_not_looked_at(channel: object) -> None:
    wire = {"uuid": SWITCH.uuid, "category": "sensor", "param": {"channel": channel}}
    merged = merge(SWITCH, from_wire(wire), wire)
    assert merged.param == SWITCH.param
    assert not is_cloud_outdated(merged, wire)


@pytest.mark.parametrize("channel", [5, [{}], [{"id": []}]])
def test_channels_of_a_lock_are_kept_as_they_are(channel: object) -> None:
    wire = {"uuid": LOCK.uuid, "category": "lock", "param": {"channel": channel}}
    merged = merge(LOCK, from_wire(wire), wire)
    assert to_wire(merged)["param"]["channel"] == channel
    assert not is_cloud_outdated(merged, wire)
