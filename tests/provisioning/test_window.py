"""When a phone may put the gateway on a network."""

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.provisioning.window import ProvisioningWindow
from tests.common.provisioning import Drawer


async def test_it_is_open_until_the_gateway_has_had_an_uplink_once() -> None:
    drawer = Drawer()
    window = await ProvisioningWindow.load(drawer)
    assert window.is_open(0)
    await window.uplink_works()
    assert not window.is_open(0)
    assert not (await ProvisioningWindow.load(drawer)).is_open(0)


async def test_it_opens_for_the_minutes_that_were_asked_for() -> None:
    window = ProvisioningWindow(Drawer(), is_provisioned=True)
    window.open_for(300, now=1000)
    assert window.is_open(1299)
    assert not window.is_open(1300)


async def test_a_press_of_the_button_takes_no_minute_away_that_was_granted() -> None:
    window = ProvisioningWindow(Drawer(), is_provisioned=True)
    window.open_for(3600, now=1000)
    window.open_for(300, now=1001)
    assert window.is_open(4599)


async def test_it_can_be_shut_before_its_time() -> None:
    window = ProvisioningWindow(Drawer(), is_provisioned=True)
    window.open_for(300, now=1000)
    window.open_for(0, now=1001)
    assert not window.is_open(1001)


async def test_a_store_that_fails_once_is_told_again() -> None:
    drawer = Drawer()
    window = await ProvisioningWindow.load(drawer)
    drawer.broken = True
    with pytest.raises(StoreError):
        await window.uplink_works()
    assert not window.is_open(0)
    drawer.broken = False
    await window.uplink_works()
    assert not (await ProvisioningWindow.load(drawer)).is_open(0)
