"""A device that nobody has described yet: kept, shown, made known by a row of one's own, or taken off the network."""

from pathlib import Path

from gatewayd.model.ids import Category, Uuid
from gatewayd.simulator.radio import Attribute, Cluster, Description, Device, SimulatedEndpoint, SimulatedNetwork
from gatewayd.simulator.radio.devices.common import basic
from gatewayd.simulator.radio.zcl import U16
from tests.common.zigbee import Room, running

STRANGE = Uuid("00158d0009a00001")
ROW = """
[[device]]
clusters = [0xFC00]
manufacturer = "ZJCHILINK"
driver = "sensor"
type_sub = "AA09XX"
title = "新品"
"""


def strange() -> Description[Device]:
    own = Cluster(0xFC00, (Attribute(0, U16, 7),))
    return Description(STRANGE, (SimulatedEndpoint(1, 0x0100, (basic("X1"), own)),), Device)


async def comes(room: Room) -> None:
    device = room.house.devices.get(STRANGE) or room.house.add(strange())
    await room.zigbee.permit_join(60)
    await room.house.join(device)
    await room.until(lambda: STRANGE in room.zigbee.devices.unknown)


async def test_it_is_kept_with_what_it_offers_and_can_be_removed(room: Room) -> None:
    await comes(room)
    kept = room.zigbee.devices.unknown[STRANGE]
    assert (kept.manufacturer, kept.model, kept.endpoints) == ("ZJCHILINK", "X1", ((1, (0x0000, 0xFC00), ()),))
    assert room.store.mirror.get(STRANGE) is None
    await room.zigbee.remove(STRANGE)
    await room.until(lambda: not room.house.devices[STRANGE].joined)
    assert STRANGE not in room.zigbee.devices.unknown
    await comes(room)


async def test_a_row_of_ones_own_makes_it_known_at_the_next_start(house: SimulatedNetwork, tmp_path: Path) -> None:
    own = tmp_path / "rows.toml"
    own.write_text(ROW, encoding="utf-8")
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            await comes(room)
        async with running(house, url, tmp_path, str(own)) as room:
            await room.until(lambda: room.store.mirror.get(STRANGE) is not None)
            record = room.store.mirror.get(STRANGE)
            assert record is not None
            assert (record.category, record.type_sub, record.title) == (Category.SENSOR, "AA09XX", "新品")
            assert room.zigbee.devices.unknown == {}
