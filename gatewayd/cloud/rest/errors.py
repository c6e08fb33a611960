"""The errors that a call to the cloud can raise. Which status means which error stands in `model/rest_status.py`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.errors import CloudError
from gatewayd.model.rest_status import TOKEN_REFUSED, RestOutcome, RestStatus


class CloudUnavailableError(CloudError):
    """No readable answer: unreachable, too slow, 5xx, not JSON, too large. The call is worth another attempt."""


class LoginRefusedError(CloudUnavailableError):
    """The cloud refuses the gateway's login, or a token that it issued just before.

    The cause is the account and not the call, so the call is worth another attempt later.
    """


class UncertainError(CloudUnavailableError):
    """A POST was sent and no readable answer came: the cloud may have executed it. Check before another attempt."""


class UnreadableAnswerError(CloudError):
    """A GET, PUT or DELETE succeeded, and the answer's content does not fit the API. The message names the place."""


class RefusedByCloudError(CloudError):
    """The cloud answered with a status that is no success of this call; another attempt would end the same way.

    `call` is the method and path, `code` and `desc` are the answer's, `documented` is the API's row for that code in
    the call's section, `reason` is the answer's `err` (§2.5's example) or "".
    """

    def __init__(self, call: str, code: int, desc: str, documented: RestStatus | None, reason: str = "") -> None:
        meaning = documented.desc if documented else f"{desc} (the API does not document this status here)"
        if documented is not None and documented.is_success:
            meaning += " (a success, but of another call)"
        super().__init__(f"{call}: {code} {meaning}" + (f": {reason}" if reason else ""))
        self.code = code
        self.documented = documented
        self.reason = reason

    @property
    def is_token_refused(self) -> bool:
        """True where the cloud refused the token and not the call."""
        return self.code in TOKEN_REFUSED


class AlreadyExistsError(RefusedByCloudError):
    """What was to be created exists already (设备已存在 and the like)."""


class NotFoundError(RefusedByCloudError):
    """What was named, or what it belongs to, does not exist (设备不存在 and the like)."""


class ForbiddenError(RefusedByCloudError):
    """权限不足: the user's permission does not suffice."""


class BadParametersError(RefusedByCloudError):
    """请求参数错误; `reason` names the parameter where the cloud did."""


_ERRORS: Final[Mapping[RestOutcome, type[RefusedByCloudError]]] = MappingProxyType(
    {
        RestOutcome.ALREADY_EXISTS: AlreadyExistsError,
        RestOutcome.NOT_FOUND: NotFoundError,
        RestOutcome.FORBIDDEN: ForbiddenError,
        RestOutcome.BAD_PARAMETERS: BadParametersError,
    }
)


def refusal(call: str, code: int, desc: str, documented: RestStatus | None, reason: str = "") -> RefusedByCloudError:
    """The error for a status that is no success; parameters as for `RefusedByCloudError`."""
    kind = RefusedByCloudError if documented is None else _ERRORS.get(documented.outcome, RefusedByCloudError)
    return kind(call, code, desc, documented, reason)
