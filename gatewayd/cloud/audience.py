"""Who may ask things of a device (§7): the owner everything, others what the cloud has authorized."""

from gatewayd.model.permission import Permission
from gatewayd.model.words import Uuid


class OwnerOnly:
    """The owner has 7; nobody else is known."""

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def users_of(self, _uuid: Uuid) -> tuple[str, ...]:
        """The users whose topics are listened to for this device."""
        return (self._owner,)

    def level(self, user: str, _uuid: Uuid) -> Permission:
        """What `user` may do with the device."""
        return Permission.DELETE if user == self._owner else Permission.NONE
