"""What a call to the cloud can come to, besides its answer."""

from gatewayd.model.errors import CloudError
from gatewayd.model.rest_status import TOKEN_REFUSED, RestStatus


class CloudUnavailableError(CloudError):
    """No answer that could be read: unreachable, too slow, 5xx, not JSON, too large. Worth another try."""


class UncertainError(CloudUnavailableError):
    """A POST was sent and its answer never came: it may have been carried out. Look before sending it again."""


class RefusedByCloudError(CloudError):
    """The cloud answered with a status that is no success; the same call will not fare better."""

    def __init__(self, call: str, code: int, desc: str, known: RestStatus | None) -> None:
        said = known.desc if known is not None else f"{desc} (the API does not document this status here)"
        super().__init__(f"{call}: {code} {said}")
        self.code = code

    @property
    def is_token(self) -> bool:
        """True where it is the token that was refused."""
        return self.code in TOKEN_REFUSED
