"""The daemon joins Wi-Fi through NetworkManager, provisioned by gatewayctl and an old phone, with debug logs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatewayd import __version__
from gatewayd.provisioning.networkmanager.failure_reasons import NmDeviceStateReason
from gatewayd.simulator.environment import COORDINATOR, OWNER, Environment, simulated_environment
from gatewayd.simulator.installer import Installer
from tests.common.daemon_process import DaemonProcess
from tests.common.gatewayctl_process import run_gatewayctl
from tests.common.networkmanager.mock_radio import (
    FAILED,
    SUCCESSFUL_JOIN,
    TO_AUTHENTICATION,
    WPA2,
    MockRadio,
    mock_radio,
)
from tests.common.networkmanager.nmcli import nmcli
from tests.common.networkmanager.private_bus import mock_network_manager, need_dbusmock, private_bus

HOME = "不要上我"
DEVICE_TYPE = 1  # of which the gateway's own version is the newest
SEALED, IN_THE_CLEAR, WRONG = "sealed-tiger-7", "clear-tiger-8", "wrong-tiger-9"


@dataclass(frozen=True, slots=True)
class WifiGateway:
    """A running daemon, and the Wi-Fi networks in its range."""

    daemon: DaemonProcess
    environment: Environment
    radio: MockRadio
    bus: str

    async def gatewayctl(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        return await run_gatewayctl(self.daemon.folder / "admin.sock", *arguments, stdin=stdin)

    async def provision(self, passphrase: str) -> tuple[int, str, str]:
        """Join HOME by `gatewayctl provision`, an installer's phone."""
        gateway_port, announce_port = map(str, self.environment.udp_ports)
        ports = ("--at", "127.0.0.1", "--gateway-port", gateway_port, "--announce-port", announce_port)
        options = ("--seconds", "0.5", "--json", "--ssid", HOME, "--passphrase-file", "-")
        return await self.gatewayctl("provision", *ports, *options, stdin=passphrase)

    async def wait_until_logged(self, event: str) -> None:
        async with asyncio.timeout(60):
            while event not in self.daemon.log():
                await asyncio.sleep(0.05)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[WifiGateway]:
    need_dbusmock()
    with TemporaryDirectory(prefix="gw-") as folder:
        async with (
            simulated_environment() as environment,
            private_bus(Path(folder)) as bus,
            mock_network_manager(bus),
            mock_radio(bus) as radio,
        ):
            environment.cloud.add_version(__version__, DEVICE_TYPE)
            await radio.add_radio("wlan0")
            await radio.add_network(HOME.encode(), strength=80, rsn=WPA2)
            daemon = DaemonProcess(environment, tmp_path)
            await daemon.start(
                GATEWAYD_WIFI_BACKEND="networkmanager",
                GATEWAYD_LOG_LEVEL="debug",
                GATEWAYD_FIRMWARE_DEVICE_TYPE=str(DEVICE_TYPE),
                DBUS_SYSTEM_BUS_ADDRESS=bus,
            )
            try:
                yield WifiGateway(daemon, environment, radio, bus)
            finally:
                assert await daemon.stop() == 0


async def test_provisioned_gateway_joins_only_with_open_window_and_stores_no_passphrase(gateway: WifiGateway) -> None:
    await gateway.wait_until_logged("firmware_checked")
    await gateway.wait_until_logged("mqtt_connected")
    code, _, error = await gateway.provision(WRONG)
    assert (code, "the provisioning window is shut" in error) == (4, True)

    assert (await gateway.gatewayctl("provision-window", "5"))[0] == 0
    gateway.radio.activation_states = (*TO_AUTHENTICATION, (FAILED, NmDeviceStateReason.NO_SECRETS))
    code, _, error = await gateway.provision(WRONG)
    assert (code, "the passphrase is wrong" in error) == (4, True)

    gateway.radio.activation_states = SUCCESSFUL_JOIN
    code, out, error = await gateway.provision(SEALED)
    assert code == 0, error
    outcome = json.loads(out)
    assert (outcome["access_ssid"], outcome["ip"]) == (HOME, gateway.radio.address)
    assert outcome["firmware_is_newest"] is True
    assert [HOME, "wlan0"] in await nmcli(gateway.bus, "--fields", "NAME,DEVICE", "connection", "show", "--active")

    async with Installer.connect(gateway.environment.udp_ports[0]) as old_phone:
        joined = await old_phone.join(HOME, IN_THE_CLEAR)
    assert joined is not None

    assert await gateway.daemon.stop() == 0
    assert "wifi_joined" in gateway.daemon.log()
    (record,) = [one for one in gateway.environment.cloud.records(OWNER) if one["uuid"] == COORDINATOR]
    for passphrase in (SEALED, IN_THE_CLEAR, WRONG):
        assert passphrase not in json.dumps(record)
        for file in gateway.daemon.folder.iterdir():
            assert passphrase.encode() not in await asyncio.to_thread(file.read_bytes), file
