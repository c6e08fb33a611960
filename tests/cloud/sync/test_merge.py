"""Each field has one master, and nobody undoes what was changed here and not taken yet."""

from typing import Any

import pytest
from msgspec.structs import replace

from gatewayd.cloud.delivery.record import update_fields
from gatewayd.cloud.delivery.record_link import remaining_edits
from gatewayd.cloud.sync.merge import is_behind, merge
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import Channel, LockParam, Record, SwitchParam
from gatewayd.model.record_wire import from_wire

DOOR = Record(
    uuid=Uuid("00158d0003b00001"),
    category=Category.LOCK,
    type_sub="AA02SL-HE",
    title="门",
    id=7,
    ver="1.0",
    param=LockParam(battery=80, operate=0, room_id=3, low_power_limit=15, zgb_ver="v2"),
)
LAMP = Record(
    uuid=Uuid("00158d0002a00001"),
    category=Category.SWITCH,
    title="灯",
    id=8,
    param=SwitchParam(channel=(Channel(id=1, value=100, title="左"), Channel(id=2, value=0))),
)


def merged(mine: Record, wire: dict[str, Any]) -> Record:
    wire = {"uuid": mine.uuid, "category": str(mine.category), **wire}
    return merge(mine, from_wire(wire), wire)


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"title": "大门"}, "title", "大门"),
        ({"title": None}, "title", "门"),  # a title cannot be null: that says nothing
        ({"icon": "5001"}, "icon", "5001"),
        ({"perm": 7, "user_id": 9}, "perm", 7),
        ({"id": 70}, "id", 70),
        ({"ver": "9.9"}, "ver", "1.0"),  # the radio knows that
        ({"type": "XX"}, "type_sub", "AA02SL-HE"),
    ],
)
def test_who_says_what_of_the_header(wire: dict[str, Any], field: str, value: object) -> None:
    assert getattr(merged(DOOR, wire), field) == value


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"room_id": 6}, "room_id", 6),
        ({"room_id": None}, "room_id", None),
        ({}, "room_id", 3),  # what is not said stays
        ({"lowpower_limit": 25}, "low_power_limit", 25),
        ({"lowpower_limit": None}, "low_power_limit", 15),
        ({"hijack_contact_phone": "110"}, "hijack_contact_phone", "110"),
        ({"battery": 5}, "battery", 80),
        ({"operate": 1}, "operate", 0),
        ({"zgb_ver": "v9"}, "zgb_ver", "v2"),
    ],
)
def test_who_says_what_of_the_param(wire: dict[str, Any], field: str, value: object) -> None:
    assert getattr(merged(DOOR, {"param": wire}).param, field) == value


def test_a_channel_has_its_name_from_the_household_and_its_value_from_the_radio() -> None:
    wire = {"channel": [{"id": 1, "value": 0, "title": "吊灯"}, {"id": 2, "unknown": 5}, {"id": 9, "title": "?"}]}
    param = merged(LAMP, {"param": wire}).param
    assert isinstance(param, SwitchParam)
    assert [(one.id, one.value, one.title) for one in param.channel] == [(1, 100, "吊灯"), (2, 0, None)]
    assert param.channel[1].extra == {"unknown": 5}


def test_what_waits_here_is_not_undone_and_the_rest_is_taken() -> None:
    mine = replace(DOOR, edited=("param.room_id", "title"))
    after = merged(mine, {"title": "B", "icon": "5", "param": {"room_id": 9, "floor_id": 2}})
    assert (after.title, after.icon) == ("门", "5")
    assert isinstance(after.param, LockParam)
    assert (after.param.room_id, after.param.floor_id) == (3, 2)
    assert after.edited == mine.edited


def test_unknown_keys_are_kept_and_a_device_that_is_there_is_linked() -> None:
    after = merged(replace(DOOR, unlinked=True, id=None), {"id": 9, "colour": "red", "param": {"mood": 1}})
    assert (after.id, after.unlinked, after.extra, after.param_extra) == (9, False, {"colour": "red"}, {"mood": 1})


def test_a_category_that_is_another_there_costs_the_header_nothing() -> None:
    wire = {"uuid": DOOR.uuid, "category": "switch", "title": "B", "param": {"room_id": 9}}
    after = merge(DOOR, from_wire(wire), wire)
    assert (after.title, after.category, after.param) == ("B", Category.LOCK, DOOR.param)


@pytest.mark.parametrize(
    ("wire", "behind"),
    [
        ({}, False),
        ({"ver": "1.0", "param": {"battery": 80}}, False),
        ({"param": {"battery": 79}}, True),
        ({"ver": "0.9"}, True),
        ({"title": "B", "param": {"room_id": 9, "id": 1, "info_id": 7}}, False),  # not the radio's
        ({"param": {"nobody_knows": 1}}, False),
    ],
)
def test_when_the_cloud_is_behind(wire: dict[str, Any], behind: bool) -> None:
    assert is_behind(DOOR, wire) is behind


def test_the_cloud_is_behind_where_a_channel_is() -> None:
    assert is_behind(LAMP, {"param": {"channel": [{"id": 1, "value": 0}]}})
    assert not is_behind(LAMP, {"param": {"channel": [{"id": 1, "value": 100, "title": "别的"}, {"id": 2}]}})


def test_a_put_says_what_the_radio_knows_and_what_was_changed_here() -> None:
    said = update_fields(replace(DOOR, edited=("param.room_id",)))
    assert "title" not in said
    assert (said["param"]["room_id"], said["param"]["battery"]) == (3, 80)
    assert "lowpower_limit" not in said["param"]


def test_what_was_changed_again_while_it_was_sent_is_still_to_be_said() -> None:
    sent = replace(DOOR, edited=("param.room_id", "title"))
    now = replace(sent, title="又", edited=("icon", "param.room_id", "title"))
    assert remaining_edits(now, sent) == ("icon", "title")
