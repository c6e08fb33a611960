"""The MQTT message of an answer, whole and reduced. Pure."""

from gatewayd.cloud.mqtt.client import MqttMessage
from gatewayd.cloud.mqtt.envelope import write_bare_envelope, write_envelope
from gatewayd.cloud.mqtt.topics import Topic
from gatewayd.model.ids import Sn
from gatewayd.model.record import Record
from gatewayd.model.status import OperationStatus


def answer_message(topic: Topic, status: OperationStatus, record: Record | None, sn: Sn) -> MqttMessage:
    """An answer on the topic of its request, QoS 1; without the record where that is too large for the broker: the
    outcome alone is what the app waits for.
    """
    return MqttMessage(
        str(topic),
        write_envelope(status, record, sn),
        qos=1,
        reduced=write_bare_envelope(status, topic.category, topic.uuid, sn),
    )
