"""Builds the admin socket: the console and the snapshots that it shows. The only module here that imports `admin`."""

from collections.abc import Mapping
from pathlib import Path

from gatewayd.admin.console import Console
from gatewayd.admin.server import AdminServer
from gatewayd.admin.status import StatusReader
from gatewayd.admin.watchdog import Watchdog
from gatewayd.config import Settings, insecure_connections
from gatewayd.lifecycle import Notifier, Parts
from gatewayd.provisioning.service import ProvisioningService
from gatewayd.trusted_time import boottime_s
from gatewayd.wiring.cloud import PendingCloudServices
from gatewayd.wiring.local import LocalServices


def build_console(
    settings: Settings,
    local: LocalServices,
    provisioning: ProvisioningService,
    cloud: PendingCloudServices,
    parts: Parts,
) -> Console:
    """The console over these parts."""
    status = StatusReader(
        local.store,
        local.zigbee,
        local.executor,
        provisioning,
        cloud,
        parts,
        local.clock,
        owner=settings.owner,
        warnings=tuple(insecure_connections(settings)),
        monotonic=boottime_s,
    )
    return Console(
        local.store,
        local.zigbee,
        provisioning,
        cloud,
        status,
        base_url=settings.cloud.base_url,
    )


def build_server(settings: Settings, console: Console) -> AdminServer:
    """The socket that `gatewayctl` connects to."""
    return AdminServer(Path(settings.admin.socket), console.methods())


def build_watchdog(notifier: Notifier, local: LocalServices, cloud: PendingCloudServices, console: Console) -> Watchdog:
    """What tells systemd that the daemon works."""

    def busy_since() -> Mapping[str, float | None]:
        services = cloud.services_or_none()
        return {
            "radio": local.zigbee.radio.starting_since,
            "mqtt": None if services is None else services.session.connecting_since,
        }

    pace = {} if notifier.watchdog_s is None else {"interval_s": min(5.0, notifier.watchdog_s / 3)}
    return Watchdog(notifier.notify, local.store.probe, busy_since, console.snapshots.line, **pace)
