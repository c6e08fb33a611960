"""What a broker refuses, and how it fails to answer: errors of one message, and what stands refused for `status`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gatewayd.cloud.mqtt.client import FIRST_FAILURE
from gatewayd.model.errors import CloudError

log = structlog.get_logger()

_MAX_LOGGED: Final = 5  # filters in one line
_NOT_AUTHORIZED: Final = 135
_REPEATED: Final = 2  # refusals: one alone may be for what a single message says
_MAX_TOPICS: Final = 200  # are remembered

_TOO_LARGE: Final = 149
_REFUSED_FOR_GOOD: Final = frozenset({_NOT_AUTHORIZED, 144, _TOO_LARGE, 153})
"""Reason codes of PUBACK that no other attempt changes: not authorized, topic name, too large, payload format."""


class BrokerSilentError(aiomqtt.MqttError):
    """The broker does not answer within the bound: the connection is judged dead."""


class MessageRefusedError(CloudError):
    """The broker refuses this message, or would. `is_final`: no other attempt changes that. `is_for_size`: it may take
    a smaller one. `is_unauthorized`: the account may not write on its topic.
    """

    def __init__(
        self, reason: str, *, is_final: bool, is_for_size: bool = False, is_unauthorized: bool = False
    ) -> None:
        super().__init__(reason)
        self.is_final = is_final
        self.is_for_size = is_for_size
        self.is_unauthorized = is_unauthorized


class UnacknowledgedError(CloudError):
    """No PUBACK for this message within the bound. Whether the broker answers others is not known."""


@dataclass(slots=True)
class BrokerTrouble:
    """What the broker refuses, with its reason: topic filters (on this connection), and states by their topics; and
    `deafness`, why it is thought to deliver nothing.
    """

    filters: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    deafness: str | None = None
    _messages: dict[str, tuple[int, str]] = field(default_factory=dict)  # how often refused, and why

    @property
    def messages(self) -> dict[str, str]:
        """The topics on which the account may not write answers and notices, with the reasons; empty after one refusal
        alone.
        """
        if sum(count for count, _ in self._messages.values()) < _REPEATED:
            return {}
        return {topic: reason for topic, (_, reason) in self._messages.items()}

    def is_message_refused(self, topic: str) -> bool:
        """Whether the last message on `topic` was refused since the account may not write there."""
        return topic in self._messages

    def note_message(self, topic: str, reason: str | None) -> None:
        """The account may not write a message of QoS 1 on `topic`, or could (None): then its rights have changed where
        it could not before, and what was refused on other topics says nothing any more.
        """
        if reason is None:
            if topic in self._messages:
                self._messages.clear()
                log.info("messages_accepted_again", topic=topic)
            return
        known = self.messages
        self._messages[topic] = self._messages.pop(topic, (0, ""))[0] + 1, reason
        if len(self._messages) > _MAX_TOPICS:
            del self._messages[next(iter(self._messages))]
        if topic not in known and topic in self.messages:
            log.error("messages_refused", topic=topic, reason=reason)

    def note_deafness(self, reason: str | None) -> None:
        """The broker seems to deliver nothing, or has delivered something (None)."""
        if reason is not None and self.deafness is None:
            log.error("mqtt_delivers_nothing", reason=reason)
        elif reason is None and self.deafness is not None:
            log.info("mqtt_delivers_again")
        self.deafness = reason

    def note_filters(self, reasons: Mapping[str, str | None]) -> None:
        """Filters are refused, with these reasons, or granted (None); told in the log where that is new."""
        granted = [name for name, reason in reasons.items() if reason is None and name in self.filters]
        for name in granted:
            del self.filters[name]
        refused = {name: reason for name, reason in reasons.items() if reason and self.filters.get(name) != reason}
        self.filters |= refused
        if granted:
            log.info("subscriptions_granted", count=len(granted), filters=granted[:_MAX_LOGGED])
        if refused:
            shown = dict(islice(refused.items(), _MAX_LOGGED))
            log.error("subscriptions_refused", count=len(refused), filters=shown)

    def note_state(self, topic: str, reason: str | None, *, is_reduced: bool = False) -> None:
        """A state is refused (`is_reduced`: published without its param), or was published (None); told in the log
        where that is new.
        """
        if reason is not None and is_reduced:
            reason = f"published without param: {reason}"
        if reason is None:
            self.states.pop(topic, None)
        elif self.states.get(topic) != reason:
            self.states[topic] = reason
            log.error("state_reduced" if is_reduced else "state_not_published", topic=topic, reason=reason)


def puback_error(code: int) -> MessageRefusedError | None:
    """The refusal that the code of a PUBACK means; None where the broker has accepted the message."""
    if code < FIRST_FAILURE:
        return None
    return MessageRefusedError(
        _text(code, PacketTypes.PUBACK),
        is_final=code in _REFUSED_FOR_GOOD,
        is_for_size=code == _TOO_LARGE,
        is_unauthorized=code == _NOT_AUTHORIZED,
    )


def suback_reason(code: int) -> str | None:
    """Why a filter is refused, by its code in the SUBACK; None where it is granted."""
    return _text(code, PacketTypes.SUBACK) if code >= FIRST_FAILURE else None


def _text(code: int, packet: int) -> str:
    return f"the broker refuses it: {ReasonCode(packet, identifier=code)} (code {code})"
