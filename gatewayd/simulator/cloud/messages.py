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
    SaidError,
    may,
    need,
    single,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import VISIBLE, allowed

_COMPARED: Final = (
    ("info_id", "info_id = ?"),
    ("level", "level = ?"),
    ("level_gte", "level >= ?"),
    ("level_lte", "level <= ?"),
)
_WITH: Final = {"fingerprint_unlock": "指纹", "password_unlock": "密码", "card_unlock": "门卡"}
_ALARMS: Final = ("illegalunlock", "hijack", "temperary_authrization")


def list_messages(call: HttpCall) -> HttpReply:
    """The messages of the devices that the user sees."""
    query = f"SELECT * FROM messages WHERE info_id IN ({VISIBLE})"  # noqa: S608  (constants alone)
    values: list[Any] = [call.account["id"], call.account["id"]]
    for name, condition in _COMPARED:
        if (number := call.filter_number(name)) is not None:
            query, values = f"{query} AND {condition}", [*values, number]
    if "category" in call.query:
        query, values = f"{query} AND category = ?", [*values, call.query["category"]]
    if "date_gte" in call.query:
        query, values = f"{query} AND occur_time >= ?", [*values, call.query["date_gte"]]
    if "date_lte" in call.query:  # a day without a time is all of it
        query, values = (
            f"{query} AND substr(occur_time, 1, ?) <= ?",
            [
                *values,
                len(call.query["date_lte"]),
                call.query["date_lte"],
            ],
        )
    return HttpReply(200041, call.page_of(f"{query} ORDER BY id", *values, shown=dict))


def get_message(call: HttpCall) -> HttpReply:
    """One."""
    return HttpReply(200038, {"data": _message(call, Permission.QUERY)})


def create_message(call: HttpCall) -> HttpReply:
    """A new one, to the device's owner, with words of the cloud's own."""
    said = call.data
    record = allowed(call, need(said, "info_id", int), Permission.CONTROL)
    level = may(said, "level", int)
    if level is not None and not 1 <= level <= 3:
        raise SaidError(BAD_PARAMETERS, "param 'level' is 1, 2 or 3")
    message: Row = {
        "user_id": record["user_id"],
        "info_id": record["id"],
        "category": record["category"],
        "level": 1 if level is None else level,
        "message_type": need(said, "message_type", str),
        "flag": need(said, "flag", str),
        "created_time": call.state.stamp(),
        "occur_time": _moment(call),
        "content": _content(call, record),
    }
    id_ = call.state.db.add("messages", message)
    return HttpReply(200039, {"data": {"id": id_, **message}})


def delete_message(call: HttpCall) -> HttpReply:
    """Gone."""
    call.state.db.remove("messages", _message(call, Permission.DELETE)["id"])
    return HttpReply(200040)


def send_alarm(call: HttpCall) -> HttpReply:
    """§2.6."""
    said = {name: need(call.data, name, str) for name in ("msg_type", "device", "name", "receiver")}
    if said["msg_type"] not in _ALARMS:
        raise SaidError(BAD_PARAMETERS, "param 'msg_type' is none of the API's")
    call.state.send("alarm", said["receiver"], said)
    return HttpReply(200012, single(str(uuid.UUID(int=call.state.chance.getrandbits(128), version=4))))


def _message(call: HttpCall, needed: Permission) -> Row:
    """§2.9 has no words for a message that is none: it is nobody's to see."""
    message = call.state.db.get("messages", call.number)
    if message is None:
        raise SaidError(FORBIDDEN)
    allowed(call, message["info_id"], needed)
    return message


def _moment(call: HttpCall) -> str:
    moment = may(call.data, "occur_time", str)
    if moment is None:
        return call.state.stamp()
    try:
        datetime.fromisoformat(moment)
    except ValueError as error:
        raise SaidError(BAD_PARAMETERS, "param 'occur_time' is no time") from error
    return moment


def _content(call: HttpCall, record: Row) -> str:
    """Without a key it is 您有家人, as the API says."""
    flag, key_id = need(call.data, "flag", str), may(call.data, "key_id", int)
    if flag not in _WITH:
        return f"{record['title']}: {flag}"
    query = "SELECT members.title FROM keys JOIN members ON members.id = keys.member_id WHERE keys.id = ?"
    whose = None if key_id is None else call.state.db.one(query, key_id)
    return f"{'您有家人' if whose is None else whose['title']}使用{_WITH[flag]}开锁，已到家。"


ROUTES: Final = (
    HttpRoute("2.6", "POST", "/api/iot/sms/alarm/", send_alarm),
    HttpRoute("2.9", "GET", "/api/iot/messages/", list_messages),
    HttpRoute("2.9", "GET", "/api/iot/messages/{id}/", get_message),
    HttpRoute("2.9", "POST", "/api/iot/messages/", create_message),
    HttpRoute("2.9", "DELETE", "/api/iot/messages/{id}/", delete_message),
)
