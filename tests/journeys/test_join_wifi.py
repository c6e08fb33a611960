"""The daemon put on Wi-Fi by gatewayctl and by an old phone, through NetworkManager, while it logs all that it can."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatewayd import __version__
from gatewayd.provisioning.networkmanager.failure_reasons import Reason
from gatewayd.simulator.environment import COORDINATOR, OWNER, Environment, simulated_environment
from gatewayd.simulator.installer import Installer
from tests.common.daemon_process import Daemon
from tests.common.networkmanager.mock_radio import FAILED, JOINS, TO_AUTHENTICATION, WPA2, Air, breathing
from tests.common.networkmanager.nmcli import nmcli
from tests.common.networkmanager.private_bus import mock_network_manager, need_dbusmock, private_bus

HOME = "不要上我"
DEVICE_TYPE = 1  # of a gateway that has the newest firmware
SEALED, IN_THE_CLEAR, WRONG = "sealed-tiger-7", "clear-tiger-8", "wrong-tiger-9"


@dataclass(frozen=True, slots=True)
class Hallway:
    """A running daemon, the air around it, and gatewayctl in a hand."""

    daemon: Daemon
    environment: Environment
    air: Air
    bus: str

    async def ctl(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """gatewayctl as a process, with the daemon's socket."""
        start = "from gatewayd.ctl.main import main; main(prog_name='gatewayctl')"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", start, "--socket", f"{self.daemon.folder}/admin.sock", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(typed.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def provision(self, passphrase: str) -> tuple[int, str, str]:
        """gatewayctl as an installer's phone."""
        heard_at, spoken_to = map(str, self.environment.udp_ports)
        way = ("--at", "127.0.0.1", "--gateway-port", heard_at, "--announce-port", spoken_to, "--seconds", "0.5")
        words = ("provision", *way, "--json", "--ssid", HOME, "--passphrase-file", "-")
        return await self.ctl(*words, typed=passphrase)

    async def until_logged(self, event: str) -> None:
        async with asyncio.timeout(60):
            while event not in self.daemon.log():
                await asyncio.sleep(0.05)


@pytest.fixture
async def hallway(tmp_path: Path) -> AsyncIterator[Hallway]:
    need_dbusmock()
    with TemporaryDirectory(prefix="gw-") as folder:
        async with (
            simulated_environment() as environment,
            private_bus(Path(folder)) as bus,
            mock_network_manager(bus),
            breathing(bus) as air,
        ):
            environment.cloud.add_version(__version__, DEVICE_TYPE)
            await air.add_radio("wlan0")
            await air.add_network(HOME.encode(), strength=80, rsn=WPA2)
            daemon = Daemon(environment, tmp_path)
            await daemon.start(
                GATEWAYD_WIFI_BACKEND="networkmanager",
                GATEWAYD_LOG_LEVEL="debug",
                GATEWAYD_FIRMWARE_DEVICE_TYPE=str(DEVICE_TYPE),
                DBUS_SYSTEM_BUS_ADDRESS=bus,
            )
            try:
                yield Hallway(daemon, environment, air, bus)
            finally:
                assert await daemon.stop() == 0


async def test_a_provisioned_gateway_moves_on_request_alone_and_keeps_no_passphrase(hallway: Hallway) -> None:
    await hallway.until_logged("firmware_looked_up")
    await hallway.until_logged("mqtt_connected")
    code, _, error = await hallway.provision(WRONG)
    assert (code, "the provisioning window is shut" in error) == (4, True)

    assert (await hallway.ctl("provision-window", "5"))[0] == 0
    hallway.air.way = (*TO_AUTHENTICATION, (FAILED, Reason.NO_SECRETS))
    code, _, error = await hallway.provision(WRONG)
    assert (code, "the passphrase is wrong" in error) == (4, True)

    hallway.air.way = JOINS
    code, out, error = await hallway.provision(SEALED)
    assert code == 0, error
    outcome = json.loads(out)
    assert (outcome["access_ssid"], outcome["ip"]) == (HOME, hallway.air.address)
    assert outcome["firmware_is_newest"] is True
    assert [HOME, "wlan0"] in await nmcli(hallway.bus, "--fields", "NAME,DEVICE", "connection", "show", "--active")

    async with Installer.connect(hallway.environment.udp_ports[0]) as old_phone:
        joined = await old_phone.join(HOME, IN_THE_CLEAR)
    assert joined is not None

    assert await hallway.daemon.stop() == 0
    assert "wifi_joined" in hallway.daemon.log()
    (record,) = [one for one in hallway.environment.cloud.records(OWNER) if one["uuid"] == COORDINATOR]
    for passphrase in (SEALED, IN_THE_CLEAR, WRONG):
        assert passphrase not in json.dumps(record)
        for file in hallway.daemon.folder.iterdir():
            assert passphrase.encode() not in await asyncio.to_thread(file.read_bytes), file
