"""A device that no row of the catalogue fits: listed, made known by a row of the user's file, or removed."""

from pathlib import Path

from gatewayd.model.ids import Category, Uuid
from gatewayd.simulator.radio import Attribute, Cluster, Description, Device, SimulatedEndpoint, SimulatedNetwork
from gatewayd.simulator.radio.devices.common import basic
from gatewayd.simulator.radio.zcl import UINT16
from tests.common.zigbee import ZigbeeGateway, running

DEVICE = Uuid("00158d0009a00001")
ROW = """
[[device]]
clusters = [0xFC00]
manufacturer = "ZJCHILINK"
driver = "sensor"
type_sub = "AA09XX"
title = "新品"
"""


def undescribed_device() -> Description[Device]:
    cluster = Cluster(0xFC00, (Attribute(0, UINT16, 7),))
    return Description(DEVICE, (SimulatedEndpoint(1, 0x0100, (basic("X1"), cluster)),), Device)


async def join(gateway: ZigbeeGateway) -> None:
    device = gateway.network.devices.get(DEVICE) or gateway.network.add(undescribed_device())
    await gateway.zigbee.permit_join(60)
    await gateway.network.join(device)
    await gateway.until(lambda: DEVICE in gateway.zigbee.devices.unknown)


async def test_unknown_device_is_listed_with_its_clusters_and_can_be_removed(gateway: ZigbeeGateway) -> None:
    await join(gateway)
    unknown = gateway.zigbee.devices.unknown[DEVICE]
    assert (unknown.manufacturer, unknown.model, unknown.endpoints) == ("ZJCHILINK", "X1", ((1, (0x0000, 0xFC00), ()),))
    assert gateway.store.mirror.get(DEVICE) is None
    await gateway.zigbee.remove(DEVICE)
    await gateway.until(lambda: not gateway.network.devices[DEVICE].joined)
    assert DEVICE not in gateway.zigbee.devices.unknown
    await join(gateway)


async def test_row_in_the_users_file_makes_device_known_at_next_start(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.toml"
    rows.write_text(ROW, encoding="utf-8")
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await join(gateway)
        async with running(network, url, tmp_path, str(rows)) as gateway:
            await gateway.until(lambda: gateway.store.mirror.get(DEVICE) is not None)
            record = gateway.store.mirror.get(DEVICE)
            assert record is not None
            assert (record.category, record.type_sub, record.title) == (Category.SENSOR, "AA09XX", "新品")
            assert gateway.zigbee.devices.unknown == {}
