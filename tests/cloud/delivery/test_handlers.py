"""Every kind of item for REST has a handler, and every kind says where it goes."""

from pathlib import Path
from typing import get_args

from gatewayd.cloud.delivery.sender import item_handlers
from gatewayd.model.outbox_items import ITEM_TYPES, MqttItem, OutboxItem, RestItem, Route
from tests.common.sync import gateway_and_cloud


async def test_every_rest_item_has_a_handler(tmp_path: Path) -> None:
    async with gateway_and_cloud(tmp_path, with_records=False) as both:
        assert item_handlers(both.client, both.store.mirror).keys() == set(get_args(RestItem))


def test_every_item_has_its_route() -> None:
    assert {item_type.route for item_type in get_args(MqttItem)} == {Route.MQTT}
    assert {item_type.route for item_type in get_args(RestItem)} == {Route.REST}


def test_kinds_are_what_databases_in_the_field_have() -> None:
    assert ITEM_TYPES.keys() == {"answer", "notice", "record", "removal", "message"}
    assert set(ITEM_TYPES.values()) == set(get_args(OutboxItem))
