"""A call of every endpoint with valid arguments, by name, for the tests that run over the whole table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gatewayd.cloud.rest.accounts import Avatar, Registration
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.homes import Home
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.messages import CloudMessage, SmsAlarm
from gatewayd.cloud.rest.releases import Release
from gatewayd.cloud.rest.spaces import Space
from gatewayd.cloud.rest.temporary_passwords import TemporaryPassword
from tests.common.rest import GATEWAY

Call = Callable[[CloudClient], Awaitable[Any]]


async def collect(objects: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in objects]


REGISTRATION = Registration(username="13825182430", password="long-enough", sms_code="1")
AVATAR = Avatar(image_type="jpg", image_size="4", image_name="me", data_type="base64", image_data="d2Vy")
RELEASE = Release(id=1, type="app", name="x", platform="ios", package_name="y", version="1")
RECORD = replace(GATEWAY, id=1)

CALLS: Final[Mapping[str, Call]] = {
    "accounts.request_code": lambda c: c.accounts.request_code("13825182430"),
    "accounts.register": lambda c: c.accounts.register(REGISTRATION),
    "accounts.log_in": lambda c: c.accounts.log_in("u", "p"),
    "accounts.profile": lambda c: c.accounts.profile(),
    "accounts.change_password": lambda c: c.accounts.change_password("u", "old-one-1", "new-one-1"),
    "accounts.request_reset_code": lambda c: c.accounts.request_reset_code("13825182430"),
    "accounts.reset_password": lambda c: c.accounts.reset_password("u", "123456", "new-one-1"),
    "accounts.update_profile": lambda c: c.accounts.update_profile(profile={"signature": "x"}),
    "accounts.update_avatar": lambda c: c.accounts.update_avatar(AVATAR),
    "accounts.avatar": lambda c: c.accounts.avatar(1),
    "accounts.external_username": lambda c: c.accounts.external_username("wx-1"),
    "accounts.register_external": lambda c: c.accounts.register(replace(REGISTRATION, wechat_service="wx-1")),
    "accounts.register_gateway": lambda c: c.accounts.register_gateway("gw-1", "secret"),
    "records.list": lambda c: collect(c.records.list()),
    "records.get": lambda c: c.records.get(1),
    "records.create": lambda c: c.records.create(RECORD),
    "records.update": lambda c: c.records.update(RECORD),
    "records.delete": lambda c: c.records.delete(1),
    "authorizations.list": lambda c: collect(c.authorizations.list()),
    "authorizations.get": lambda c: c.authorizations.get(1),
    "authorizations.create": lambda c: c.authorizations.create(Authorization(info_id=1, authorized_id=2, perm=3)),
    "authorizations.update": lambda c: c.authorizations.update(Authorization(id=1, perm=3)),
    "authorizations.delete": lambda c: c.authorizations.delete(1),
    "spaces.list": lambda c: collect(c.spaces.list()),
    "spaces.get": lambda c: c.spaces.get(1),
    "spaces.create": lambda c: c.spaces.create(Space(type="unit", title="x")),
    "spaces.update": lambda c: c.spaces.update(Space(id=1, title="x")),
    "spaces.delete": lambda c: c.spaces.delete(1),
    "batch.send": lambda c: c.batch.send([RestCall(name="keys.delete", id=1)]),
    "messages.send_alarm": lambda c: c.messages.send_alarm(SmsAlarm.HIJACK, device="x", name="y", receiver="z"),
    "members.list": lambda c: collect(c.members.list()),
    "members.get": lambda c: c.members.get(1),
    "members.create": lambda c: c.members.create(Member(home_id=1, title="x")),
    "members.update": lambda c: c.members.update(Member(id=1, title="x")),
    "members.delete": lambda c: c.members.delete(1),
    "keys.list": lambda c: collect(c.keys.list(info_id=1)),
    "keys.get": lambda c: c.keys.get(1),
    "keys.create": lambda c: c.keys.create(CloudKey(info_id=1, key_name="x", key_number="1")),
    "keys.update": lambda c: c.keys.update(CloudKey(id=1, key_name="x")),
    "keys.delete": lambda c: c.keys.delete(1),
    "messages.list": lambda c: collect(c.messages.list(level_gte=1)),
    "messages.get": lambda c: c.messages.get(1),
    "messages.create": lambda c: c.messages.create(CloudMessage(info_id=1, message_type="x", flag="y")),
    "messages.delete": lambda c: c.messages.delete(1),
    "temporary_passwords.list": lambda c: collect(c.temporary_passwords.list()),
    "temporary_passwords.create": lambda c: c.temporary_passwords.create(TemporaryPassword(info_id=1, authorizer_id=1)),
    "homes.list": lambda c: collect(c.homes.list()),
    "homes.update": lambda c: c.homes.update(Home(id=1, title="x")),
    "versions.latest": lambda c: c.versions.latest(2),
    "versions.list": lambda c: collect(c.versions.list(device_type=2)),
    "service.timestamp": lambda c: c.service.timestamp(),
    "service.send_feedback": lambda c: c.service.send_feedback(1, "x"),
    "service.share": lambda c: c.service.share("13825182430", "ios"),
    "releases.create": lambda c: c.releases.create(RELEASE),
    "releases.update": lambda c: c.releases.update(RELEASE),
    "releases.delete": lambda c: c.releases.delete(1),
    "service.send_sms": lambda c: c.service.send_sms(RECORD),
    "service.send_push": lambda c: c.service.send_push(RECORD),
}

WITHOUT_CONTENT: Final = frozenset(
    {
        "accounts.request_code", "accounts.register", "accounts.change_password", "accounts.request_reset_code",
        "accounts.reset_password", "accounts.register_external", "records.delete", "authorizations.delete",
        "spaces.delete", "members.delete", "keys.delete", "messages.delete", "releases.delete",
    }
)  # fmt: skip
"""Calls that decode only the status of the answer, not its `msg`."""
