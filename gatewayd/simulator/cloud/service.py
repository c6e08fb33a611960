"""§2.13 (clock, feedback), §2.15 (share), §11 (SMS, push)."""

from typing import Any, Final

from gatewayd.model.errors import MalformedError
from gatewayd.model.record_wire import from_wire
from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, StatusError, required

_UNMATCHED_DATA: Final = 400049
_CATEGORIES: Final = range(1, 12)


def timestamp(call: HttpCall) -> HttpReply:
    """The cloud's time, in seconds since 1970."""
    return HttpReply(200049, {"data": {"timestamp": int(call.state.time().timestamp())}})


def create_feedback(call: HttpCall) -> HttpReply:
    """Feedback of a user; the answer has addresses of the pictures."""
    category, content = required(call.data, "category", int), required(call.data, "content", str)
    if category not in _CATEGORIES:
        raise StatusError(BAD_PARAMETERS, "param 'category' is 1 to 11")
    images = [_picture_address(call, number, image) for number, image in enumerate(call.data.get("images") or [])]
    created = call.state.stamp().partition(" ")[0]
    feedback = {"category": category, "contact": call.data.get("contact"), "content": content}
    call.state.record_sent("feedback", "", feedback)
    return HttpReply(200048, {"data": feedback | {"images": images, "created_time": created}})


def share(call: HttpCall) -> HttpReply:
    """Send the app's address by SMS."""
    receiver, platform = required(call.data, "receiver", str), required(call.data, "platform", str)
    if platform not in {"ios", "android"}:
        raise StatusError(BAD_PARAMETERS, "param 'platform' is ios or android")
    call.state.record_sent("share", receiver, platform)
    return HttpReply(200050, {"data": "send success"})


def send_sms(call: HttpCall) -> HttpReply:
    """§11."""
    return _send_about_device(call, "sms")


def send_push(call: HttpCall) -> HttpReply:
    """§11."""
    return _send_about_device(call, "push")


def _send_about_device(call: HttpCall, kind: str) -> HttpReply:
    """The body is a device's record."""
    for name in ("category", "uuid", "title"):
        required(call.fields, name, str)
    try:
        record = from_wire(call.fields)
    except MalformedError as error:
        raise StatusError(BAD_PARAMETERS, str(error)) from error
    if not record.title:
        raise StatusError(_UNMATCHED_DATA)
    call.state.record_sent(kind, call.account["username"], call.fields)
    return HttpReply(200013, call.fields)


def _picture_address(call: HttpCall, number: int, image: Any) -> str:
    if not isinstance(image, dict):
        raise StatusError(BAD_PARAMETERS, "param 'images' has no picture")
    required(image, "code", str)
    return f"media/feedback/pic{int(call.state.time().timestamp())}{number}.{required(image, 'image_type', str)}"


ROUTES: Final = (
    HttpRoute("2.13", "GET", "/api/iot/get_timestamp/", timestamp),
    HttpRoute("2.13", "POST", "/api/iot/feedback/", create_feedback),
    HttpRoute("2.15", "POST", "/api/iot/share/", share),
    HttpRoute("11.1", "POST", "/api/sms/sms_manage_view/", send_sms),
    HttpRoute("11.2", "POST", "/api/push/push_manage_view/", send_push),
)
