"""Every endpoint of the API, one row each, in the API's order: method, path, parameters and success statuses.

A row's name is the client's method (`keys.create` is `CloudClient.keys.create`). The meaning of the other statuses
stands in `gatewayd.model.rest_status`. Where a section's table and its example disagree about a success (§2.7: 200043
in the table, 200013 in the example), both count as success.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class ParamsIn(Enum):
    """Where a call has its parameters."""

    NOTHING = "nothing"
    QUERY = "query"  # ?limit=3&page=2
    BODY = "body"  # {"username": …}
    DATA = "data"  # {"data": {"title": …}}


@dataclass(frozen=True, slots=True)
class RestEndpoint:
    """One row. `params` lists the parameters in the API's spelling, optional ones in brackets.

    An answer that `must_be_fresh` is worse than none when it comes from a cache: no two calls have the same address.
    """

    name: str
    section: str
    method: str
    path: str
    success: tuple[int, ...]
    params_in: ParamsIn = ParamsIn.NOTHING
    params: str = ""
    needs_token: bool = True
    is_repeatable_post: bool = False
    must_be_fresh: bool = False

    @property
    def is_repeatable(self) -> bool:
        """True where two calls have the same effect as one."""
        return self.method != "POST" or self.is_repeatable_post

    @property
    def params_required(self) -> tuple[str, ...]:
        """The parameters that every call has."""
        return tuple(name for name in self.params.split() if not name.startswith("["))

    @property
    def params_known(self) -> tuple[str, ...]:
        """All parameters, optional ones too."""
        return tuple(name.strip("[]") for name in self.params.split())


_QUERY, _BODY, _DATA = ParamsIn.QUERY, ParamsIn.BODY, ParamsIn.DATA
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
    # §1 User management
    RestEndpoint("accounts.request_code", "1.1", "POST", f"{_ACCOUNTS}/register_get_smscode/", (200001,),
                 _BODY, "username", needs_token=False),
    RestEndpoint("accounts.register", "1.2", "POST", f"{_ACCOUNTS}/register_sms/", (200002,),
                 _BODY, "username email password password_2 sms_code first_name last_name", needs_token=False),
    RestEndpoint("accounts.log_in", "1.3", "POST", f"{_ACCOUNTS}/login/", (200003,),
                 _BODY, "username password [language] [uuid] [devtype]", needs_token=False, is_repeatable_post=True),
    RestEndpoint("accounts.profile", "1.4", "GET", f"{_ACCOUNTS}/user_get_profile/", (200004,)),
    RestEndpoint("accounts.change_password", "1.5", "POST", f"{_ACCOUNTS}/password_reset_old_psw/", (200005,),
                 _BODY, "username old_password new_password new_password_2", needs_token=False),
    RestEndpoint("accounts.request_reset_code", "1.6", "POST", f"{_ACCOUNTS}/password_reset_get_smscode/", (200001,),
                 _BODY, "username", needs_token=False),
    RestEndpoint("accounts.reset_password", "1.7", "POST", f"{_ACCOUNTS}/password_reset_sms/", (200007,),
                 _BODY, "username sms_code new_password new_password_2", needs_token=False),
    RestEndpoint("accounts.update_profile", "1.8", "POST", f"{_ACCOUNTS}/user_update_profile/", (200008,),
                 _BODY, "[profile] [user]"),
    RestEndpoint("accounts.update_avatar", "1.9", "POST", f"{_ACCOUNTS}/user_update_avatar/", (200009,),
                 _BODY, "image_type image_size image_name data_type image_data"),
    RestEndpoint("accounts.avatar", "1.10", "GET", f"{_ACCOUNTS}/user_get_avatar/{{id}}/avatar.jpg/", (200010,)),
    RestEndpoint("accounts.external_username", "1.11", "GET", f"{_ACCOUNTS}/user_get_username_external/{{id}}",
                 (200011,), needs_token=False),
    RestEndpoint("accounts.register_external", "1.12", "POST", f"{_ACCOUNTS}/register_sms/", (200002,), _BODY,
                 "username email password password_2 sms_code first_name last_name wechat_service", needs_token=False),
    # §2.1 general data: the records of devices
    RestEndpoint("records.list", "2.1", "GET", f"{_IOT}/iot_manage_view/", (200016,),
                 _QUERY, "[page] [limit] [ver] [type_sub] [category] [uuid] [icon] [title]"),
    RestEndpoint("records.get", "2.1", "GET", f"{_IOT}/iot_manage_view/{{id}}/", (200012,)),
    RestEndpoint("records.create", "2.1", "POST", f"{_IOT}/iot_manage_view/", (200013,),
                 _DATA, "category uuid title [user_id] [type_sub] [ver] [icon] [body] [param]"),
    RestEndpoint("records.update", "2.1", "PUT", f"{_IOT}/iot_manage_view/{{id}}/", (200015,),
                 _DATA, "[title] [type_sub] [ver] [icon] [body] [param]"),
    RestEndpoint("records.delete", "2.1", "DELETE", f"{_IOT}/iot_manage_view/{{id}}/", (200014,)),
    # §2.2 authorizations
    RestEndpoint("authorizations.list", "2.2", "GET", f"{_IOT}/authorization/", (200021,), _QUERY, "[page] [limit]"),
    RestEndpoint("authorizations.get", "2.2", "GET", f"{_IOT}/authorization/{{id}}/", (200017,)),
    RestEndpoint("authorizations.create", "2.2", "POST", f"{_IOT}/authorization/", (200018,),
                 _DATA, "info_id authorized_id perm [remarks]"),
    RestEndpoint("authorizations.update", "2.2", "PUT", f"{_IOT}/authorization/{{id}}/", (200019,),
                 _DATA, "perm [remarks]"),
    RestEndpoint("authorizations.delete", "2.2", "DELETE", f"{_IOT}/authorization/{{id}}/", (200020,)),
    # §2.3 spaces
    RestEndpoint("spaces.list", "2.3", "GET", f"{_IOT}/space/", (200026,), _QUERY, "[page] [limit]"),
    RestEndpoint("spaces.get", "2.3", "GET", f"{_IOT}/space/{{id}}/", (200022,)),
    RestEndpoint("spaces.create", "2.3", "POST", f"{_IOT}/space/", (200023,),
                 _DATA, "type title [superior_id] [home_id] [is_default] [icon]"),
    RestEndpoint("spaces.update", "2.3", "PUT", f"{_IOT}/space/{{id}}/", (200024,),
                 _DATA, "[title] [icon] [superior_id]"),
    RestEndpoint("spaces.delete", "2.3", "DELETE", f"{_IOT}/space/{{id}}/", (200025,)),
    # §2.4 gateway registration
    RestEndpoint("accounts.register_gateway", "2.4", "POST", f"{_ACCOUNTS}/register/gw", (200012,),
                 _DATA, "username password", needs_token=False),
    # §2.5 patch interface; the answer has each part's outcome even where all fail (400400)
    RestEndpoint("batch.send", "2.5", "POST", f"{_IOT}/patch/", (200200, 200201, 400400), _DATA),
    # §2.6 sms alarm
    RestEndpoint("messages.send_alarm", "2.6", "POST", f"{_IOT}/sms/alarm/", (200012,),
                 _DATA, "msg_type device name receiver"),
    # §2.7 members
    RestEndpoint("members.list", "2.7", "GET", f"{_IOT}/members/", (200046, 200012), _QUERY, "[page] [limit]"),
    RestEndpoint("members.get", "2.7", "GET", f"{_IOT}/members/{{id}}/", (200042, 200012)),
    RestEndpoint("members.create", "2.7", "POST", f"{_IOT}/members/", (200043, 200013),
                 _DATA, f"home_id title [icon] [user_id] {_REMIND}"),
    RestEndpoint("members.update", "2.7", "PUT", f"{_IOT}/members/{{id}}/", (200044, 200015),
                 _DATA, f"[user_id] [title] [icon] {_REMIND}"),
    RestEndpoint("members.delete", "2.7", "DELETE", f"{_IOT}/members/{{id}}/", (200045, 200014)),
    # §2.8 keys
    RestEndpoint("keys.list", "2.8", "GET", f"{_IOT}/keys/", (200033, 200012),
                 _QUERY, "[page] [limit] [info_id] [key_type] [key_number]"),
    RestEndpoint("keys.get", "2.8", "GET", f"{_IOT}/keys/{{id}}/", (200029, 200012)),
    RestEndpoint("keys.create", "2.8", "POST", f"{_IOT}/keys/", (200030, 200013),
                 _DATA, "info_id key_type key_name key_number [member_id]"),
    RestEndpoint("keys.update", "2.8", "PUT", f"{_IOT}/keys/{{id}}/", (200031, 200015),
                 _DATA, "[info_id] [key_type] [key_name] [key_number] [member_id]"),
    RestEndpoint("keys.delete", "2.8", "DELETE", f"{_IOT}/keys/{{id}}/", (200032, 200014)),
    # §2.9 messages
    RestEndpoint("messages.list", "2.9", "GET", f"{_IOT}/messages/", (200041,), _QUERY,
                 "[page] [limit] [info_id] [category] [level] [level_lte] [level_gte] [date_lte] [date_gte]"),
    RestEndpoint("messages.get", "2.9", "GET", f"{_IOT}/messages/{{id}}/", (200038,)),
    RestEndpoint("messages.create", "2.9", "POST", f"{_IOT}/messages/", (200039,),
                 _DATA, "info_id message_type flag [level] [key_id] [occur_time] [receiver]"),
    RestEndpoint("messages.delete", "2.9", "DELETE", f"{_IOT}/messages/{{id}}/", (200040,)),
    # §2.10 temporary passwords
    RestEndpoint("temporary_passwords.list", "2.10", "GET", f"{_IOT}/temporary_passwords/", (200036, 200012),
                 _QUERY, "[page] [limit]"),
    RestEndpoint("temporary_passwords.create", "2.10", "POST", f"{_IOT}/temporary_passwords/", (200035, 200013), _DATA,
                 "authorizer_id info_id phone start_time duration temporary_password end_time"),
    # §2.11 home
    RestEndpoint("homes.list", "2.11", "GET", f"{_IOT}/home/", (200024,), _QUERY, "[page] [limit]"),
    RestEndpoint("homes.update", "2.11", "PUT", f"{_IOT}/home/{{id}}/", (200025,), _DATA, "[title] [icon]"),
    # §2.12 versions
    RestEndpoint("versions.latest", "2.12", "GET", f"{_IOT}/versions/latest/", (200037,), _QUERY, "device_type"),
    RestEndpoint("versions.list", "2.12", "GET", f"{_IOT}/versions/", (200047,),
                 _QUERY, "[page] [limit] [device_type] [version]"),
    # §2.13 get_timestamp, §2.13 feedback, §2.15 share
    RestEndpoint("service.timestamp", "2.13", "GET", f"{_IOT}/get_timestamp/", (200049,), must_be_fresh=True),
    RestEndpoint("service.send_feedback", "2.13", "POST", f"{_IOT}/feedback/", (200048,),
                 _DATA, "category content [contact] [images]"),
    RestEndpoint("service.share", "2.15", "POST", f"{_IOT}/share/", (200050,), _DATA, "receiver platform"),
    # §3.2 APP and firmware release manage
    RestEndpoint("releases.create", "3.2", "POST", "/api/app/release_view/", (200301,), _BODY, _RELEASE),
    RestEndpoint("releases.update", "3.2", "PUT", "/api/app/release_view/{id}/", (200303,), _BODY, _RELEASE),
    RestEndpoint("releases.delete", "3.2", "DELETE", "/api/app/release_view/{id}/", (200302,)),
    # §11.1 SMS, and PUSH, which the API numbers 11.1 too
    RestEndpoint("service.send_sms", "11.1", "POST", "/api/sms/sms_manage_view/", (200013,), _BODY, _RECORD),
    RestEndpoint("service.send_push", "11.2", "POST", "/api/push/push_manage_view/", (200013,), _BODY, _RECORD),
)  # fmt: skip

ENDPOINTS: Final[Mapping[str, RestEndpoint]] = MappingProxyType({row.name: row for row in _ROWS})
