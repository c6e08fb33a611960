"""Both §2.13 (clock, feedback), §2.15 (share), §11 (SMS, push)."""

from typing import Any, Final

from gatewayd.model.errors import MalformedError
from gatewayd.model.record_wire import from_wire
from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, SaidError, need

_UNMATCHED: Final = 400049
_CATEGORIES: Final = range(1, 12)


def timestamp(call: HttpCall) -> HttpReply:
    """The cloud's clock, in seconds."""
    return HttpReply(200049, {"data": {"timestamp": int(call.state.time().timestamp())}})


def create_feedback(call: HttpCall) -> HttpReply:
    """What somebody has to say; pictures are answered as addresses."""
    category, content = need(call.data, "category", int), need(call.data, "content", str)
    if category not in _CATEGORIES:
        raise SaidError(BAD_PARAMETERS, "param 'category' is 1 to 11")
    images = [_address(call, number, image) for number, image in enumerate(call.data.get("images") or [])]
    created = call.state.stamp().partition(" ")[0]
    said = {"category": category, "contact": call.data.get("contact"), "content": content}
    call.state.send("feedback", "", said)
    return HttpReply(200048, {"data": said | {"images": images, "created_time": created}})


def share(call: HttpCall) -> HttpReply:
    """Where to get the app, by SMS."""
    receiver, platform = need(call.data, "receiver", str), need(call.data, "platform", str)
    if platform not in {"ios", "android"}:
        raise SaidError(BAD_PARAMETERS, "param 'platform' is ios or android")
    call.state.send("share", receiver, platform)
    return HttpReply(200050, {"data": "send success"})


def send_sms(call: HttpCall) -> HttpReply:
    """§11: about a device."""
    return _about_device(call, "sms")


def send_push(call: HttpCall) -> HttpReply:
    """§11: about a device."""
    return _about_device(call, "push")


def _about_device(call: HttpCall, kind: str) -> HttpReply:
    for name in ("category", "uuid", "title"):
        need(call.whole, name, str)
    try:
        record = from_wire(call.whole)
    except MalformedError as error:
        raise SaidError(BAD_PARAMETERS, str(error)) from error
    if not record.title:
        raise SaidError(_UNMATCHED)
    call.state.send(kind, call.account["username"], call.whole)
    return HttpReply(200013, call.whole)


def _address(call: HttpCall, number: int, image: Any) -> str:
    if not isinstance(image, dict):
        raise SaidError(BAD_PARAMETERS, "param 'images' has no picture")
    need(image, "code", str)
    return f"media/feedback/pic{int(call.state.time().timestamp())}{number}.{need(image, 'image_type', str)}"


ROUTES: Final = (
    HttpRoute("2.13", "GET", "/api/iot/get_timestamp/", timestamp),
    HttpRoute("2.13", "POST", "/api/iot/feedback/", create_feedback),
    HttpRoute("2.15", "POST", "/api/iot/share/", share),
    HttpRoute("11.1", "POST", "/api/sms/sms_manage_view/", send_sms),
    HttpRoute("11.2", "POST", "/api/push/push_manage_view/", send_push),
)
