"""Which fields of a record an update sends, and which edits remain after it."""

from msgspec.structs import replace

from gatewayd.cloud.delivery.record import update_fields
from gatewayd.cloud.delivery.record_link import remaining_edits
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import LockParam, Record

LOCK = Record(
    uuid=Uuid("00158d0003b00001"),
    category=Category.LOCK,
    title="门",
    id=7,
    param=LockParam(battery=80, room_id=3, low_power_limit=15),
)


def test_update_sends_radio_fields_and_edited_fields() -> None:
    params = update_fields(replace(LOCK, edited=("param.room_id",)))
    assert "title" not in params
    assert (params["param"]["room_id"], params["param"]["battery"]) == (3, 80)
    assert "lowpower_limit" not in params["param"]


def test_field_changed_while_its_update_was_sent_stays_edited() -> None:
    sent = replace(LOCK, edited=("param.room_id", "title"))
    now = replace(sent, title="又", edited=("icon", "param.room_id", "title"))
    assert remaining_edits(now, sent) == ("icon", "title")
