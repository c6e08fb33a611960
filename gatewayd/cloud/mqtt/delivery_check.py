"""Whether the broker delivers what it has granted the subscription of.

One whose access list (ACL) lets the account write and not read grants every SUBSCRIBE and delivers nothing: requests
vanish, and nothing else tells. What shows it is the gateway's own record: it comes back on the one topic on which every
connection publishes it anyway, which phones expect it on and no other gateway listens to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gatewayd.cloud.mqtt.broker_trouble import BrokerTrouble, MessageRefusedError, UnacknowledgedError
from gatewayd.cloud.mqtt.client import MqttClient, MqttMessage
from gatewayd.cloud.mqtt.subscriptions import Subscriptions

_STATE_BACK_S: Final = 2.0  # the state that is published anyway
_EVERY_S: Final = 600.0  # without any message
_AGAIN_S: Final = 60.0  # after one that did not come back


class DeliveryCheck:
    """The check of one connection. What it finds is `BrokerTrouble.deafness`, and outlasts the connection: any message
    ends it.
    """

    def __init__(
        self,
        client: MqttClient,
        subscriptions: Subscriptions,
        publish: Callable[[MqttMessage], Awaitable[None]],
        *,
        trouble: BrokerTrouble,
        ack_timeout_s: float,
    ) -> None:
        self._client = client
        self._subscriptions = subscriptions
        self._publish = publish
        self._trouble = trouble
        self._ack_timeout_s = ack_timeout_s
        self._clock = asyncio.get_running_loop().time

    async def run(self, state_of_gateway: Callable[[], MqttMessage | None]) -> None:
        """Check after subscribing, and whenever nothing has come for a long time, until cancelled.

        A message is sent for its echo alone where the state's has not come: QoS 1, not retained, nothing that a phone
        does not know. Raises aiomqtt.MqttError.
        """
        pause_s = min(_STATE_BACK_S, self._ack_timeout_s)
        while True:
            is_heard = await self._hears(self._clock() - _EVERY_S, pause_s)
            topic = self._subscriptions.echoed
            if is_heard and not (topic and self._trouble.is_message_refused(topic)):
                await asyncio.sleep(self._client.heard_at + _EVERY_S - self._clock())
                pause_s = 0.0
                continue
            began, state, pause_s = self._clock(), state_of_gateway(), _AGAIN_S
            if state is None or topic != state.topic:
                continue
            if await self._is_accepted(state):
                await self._expect_echo(began, topic)
            else:
                await asyncio.sleep(_AGAIN_S)

    async def _expect_echo(self, began: float, topic: str) -> None:
        if not await self._hears(began, self._ack_timeout_s):
            self._trouble.note_deafness(
                f"the broker delivers nothing: the gateway's own message on {topic} has not come back within"
                f" {self._ack_timeout_s:g} s; its access list (ACL) may forbid the account to read, or with MQTT 3.1.1"
                " to write"
            )

    async def _hears(self, since: float, timeout_s: float) -> bool:
        if await self._client.hears(since=since, timeout_s=timeout_s):
            self._trouble.note_deafness(None)
            return True
        return False

    async def _is_accepted(self, state: MqttMessage) -> bool:
        """Publish it for its echo; False where the broker has not accepted it, which is another trouble."""
        try:
            await self._publish(state)
        except (MessageRefusedError, UnacknowledgedError):
            return False
        return True
