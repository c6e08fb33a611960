"""What a user may see of a record follows his level (§7)."""

from dataclasses import dataclass

import msgspec
import pytest

from gatewayd.model.ids import Category, Uuid
from gatewayd.model.permission import Permission
from gatewayd.model.privacy import may_change, visible_record
from gatewayd.model.record import CameraParam, GatewayParam, LockParam, Param, Record
from gatewayd.model.record_wire import from_wire, to_wire

UUID = Uuid("00158d0003b00001")
SECRET = "13825182430"


@dataclass(frozen=True)
class Case:
    """A record whose private fields are set, by their names on the wire."""

    category: Category
    private: tuple[str, ...]


CASES = [
    Case(Category.GATEWAY, ("ip", "ap_ssid", "access_ssid", "access_pass")),
    Case(
        Category.LOCK,
        (
            *("user", "pass", "temp_pass", "temp_phone", "temp_brief"),
            *("hijack_name", "hijack_contact", "hijack_contact_phone", "hijack_contact_addr"),
            *(f"illegalunlcok_alarm_{what}{number}" for what in ("phone", "contact") for number in (1, 2)),
        ),
    ),
    Case(
        Category.CAMERA,
        (
            *("ip", "user", "pass", "admin_user", "admin_pass", "p2pid"),
            *("wifi_ssid", "wifi_pass", "wifi_channel", "wifi_status", "wifi_safety"),
        ),
    ),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.category)


def record_of(case: Case) -> Record:
    param = dict.fromkeys(case.private, SECRET) | {"unknown_to_us": SECRET, "unit_id": 4}
    return from_wire({"uuid": UUID, "category": case.category, "title": "门", "also_unknown": SECRET, "param": param})


@cases
@pytest.mark.parametrize("level", [Permission.QUERY, Permission.CONTROL, Permission.UPDATE])
def test_record_below_authorize_shows_nothing_private(case: Case, level: Permission) -> None:
    seen = visible_record(record_of(case), level)
    assert seen is not None
    wire = to_wire(seen)
    assert SECRET not in msgspec.json.encode(wire).decode()
    assert (wire["title"], wire["param"]["unit_id"]) == ("门", 4)


@cases
def test_record_from_authorize_on_is_whole(case: Case) -> None:
    record = record_of(case)
    assert visible_record(record, Permission.AUTHORIZE) is record


@cases
def test_user_without_permission_sees_no_record(case: Case) -> None:
    assert visible_record(record_of(case), Permission.NONE) is None


@pytest.mark.parametrize("param", [GatewayParam, LockParam, CameraParam])
def test_every_field_that_names_a_secret_a_phone_or_a_contact_is_private(param: type[msgspec.Struct]) -> None:
    words = ("pass", "phone", "contact", "addr", "ssid", "wifi", "admin", "hijack_name")
    exceptions = {"pass_error_limit", "is_push_pass_error", "door_contact_id"}
    category = {GatewayParam: Category.GATEWAY, LockParam: Category.LOCK, CameraParam: Category.CAMERA}[param]
    private = {name for case in CASES if case.category is category for name in case.private}
    named = {
        field.encode_name
        for field in msgspec.structs.fields(param)
        if any(word in field.name for word in words) and field.name not in exceptions
    }
    assert named <= private


def test_switch_of_the_duress_alarm_is_seen_from_authorize_on_alone() -> None:
    record = from_wire({"uuid": UUID, "category": Category.LOCK, "title": "门", "param": {"is_push_hijack": False}})
    seen = {level: visible_record(record, level) for level in (Permission.UPDATE, Permission.AUTHORIZE)}
    assert {level: one and to_wire(one)["param"]["is_push_hijack"] for level, one in seen.items()} == {
        Permission.UPDATE: True,
        Permission.AUTHORIZE: False,
    }


@pytest.mark.parametrize("param", [GatewayParam, LockParam, CameraParam])
def test_nothing_that_is_private_may_be_changed_below_authorize(param: type[Param]) -> None:
    whole = param()
    category = {GatewayParam: Category.GATEWAY, LockParam: Category.LOCK, CameraParam: Category.CAMERA}[param]
    private = {name for case in CASES if case.category is category for name in case.private}
    fields = {field.name for field in msgspec.structs.fields(whole) if field.encode_name in private}
    assert fields
    assert [name for name in fields if may_change(Permission.UPDATE, param, {name})] == []
    assert may_change(Permission.AUTHORIZE, param, fields)
