"""Every section of the API, called by the client and answered by the simulated cloud with its documented rules."""

import base64
import re

import pytest
from msgspec.structs import replace

from gatewayd.cloud.rest.accounts import Avatar, Registration
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import (
    AlreadyExistsError,
    BadParametersError,
    ForbiddenError,
    NotFoundError,
    RefusedByCloudError,
)
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.messages import CloudMessage, SmsAlarm
from gatewayd.cloud.rest.releases import Release
from gatewayd.cloud.rest.service import FeedbackImage
from gatewayd.cloud.rest.spaces import Space
from gatewayd.cloud.rest.temporary_passwords import TemporaryPassword
from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import ADMIN, FRIEND, GATEWAY, GUEST, LOCK, PASSWORD, USER, connect_client, create_record


def code_of(refused: pytest.ExceptionInfo[RefusedByCloudError]) -> int:
    return refused.value.code


# §1.


async def test_registered_user_logs_in(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.accounts.request_code("13825182430")
    ((receiver, code),) = cloud.sent("code")
    assert receiver == "13825182430"
    registration = Registration(username="13825182430", password="longer-than-8", sms_code="000000x")
    with pytest.raises(RefusedByCloudError) as wrong:
        await client.accounts.register(registration)
    assert code_of(wrong) == 400009
    await client.accounts.register(replace(registration, sms_code=code))
    user = await client.accounts.log_in("13825182430", "longer-than-8", devtype="android", language="en")
    assert (user.username, user.language, user.is_active) == ("13825182430", "en", True)
    assert user.token
    assert user.token not in repr(user)
    assert user.extra["user_normal"] is True
    with pytest.raises(RefusedByCloudError) as known:
        await client.accounts.request_code("13825182430")
    assert code_of(known) == 400001


async def test_wechat_user_is_found_after_registration(cloud: SimulatedCloud, client: CloudClient) -> None:
    with pytest.raises(RefusedByCloudError) as unknown:
        await client.accounts.external_username("open/id 1")
    assert code_of(unknown) == 400038
    await client.accounts.request_code("13825182430")
    ((_, code),) = cloud.sent("code")
    registration = Registration(
        username="13825182430", password="longer-than-8", sms_code=code, wechat_service="open/id 1"
    )
    await client.accounts.register(registration)
    assert (await client.accounts.external_username("open/id 1")).username == "13825182430"


async def test_password_is_changed_and_reset_and_the_old_one_refused(
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


async def test_profile_and_avatar_are_read_and_updated(client: CloudClient) -> None:
    before = await client.accounts.profile()
    assert (before.username, before.signature) == (USER, "")
    after = await client.accounts.update_profile(profile={"signature": "你好"}, user={"first_name": "向"})
    assert (after.signature, after.first_name, after.last_name) == ("你好", "向", "none")
    with pytest.raises(RefusedByCloudError) as none_set:
        await client.accounts.avatar(before.id)
    assert code_of(none_set) == 400036
    data = base64.b64encode(b"\xff\xd8 a face").decode()
    avatar = Avatar(image_type="jpg", image_size="9", image_name="me", data_type="base64", image_data=data)
    assert (await client.accounts.update_avatar(avatar)).avatar_url
    assert await client.accounts.avatar(before.id) == b"\xff\xd8 a face"
    with pytest.raises(RefusedByCloudError) as wrong_format:
        await client.accounts.update_avatar(replace(avatar, image_type="gif"))
    assert code_of(wrong_format) == 400031


async def test_gateway_registers_an_account(cloud: SimulatedCloud, client: CloudClient) -> None:
    account = await client.accounts.register_gateway("gw-7", "its-own-secret")
    assert (account.id > 0, bool(account.token)) == (True, True)
    assert cloud.mqtt_accounts()["gw-7"] == "its-own-secret"


# §2.1 and §2.2.


async def test_record_with_unknown_room_is_refused(client: CloudClient) -> None:
    with pytest.raises(NotFoundError, match="空间不存在"):
        await client.records.create(replace(LOCK, param=replace(LOCK.param, room_id=4711)))


@pytest.mark.parametrize("level", list(Permission))
async def test_guest_is_limited_to_his_level(cloud: SimulatedCloud, client: CloudClient, level: Permission) -> None:
    id_ = await create_record(client, LOCK)
    async with connect_client(cloud, username=GUEST) as guest:
        with pytest.raises(ForbiddenError):
            await guest.records.get(id_)
        guest_id = (await guest.accounts.profile()).id
        authorization = await client.authorizations.create(
            Authorization(info_id=id_, authorized_id=guest_id, perm=level)
        )
        assert authorization.perm == level

        async def is_permitted(call: object) -> bool:
            try:
                await call  # type: ignore[misc]
            except ForbiddenError:
                return False
            return True

        listed = [record async for record in guest.records.list()]
        assert [(one.id, one.perm, one.authorization_id) for one in listed] == (
            [(id_, level, authorization.id)] if level >= Permission.QUERY else []
        )
        message = CloudMessage(info_id=id_, message_type="operation_info", flag="card_unlock")
        key = CloudKey(info_id=id_, key_type=2, key_name="卡", key_number=7)
        assert await is_permitted(guest.messages.create(message)) == (level >= Permission.CONTROL)
        assert await is_permitted(guest.records.update(replace(LOCK, id=id_, title="新"))) == (
            level >= Permission.UPDATE
        )
        assert await is_permitted(guest.keys.create(key)) == (level >= Permission.CREATE)
        assert await is_permitted(guest.records.delete(id_)) == (level >= Permission.DELETE)


async def test_authorization_is_passed_on_once_and_revoked_with_its_dependents(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    id_ = await create_record(client, LOCK)
    async with connect_client(cloud, username=GUEST) as guest, connect_client(cloud, username=FRIEND) as friend:
        guest_id, friend_id = (await guest.accounts.profile()).id, (await friend.accounts.profile()).id
        first = await client.authorizations.create(Authorization(info_id=id_, authorized_id=guest_id, perm=5))
        with pytest.raises(AlreadyExistsError, match="授权条目已存在"):
            await client.authorizations.create(Authorization(info_id=id_, authorized_id=guest_id, perm=3))
        with pytest.raises(ForbiddenError):  # a higher level than his own
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
    with pytest.raises(NotFoundError, match="授权对象不存在"):
        await client.authorizations.create(Authorization(info_id=id_, authorized_id=4711, perm=2))
    with pytest.raises(NotFoundError, match="授权条目不存在"):
        await client.authorizations.get(4711)


# §2.3 and §2.11.


async def test_spaces_are_nested_and_default_spaces_cannot_be_deleted(client: CloudClient) -> None:
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
    with pytest.raises(AlreadyExistsError, match="空间已存在"):
        await client.spaces.create(Space(type="unit", title="地下室14"))
    room = await client.spaces.create(Space(type="room", title="杂物间3", superior_id=unit.id))
    assert room.id is not None
    assert room.superior_id == unit.id
    assert (await client.spaces.update(replace(room, title="书房"))).title == "书房"
    assert unit.id is not None
    await client.spaces.delete(unit.id)
    with pytest.raises(NotFoundError, match="空间不存在"):
        await client.spaces.get(room.id)
    with pytest.raises(NotFoundError, match="家庭不存在"):
        await client.spaces.create(Space(type="unit", title="x", home_id=4711))


async def test_home_is_renamed(client: CloudClient) -> None:
    (home,) = [one async for one in client.homes.list()]
    assert (await client.homes.update(replace(home, title="新家"))).title == "新家"
    with pytest.raises(ForbiddenError):
        await client.homes.update(replace(home, id=4711))


# §2.5.


async def test_batch_has_an_outcome_per_part(cloud: SimulatedCloud, client: CloudClient) -> None:
    parts = [
        RestCall(name="spaces.create", body=Space(type="unit", title="房间7")),
        RestCall(name="spaces.create", body=Space(type="room", title="杂物间3")),
        RestCall(name="records.create", body=GATEWAY),
        RestCall(name="records.create", body=GATEWAY),
        RestCall(name="records.update", body=replace(GATEWAY, title="新"), id=1),
        RestCall(name="keys.delete", id=4711),
    ]
    outcomes = await client.batch.send(parts)
    assert [one.part for one in outcomes] == parts
    assert [type(one.error) for one in outcomes] == [
        type(None), BadParametersError, type(None), AlreadyExistsError, type(None), NotFoundError,
    ]  # fmt: skip
    assert outcomes[0].data["superior_id"] is None
    assert "superior_id" in str(outcomes[1].error)
    assert [record["title"] for record in cloud.records(USER)] == ["新"]


async def test_failed_batch_has_an_error_per_part(client: CloudClient) -> None:
    outcomes = await client.batch.send([RestCall(name="keys.delete", id=1), RestCall(name="keys.delete", id=2)])
    assert [type(one.error) for one in outcomes] == [NotFoundError, NotFoundError]


# §2.7 and §2.8.


async def test_member_lists_his_keys(client: CloudClient) -> None:
    (me,) = [one async for one in client.members.list()]
    assert (me.username, me.keys) == (USER, [])
    member = await client.members.create(Member(home_id=me.home_id, title="小猴子", icon="local:5011"))
    with pytest.raises(AlreadyExistsError, match="家庭成员已存在"):
        await client.members.create(Member(home_id=me.home_id, title="小猴子"))
    lock = await create_record(client, LOCK)
    key = await client.keys.create(
        CloudKey(info_id=lock, key_type=1, key_name="36586", key_number=1, member_id=member.id)
    )
    assert (key.title, key.icon) == ("小猴子", "local:5011")
    assert member.id is not None
    (listed,) = (await client.members.get(member.id)).decode_keys()
    assert (listed.id, listed.key_number, listed.extra["is_remind"]) == (key.id, 1, False)
    changed = await client.members.update(replace(member, is_remind=True, remind_time_start="08:30"))
    assert (changed.is_remind, changed.remind_time_start) == (True, "08:30")
    await client.members.delete(member.id)
    assert key.id is not None
    assert (await client.keys.get(key.id)).member_id is None
    with pytest.raises(NotFoundError, match="家庭成员不存在"):
        await client.members.delete(member.id)


async def test_key_is_created_listed_updated_and_deleted_and_a_duplicate_refused(client: CloudClient) -> None:
    info_id = await create_record(client, LOCK)
    key = await client.keys.create(CloudKey(info_id=info_id, key_type=0, key_name="小红", key_number="12345678"))
    with pytest.raises(AlreadyExistsError, match="钥匙已存在"):
        await client.keys.create(CloudKey(info_id=info_id, key_type=0, key_name="duplicate", key_number="12345678"))
    await client.keys.update(replace(key, key_name="小明"))
    found = [one.key_name async for one in client.keys.list(info_id=info_id, key_type=0, key_number="12345678")]
    assert found == ["小明"]
    assert key.id is not None
    await client.keys.delete(key.id)
    assert [one async for one in client.keys.list()] == []
    assert "12345678" not in repr(key)


# §2.6 and §2.9.


async def test_messages_are_filtered_and_paged(client: CloudClient) -> None:
    lock, gateway = await create_record(client, LOCK), await create_record(client)
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
    messages = [one async for one in client.messages.list()]
    assert len({one.id for one in messages}) == 120
    assert messages[0].content == "您有家人使用指纹开锁，已到家。"
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


async def test_alarm_is_sent_by_sms(cloud: SimulatedCloud, client: CloudClient) -> None:
    serial = await client.messages.send_alarm(SmsAlarm.HIJACK, device="门锁", name="向先生", receiver="13825182430")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", serial)
    ((receiver, params),) = cloud.sent("alarm")
    assert (receiver, params["msg_type"]) == ("13825182430", "hijack")


# §2.10.


async def test_temporary_password_is_sent_to_the_phone_and_never_shown(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    me = (await client.accounts.profile()).id
    password = TemporaryPassword(
        authorizer_id=me,
        info_id=await create_record(client, LOCK),
        phone="16620039353",
        start_time="2018-07-06 10:30",
        end_time="2018-07-06 11:30",
        duration=60,
        temporary_password="234567",
    )
    created = await client.temporary_passwords.create(password)
    assert (created.authorizer_id, created.description, created.temporary_password) == (me, "1.0小时", None)
    assert cloud.sent("temporary_password") == [("16620039353", "234567")]
    assert [one async for one in client.temporary_passwords.list()] == [created]
    assert "234567" not in repr(password)
    with pytest.raises(NotFoundError, match="授权人不存在"):
        await client.temporary_passwords.create(replace(password, authorizer_id=4711))
    with pytest.raises(BadParametersError, match="参数错误"):
        await client.temporary_passwords.create(replace(password, end_time="2018-07-06 10:30"))


# §2.13 to §3.2, §11.


async def test_feedback_and_share_are_sent(cloud: SimulatedCloud, client: CloudClient) -> None:
    images = (FeedbackImage(code="d2Vy", image_type="jpg"), FeedbackImage(code="dGV0", image_type="png"))
    feedback = await client.service.send_feedback(2, "开锁有问题", contact=13825132345, images=images)
    assert (feedback.content, feedback.contact, [name[-3:] for name in feedback.images]) == (
        "开锁有问题", 13825132345, ["jpg", "png"],
    )  # fmt: skip
    assert await client.service.share("13825182430", "ios") == "send success"
    assert cloud.sent("share") == [("13825182430", "ios")]
    with pytest.raises(BadParametersError):
        await client.service.share("13825182430", "symbian")


async def test_sms_and_push_carry_the_device_record(cloud: SimulatedCloud, client: CloudClient) -> None:
    assert await client.service.send_sms(LOCK) == LOCK
    assert await client.service.send_push(GATEWAY) == GATEWAY
    assert [params["title"] for _, params in cloud.sent("sms") + cloud.sent("push")] == ["门锁", "网关"]


async def test_release_is_managed_by_administrators_only(cloud: SimulatedCloud, client: CloudClient) -> None:
    app = Release(type="app", name="智联", platform="android", package_name="com.zj", version="1.0")
    with pytest.raises(ForbiddenError):
        await client.releases.create(app)
    async with connect_client(cloud, username=ADMIN) as admin:
        created = await admin.releases.create(app)
        assert (created.type, created.down_count) == ("app", 0)
        assert (await admin.releases.update(replace(created, version="1.1"))).version == "1.1"
        assert created.id is not None
        await admin.releases.delete(created.id)
        with pytest.raises(RefusedByCloudError):
            await admin.releases.delete(created.id)
