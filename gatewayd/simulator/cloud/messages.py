"""§2.9 and §2.6: messages, and alarms by SMS."""

import uuid
from datetime import datetime
from typing import Any, Final

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    FORBIDDEN,
    HttpCall,
    HttpReply,
    HttpRoute,
    StatusError,
    optional,
    required,
    single_page,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import VISIBLE, permitted_record

_NUMBER_FILTERS: Final = (
    ("info_id", "info_id = ?"),
    ("level", "level = ?"),
    ("level_gte", "level >= ?"),
    ("level_lte", "level <= ?"),
)
_MEANS: Final = {"fingerprint_unlock": "指纹", "password_unlock": "密码", "card_unlock": "门卡"}
_ALARMS: Final = ("illegalunlock", "hijack", "temperary_authrization")


def list_messages(call: HttpCall) -> HttpReply:
    """The messages of the devices that the user may query."""
    query = f"SELECT * FROM messages WHERE info_id IN ({VISIBLE})"  # noqa: S608  (constants alone)
    values: list[Any] = [call.account["id"], call.account["id"]]
    for name, condition in _NUMBER_FILTERS:
        if (number := call.query_number(name)) is not None:
            query, values = f"{query} AND {condition}", [*values, number]
    if "category" in call.query:
        query, values = f"{query} AND category = ?", [*values, call.query["category"]]
    if "date_gte" in call.query:
        query, values = f"{query} AND occur_time >= ?", [*values, call.query["date_gte"]]
    if "date_lte" in call.query:  # a date without a time includes the whole day
        query, values = (
            f"{query} AND substr(occur_time, 1, ?) <= ?",
            [
                *values,
                len(call.query["date_lte"]),
                call.query["date_lte"],
            ],
        )
    return HttpReply(200041, call.page(f"{query} ORDER BY id", *values, to_wire=dict))


def get_message(call: HttpCall) -> HttpReply:
    """One message."""
    return HttpReply(200038, {"data": _message(call, Permission.QUERY)})


def create_message(call: HttpCall) -> HttpReply:
    """Create a message to the device's owner; its content is the cloud's."""
    fields = call.data
    record = permitted_record(call, required(fields, "info_id", int), Permission.CONTROL)
    level = optional(fields, "level", int)
    if level is not None and not 1 <= level <= 3:
        raise StatusError(BAD_PARAMETERS, "param 'level' is 1, 2 or 3")
    message: Row = {
        "user_id": record["user_id"],
        "info_id": record["id"],
        "category": record["category"],
        "level": 1 if level is None else level,
        "message_type": required(fields, "message_type", str),
        "flag": required(fields, "flag", str),
        "created_time": call.state.stamp(),
        "occur_time": _occur_time(call),
        "content": _content(call, record),
    }
    id_ = call.state.db.add("messages", message)
    return HttpReply(200039, {"data": {"id": id_, **message}})


def delete_message(call: HttpCall) -> HttpReply:
    """Delete a message."""
    call.state.db.remove("messages", _message(call, Permission.DELETE)["id"])
    return HttpReply(200040)


def send_alarm(call: HttpCall) -> HttpReply:
    """§2.6."""
    fields = {name: required(call.data, name, str) for name in ("msg_type", "device", "name", "receiver")}
    if fields["msg_type"] not in _ALARMS:
        raise StatusError(BAD_PARAMETERS, "param 'msg_type' is none of the API's")
    call.state.record_sent("alarm", fields["receiver"], fields)
    return HttpReply(200012, single_page(str(uuid.UUID(int=call.state.chance.getrandbits(128), version=4))))


def _message(call: HttpCall, permission: Permission) -> Row:
    """The message. §2.9 has no status for one that does not exist: it is forbidden."""
    message = call.state.db.get("messages", call.path_number)
    if message is None:
        raise StatusError(FORBIDDEN)
    permitted_record(call, message["info_id"], permission)
    return message


def _occur_time(call: HttpCall) -> str:
    occur_time = optional(call.data, "occur_time", str)
    if occur_time is None:
        return call.state.stamp()
    try:
        datetime.fromisoformat(occur_time)
    except ValueError as error:
        raise StatusError(BAD_PARAMETERS, "param 'occur_time' is no time") from error
    return occur_time


def _content(call: HttpCall, record: Row) -> str:
    """The text; without a key the user is 您有家人, as in the API."""
    flag, key_id = required(call.data, "flag", str), optional(call.data, "key_id", int)
    if flag not in _MEANS:
        return f"{record['title']}: {flag}"
    query = "SELECT members.title FROM keys JOIN members ON members.id = keys.member_id WHERE keys.id = ?"
    member = None if key_id is None else call.state.db.one(query, key_id)
    return f"{'您有家人' if member is None else member['title']}使用{_MEANS[flag]}开锁，已到家。"


ROUTES: Final = (
    HttpRoute("2.6", "POST", "/api/iot/sms/alarm/", send_alarm),
    HttpRoute("2.9", "GET", "/api/iot/messages/", list_messages),
    HttpRoute("2.9", "GET", "/api/iot/messages/{id}/", get_message),
    HttpRoute("2.9", "POST", "/api/iot/messages/", create_message),
    HttpRoute("2.9", "DELETE", "/api/iot/messages/{id}/", delete_message),
)
