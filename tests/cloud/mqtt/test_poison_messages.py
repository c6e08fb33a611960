"""Which message is blamed for the end of a connection: a table of ends and their outcome."""

import pytest

from gatewayd.cloud.mqtt.client import BrokerLimits, MqttMessage, limits_of, packet_size
from gatewayd.cloud.mqtt.poison_messages import ConnectionEnd, PoisonMessages, SentPacket, sent_filter, sent_message

STATE = sent_message(MqttMessage("o/lock/1/update", b"state", retain=True), 900)
ANSWER = sent_message(MqttMessage("o/lock/1/control", b"answer", qos=1), 300)
FILTER = sent_filter("o/lock/1/+")


def end(*unanswered: SentPacket, careful: bool = True, others: bool = True, code: int | None = None) -> ConnectionEnd:
    return ConnectionEnd(unanswered, others, others, was_careful=careful, code=code)


@pytest.mark.parametrize(
    ("ends", "blamed", "is_careful"),
    [
        ([end()], None, False),
        ([end(STATE, careful=False)], None, True),
        ([end(STATE, ANSWER)] * 3, None, True),
        ([end(STATE)], None, True),
        ([end(STATE), end(STATE)], STATE, True),
        ([end(ANSWER), end(ANSWER)], ANSWER, True),
        ([end(FILTER), end(FILTER)], FILTER, True),
        ([end(STATE), end(ANSWER)], None, True),
        ([end(STATE, others=False)] * 3, None, True),
        ([end(STATE, others=False), end(STATE)], STATE, True),
        ([end(STATE, code=149)], STATE, True),
        ([end(STATE, code=149, others=False)], None, True),
        ([end(ANSWER, code=135)], ANSWER, True),
        *(([end(STATE, code=code)] * 3, None, False) for code in (139, 141, 142, 151, 152)),
    ],
)
def test_blame(ends: list[ConnectionEnd], blamed: SentPacket | None, is_careful: bool) -> None:
    poison = PoisonMessages()
    found = [poison.note_end(one, now=0.0) for one in ends]
    assert found[-1] == blamed
    assert poison.is_careful is is_careful


def blamed_for(packet: SentPacket, code: int = 149) -> PoisonMessages:
    poison = PoisonMessages()
    assert poison.note_end(end(packet, code=code), now=0.0) == packet
    return poison


def test_message_that_the_broker_takes_after_all_is_not_suspected() -> None:
    poison = PoisonMessages()
    poison.note_end(end(STATE), now=0.0)
    assert poison.is_suspected(STATE.topic)
    poison.note_answered(STATE)
    assert not poison.is_suspected(STATE.topic)
    assert poison.note_end(end(STATE), now=0.0) is None


def test_smaller_state_on_the_same_topic_may_be_sent_and_a_larger_one_not() -> None:
    poison = blamed_for(STATE)
    assert poison.refusal(SentPacket(STATE.topic, 900), now=1.0)
    assert poison.refusal(SentPacket(STATE.topic, 901), now=1.0)
    assert poison.refusal(SentPacket(STATE.topic, 899), now=1.0) is None


@pytest.mark.parametrize(("code", "is_for_size"), [(149, True), (135, False)])
def test_smaller_form_is_tried_where_the_topic_is_not_forbidden(code: int, is_for_size: bool) -> None:
    refusal = blamed_for(ANSWER, code=code).refusal(ANSWER, now=1.0)
    assert refusal is not None
    assert refusal.is_for_size is is_for_size


def test_smaller_state_that_the_broker_takes_does_not_clear_the_larger_one() -> None:
    poison = blamed_for(STATE)
    poison.note_answered(SentPacket(STATE.topic, 899))
    assert poison.refusal(STATE, now=1.0)
    poison.note_answered(STATE)
    assert poison.refusal(STATE, now=1.0) is None


def test_smaller_state_is_blamed_at_its_first_end() -> None:
    poison = blamed_for(STATE)
    smaller = SentPacket(STATE.topic, 400)
    assert poison.note_end(end(smaller), now=1.0) == smaller
    assert poison.refusal(smaller, now=1.0)


def test_forbidden_topic_is_refused_at_any_size_and_tried_again_after_an_hour() -> None:
    poison = blamed_for(STATE, code=135)
    assert poison.refusal(SentPacket(STATE.topic, 1), now=3599.0)
    assert poison.refusal(SentPacket(STATE.topic, 1), now=3601.0) is None


def test_answer_is_refused_until_it_is_settled_and_may_be_sent_when_an_operator_asks() -> None:
    poison = blamed_for(ANSWER)
    assert poison.refusal(ANSWER, now=1.0)
    assert poison.refusal(ANSWER, now=1.0)
    poison.forget(ANSWER)
    assert poison.refusal(ANSWER, now=1.0) is None


@pytest.mark.parametrize(
    ("payload", "qos", "is_v5", "size"),
    [(0, 0, False, 7), (0, 1, True, 10), (122, 0, False, 129), (123, 0, False, 131), (100_000, 1, True, 100_012)],
)
def test_packet_size(payload: int, qos: int, is_v5: bool, size: int) -> None:
    assert packet_size(MqttMessage("a/b", bytes(payload), qos), is_v5=is_v5) == size


def test_limits_without_properties_are_the_protocols() -> None:
    assert limits_of(None) == BrokerLimits()
