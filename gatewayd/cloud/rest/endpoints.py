"""Every endpoint of the API, one row each, in the API's order: what a call needs, and which statuses are its success.

A row's name is the client's method (`keys.create` is `CloudClient.keys.create`). What the other statuses of a section
mean stands in `gatewayd.model.rest_status`. Where a section's table and its example disagree about a success (§2.7:
200043 in the table, 200013 in the example) both are one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class In(Enum):
    """Where a call's parameters stand."""

    NOTHING = "nothing"
    QUERY = "query"  # ?limit=3&page=2
    BODY = "body"  # {"username": …}
    DATA = "data"  # {"data": {"title": …}}


@dataclass(frozen=True, slots=True)
class RestEndpoint:
    """One row. `params` names its parameters in the API's spelling, those that may be left out in brackets."""

    name: str
    section: str
    method: str
    path: str
    success: tuple[int, ...]
    says: In = In.NOTHING
    params: str = ""
    has_token: bool = True
    is_repeatable_post: bool = False

    @property
    def is_repeatable(self) -> bool:
        """True where the same call twice does what one does."""
        return self.method != "POST" or self.is_repeatable_post

    @property
    def needed(self) -> tuple[str, ...]:
        """The parameters that must be there."""
        return tuple(name for name in self.params.split() if not name.startswith("["))

    @property
    def known(self) -> tuple[str, ...]:
        """All parameters."""
        return tuple(name.strip("[]") for name in self.params.split())


_ACCOUNTS: Final = "/api/accounts"
_IOT: Final = "/api/iot"
_RECORD: Final = (
    "category uuid title [user_id] [type_sub] [cluster] [ver] [icon] [body] [param] "
    "[id] [create_time] [update_time] [type] [perm]"
)
_RELEASE: Final = "type name platform package_name version [brief] [icon_url] [pm] [qrcode] [app_version]"
_REMIND: Final = "[is_remind] [remind_time_start] [remind_time_end] " + " ".join(
    f"[is_remind_week{day}]" for day in range(7)
)

_ROWS: Final = (
    # §1 users
    RestEndpoint("accounts.request_code", "1.1", "POST", f"{_ACCOUNTS}/register_get_smscode/", (200001,),
                 In.BODY, "username", has_token=False),
    RestEndpoint("accounts.register", "1.2", "POST", f"{_ACCOUNTS}/register_sms/", (200002,),
                 In.BODY, "username email password password_2 sms_code first_name last_name", has_token=False),
    RestEndpoint("accounts.log_in", "1.3", "POST", f"{_ACCOUNTS}/login/", (200003,),
                 In.BODY, "username password [language] [uuid] [devtype]", has_token=False, is_repeatable_post=True),
    RestEndpoint("accounts.profile", "1.4", "GET", f"{_ACCOUNTS}/user_get_profile/", (200004,)),
    RestEndpoint("accounts.change_password", "1.5", "POST", f"{_ACCOUNTS}/password_reset_old_psw/", (200005,),
                 In.BODY, "username old_password new_password new_password_2", has_token=False),
    RestEndpoint("accounts.request_reset_code", "1.6", "POST", f"{_ACCOUNTS}/password_reset_get_smscode/", (200001,),
                 In.BODY, "username", has_token=False),
    RestEndpoint("accounts.reset_password", "1.7", "POST", f"{_ACCOUNTS}/password_reset_sms/", (200007,),
                 In.BODY, "username sms_code new_password new_password_2", has_token=False),
    RestEndpoint("accounts.update_profile", "1.8", "POST", f"{_ACCOUNTS}/user_update_profile/", (200008,),
                 In.BODY, "[profile] [user]"),
    RestEndpoint("accounts.update_avatar", "1.9", "POST", f"{_ACCOUNTS}/user_update_avatar/", (200009,),
                 In.BODY, "image_type image_size image_name data_type image_data"),
    RestEndpoint("accounts.avatar", "1.10", "GET", f"{_ACCOUNTS}/user_get_avatar/{{id}}/avatar.jpg/", (200010,)),
    RestEndpoint("accounts.external_username", "1.11", "GET", f"{_ACCOUNTS}/user_get_username_external/{{id}}",
                 (200011,),
                 has_token=False),
    RestEndpoint("accounts.register_external", "1.12", "POST", f"{_ACCOUNTS}/register_sms/", (200002,), In.BODY,
                 "username email password password_2 sms_code first_name last_name wechat_service", has_token=False),
    # §2.1 device records
    RestEndpoint("records.list", "2.1", "GET", f"{_IOT}/iot_manage_view/", (200016,),
                 In.QUERY, "[page] [limit] [ver] [type_sub] [category] [uuid] [icon] [title]"),
    RestEndpoint("records.get", "2.1", "GET", f"{_IOT}/iot_manage_view/{{id}}/", (200012,)),
    RestEndpoint("records.create", "2.1", "POST", f"{_IOT}/iot_manage_view/", (200013,),
                 In.DATA, "category uuid title [user_id] [type_sub] [ver] [icon] [body] [param]"),
    RestEndpoint("records.update", "2.1", "PUT", f"{_IOT}/iot_manage_view/{{id}}/", (200015,),
                 In.DATA, "[title] [type_sub] [ver] [icon] [body] [param]"),
    RestEndpoint("records.delete", "2.1", "DELETE", f"{_IOT}/iot_manage_view/{{id}}/", (200014,)),
    # §2.2 authorizations
    RestEndpoint("authorizations.list", "2.2", "GET", f"{_IOT}/authorization/", (200021,), In.QUERY, "[page] [limit]"),
    RestEndpoint("authorizations.get", "2.2", "GET", f"{_IOT}/authorization/{{id}}/", (200017,)),
    RestEndpoint("authorizations.create", "2.2", "POST", f"{_IOT}/authorization/", (200018,),
                 In.DATA, "info_id authorized_id perm [remarks]"),
    RestEndpoint("authorizations.update", "2.2", "PUT", f"{_IOT}/authorization/{{id}}/", (200019,),
                 In.DATA, "perm [remarks]"),
    RestEndpoint("authorizations.delete", "2.2", "DELETE", f"{_IOT}/authorization/{{id}}/", (200020,)),
    # §2.3 spaces
    RestEndpoint("spaces.list", "2.3", "GET", f"{_IOT}/space/", (200026,), In.QUERY, "[page] [limit]"),
    RestEndpoint("spaces.get", "2.3", "GET", f"{_IOT}/space/{{id}}/", (200022,)),
    RestEndpoint("spaces.create", "2.3", "POST", f"{_IOT}/space/", (200023,),
                 In.DATA, "type title [superior_id] [home_id] [is_default] [icon]"),
    RestEndpoint("spaces.update", "2.3", "PUT", f"{_IOT}/space/{{id}}/", (200024,),
                 In.DATA, "[title] [icon] [superior_id]"),
    RestEndpoint("spaces.delete", "2.3", "DELETE", f"{_IOT}/space/{{id}}/", (200025,)),
    # §2.4 a gateway's account
    RestEndpoint("accounts.register_gateway", "2.4", "POST", f"{_ACCOUNTS}/register/gw", (200012,),
                 In.DATA, "username password", has_token=False),
    # §2.5 many at once; where all parts fail (400400) each says why all the same
    RestEndpoint("batch.send", "2.5", "POST", f"{_IOT}/patch/", (200200, 200201, 400400), In.DATA),
    # §2.6 alarm by SMS
    RestEndpoint("messages.send_alarm", "2.6", "POST", f"{_IOT}/sms/alarm/", (200012,),
                 In.DATA, "msg_type device name receiver"),
    # §2.7 members
    RestEndpoint("members.list", "2.7", "GET", f"{_IOT}/members/", (200046, 200012), In.QUERY, "[page] [limit]"),
    RestEndpoint("members.get", "2.7", "GET", f"{_IOT}/members/{{id}}/", (200042, 200012)),
    RestEndpoint("members.create", "2.7", "POST", f"{_IOT}/members/", (200043, 200013),
                 In.DATA, f"home_id title [icon] [user_id] {_REMIND}"),
    RestEndpoint("members.update", "2.7", "PUT", f"{_IOT}/members/{{id}}/", (200044, 200015),
                 In.DATA, f"[user_id] [title] [icon] {_REMIND}"),
    RestEndpoint("members.delete", "2.7", "DELETE", f"{_IOT}/members/{{id}}/", (200045, 200014)),
    # §2.8 keys
    RestEndpoint("keys.list", "2.8", "GET", f"{_IOT}/keys/", (200033, 200012),
                 In.QUERY, "[page] [limit] [info_id] [key_type] [key_number]"),
    RestEndpoint("keys.get", "2.8", "GET", f"{_IOT}/keys/{{id}}/", (200029, 200012)),
    RestEndpoint("keys.create", "2.8", "POST", f"{_IOT}/keys/", (200030, 200013),
                 In.DATA, "info_id key_type key_name key_number [member_id]"),
    RestEndpoint("keys.update", "2.8", "PUT", f"{_IOT}/keys/{{id}}/", (200031, 200015),
                 In.DATA, "[info_id] [key_type] [key_name] [key_number] [member_id]"),
    RestEndpoint("keys.delete", "2.8", "DELETE", f"{_IOT}/keys/{{id}}/", (200032, 200014)),
    # §2.9 messages
    RestEndpoint("messages.list", "2.9", "GET", f"{_IOT}/messages/", (200041,), In.QUERY,
                 "[page] [limit] [info_id] [category] [level] [level_lte] [level_gte] [date_lte] [date_gte]"),
    RestEndpoint("messages.get", "2.9", "GET", f"{_IOT}/messages/{{id}}/", (200038,)),
    RestEndpoint("messages.create", "2.9", "POST", f"{_IOT}/messages/", (200039,),
                 In.DATA, "info_id message_type flag [level] [key_id] [occur_time] [receiver]"),
    RestEndpoint("messages.delete", "2.9", "DELETE", f"{_IOT}/messages/{{id}}/", (200040,)),
    # §2.10 temporary passwords
    RestEndpoint("passwords.list", "2.10", "GET", f"{_IOT}/temporary_passwords/", (200036, 200012),
                 In.QUERY, "[page] [limit]"),
    RestEndpoint("passwords.create", "2.10", "POST", f"{_IOT}/temporary_passwords/", (200035, 200013), In.DATA,
                 "authorizer_id info_id phone start_time duration temporary_password end_time"),
    # §2.11 the home
    RestEndpoint("homes.list", "2.11", "GET", f"{_IOT}/home/", (200024,), In.QUERY, "[page] [limit]"),
    RestEndpoint("homes.update", "2.11", "PUT", f"{_IOT}/home/{{id}}/", (200025,), In.DATA, "[title] [icon]"),
    # §2.12 versions
    RestEndpoint("versions.latest", "2.12", "GET", f"{_IOT}/versions/latest/", (200037,), In.QUERY, "device_type"),
    RestEndpoint("versions.list", "2.12", "GET", f"{_IOT}/versions/", (200047,),
                 In.QUERY, "[page] [limit] [device_type] [version]"),
    # §2.13, both of them, and §2.15
    RestEndpoint("service.timestamp", "2.13", "GET", f"{_IOT}/get_timestamp/", (200049,)),
    RestEndpoint("service.send_feedback", "2.13", "POST", f"{_IOT}/feedback/", (200048,),
                 In.DATA, "category content [contact] [images]"),
    RestEndpoint("service.share", "2.15", "POST", f"{_IOT}/share/", (200050,), In.DATA, "receiver platform"),
    # §3.2 releases of apps
    RestEndpoint("releases.create", "3.2", "POST", "/api/app/release_view/", (200301,), In.BODY, _RELEASE),
    RestEndpoint("releases.update", "3.2", "PUT", "/api/app/release_view/{id}/", (200303,), In.BODY, _RELEASE),
    RestEndpoint("releases.delete", "3.2", "DELETE", "/api/app/release_view/{id}/", (200302,)),
    # §11 SMS, and push, which the API numbers 11.1 as well
    RestEndpoint("service.send_sms", "11.1", "POST", "/api/sms/sms_manage_view/", (200013,), In.BODY, _RECORD),
    RestEndpoint("service.send_push", "11.2", "POST", "/api/push/push_manage_view/", (200013,), In.BODY, _RECORD),
)  # fmt: skip

ENDPOINTS: Final[Mapping[str, RestEndpoint]] = MappingProxyType({row.name: row for row in _ROWS})
