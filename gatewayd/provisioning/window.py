"""The provisioning window: when a phone may put the gateway on a network.

It is open until the gateway has had a working uplink once; after that, for the minutes that somebody with a right to it
(gatewayctl, or the button) requested. It does not open again when the uplink fails: anybody can cut an uplink.
"""

from typing import Final

import structlog

from gatewayd.model.errors import StoreError
from gatewayd.provisioning.seal import SecretStore

log = structlog.get_logger()

_PROVISIONED: Final = "provisioned"


class ProvisioningWindow:
    """`store` holds the one fact that outlives a restart: that the uplink has worked. Times are monotonic seconds."""

    def __init__(self, store: SecretStore, *, is_provisioned: bool, is_stored: bool = True) -> None:
        self._store = store
        self._is_provisioned = is_provisioned
        self._is_stored = is_provisioned and is_stored
        self._open_until = float("-inf")

    @classmethod
    async def load(cls, store: SecretStore) -> "ProvisioningWindow":
        """The window after a restart; minutes granted before it are over.

        A note that cannot be opened (another state key) is one all the same: a damaged file must not open the window.
        """
        try:
            is_noted = await store.get(_PROVISIONED) is not None
        except StoreError as error:
            log.warning("provisioned_note_unreadable", reason=str(error))
            return cls(store, is_provisioned=True, is_stored=False)  # sealed anew with the next uplink
        return cls(store, is_provisioned=is_noted)

    @property
    def has_no_end(self) -> bool:
        """True while it stays open whatever is requested: the gateway has never had a working uplink."""
        return not self._is_provisioned

    def is_open(self, now: float) -> bool:
        """True while a phone may put the gateway on a network."""
        return not self._is_provisioned or now < self._open_until

    def open_for(self, seconds: float, now: float) -> None:
        """Keep it open for at least `seconds` from now; 0 closes it."""
        self._open_until = max(self._open_until, now + seconds) if seconds else now

    async def mark_provisioned(self) -> None:
        """The uplink works: close the window unless minutes are granted, and store that. Raises StoreError."""
        self._is_provisioned = True
        if not self._is_stored:
            await self._store.put(_PROVISIONED, b"1")
            self._is_stored = True
