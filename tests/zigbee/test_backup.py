"""The network as a file, and onto a coordinator that has lost it."""

from pathlib import Path
from typing import Any

import pytest

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Uuid
from gatewayd.simulator.radio import SimulatedNetwork, switch
from tests.common.zigbee import COORDINATOR, ZigbeeGateway, running


async def test_a_network_is_restored_onto_a_coordinator_that_has_another(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1), joined=False)
    await gateway.take_in(lamp)
    flash = gateway.network.ncp.flash
    key, pan_id = flash.network_key, flash.network.pan_id if flash.network else None
    taken = await gateway.zigbee.backup()

    gateway.network.form(pan_id=0x7777, channel=20)
    assert flash.network_key != key
    starts = gateway.zigbee.radio.starts
    assert await gateway.zigbee.restore(taken) == Uuid(COORDINATOR)

    await gateway.until(lambda: gateway.zigbee.radio.starts > starts)
    assert flash.network is not None
    assert (flash.network_key, flash.network.pan_id, flash.network.channel) == (key, pan_id, 15)


async def test_a_coordinator_without_a_network_gets_the_last_one_back_by_itself(
    network: SimulatedNetwork, tmp_path: Path
) -> None:
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            await gateway.zigbee.backup()
        key = network.ncp.flash.network_key
        network.ncp.flash.erase()
        network.ncp.flash.network_key = bytes(16)
        async with running(network, url, tmp_path) as gateway:
            await gateway.until(gateway.zigbee.radio.up.is_set)
            assert network.ncp.flash.network is not None
            assert network.ncp.flash.network_key == key


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda taken: taken.pop("network_key"), "'network_key' is missing"),
        (lambda taken: taken.update(pan_id="zz"), "ValueError in it"),
        (lambda taken: taken.update(devices=7), "TypeError in it"),
        (lambda taken: taken["network_key"].update(key="ff" * 16), "no network key"),
        (lambda taken: taken.clear(), "'metadata' is missing"),
    ],
)
async def test_what_is_no_backup_is_refused_with_the_reason(gateway: ZigbeeGateway, damage: Any, reason: str) -> None:
    await gateway.until(gateway.zigbee.radio.up.is_set)
    taken = await gateway.zigbee.backup()
    secret = taken["network_key"]["key"]
    damage(taken)
    with pytest.raises(MalformedError, match=reason) as refused:
        await gateway.zigbee.restore(taken)
    assert secret not in str(refused.value)
