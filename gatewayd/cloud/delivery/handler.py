"""What `sender` needs of each kind of outbox item: how it is sent, and what the cloud's answer changes here.

When a call is sent, alone or in a batch, and when it is tried again, is left to `sender`.
"""

from dataclasses import dataclass
from typing import Protocol, TypeGuard, TypeVar

from gatewayd.cloud.rest.batch import BatchOutcome, RestCall
from gatewayd.cloud.rest.errors import NotFoundError, RefusedByCloudError
from gatewayd.model.errors import CloudError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem
from gatewayd.model.record import Record
from gatewayd.model.rest_status import DEVICE_NOT_FOUND

ItemT_contra = TypeVar("ItemT_contra", bound=OutboxItem, contravariant=True)


class UnlinkedError(CloudError):
    """The item is about a device whose record the cloud has no longer: it will never accept it."""


@dataclass(frozen=True, slots=True)
class DeliveryCall:
    """What is sent for an item of the device `uuid`; `sent` is the record as it was when the call was made."""

    uuid: Uuid
    part: RestCall
    sent: Record | None = None


class ItemDelivery(Protocol[ItemT_contra]):
    """Sends one kind of item. It has no state of its own: any number of its items may be under way at once."""

    async def prepare(self, item: ItemT_contra, *, maybe_sent: bool) -> DeliveryCall | None:
        """The call that delivers `item`; None where nothing has to be sent any more.

        With `maybe_sent` the cloud may have it already, which is looked up first (§2.9's filters, §2.1's uuid). Raises
        CloudError, StoreError.
        """
        ...

    async def settle(self, call: DeliveryCall, outcome: BatchOutcome) -> None:
        """Change here what `outcome` asks for. Returns where the item is delivered, or needs no delivery any more.

        Raises the outcome's CloudError where it is not, StoreError where the change cannot be written.
        """
        ...


def is_refusal(error: BaseException | None) -> TypeGuard[RefusedByCloudError]:
    """True where the cloud would refuse the same call again. A refused token is no refusal of the call."""
    return isinstance(error, RefusedByCloudError) and not error.is_token_refused


def is_gone(error: BaseException | None) -> bool:
    """True where the cloud does not have the device's record (设备不存在)."""
    return isinstance(error, NotFoundError) and error.code == DEVICE_NOT_FOUND
