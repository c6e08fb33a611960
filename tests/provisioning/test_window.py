"""When the provisioning window is open."""

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.provisioning.window import ProvisioningWindow
from tests.common.provisioning import MemorySecretStore


async def test_window_is_open_until_the_uplink_has_worked_once() -> None:
    secret_store = MemorySecretStore()
    window = await ProvisioningWindow.load(secret_store)
    assert window.is_open(0)
    await window.mark_provisioned()
    assert not window.is_open(0)
    assert not (await ProvisioningWindow.load(secret_store)).is_open(0)


async def test_window_is_open_for_the_time_granted() -> None:
    window = ProvisioningWindow(MemorySecretStore(), is_provisioned=True)
    window.open_for(300, now=1000)
    assert window.is_open(1299)
    assert not window.is_open(1300)


async def test_later_shorter_grant_does_not_shorten_the_time() -> None:
    window = ProvisioningWindow(MemorySecretStore(), is_provisioned=True)
    window.open_for(3600, now=1000)
    window.open_for(300, now=1001)
    assert window.is_open(4599)


async def test_window_can_be_closed_early() -> None:
    window = ProvisioningWindow(MemorySecretStore(), is_provisioned=True)
    window.open_for(300, now=1000)
    window.open_for(0, now=1001)
    assert not window.is_open(1001)


async def test_provisioned_state_is_stored_after_the_store_failed_once() -> None:
    secret_store = MemorySecretStore()
    window = await ProvisioningWindow.load(secret_store)
    secret_store.is_full = True
    with pytest.raises(StoreError):
        await window.mark_provisioned()
    assert not window.is_open(0)
    secret_store.is_full = False
    await window.mark_provisioned()
    assert not (await ProvisioningWindow.load(secret_store)).is_open(0)
