"""Names that can be a level of a topic."""

import pytest

from gatewayd.model.ids import is_topic_level


@pytest.mark.parametrize("name", ["18900000001", "妈妈", "a b", "x" * 255, "user@example.org", "é" * 127])
def test_name_without_special_characters_is_a_topic_level(name: str) -> None:
    assert is_topic_level(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "#", "+", "a#b", "a+b", "a/b", "\0", "\x01", "\x7f", "\x85", "\ud800", "\ufdd0", "\uffff", "\U0001fffe"),
        *("$SYS", "$share", "x" * 256, "é" * 128, "x" * 70_000),
    ],
    ids=lambda name: ascii(name[:12]),
)
def test_name_that_mqtt_forbids_is_no_topic_level(name: str) -> None:
    assert not is_topic_level(name)
