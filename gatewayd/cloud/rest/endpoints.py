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


class Says(Enum):
    """Where a call's parameters stand."""

    NOTHING = "nothing"
    QUERY = "query"  # ?limit=3&page=2
    BODY = "body"  # {"username": …}
    DATA = "data"  # {"data": {"title": …}}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row. `params` names its parameters in the API's spelling, those that may be left out in brackets."""

    name: str
    section: str
    method: str
    path: str
    success: tuple[int, ...]
    says: Says = Says.NOTHING
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
    Endpoint("accounts.request_code", "1.1", "POST", f"{_ACCOUNTS}/register_get_smscode/", (200001,),
             Says.BODY, "username", has_token=False),
    Endpoint("accounts.register", "1.2", "POST", f"{_ACCOUNTS}/register_sms/", (200002,),
             Says.BODY, "username email password password_2 sms_code first_name last_name", has_token=False),
    Endpoint("accounts.log_in", "1.3", "POST", f"{_ACCOUNTS}/login/", (200003,),
             Says.BODY, "username password [language] [uuid] [devtype]", has_token=False, is_repeatable_post=True),
    Endpoint("accounts.profile", "1.4", "GET", f"{_ACCOUNTS}/user_get_profile/", (200004,)),
    Endpoint("accounts.change_password", "1.5", "POST", f"{_ACCOUNTS}/password_reset_old_psw/", (200005,),
             Says.BODY, "username old_password new_password new_password_2", has_token=False),
    Endpoint("accounts.request_reset_code", "1.6", "POST", f"{_ACCOUNTS}/password_reset_get_smscode/", (200001,),
             Says.BODY, "username", has_token=False),
    Endpoint("accounts.reset_password", "1.7", "POST", f"{_ACCOUNTS}/password_reset_sms/", (200007,),
             Says.BODY, "username sms_code new_password new_password_2", has_token=False),
    Endpoint("accounts.update_profile", "1.8", "POST", f"{_ACCOUNTS}/user_update_profile/", (200008,),
             Says.BODY, "[profile] [user]"),
    Endpoint("accounts.update_avatar", "1.9", "POST", f"{_ACCOUNTS}/user_update_avatar/", (200009,),
             Says.BODY, "image_type image_size image_name data_type image_data"),
    Endpoint("accounts.avatar", "1.10", "GET", f"{_ACCOUNTS}/user_get_avatar/{{id}}/avatar.jpg/", (200010,)),
    Endpoint("accounts.external_username", "1.11", "GET", f"{_ACCOUNTS}/user_get_username_external/{{id}}", (200011,),
             has_token=False),
    Endpoint("accounts.register_external", "1.12", "POST", f"{_ACCOUNTS}/register_sms/", (200002,), Says.BODY,
             "username email password password_2 sms_code first_name last_name wechat_service", has_token=False),
    # §2.1 device records
    Endpoint("records.list", "2.1", "GET", f"{_IOT}/iot_manage_view/", (200016,),
             Says.QUERY, "[page] [limit] [ver] [type_sub] [category] [uuid] [icon] [title]"),
    Endpoint("records.get", "2.1", "GET", f"{_IOT}/iot_manage_view/{{id}}/", (200012,)),
    Endpoint("records.create", "2.1", "POST", f"{_IOT}/iot_manage_view/", (200013,),
             Says.DATA, "category uuid title [user_id] [type_sub] [ver] [icon] [body] [param]"),
    Endpoint("records.update", "2.1", "PUT", f"{_IOT}/iot_manage_view/{{id}}/", (200015,),
             Says.DATA, "[title] [type_sub] [ver] [icon] [body] [param]"),
    Endpoint("records.delete", "2.1", "DELETE", f"{_IOT}/iot_manage_view/{{id}}/", (200014,)),
    # §2.2 authorizations
    Endpoint("authorizations.list", "2.2", "GET", f"{_IOT}/authorization/", (200021,), Says.QUERY, "[page] [limit]"),
    Endpoint("authorizations.get", "2.2", "GET", f"{_IOT}/authorization/{{id}}/", (200017,)),
    Endpoint("authorizations.create", "2.2", "POST", f"{_IOT}/authorization/", (200018,),
             Says.DATA, "info_id authorized_id perm [remarks]"),
    Endpoint("authorizations.update", "2.2", "PUT", f"{_IOT}/authorization/{{id}}/", (200019,),
             Says.DATA, "perm [remarks]"),
    Endpoint("authorizations.delete", "2.2", "DELETE", f"{_IOT}/authorization/{{id}}/", (200020,)),
    # §2.3 spaces
    Endpoint("spaces.list", "2.3", "GET", f"{_IOT}/space/", (200026,), Says.QUERY, "[page] [limit]"),
    Endpoint("spaces.get", "2.3", "GET", f"{_IOT}/space/{{id}}/", (200022,)),
    Endpoint("spaces.create", "2.3", "POST", f"{_IOT}/space/", (200023,),
             Says.DATA, "type title [superior_id] [home_id] [is_default] [icon]"),
    Endpoint("spaces.update", "2.3", "PUT", f"{_IOT}/space/{{id}}/", (200024,),
             Says.DATA, "[title] [icon] [superior_id]"),
    Endpoint("spaces.delete", "2.3", "DELETE", f"{_IOT}/space/{{id}}/", (200025,)),
    # §2.4 a gateway's account
    Endpoint("accounts.register_gateway", "2.4", "POST", f"{_ACCOUNTS}/register/gw", (200012,),
             Says.DATA, "username password", has_token=False),
    # §2.5 many at once; where all parts fail (400400) each says why all the same
    Endpoint("batch.send", "2.5", "POST", f"{_IOT}/patch/", (200200, 200201, 400400), Says.DATA),
    # §2.6 alarm by SMS
    Endpoint("messages.send_alarm", "2.6", "POST", f"{_IOT}/sms/alarm/", (200012,),
             Says.DATA, "msg_type device name receiver"),
    # §2.7 members
    Endpoint("members.list", "2.7", "GET", f"{_IOT}/members/", (200046, 200012), Says.QUERY, "[page] [limit]"),
    Endpoint("members.get", "2.7", "GET", f"{_IOT}/members/{{id}}/", (200042, 200012)),
    Endpoint("members.create", "2.7", "POST", f"{_IOT}/members/", (200043, 200013),
             Says.DATA, f"home_id title [icon] [user_id] {_REMIND}"),
    Endpoint("members.update", "2.7", "PUT", f"{_IOT}/members/{{id}}/", (200044, 200015),
             Says.DATA, f"[user_id] [title] [icon] {_REMIND}"),
    Endpoint("members.delete", "2.7", "DELETE", f"{_IOT}/members/{{id}}/", (200045, 200014)),
    # §2.8 keys
    Endpoint("keys.list", "2.8", "GET", f"{_IOT}/keys/", (200033, 200012),
             Says.QUERY, "[page] [limit] [info_id] [key_type] [key_number]"),
    Endpoint("keys.get", "2.8", "GET", f"{_IOT}/keys/{{id}}/", (200029, 200012)),
    Endpoint("keys.create", "2.8", "POST", f"{_IOT}/keys/", (200030, 200013),
             Says.DATA, "info_id key_type key_name key_number [member_id]"),
    Endpoint("keys.update", "2.8", "PUT", f"{_IOT}/keys/{{id}}/", (200031, 200015),
             Says.DATA, "[info_id] [key_type] [key_name] [key_number] [member_id]"),
    Endpoint("keys.delete", "2.8", "DELETE", f"{_IOT}/keys/{{id}}/", (200032, 200014)),
    # §2.9 messages
    Endpoint("messages.list", "2.9", "GET", f"{_IOT}/messages/", (200041,), Says.QUERY,
             "[page] [limit] [info_id] [category] [level] [level_lte] [level_gte] [date_lte] [date_gte]"),
    Endpoint("messages.get", "2.9", "GET", f"{_IOT}/messages/{{id}}/", (200038,)),
    Endpoint("messages.create", "2.9", "POST", f"{_IOT}/messages/", (200039,),
             Says.DATA, "info_id message_type flag [level] [key_id] [occur_time] [receiver]"),
    Endpoint("messages.delete", "2.9", "DELETE", f"{_IOT}/messages/{{id}}/", (200040,)),
    # §2.10 temporary passwords
    Endpoint("passwords.list", "2.10", "GET", f"{_IOT}/temporary_passwords/", (200036, 200012),
             Says.QUERY, "[page] [limit]"),
    Endpoint("passwords.create", "2.10", "POST", f"{_IOT}/temporary_passwords/", (200035, 200013), Says.DATA,
             "authorizer_id info_id phone start_time duration temporary_password end_time"),
    # §2.11 the home
    Endpoint("homes.list", "2.11", "GET", f"{_IOT}/home/", (200024,), Says.QUERY, "[page] [limit]"),
    Endpoint("homes.update", "2.11", "PUT", f"{_IOT}/home/{{id}}/", (200025,), Says.DATA, "[title] [icon]"),
    # §2.12 versions
    Endpoint("versions.latest", "2.12", "GET", f"{_IOT}/versions/latest/", (200037,), Says.QUERY, "device_type"),
    Endpoint("versions.list", "2.12", "GET", f"{_IOT}/versions/", (200047,),
             Says.QUERY, "[page] [limit] [device_type] [version]"),
    # §2.13, both of them, and §2.15
    Endpoint("service.timestamp", "2.13", "GET", f"{_IOT}/get_timestamp/", (200049,)),
    Endpoint("service.send_feedback", "2.13", "POST", f"{_IOT}/feedback/", (200048,),
             Says.DATA, "category content [contact] [images]"),
    Endpoint("service.share", "2.15", "POST", f"{_IOT}/share/", (200050,), Says.DATA, "receiver platform"),
    # §3.2 releases of apps
    Endpoint("releases.create", "3.2", "POST", "/api/app/release_view/", (200301,), Says.BODY, _RELEASE),
    Endpoint("releases.update", "3.2", "PUT", "/api/app/release_view/{id}/", (200303,), Says.BODY, _RELEASE),
    Endpoint("releases.delete", "3.2", "DELETE", "/api/app/release_view/{id}/", (200302,)),
    # §11 SMS, and push, which the API numbers 11.1 as well
    Endpoint("service.send_sms", "11.1", "POST", "/api/sms/sms_manage_view/", (200013,), Says.BODY, _RECORD),
    Endpoint("service.send_push", "11.2", "POST", "/api/push/push_manage_view/", (200013,), Says.BODY, _RECORD),
)  # fmt: skip

ENDPOINTS: Final[Mapping[str, Endpoint]] = MappingProxyType({row.name: row for row in _ROWS})
