"""Builds the provisioning service: the board's Wi-Fi, the gateway's record and the look-up of firmware go in."""

import time
from functools import partial
from ipaddress import IPv4Address

from msgspec.structs import replace

from gatewayd.config import Settings
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import GatewayParam
from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.interfaces import Subnet, subnets, uplink_address
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.service import GatewayContext, ProvisioningService, UdpPorts
from gatewayd.provisioning.ssid import to_text
from gatewayd.provisioning.wifi import NoWifi, Wifi
from gatewayd.wiring.cloud import PendingCloudServices
from gatewayd.wiring.local import LocalServices


def wifi_of(settings: Settings) -> Wifi:
    """The board's Wi-Fi, by `[wifi] backend`."""
    match settings.wifi.backend:
        case "networkmanager":
            return NetworkManagerWifi(settings.wifi.interface or None)
        case "none":
            return NoWifi()


async def load_provisioning(
    settings: Settings, local: LocalServices, wifi: Wifi, cloud: PendingCloudServices
) -> ProvisioningService:
    """The provisioning service with the key and the window's state of the last run. Raises StoreError."""

    async def is_newest() -> bool:
        return not (await cloud.services().firmware.check()).is_newer

    async def joined(link: WifiLink) -> None:
        known = local.record()
        if known is not None and isinstance(known.param, GatewayParam):
            address = record_address(uplink_address(), (), str(link.address.ip))
            param = replace(known.param, ip=address, access_ssid=to_text(link.ssid))
            await local.store.mirror.put(replace(known, param=param), RecordItem(uuid=known.uuid))

    async def addressed(own: tuple[Subnet, ...]) -> None:
        known = local.record()
        if known is None or not isinstance(known.param, GatewayParam):
            return
        address = record_address(uplink_address(), own, known.param.ip)
        if address != known.param.ip:
            param = replace(known.param, ip=address)
            await local.store.mirror.put(replace(known, param=param), RecordItem(uuid=known.uuid))

    own = partial(subnets, settings.udp.interfaces)
    return await ProvisioningService.load(
        GatewayContext(local.record, own, is_newest, joined, addressed, time.monotonic),
        wifi,
        local.store.vault,
        ports=UdpPorts(settings.udp.listen_port, settings.udp.announce_port),
        announce_interval_s=settings.udp.announce_interval_s,
        sealed_only=settings.wifi.sealed_only,
    )


def record_address(uplink: IPv4Address | None, own: tuple[Subnet, ...], recorded: str | None) -> str | None:
    """The `ip` of the gateway's record: the address by which the default route leaves; where there is none, the
    `recorded` one while it is one of `own`, else the first of those.
    """
    if uplink is not None:
        return str(uplink)
    addresses = [str(subnet.address.ip) for subnet in own]
    return recorded if recorded in addresses or not addresses else addresses[0]


async def shut_window_when_connected(provisioning: ProvisioningService, cloud: PendingCloudServices) -> None:
    """Once the broker has been reached, the provisioning window opens on request only."""
    services = await cloud.wait()
    await services.session.connected.wait()
    await provisioning.mark_provisioned()
