"""A device that nobody has described yet: kept, shown, made known by a row of one's own, or taken off the network."""

from pathlib import Path

from gatewayd.model.ids import Category, Uuid
from gatewayd.simulator.radio import Attribute, Cluster, Description, Device, SimulatedEndpoint, SimulatedNetwork
from gatewayd.simulator.radio.devices.common import basic
from gatewayd.simulator.radio.zcl import UINT16
from tests.common.zigbee import ZigbeeGateway, running

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
    own = Cluster(0xFC00, (Attribute(0, UINT16, 7),))
    return Description(STRANGE, (SimulatedEndpoint(1, 0x0100, (basic("X1"), own)),), Device)


async def comes(gateway: ZigbeeGateway) -> None:
    device = gateway.network.devices.get(STRANGE) or gateway.network.add(strange())
    await gateway.zigbee.permit_join(60)
    await gateway.network.join(device)
    await gateway.until(lambda: STRANGE in gateway.zigbee.devices.unknown)


async def test_it_is_kept_with_what_it_offers_and_can_be_removed(gateway: ZigbeeGateway) -> None:
    await comes(gateway)
    kept = gateway.zigbee.devices.unknown[STRANGE]
    assert (kept.manufacturer, kept.model, kept.endpoints) == ("ZJCHILINK", "X1", ((1, (0x0000, 0xFC00), ()),))
    assert gateway.store.mirror.get(STRANGE) is None
    await gateway.zigbee.remove(STRANGE)
    await gateway.until(lambda: not gateway.network.devices[STRANGE].joined)
    assert STRANGE not in gateway.zigbee.devices.unknown
    await comes(gateway)


async def test_a_row_of_ones_own_makes_it_known_at_the_next_start(network: SimulatedNetwork, tmp_path: Path) -> None:
    own = tmp_path / "rows.toml"
    own.write_text(ROW, encoding="utf-8")
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            await comes(gateway)
        async with running(network, url, tmp_path, str(own)) as gateway:
            await gateway.until(lambda: gateway.store.mirror.get(STRANGE) is not None)
            record = gateway.store.mirror.get(STRANGE)
            assert record is not None
            assert (record.category, record.type_sub, record.title) == (Category.SENSOR, "AA09XX", "新品")
            assert gateway.zigbee.devices.unknown == {}
