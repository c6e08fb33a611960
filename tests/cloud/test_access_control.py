"""The seven levels of §7, each tried with every exectype on every category of device over a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatewayd.cloud.access_control import AccessControl, grants_from, own_homes, usernames_by_id
from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.homes import Home
from gatewayd.cloud.rest.members import Member
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.permission import REQUIRED_LEVEL, Grant, Permission, is_allowed
from gatewayd.model.record import PARAM_OF, Record
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.store.store import Store
from tests.common.clock import HandClock
from tests.common.cloud import GUEST, OWNER, PASSWORD, SWITCH, Gateway, running
from tests.common.store import Clock, Opener

CATEGORIES = (
    *(Category.GATEWAY, Category.SWITCH, Category.LOCK, Category.SOCKET),
    *(Category.CURTAIN, Category.SENSOR, Category.PANEL),
)
DEVICES = tuple(
    Record(uuid=Uuid(f"00158d00ff00000{number}"), category=category, title="甲", id=number, param=PARAM_OF[category]())
    for number, category in enumerate(CATEGORIES, 1)
)
TURN_ON: dict[str, Any] = {"param": {"operate": 1}}

# The requests that exist (category None: every category) and their fields; all others are answered 请求设备参数错误.
FIELDS: dict[tuple[Category | None, ExecType], dict[str, Any]] = {
    (None, ExecType.QUERY): {},
    (None, ExecType.DELETE): {},
    (None, ExecType.UPDATE): {"title": "乙"},
    (None, ExecType.SET): {"param": {"room_id": 3}},
    (Category.GATEWAY, ExecType.CREATE): {"param": {"duration": 10}},
    (Category.LOCK, ExecType.CREATE): {"param": {"keytype": 0, "key_name": "钥匙", "pass": "482913"}},
    (Category.SWITCH, ExecType.CONTROL): TURN_ON,
    (Category.SOCKET, ExecType.CONTROL): TURN_ON,
    (Category.LOCK, ExecType.CONTROL): TURN_ON,
    (Category.CURTAIN, ExecType.CONTROL): TURN_ON,
}


@asynccontextmanager
async def gateway_with(broker: Broker, folder: Path, *grants: Grant) -> AsyncIterator[tuple[Gateway, AccessControl]]:
    """A gateway that hosts `DEVICES`, and the permissions that it checks requests by."""
    created: list[AccessControl] = []

    def create_access(store: Store) -> AccessControl:
        access = AccessControl(OWNER, store.mirror, store.facts, HandClock(), grants_valid=timedelta(days=7))
        access.set_grants(grants)
        created.append(access)
        return access

    async with running(broker, folder / "gateway.db", records=DEVICES, audience_of=create_access) as gateway:
        async with AppClient.connect(broker.host, broker.port, OWNER, PASSWORD, name="observer") as owner:
            await owner.expect(lambda message: DEVICES[-1].uuid in message.topic)
        yield gateway, created[0]


@pytest.mark.parametrize("level", list(Permission), ids=lambda level: f"{level}-{level.name.lower()}")
async def test_guest_is_limited_to_his_level_on_every_category(
    broker: Broker, tmp_path: Path, level: Permission
) -> None:
    grants = [Grant(GUEST, device.id or 0, level) for device in DEVICES]
    async with (
        gateway_with(broker, tmp_path, *grants) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        for device in DEVICES:
            for exectype in ExecType:
                fields = FIELDS.get((device.category, exectype), FIELDS.get((None, exectype)))
                ran = len(gateway.bench.ran)
                answer = await guest.request(device.category, device.uuid, exectype, **(fields or {}))
                place = f"{device.category} {exectype}: {answer.meaning}"
                if fields is None:
                    assert answer.meaning is OperationStatus.BAD_PARAMETERS, place
                elif is_allowed(level, exectype) and (device.category, exectype) != (Category.LOCK, ExecType.DELETE):
                    assert answer.meaning in {
                        OperationStatus.CONTROLLED,
                        OperationStatus.UPDATED,
                        OperationStatus.SET_DONE,
                    }, place
                else:
                    assert (answer.meaning, len(gateway.bench.ran)) == (OperationStatus.PERMISSION_DENIED, ran), place


@pytest.mark.parametrize(
    ("exectype", "level"),
    [
        (ExecType.QUERY, 2),
        (ExecType.CONTROL, 3),
        (ExecType.UPDATE, 4),
        (ExecType.SET, 4),
        (ExecType.CREATE, 6),
        (ExecType.DELETE, 7),
    ],
)
def test_exectype_requires_its_level(exectype: ExecType, level: int) -> None:
    assert REQUIRED_LEVEL[exectype] == level


@pytest.mark.parametrize(
    ("member", "profile", "usernames"),
    [
        (Member(user_id=2, username=GUEST), None, {2: GUEST}),
        (Member(user_id=None, username=GUEST), None, {}),
        (Member(user_id=2, username=None), None, {}),
        (Member(user_id=2, username=GUEST), UserProfile(id=1, username=OWNER), {1: OWNER, 2: GUEST}),
    ],
)
def test_username_is_known_from_member_and_profile(
    member: Member, profile: UserProfile | None, usernames: dict[int, str]
) -> None:
    assert usernames_by_id([member], profile) == usernames


@pytest.mark.parametrize(
    ("authorization", "grants"),
    [
        (Authorization(info_id=7, authorized_id=2, perm=3), [Grant(GUEST, 7, Permission.CONTROL)]),
        (Authorization(info_id=7, authorized_id=9, perm=3), []),  # unknown user
        (Authorization(info_id=7, authorized_id=None, perm=3), []),
        (Authorization(info_id=None, authorized_id=2, perm=3), []),
        (Authorization(info_id=7, authorized_id=2, perm=8), []),  # §7 has no such level
    ],
)
def test_authorization_grants_only_a_known_level_to_a_known_user(
    authorization: Authorization, grants: list[Grant]
) -> None:
    assert list(grants_from([authorization], {2: GUEST})) == grants


@pytest.mark.parametrize("claim", [{"perm": 7}, {"user_id": 1}, {"authorization_id": 1}])
async def test_permission_claimed_in_a_message_is_ignored(
    broker: Broker, tmp_path: Path, claim: dict[str, Any]
) -> None:
    switch = DEVICES[1]
    async with (
        gateway_with(broker, tmp_path, Grant(GUEST, switch.id or 0, Permission.QUERY)) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        answer = await guest.request(switch.category, switch.uuid, ExecType.CONTROL, **TURN_ON, **claim)
        assert (answer.meaning, gateway.bench.ran) == (OperationStatus.PERMISSION_DENIED, [])


async def test_permission_on_one_device_is_none_on_another(broker: Broker, tmp_path: Path) -> None:
    switch, lock = DEVICES[1], DEVICES[2]
    grants = (Grant(GUEST, switch.id or 0, Permission.DELETE), Grant(GUEST, lock.id or 0, Permission.QUERY))
    async with (
        gateway_with(broker, tmp_path, *grants) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        assert (
            await guest.request(lock.category, lock.uuid, ExecType.CONTROL, **TURN_ON)
        ).meaning is OperationStatus.PERMISSION_DENIED
        assert gateway.bench.ran == []


async def test_revoked_permission_ends_at_once_with_its_subscriptions(broker: Broker, tmp_path: Path) -> None:
    switch = DEVICES[1]
    async with (
        gateway_with(broker, tmp_path, Grant(GUEST, switch.id or 0, Permission.CONTROL)) as (gateway, access),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as owner,
    ):
        assert (
            await guest.request(switch.category, switch.uuid, ExecType.CONTROL, **TURN_ON)
        ).meaning is OperationStatus.CONTROLLED
        access.set_grants([])
        since = asyncio.get_running_loop().time()
        await owner.expect(lambda message: DEVICES[-1].uuid in message.topic, since=since)
        sn = await guest.send(switch.category, switch.uuid, ExecType.CONTROL, **TURN_ON)
        await owner.request(switch.category, switch.uuid, ExecType.CONTROL, **TURN_ON)
        assert [message.meaning for message in guest.received if message.sn == sn and message.is_final_answer] == []
        assert len(gateway.bench.ran) == 2


@pytest.mark.parametrize("user", [OWNER, GUEST])
async def test_expired_authorization_is_reported_with_its_publisher(broker: Broker, tmp_path: Path, user: str) -> None:
    switch = DEVICES[1]
    payload = b'{"msg": {}, "status": 400505, "desc": "\xe6\x8e\x88\xe6\x9d\x83\xe5\xa4\xb1\xe6\x95\x88"}'  # 授权失效
    async with (
        gateway_with(broker, tmp_path, Grant(GUEST, switch.id or 0, Permission.QUERY)) as (gateway, _),
        AppClient.connect(broker.host, broker.port, user, PASSWORD) as phone,
    ):
        await phone.publish(switch.category, switch.uuid, ExecType.UPDATE, payload)
        await phone.request(switch.category, switch.uuid, ExecType.QUERY)
        assert gateway.bench.access_changed == [user]


async def test_unlinked_device_executes_no_request(broker: Broker, tmp_path: Path) -> None:
    async with (
        gateway_with(broker, tmp_path) as (gateway, _),
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as owner,
    ):
        switch = gateway.store.mirror.get(SWITCH)
        assert switch is not None
        await gateway.store.mirror.put(replace(switch, unlinked=True))
        answer = await owner.request(Category.SWITCH, SWITCH, ExecType.CONTROL, **TURN_ON)
        assert (answer.meaning, gateway.bench.ran) == (OperationStatus.NO_SUCH_INFORMATION, [])


SWITCH_RECORD = DEVICES[1]
GRANT = Grant(GUEST, SWITCH_RECORD.id or 0, Permission.CONTROL)


@dataclass
class Rights:
    """An access control over a store that can be reopened, with one guest who may control the switch."""

    reopen: Opener
    clock: HandClock

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[AccessControl]:
        async with self.reopen() as store:
            await store.mirror.put(SWITCH_RECORD)
            access = AccessControl(OWNER, store.mirror, store.facts, self.clock, grants_valid=timedelta(days=7))
            access.set_grants([GRANT])
            yield access


@pytest.fixture
def rights(tmp_path: Path) -> Rights:
    return Rights(Opener(tmp_path / "gatewayd.db", Clock()), HandClock())


@pytest.mark.parametrize("uuid", [SWITCH_RECORD.uuid, None])
async def test_suspended_user_may_query_until_a_sync_that_began_later_has_succeeded(
    rights: Rights, uuid: Uuid | None
) -> None:
    async with rights.opened() as access:
        began_before = access.suspensions
        await access.suspend(uuid)
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.QUERY
        assert access.level(OWNER, SWITCH_RECORD.uuid) is Permission.DELETE
        await access.confirm(began_before)
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.QUERY
    async with rights.opened() as access:
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.QUERY
        await access.confirm(access.suspensions)
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.CONTROL
    async with rights.opened() as access:
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.CONTROL


async def test_suspension_of_another_device_changes_nothing(rights: Rights) -> None:
    async with rights.opened() as access:
        await access.suspend(DEVICES[2].uuid)
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.CONTROL


async def test_grant_that_was_not_confirmed_for_long_allows_a_query_only(rights: Rights) -> None:
    async with rights.opened() as access:
        await access.confirm(access.suspensions)
    rights.clock.at += timedelta(days=7, seconds=1)
    async with rights.opened() as access:
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.QUERY
        await access.confirm(access.suspensions)
        assert access.level(GUEST, SWITCH_RECORD.uuid) is Permission.CONTROL


@pytest.mark.parametrize(
    "name", ["#", "a#b", "+", "x" * 70_000, "\0", "\x01", "$share"], ids=lambda name: ascii(name[:4])
)
def test_member_whose_name_cannot_be_a_topic_level_has_no_topics(name: str) -> None:
    members = (Member(id=1, user_id=1, username=name), Member(id=2, user_id=2, username=GUEST))
    usernames = usernames_by_id(members, UserProfile(id=3, username=name))
    assert usernames == {2: GUEST}
    given = (
        Authorization(id=5, info_id=7, authorized_id=1, perm=3),
        Authorization(id=6, info_id=7, authorized_id=2, perm=3),
    )
    assert [grant.user for grant in grants_from(given, usernames)] == [GUEST]


MINE, OTHERS = 1, 2
OWN_HOME = Home(id=MINE, user_id=1)
PROFILE = UserProfile(id=1, username=OWNER)


def member(user_id: int, username: str = GUEST, home_id: int | None = MINE) -> Member:
    return Member(user_id=user_id, username=username, home_id=home_id)


@pytest.mark.parametrize(
    ("homes", "own"),
    [
        ([], None),
        ([OWN_HOME, Home(id=OTHERS, user_id=9)], {MINE}),
        ([OWN_HOME, Home(id=OTHERS, user_id=1)], {MINE, OTHERS}),
        ([Home(id=MINE), Home(id=OTHERS)], {MINE, OTHERS}),  # §2.11 does not say that a home names its user
        ([Home(id=OTHERS, user_id=9)], {OTHERS}),  # the gateway has an account of its own, and no home
    ],
)
def test_own_homes_are_those_of_the_account(homes: list[Home], own: set[int] | None) -> None:
    assert own_homes(homes, PROFILE) == own


@pytest.mark.parametrize(
    ("members", "usernames"),
    [
        ([member(2), member(3, home_id=OTHERS)], {2: GUEST}),
        ([member(2, home_id=None)], {2: GUEST}),
        ([member(2), member(2, "18900000009")], {}),  # nobody knows whose topics are user 2's
        ([member(2), member(2, "18900000009", OTHERS)], {2: GUEST}),
        ([member(1, "18900000009")], {}),  # the account's own name is its profile's
    ],
)
def test_members_of_other_homes_name_nobody(members: list[Member], usernames: dict[int, str]) -> None:
    assert usernames_by_id(members, PROFILE, {MINE}) == {1: OWNER, **usernames}


@pytest.mark.parametrize(
    ("levels", "granted"),
    [
        ([(2, 3)], Permission.NONE),  # the other user of that name has no authorization
        ([(2, 3), (3, 2)], Permission.QUERY),
        ([(3, 2), (2, 3)], Permission.QUERY),
        ([(2, 7), (3, 5), (2, 3)], Permission.CONTROL),
    ],
)
def test_several_users_of_one_name_have_the_lowest_of_their_rights(
    levels: list[tuple[int, int]], granted: Permission
) -> None:
    authorizations = [Authorization(info_id=7, authorized_id=user, perm=level) for user, level in levels]
    assert list(grants_from(authorizations, {2: GUEST, 3: GUEST, 4: "18900000009"})) == [Grant(GUEST, 7, granted)]
