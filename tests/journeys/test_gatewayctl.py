"""gatewayctl as a process, on a running daemon."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.demo.run import settings_for
from gatewayd.simulator.cloud.calls import FORBIDDEN
from gatewayd.simulator.environment import COORDINATOR, OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import Description, Device, SimulatedEndpoint, SimulatedNetwork, switch
from gatewayd.simulator.radio.devices.common import basic
from tests.common.gatewayctl_process import run_gatewayctl

LAMP = "00158d0002a00001"
ON_OFF_LIGHT = 0x0100


@dataclass(frozen=True, slots=True)
class Gatewayctl:
    """Calls gatewayctl on the socket of the daemon that runs in this process."""

    socket: Path
    environment: Environment
    console: Console

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr."""
        return await run_gatewayctl(self.socket, *arguments)

    async def wait_until_online(self) -> None:
        async with asyncio.timeout(30):
            while not self.console.snapshots.mqtt().up:
                await asyncio.sleep(0.02)


@pytest.fixture
async def ctl(tmp_path: Path) -> AsyncIterator[Gatewayctl]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=11)
    network.form()
    network.add(switch(LAMP, channels=1), joined=False)
    async with (
        simulated_environment(network) as environment,
        daemon.running(settings_for(environment, tmp_path), PASSWORD, {}) as console,
    ):
        gatewayctl = Gatewayctl(tmp_path / "admin.sock", environment, console)
        await gatewayctl.wait_until_online()
        yield gatewayctl


async def test_device_joins_is_shown_and_removed(ctl: Gatewayctl) -> None:
    assert await ctl("permit-join", "60") == (0, "devices may join for 60 s\n", "")
    await ctl.environment.network.join(ctl.environment.network.devices[LAMP])
    async with asyncio.timeout(20):
        while not json.loads((await ctl("devices", "--json"))[1]):
            await asyncio.sleep(0.1)
    assert json.loads((await ctl("devices", "--json"))[1])[0]["uuid"] == LAMP
    assert LAMP in (await ctl("devices"))[1]
    assert json.loads((await ctl("show", LAMP))[1])["category"] == "switch"
    assert await ctl("remove", LAMP) == (0, f"{LAMP} is removed\n", "")
    code, out, err = await ctl("show", LAMP)
    assert (code, out, len(err.splitlines())) == (1, "", 1)


async def test_unknown_device_is_listed_shown_and_removed(ctl: Gatewayctl) -> None:
    device = ctl.environment.network.add(
        Description("00158d0009a00001", (SimulatedEndpoint(1, ON_OFF_LIGHT, (basic("X1"),)),), Device)
    )
    await ctl("permit-join", "60")
    await ctl.environment.network.join(device)
    async with asyncio.timeout(20):
        while not json.loads((await ctl("devices", "--json"))[1]):
            await asyncio.sleep(0.1)
    assert "endpoint 1: 0x0000" in (await ctl("devices"))[1]
    shown = json.loads((await ctl("show", device.ieee))[1])
    assert (shown["model"], shown["endpoints"]) == ("X1", [{"endpoint": 1, "clusters": "0x0000", "outputs": ""}])
    assert await ctl("remove", device.ieee) == (0, f"{device.ieee} is removed\n", "")
    assert json.loads((await ctl("devices", "--json"))[1]) == []


async def test_remove_of_unknown_device_or_gateway_fails_in_one_line(ctl: Gatewayctl) -> None:
    for uuid, reason in (("0123456789abcdef", "no device 0123456789abcdef"), (COORDINATOR, "its own network")):
        code, out, err = await ctl("remove", uuid)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert reason in err


async def test_network_backup_is_private_and_restored(ctl: Gatewayctl, tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    assert await ctl("backup", str(file)) == (0, f"{file}: the network of {COORDINATOR} on channel 15\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = ctl.environment.network.ncp.flash.network_key
    assert json.loads(file.read_text())["network_key"]["key"] == key.hex()
    ctl.environment.network.form(pan_id=0x7777, channel=20)
    code, out, _ = await ctl("restore", "--yes", str(file))
    assert (code, COORDINATOR in out) == (0, True)
    assert ctl.environment.network.ncp.flash.network_key == key


@pytest.mark.parametrize(("content", "reason"), [(b"{", "truncated"), (b"{}", "'metadata' is missing")])
async def test_restore_of_invalid_file_fails_in_one_line(
    ctl: Gatewayctl, tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "network.json"
    file.write_bytes(content)
    code, _, err = await ctl("restore", "--yes", str(file))
    assert code == 1
    assert len(err.splitlines()) == 1
    assert reason in err


async def test_backup_to_missing_folder_fails_with_reason(ctl: Gatewayctl, tmp_path: Path) -> None:
    code, _, err = await ctl("backup", str(tmp_path / "nowhere" / "network.json"))
    assert (code, err) == (
        1,
        f"gatewayctl: {tmp_path}/nowhere/network.json: cannot be written: No such file or directory\n",
    )


async def test_qr_code_has_cloud_address_and_gateway_uuid(ctl: Gatewayctl) -> None:
    code, out, _ = await ctl("qr")
    text = f"{ctl.environment.cloud.base_url}/api/app/AA01GW-UG/{COORDINATOR}"
    assert (code, out.splitlines()[-1]) == (0, text)
    assert json.loads((await ctl("qr", "--json"))[1]) == {"text": text}
    assert "█" in out


async def test_sync_prints_each_section_and_fails_when_one_fails(ctl: Gatewayctl) -> None:
    code, out, err = await ctl("sync")
    assert (code, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()][:2] == ["timestamp", "record"]
    ctl.environment.cloud.faults.fail("/api/iot/space/", status=500, times=10)
    code, out, err = await ctl("sync", "--json")
    failed = [row["name"] for row in json.loads(out) if row["state"] == "failed"]
    assert (code, failed, len(err.splitlines())) == (1, ["space"], 1)


async def wait_for_cloud_record(ctl: Gatewayctl, uuid: str) -> None:
    async with asyncio.timeout(60):
        while uuid not in {record["uuid"] for record in ctl.environment.cloud.records(OWNER)}:
            await asyncio.sleep(0.1)


async def dead_letters(ctl: Gatewayctl, count: int) -> list[dict[str, Any]]:
    """The dead letters, once there are so many."""
    async with asyncio.timeout(40):
        while len(dead := json.loads((await ctl("outbox", "--json"))[1])["dead"]) != count:
            await asyncio.sleep(0.1)
    return list(dead)


async def test_dead_letter_is_shown_with_reason_and_sent_again_on_retry(ctl: Gatewayctl) -> None:
    await wait_for_cloud_record(ctl, COORDINATOR)  # not the gateway's record is to be refused
    refused = json.dumps({"msg": {}, "status": FORBIDDEN, "desc": "权限不足"})
    ctl.environment.cloud.faults.answer("/api/iot/iot_manage_view/", refused, times=10_000)
    assert (await ctl("permit-join"))[0] == 0
    await ctl.environment.network.join(ctl.environment.network.devices[LAMP])
    (letter,) = await dead_letters(ctl, 1)
    assert (letter["kind"], letter["uuid"], "权限不足" in letter["reason"]) == ("record", LAMP, True)
    code, out, _ = await ctl("outbox")
    assert (code, "权限不足" in out, "gatewayctl outbox retry ID" in out) == (0, True, True)
    ctl.environment.cloud.faults.clear()
    id_ = str(letter["id"])
    assert await ctl("outbox", "retry", id_) == (0, f"{id_} goes out again\n", "")
    await wait_for_cloud_record(ctl, LAMP)
    assert await dead_letters(ctl, 0) == []
    assert await ctl("outbox", "discard", id_) == (1, "", f"gatewayctl: there is no dead letter {id_}\n")


async def test_provisioning_window_is_opened_and_closed(ctl: Gatewayctl) -> None:
    assert (await ctl("provision-window", "3"))[0] == 0
    code, out, _ = await ctl("provision-window", "0")
    assert (code, "shut" in out or "closed" in out) == (0, True)


async def test_firmware_outbox_status_and_log_level_are_answered(ctl: Gatewayctl) -> None:
    assert await ctl("firmware", "check") == (0, "9.9.9 is newer than 0.1.0, which runs here\n", "")
    assert json.loads((await ctl("outbox", "--json"))[1]).keys() == {"waiting", "dead"}
    status = json.loads((await ctl("status", "--json"))[1])
    assert (status["gateway"], status["mqtt"]["up"]) == (COORDINATOR, True)
    assert (status["clock"]["source"], status["clock"]["board_off_by_s"]) == ("cloud", pytest.approx(0, abs=2))
    assert "source cloud" in (await ctl("status"))[1]
    assert await ctl("log-level", "warning") == (0, "log level is warning\n", "")
