"""The coordinator as bellows sees it: forming, starting again, joining, leaving."""

from pathlib import Path

import pytest

from gatewayd.simulator.radio import House, JoiningNotPermittedError, switch
from tests.simulator.radio.host import Host, bellows_on


async def test_bellows_forms_a_network_over_a_pty_and_a_restarted_coordinator_still_has_it(tmp_path: Path) -> None:
    flash = tmp_path / "flash.json"
    first = House("00158d0000d04700", flash=flash)
    async with first.serve_pty() as path, bellows_on(path) as host:
        formed = host.app.state.network_info
        assert str(host.app.state.node_info.ieee) == "00:15:8d:00:00:d0:47:00"

    second = House("00158d0000d04700", flash=flash)
    async with second.serve() as url, bellows_on(url) as host:
        kept = host.app.state.network_info

    assert kept.pan_id == formed.pan_id
    assert kept.extended_pan_id == formed.extended_pan_id
    assert kept.channel == formed.channel
    assert kept.network_key.key == formed.network_key.key


async def test_a_switch_joins_is_interviewed_and_obeys(house: House, host: Host) -> None:
    light = house.add(switch("00158d0002a00001", channels=3))
    seen = await host.take_in(house, light)

    assert (seen.manufacturer, seen.model) == ("ZJCHILINK", "SW3")
    assert sorted(seen.endpoints) == [0, 1, 2, 3]
    answer = await seen.endpoints[2].on_off.on()
    assert answer.status == 0
    assert [light.is_on(channel) for channel in (1, 2, 3)] == [False, True, False]
    assert [(one.endpoint, one.cluster, one.command) for one in light.executed] == [(2, 0x0006, 0x01)]


async def test_nobody_joins_a_closed_network(house: House, host: Host) -> None:
    light = house.add(switch("00158d0002a00001"))
    with pytest.raises(JoiningNotPermittedError):
        await house.join(light)
    assert host.ear.heard == []


async def test_a_device_that_leaves_by_itself_is_gone_for_the_host(house: House, host: Host) -> None:
    light = house.add(switch("00158d0002a00001"))
    await host.take_in(house, light)
    house.leave(light)
    await host.ear.until(lambda: host.ear.count("left") == 1)
    assert not light.joined


async def test_a_device_that_the_host_removes_leaves_and_forgets(house: House, host: Host) -> None:
    light = house.add(switch("00158d0002a00001"))
    seen = await host.take_in(house, light)
    await seen.endpoints[1].on_off.bind()
    assert len(light.bindings) == 1

    await host.app.remove(seen.ieee)
    await host.ear.until(lambda: host.ear.count("left") >= 1 and not light.joined)
    assert light.bindings == []
