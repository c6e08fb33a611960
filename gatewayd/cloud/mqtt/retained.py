"""Which topics hold a retained state of ours at the broker, kept durably: a broker does not list them."""

from collections.abc import Collection
from typing import Final

import msgspec
import structlog

from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Uuid
from gatewayd.model.ports import FactStore

log = structlog.get_logger()

_FACT: Final = "mqtt-retained-topics"  # JSON: the topics by uuid


class RetainedTopics:
    """The topics by device. A topic is in the fact from before its first message until it has been cleared.

    The fact is written when the topics change, which is as rare as devices and permissions change.
    """

    def __init__(self, facts: FactStore) -> None:
        self._facts = facts
        stored = facts.get(_FACT)
        self._topics: dict[Uuid, frozenset[str]] = (
            {} if stored is None else msgspec.json.decode(stored, type=dict[Uuid, frozenset[str]])
        )

    @property
    def devices(self) -> Collection[Uuid]:
        """The devices that have a retained state."""
        return tuple(self._topics)

    def of(self, uuid: Uuid) -> frozenset[str]:
        """The topics that hold a state of the device."""
        return self._topics.get(uuid, frozenset())

    async def add(self, uuid: Uuid, topics: Collection[str]) -> None:
        """A state of the device is about to be published on `topics`."""
        if not self.of(uuid).issuperset(topics):
            await self._set(uuid, self.of(uuid).union(topics))

    async def discard(self, uuid: Uuid, topics: Collection[str]) -> None:
        """The states on `topics` have been cleared."""
        if topics:
            await self._set(uuid, self.of(uuid).difference(topics))

    async def _set(self, uuid: Uuid, topics: frozenset[str]) -> None:
        self._topics[uuid] = topics
        if not topics:
            del self._topics[uuid]
        stored = {uuid: sorted(topics) for uuid, topics in self._topics.items()}
        try:
            await self._facts.set(_FACT, msgspec.json.encode(stored))
        except StoreError as error:
            log.error("retained_topics_not_stored", uuid=uuid, reason=str(error))  # noqa: TRY400
