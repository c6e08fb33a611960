"""Backups of the network, and their restoration onto another or an erased coordinator."""

from pathlib import Path
from typing import Any

import pytest

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Uuid
from gatewayd.simulator.radio import SimulatedNetwork, switch
from tests.common.zigbee import COORDINATOR, ZigbeeGateway, running


async def test_backup_is_restored_onto_coordinator_with_another_network(gateway: ZigbeeGateway) -> None:
    lamp = gateway.network.add(switch("00158d0002a00001", channels=1), joined=False)
    await gateway.join(lamp)
    flash = gateway.network.ncp.flash
    key, pan_id = flash.network_key, flash.network.pan_id if flash.network else None
    backup = await gateway.zigbee.backup()

    gateway.network.form(pan_id=0x7777, channel=20)
    assert flash.network_key != key
    starts = gateway.zigbee.radio.starts
    assert await gateway.zigbee.restore(backup) == Uuid(COORDINATOR)

    await gateway.until(lambda: gateway.zigbee.radio.starts > starts)
    assert flash.network is not None
    assert (flash.network_key, flash.network.pan_id, flash.network.channel) == (key, pan_id, 15)


async def test_erased_coordinator_is_restored_from_the_last_backup(network: SimulatedNetwork, tmp_path: Path) -> None:
    async with network.serve() as url:
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            await gateway.zigbee.backup()
        key = network.ncp.flash.network_key
        network.ncp.flash.erase()
        network.ncp.flash.network_key = bytes(16)
        async with running(network, url, tmp_path) as gateway:
            await gateway.until_up()
            assert network.ncp.flash.network is not None
            assert network.ncp.flash.network_key == key


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda backup: backup.pop("network_key"), "'network_key' is missing"),
        (lambda backup: backup.update(pan_id="zz"), "ValueError in it"),
        (lambda backup: backup.update(devices=7), "TypeError in it"),
        (lambda backup: backup["network_key"].update(key="ff" * 16), "no network key"),
        (lambda backup: backup.clear(), "'metadata' is missing"),
    ],
)
async def test_invalid_backup_is_refused_with_the_reason(gateway: ZigbeeGateway, damage: Any, reason: str) -> None:
    await gateway.until_up()
    backup = await gateway.zigbee.backup()
    secret = backup["network_key"]["key"]
    damage(backup)
    with pytest.raises(MalformedError, match=reason) as raised:
        await gateway.zigbee.restore(backup)
    assert secret not in str(raised.value)
