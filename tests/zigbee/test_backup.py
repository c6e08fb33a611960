"""The network as a file, and onto a coordinator that has lost it."""

from pathlib import Path
from typing import Any

import pytest

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Uuid
from gatewayd.simulator.radio import SimulatedNetwork, switch
from tests.common.zigbee import COORDINATOR, Room, running


async def test_a_network_is_restored_onto_a_coordinator_that_has_another(room: Room) -> None:
    lamp = room.house.add(switch("00158d0002a00001", channels=1), joined=False)
    await room.take_in(lamp)
    flash = room.house.ncp.flash
    key, pan_id = flash.network_key, flash.network.pan_id if flash.network else None
    taken = await room.zigbee.backup()

    room.house.form(pan_id=0x7777, channel=20)
    assert flash.network_key != key
    starts = room.zigbee.radio.starts
    assert await room.zigbee.restore(taken) == Uuid(COORDINATOR)

    await room.until(lambda: room.zigbee.radio.starts > starts)
    assert flash.network is not None
    assert (flash.network_key, flash.network.pan_id, flash.network.channel) == (key, pan_id, 15)


async def test_a_coordinator_without_a_network_gets_the_last_one_back_by_itself(
    house: SimulatedNetwork, tmp_path: Path
) -> None:
    async with house.serve() as url:
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            await room.zigbee.backup()
        key = house.ncp.flash.network_key
        house.ncp.flash.erase()
        house.ncp.flash.network_key = bytes(16)
        async with running(house, url, tmp_path) as room:
            await room.until(room.zigbee.radio.up.is_set)
            assert house.ncp.flash.network is not None
            assert house.ncp.flash.network_key == key


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
async def test_what_is_no_backup_is_refused_with_the_reason(room: Room, damage: Any, reason: str) -> None:
    await room.until(room.zigbee.radio.up.is_set)
    taken = await room.zigbee.backup()
    secret = taken["network_key"]["key"]
    damage(taken)
    with pytest.raises(MalformedError, match=reason) as refused:
        await room.zigbee.restore(taken)
    assert secret not in str(refused.value)
