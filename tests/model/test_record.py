"""Records of §12 are decoded and encoded without loss, and change by pure functions."""

from typing import Any

import msgspec
import pytest

from gatewayd.model.change import Change, apply
from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import Channel, LockParam, Record, SwitchParam
from gatewayd.model.record_wire import from_wire, to_wire

SWITCH: dict[str, Any] = {
    "id": 4,
    "user_id": 2,
    "category": "switch",
    "type": "AA03SW3K-HN-15A",
    "cluster": "1001",
    "uuid": "00158d0002a00001",
    "title": "智能开关",
    "param": {
        "status": 1,
        "operate_channel_id": 0,
        "channel": [{"id": 1, "swtich_id": 4, "title": "客厅灯", "value": 0, "未来": True}],
        "unknown": {"kept": [1, None]},
    },
    "new_key": "新",
}


def test_decoded_record_is_encoded_again_with_its_unknown_keys() -> None:
    wire = to_wire(from_wire(SWITCH))
    assert wire | SWITCH | {"param": wire["param"]} == wire
    assert wire["param"]["unknown"] == {"kept": [1, None]}
    assert wire["param"]["channel"][0]["swtich_id"] == 4
    assert wire["param"]["channel"][0]["未来"] is True
    assert wire["new_key"] == "新"
    assert to_wire(from_wire(wire)) == wire


@pytest.mark.parametrize(("category", "key"), [("gw", "type_sub"), ("lock", "type")])
def test_type_is_encoded_as_type_sub_only_for_a_gateway(category: str, key: str) -> None:
    for spelling in ("type", "type_sub"):
        wire = to_wire(from_wire({"uuid": "00158d0000d04700", "category": category, spelling: "AA01"}))
        assert wire[key] == "AA01"
        assert ({"type", "type_sub"} - {key}).isdisjoint(wire)


def test_unknown_category_is_encoded_as_it_was_received() -> None:
    record = from_wire({"uuid": "0" * 16, "category": "infrared", "type": "IR1", "param": {"x": 1}})
    assert record.category is Category.UNKNOWN
    assert to_wire(record)["category"] == "infrared"


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ({"param": {"battery": "full"}}, "$.battery"),
        ({"title": 7}, "$.title"),
        ({"category": ["lock"]}, "$.category"),
        ({"param": []}, "param"),
        ({"param": {"channel": [{"id": "one"}]}}, "$.channel[0].id"),
        ({"param": {"channel": [3]}}, "param"),
        ({"uuid": None}, "uuid"),
    ],
)
def test_malformed_record_is_refused_with_the_place(fault: dict[str, Any], place: str) -> None:
    with pytest.raises(MalformedError) as refused:
        from_wire(SWITCH | fault)
    assert place in str(refused.value)


def test_change_without_effect_returns_the_same_record() -> None:
    record = Record(
        uuid=Uuid("00158d0002a00001"),
        category=Category.SWITCH,
        param=SwitchParam(battery=7, channel=(Channel(id=1, value=0), Channel(id=2, value=0))),
    )
    assert apply(record, (Change("battery", 7), Change("value", 0, channel=2))) is record
    changed = apply(record, (Change("value", 100, channel=2),)).param
    assert isinstance(changed, SwitchParam)
    assert [channel.value for channel in changed.channel] == [0, 100]


def test_repr_shows_no_secret() -> None:
    shown = repr(LockParam(pass_="123456", temp_pass="654321"))
    assert "123456" not in shown
    assert "654321" not in shown


def test_record_is_encoded_for_the_store_and_decoded_again() -> None:
    record = from_wire(SWITCH)
    assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record


def test_correct_spellings_are_decoded_and_the_vendors_are_encoded() -> None:
    lock = {"uuid": "0" * 16, "category": "lock", "perm": "7", "param": {"is_push_illegalunlock": False}}
    wire = to_wire(from_wire(lock))
    assert (wire["perm"], wire["param"]["is_push_illegalunlcok"]) == (7, False)
    assert "is_push_illegalunlock" not in wire["param"]
    switch = {"uuid": "0" * 16, "category": "switch", "param": {"channel": [{"id": 1, "switch_id": 4}]}}
    assert to_wire(from_wire(switch))["param"]["channel"][0]["swtich_id"] == 4
