"""Builds the admin socket: the console and the snapshots that it shows. The only module here that imports `admin`."""

from pathlib import Path

from gatewayd.admin.console import Console
from gatewayd.admin.server import AdminServer
from gatewayd.admin.status import StatusReader
from gatewayd.config import Settings, insecure_connections
from gatewayd.provisioning.service import ProvisioningService
from gatewayd.trusted_time import boottime_s
from gatewayd.wiring.cloud import CloudStart
from gatewayd.wiring.local import LocalServices


def build_console(
    settings: Settings, local: LocalServices, provisioning: ProvisioningService, cloud: CloudStart
) -> Console:
    """The console over these parts."""
    status = StatusReader(
        local.store,
        local.zigbee,
        local.executor,
        provisioning,
        cloud,
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
