"""Every section of the API, the client on one end and the simulated cloud with its documented rules on the other."""

import base64
import re

import pytest
from msgspec.structs import replace

from gatewayd.cloud.rest.accounts import Avatar, Registration
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.batch import BatchPart
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import (
    AlreadyThereError,
    BadParametersError,
    ForbiddenError,
    NotThereError,
    RefusedByCloudError,
)
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.messages import CloudMessage, SmsAlarm
from gatewayd.cloud.rest.passwords import TemporaryPassword
from gatewayd.cloud.rest.releases import Release
from gatewayd.cloud.rest.service import Picture
from gatewayd.cloud.rest.spaces import Space
from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import ADMIN, FRIEND, GATEWAY, GUEST, LOCK, PASSWORD, USER, connected, created


def code_of(refused: pytest.ExceptionInfo[RefusedByCloudError]) -> int:
    return refused.value.code


# §1.


async def test_a_phone_registers_by_sms_and_logs_in(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.accounts.request_code("13825182430")
    ((receiver, code),) = cloud.sent("code")
    assert receiver == "13825182430"
    newcomer = Registration(username="13825182430", password="longer-than-8", sms_code="000000x")
    with pytest.raises(RefusedByCloudError) as wrong:
        await client.accounts.register(newcomer)
    assert code_of(wrong) == 400009
    await client.accounts.register(replace(newcomer, sms_code=code))
    user = await client.accounts.log_in("13825182430", "longer-than-8", devtype="android", language="en")
    assert (user.username, user.language, user.is_active) == ("13825182430", "en", True)
    assert user.token
    assert user.token not in repr(user)
    assert user.extra["user_normal"] is True
    with pytest.raises(RefusedByCloudError) as known:
        await client.accounts.request_code("13825182430")
    assert code_of(known) == 400001


async def test_a_user_of_another_service_registers_and_finds_his_account(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    with pytest.raises(RefusedByCloudError) as nobody:
        await client.accounts.external_username("open/id 1")
    assert code_of(nobody) == 400038
    await client.accounts.request_code("13825182430")
    ((_, code),) = cloud.sent("code")
    newcomer = Registration(username="13825182430", password="longer-than-8", sms_code=code, wechat_service="open/id 1")
    await client.accounts.register(newcomer)
    assert (await client.accounts.external_username("open/id 1")).username == "13825182430"


async def test_passwords_are_changed_and_reset_and_the_old_ones_refused(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    await client.accounts.change_password(GUEST, PASSWORD, "another-1")
    with pytest.raises(RefusedByCloudError) as old:
        await client.accounts.change_password(GUEST, PASSWORD, "another-2")
    assert code_of(old) == 401017
    await client.accounts.request_reset_code(GUEST)
    ((_, code),) = cloud.sent("code")
    with pytest.raises(RefusedByCloudError) as short:
        await client.accounts.reset_password(GUEST, code, "short")
    assert code_of(short) == 400027
    await client.accounts.reset_password(GUEST, code, "another-3")
    assert (await client.accounts.log_in(GUEST, "another-3")).username == GUEST


async def test_a_profile_and_its_picture_are_read_and_changed(client: CloudClient) -> None:
    before = await client.accounts.profile()
    assert (before.username, before.signature) == (USER, "")
    after = await client.accounts.update_profile(profile={"signature": "你好"}, user={"first_name": "向"})
    assert (after.signature, after.first_name, after.last_name) == ("你好", "向", "none")
    with pytest.raises(RefusedByCloudError) as none_set:
        await client.accounts.avatar(before.id)
    assert code_of(none_set) == 400036
    data = base64.b64encode(b"\xff\xd8 a face").decode()
    face = Avatar(image_type="jpg", image_size="9", image_name="me", data_type="base64", image_data=data)
    assert (await client.accounts.update_avatar(face)).avatar_url
    assert await client.accounts.avatar(before.id) == b"\xff\xd8 a face"
    with pytest.raises(RefusedByCloudError) as format_:
        await client.accounts.update_avatar(replace(face, image_type="gif"))
    assert code_of(format_) == 400031


async def test_a_gateway_gets_an_account(cloud: SimulatedCloud, client: CloudClient) -> None:
    account = await client.accounts.register_gateway("gw-7", "its-own-secret")
    assert (account.id > 0, bool(account.token)) == (True, True)
    assert cloud.mqtt_accounts()["gw-7"] == "its-own-secret"


# §2.1 and §2.2: whose the devices are.


async def test_a_room_that_is_none_is_said_so(client: CloudClient) -> None:
    with pytest.raises(NotThereError, match="空间不存在"):
        await client.records.create(replace(LOCK, param=replace(LOCK.param, room_id=4711)))


@pytest.mark.parametrize("level", list(Permission))
async def test_a_guest_may_with_a_device_what_his_level_says(
    cloud: SimulatedCloud, client: CloudClient, level: Permission
) -> None:
    id_ = await created(client, LOCK)
    async with connected(cloud, username=GUEST) as guest:
        with pytest.raises(ForbiddenError):
            await guest.records.get(id_)
        guest_id = (await guest.accounts.profile()).id
        given = await client.authorizations.create(Authorization(info_id=id_, authorized_id=guest_id, perm=level))
        assert given.perm == level

        async def can(call: object) -> bool:
            try:
                await call  # type: ignore[misc]
            except ForbiddenError:
                return False
            return True

        seen = [record async for record in guest.records.list()]
        assert [(one.id, one.perm, one.authorization_id) for one in seen] == (
            [(id_, level, given.id)] if level >= Permission.QUERY else []
        )
        told = CloudMessage(info_id=id_, message_type="operation_info", flag="card_unlock")
        key = CloudKey(info_id=id_, key_type=2, key_name="卡", key_number=7)
        assert await can(guest.messages.create(told)) == (level >= Permission.CONTROL)
        assert await can(guest.records.update(replace(LOCK, id=id_, title="新"))) == (level >= Permission.UPDATE)
        assert await can(guest.keys.create(key)) == (level >= Permission.CREATE)
        assert await can(guest.records.delete(id_)) == (level >= Permission.DELETE)


async def test_an_authorization_goes_two_hands_far_and_is_taken_back_with_what_was_given_on(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    id_ = await created(client, LOCK)
    async with connected(cloud, username=GUEST) as guest, connected(cloud, username=FRIEND) as friend:
        guest_id, friend_id = (await guest.accounts.profile()).id, (await friend.accounts.profile()).id
        first = await client.authorizations.create(Authorization(info_id=id_, authorized_id=guest_id, perm=5))
        with pytest.raises(AlreadyThereError, match="授权条目已存在"):
            await client.authorizations.create(Authorization(info_id=id_, authorized_id=guest_id, perm=3))
        with pytest.raises(ForbiddenError):  # more than he has himself
            await guest.authorizations.create(Authorization(info_id=id_, authorized_id=friend_id, perm=6))
        second = await guest.authorizations.create(Authorization(info_id=id_, authorized_id=friend_id, perm=5))
        admin_id = (await client.accounts.log_in(ADMIN, PASSWORD)).id
        with pytest.raises(RefusedByCloudError, match="授权不能超过2级") as third:
            await friend.authorizations.create(Authorization(info_id=id_, authorized_id=admin_id, perm=2))
        assert code_of(third) == 400086
        assert [one.id async for one in client.authorizations.list()] == [first.id, second.id]
        assert (await client.authorizations.update(replace(first, perm=6))).perm == 6
        assert first.id is not None
        assert (await guest.authorizations.get(first.id)).perm == 6
        await client.authorizations.delete(first.id)
        assert [one async for one in friend.authorizations.list()] == []
    with pytest.raises(NotThereError, match="授权对象不存在"):
        await client.authorizations.create(Authorization(info_id=id_, authorized_id=4711, perm=2))
    with pytest.raises(NotThereError, match="授权条目不存在"):
        await client.authorizations.get(4711)


# §2.3 and §2.11.


async def test_spaces_stand_in_one_another_and_default_ones_stay(client: CloudClient) -> None:
    defaults = [space async for space in client.spaces.list()]
    assert [(one.type, one.is_default) for one in defaults] == [("unit", True), ("floor", True), ("room", True)]
    assert defaults[0].id is not None
    with pytest.raises(RefusedByCloudError, match="默认空间不能删除") as kept:
        await client.spaces.delete(defaults[0].id)
    assert code_of(kept) == 400083
    with pytest.raises(RefusedByCloudError, match="不能创建默认空间"):
        await client.spaces.create(Space(type="unit", title="x", is_default=True))
    with pytest.raises(BadParametersError, match="if space type is room,param 'superior_id' is needed"):
        await client.spaces.create(Space(type="room", title="杂物间3"))
    unit = await client.spaces.create(Space(type="unit", title="地下室14"))
    with pytest.raises(AlreadyThereError, match="空间已存在"):
        await client.spaces.create(Space(type="unit", title="地下室14"))
    room = await client.spaces.create(Space(type="room", title="杂物间3", superior_id=unit.id))
    assert room.id is not None
    assert room.superior_id == unit.id
    assert (await client.spaces.update(replace(room, title="书房"))).title == "书房"
    assert unit.id is not None
    await client.spaces.delete(unit.id)
    with pytest.raises(NotThereError, match="空间不存在"):
        await client.spaces.get(room.id)
    with pytest.raises(NotThereError, match="家庭不存在"):
        await client.spaces.create(Space(type="unit", title="x", home_id=4711))


async def test_a_home_is_renamed(client: CloudClient) -> None:
    (home,) = [one async for one in client.homes.list()]
    assert (await client.homes.update(replace(home, title="新家"))).title == "新家"
    with pytest.raises(ForbiddenError):
        await client.homes.update(replace(home, id=4711))


# §2.5.


async def test_a_batch_has_an_outcome_for_each_part(cloud: SimulatedCloud, client: CloudClient) -> None:
    parts = [
        BatchPart(name="spaces.create", about=Space(type="unit", title="房间7")),
        BatchPart(name="spaces.create", about=Space(type="room", title="杂物间3")),
        BatchPart(name="records.create", about=GATEWAY),
        BatchPart(name="records.create", about=GATEWAY),
        BatchPart(name="records.update", about=replace(GATEWAY, title="新"), id=1),
        BatchPart(name="keys.delete", id=4711),
    ]
    done = await client.batch.send(parts)
    assert [one.part for one in done] == parts
    assert [type(one.error) for one in done] == [
        type(None), BadParametersError, type(None), AlreadyThereError, type(None), NotThereError,
    ]  # fmt: skip
    assert done[0].data["superior_id"] is None
    assert "superior_id" in str(done[1].error)
    assert [record["title"] for record in cloud.records(USER)] == ["新"]


async def test_a_batch_that_fails_as_a_whole_says_why_part_by_part(client: CloudClient) -> None:
    done = await client.batch.send([BatchPart(name="keys.delete", id=1), BatchPart(name="keys.delete", id=2)])
    assert [type(one.error) for one in done] == [NotThereError, NotThereError]


# §2.7 and §2.8.


async def test_members_hold_keys(client: CloudClient) -> None:
    (me,) = [member async for member in client.members.list()]
    assert (me.username, me.keys) == (USER, [])
    monkey = await client.members.create(Member(home_id=me.home_id, title="小猴子", icon="local:5011"))
    with pytest.raises(AlreadyThereError, match="家庭成员已存在"):
        await client.members.create(Member(home_id=me.home_id, title="小猴子"))
    lock = await created(client, LOCK)
    key = await client.keys.create(
        CloudKey(info_id=lock, key_type=1, key_name="36586", key_number=1, member_id=monkey.id)
    )
    assert (key.title, key.icon) == ("小猴子", "local:5011")
    assert monkey.id is not None
    (held,) = (await client.members.get(monkey.id)).held()
    assert (held.id, held.key_number, held.extra["is_remind"]) == (key.id, 1, False)
    changed = await client.members.update(replace(monkey, is_remind=True, remind_time_start="08:30"))
    assert (changed.is_remind, changed.remind_time_start) == (True, "08:30")
    await client.members.delete(monkey.id)
    assert key.id is not None
    assert (await client.keys.get(key.id)).member_id is None
    with pytest.raises(NotThereError, match="家庭成员不存在"):
        await client.members.delete(monkey.id)


async def test_a_key_is_created_found_renamed_and_deleted_and_its_twin_refused(client: CloudClient) -> None:
    info_id = await created(client, LOCK)
    key = await client.keys.create(CloudKey(info_id=info_id, key_type=0, key_name="小红", key_number="12345678"))
    with pytest.raises(AlreadyThereError, match="钥匙已存在"):
        await client.keys.create(CloudKey(info_id=info_id, key_type=0, key_name="twin", key_number="12345678"))
    await client.keys.update(replace(key, key_name="小明"))
    found = [one.key_name async for one in client.keys.list(info_id=info_id, key_type=0, key_number="12345678")]
    assert found == ["小明"]
    assert key.id is not None
    await client.keys.delete(key.id)
    assert [one async for one in client.keys.list()] == []
    assert "12345678" not in repr(key)


# §2.6 and §2.9.


async def test_messages_are_filtered_and_paged(client: CloudClient) -> None:
    lock, gateway = await created(client, LOCK), await created(client)
    for number in range(120):
        await client.messages.create(
            CloudMessage(
                info_id=lock if number % 2 else gateway,
                message_type="operation_info",
                flag="fingerprint_unlock",
                level=1 + number % 3,
                occur_time=f"2026-11-{1 + number // 24:02} {number % 24:02}:00:00",
            )
        )
    every = [one async for one in client.messages.list()]
    assert len({one.id for one in every}) == 120
    assert every[0].content == "您有家人使用指纹开锁，已到家。"
    assert len([one async for one in client.messages.list(info_id=lock)]) == 60
    assert len([one async for one in client.messages.list(category="lock", level_gte=2, level_lte=2)]) == 20
    assert len([one async for one in client.messages.list(level=3)]) == 40
    day = [one async for one in client.messages.list(date_gte="2026-11-02", date_lte="2026-11-02")]
    assert len(day) == 24
    assert day[0].id is not None
    assert (await client.messages.get(day[0].id)) == day[0]
    await client.messages.delete(day[0].id)
    with pytest.raises(RefusedByCloudError):
        await client.messages.get(day[0].id)


async def test_an_alarm_goes_out_as_sms(cloud: SimulatedCloud, client: CloudClient) -> None:
    serial = await client.messages.send_alarm(SmsAlarm.HIJACK, device="门锁", name="向先生", receiver="13825182430")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", serial)
    ((receiver, said),) = cloud.sent("alarm")
    assert (receiver, said["msg_type"]) == ("13825182430", "hijack")


# §2.10.


async def test_a_temporary_password_goes_to_the_phone_and_is_shown_to_nobody(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    me = (await client.accounts.profile()).id
    wanted = TemporaryPassword(
        authorizer_id=me,
        info_id=await created(client, LOCK),
        phone="16620039353",
        start_time="2018-07-06 10:30",
        end_time="2018-07-06 11:30",
        duration=60,
        temporary_password="234567",
    )
    given = await client.passwords.create(wanted)
    assert (given.authorizer_id, given.description, given.temporary_password) == (me, "1.0小时", None)
    assert cloud.sent("temporary_password") == [("16620039353", "234567")]
    assert [one async for one in client.passwords.list()] == [given]
    assert "234567" not in repr(wanted)
    with pytest.raises(NotThereError, match="授权人不存在"):
        await client.passwords.create(replace(wanted, authorizer_id=4711))
    with pytest.raises(BadParametersError, match="参数错误"):
        await client.passwords.create(replace(wanted, end_time="2018-07-06 10:30"))


# §2.13 to §3.2, §11.


async def test_feedback_and_share_arrive(cloud: SimulatedCloud, client: CloudClient) -> None:
    pictures = (Picture(code="d2Vy", image_type="jpg"), Picture(code="dGV0", image_type="png"))
    said = await client.service.send_feedback(2, "开锁有问题", contact=13825132345, images=pictures)
    assert (said.content, said.contact, [name[-3:] for name in said.images]) == (
        "开锁有问题", 13825132345, ["jpg", "png"],
    )  # fmt: skip
    assert await client.service.share("13825182430", "ios") == "send success"
    assert cloud.sent("share") == [("13825182430", "ios")]
    with pytest.raises(BadParametersError):
        await client.service.share("13825182430", "symbian")


async def test_sms_and_push_speak_of_a_device(cloud: SimulatedCloud, client: CloudClient) -> None:
    assert await client.service.send_sms(LOCK) == LOCK
    assert await client.service.send_push(GATEWAY) == GATEWAY
    assert [said["title"] for _, said in cloud.sent("sms") + cloud.sent("push")] == ["门锁", "网关"]


async def test_releases_are_the_administrators(cloud: SimulatedCloud, client: CloudClient) -> None:
    app = Release(type="app", name="智联", platform="android", package_name="com.zj", version="1.0")
    with pytest.raises(ForbiddenError):
        await client.releases.create(app)
    async with connected(cloud, username=ADMIN) as admin:
        made = await admin.releases.create(app)
        assert (made.type, made.down_count) == ("app", 0)
        assert (await admin.releases.update(replace(made, version="1.1"))).version == "1.1"
        assert made.id is not None
        await admin.releases.delete(made.id)
        with pytest.raises(RefusedByCloudError):
            await admin.releases.delete(made.id)
