"""What a call to the cloud can come to, besides its answer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.errors import CloudError
from gatewayd.model.rest_status import TOKEN_REFUSED, RestStatus


class CloudUnavailableError(CloudError):
    """No answer that could be read: unreachable, too slow, 5xx, not JSON, too large. Worth another try."""


class LoginRefusedError(CloudUnavailableError):
    """The cloud refuses the gateway's login, or the very token that a login gave.

    That is the account's fault and no call's: whatever was to be said is worth another try, later.
    """


class UncertainError(CloudUnavailableError):
    """A POST was sent and no answer came that can be read: it may have been carried out. Look before another try."""


class UnreadableAnswerError(CloudError):
    """A GET, PUT or DELETE succeeded, and what came with it does not fit the API. The message names the place."""


class RefusedByCloudError(CloudError):
    """The cloud answered with a status that is no success of this call; the same call will not fare better."""

    def __init__(self, call: str, code: int, desc: str, known: RestStatus | None, reason: str = "") -> None:
        said = known.desc if known is not None else f"{desc} (the API does not document this status here)"
        if known is not None and known.is_success:
            said += " (a success, but of another call)"
        super().__init__(f"{call}: {code} {said}" + (f": {reason}" if reason else ""))
        self.code = code
        self.known = known
        self.reason = reason
        """What `err` said (§2.5's example), or ""."""

    @property
    def is_token(self) -> bool:
        """True where it is the token that was refused."""
        return self.code in TOKEN_REFUSED


class AlreadyThereError(RefusedByCloudError):
    """What was to be created is there (设备已存在 and its like; a user of §1)."""


class NotThereError(RefusedByCloudError):
    """What was asked for, or what it belongs to, is not there (设备不存在 and its like; a user of §1)."""


class ForbiddenError(RefusedByCloudError):
    """权限不足."""


class BadParametersError(RefusedByCloudError):
    """请求参数错误; `reason` says which, where the cloud said it."""


_KINDS: Final[Mapping[type[RefusedByCloudError], tuple[int, ...]]] = MappingProxyType(
    {
        AlreadyThereError: (400001, 400004, 400007, 400064, 400080, 400088, 400094, 400099),
        NotThereError: (
            400010,
            400015,
            400018,
            400025,
            400036,
            400038,
            400065,
            400074,
            400079,
            400084,
            400087,
            400093,
            400098,
            400101,
        ),
        ForbiddenError: (400042, 400048, 400302),
        BadParametersError: (400003,),
    }
)
_KIND_OF: Final = MappingProxyType({code: kind for kind, codes in _KINDS.items() for code in codes})


def refusal(call: str, code: int, desc: str, known: RestStatus | None, reason: str = "") -> RefusedByCloudError:
    """The error that `code` is; where the section does not document the code, it has no meaning of its own."""
    kind = _KIND_OF.get(code, RefusedByCloudError) if known is not None else RefusedByCloudError
    return kind(call, code, desc, known, reason)
