"""The provisioning window: when a phone may put the gateway on a network. Pure but for the one fact that it keeps.

Open while the gateway has never had a working uplink; after that only for the minutes that somebody with a right to it
(gatewayctl, or the button) asked for. It does not open again when the uplink fails: cutting a line is easy.
"""

from typing import Final

from gatewayd.provisioning.seal import SecretStore

_PROVISIONED: Final = "provisioned"


class ProvisioningWindow:
    """Times are monotonic seconds."""

    def __init__(self, keep: SecretStore, *, is_provisioned: bool) -> None:
        self._keep = keep
        self._is_provisioned = self._is_kept = is_provisioned
        self._until = float("-inf")

    @classmethod
    async def load(cls, keep: SecretStore) -> "ProvisioningWindow":
        """As the last run left it; minutes that were granted then are over. Raises StoreError."""
        return cls(keep, is_provisioned=await keep.get(_PROVISIONED) is not None)

    @property
    def has_no_end(self) -> bool:
        """Open until the gateway has reached the cloud once, whatever is asked for?"""
        return not self._is_provisioned

    def is_open(self, now: float) -> bool:
        """May a phone put the gateway on a network?"""
        return not self._is_provisioned or now < self._until

    def open_for(self, seconds: float, now: float) -> None:
        """Open it for so long at least; 0 shuts it."""
        self._until = max(self._until, now + seconds) if seconds else now

    async def uplink_works(self) -> None:
        """The gateway has what it was provisioned for. Raises StoreError."""
        self._is_provisioned = True
        if not self._is_kept:
            await self._keep.put(_PROVISIONED, b"1")
            self._is_kept = True
