"""gatewayctl on a running daemon, as an operator calls it."""

import asyncio
import json
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.demo.run import settings_for
from gatewayd.simulator.environment import COORDINATOR, OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import Description, Device, SimulatedEndpoint, SimulatedNetwork, switch
from gatewayd.simulator.radio.devices.common import basic

LAMP = "00158d0002a00001"


@dataclass(frozen=True, slots=True)
class Ctl:
    """gatewayctl as a process, on the socket of the daemon that runs here."""

    socket: Path
    environment: Environment
    console: Console

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        start = "from gatewayd.ctl.main import main; main(prog_name='gatewayctl')"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", start, "--socket", str(self.socket), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def until_online(self) -> None:
        async with asyncio.timeout(30):
            while not self.console.snapshots.mqtt().up:
                await asyncio.sleep(0.02)


@pytest.fixture
async def ctl(tmp_path: Path) -> AsyncIterator[Ctl]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=11)
    network.form()
    network.add(switch(LAMP, channels=1), joined=False)
    async with (
        simulated_environment(network) as environment,
        daemon.running(settings_for(environment, tmp_path), PASSWORD, {}) as console,
    ):
        found = Ctl(tmp_path / "admin.sock", environment, console)
        await found.until_online()
        yield found


async def test_a_device_is_let_in_looked_at_and_removed(ctl: Ctl) -> None:
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


async def test_a_device_that_nobody_knows_is_listed_shown_and_removed(ctl: Ctl) -> None:
    device = ctl.environment.network.add(
        Description("00158d0009a00001", (SimulatedEndpoint(1, 0x0100, (basic("X1"),)),), Device)
    )
    await ctl("permit-join", "60")
    await ctl.environment.network.join(device)
    async with asyncio.timeout(20):
        while not json.loads((await ctl("devices", "--json"))[1]):
            await asyncio.sleep(0.1)
    assert "endpoint 1: 0x0000" in (await ctl("devices"))[1]
    offers = json.loads((await ctl("show", device.ieee))[1])
    assert (offers["model"], offers["endpoints"]) == ("X1", [{"endpoint": 1, "clusters": "0x0000", "outputs": ""}])
    assert await ctl("remove", device.ieee) == (0, f"{device.ieee} is removed\n", "")
    assert json.loads((await ctl("devices", "--json"))[1]) == []


async def test_what_cannot_be_removed_is_said_in_one_line(ctl: Ctl) -> None:
    for uuid, reason in (("0123456789abcdef", "no device 0123456789abcdef"), (COORDINATOR, "its own network")):
        code, out, err = await ctl("remove", uuid)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert reason in err


async def test_the_network_is_backed_up_for_its_owner_alone_and_restored(ctl: Ctl, tmp_path: Path) -> None:
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
async def test_a_file_that_is_no_backup_is_refused_in_one_line(
    ctl: Ctl, tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "network.json"
    file.write_bytes(content)
    code, _, err = await ctl("restore", "--yes", str(file))
    assert code == 1
    assert len(err.splitlines()) == 1
    assert reason in err


async def test_a_backup_into_a_folder_that_is_not_there_says_so(ctl: Ctl, tmp_path: Path) -> None:
    code, _, err = await ctl("backup", str(tmp_path / "nowhere" / "network.json"))
    assert (code, err) == (
        1,
        f"gatewayctl: {tmp_path}/nowhere/network.json: cannot be written: No such file or directory\n",
    )


async def test_the_qr_code_says_which_gateway_in_which_cloud(ctl: Ctl) -> None:
    code, out, _ = await ctl("qr")
    text = f"{ctl.environment.cloud.base_url}/api/app/AA01GW-UG/{COORDINATOR}"
    assert (code, out.splitlines()[-1]) == (0, text)
    assert json.loads((await ctl("qr", "--json"))[1]) == {"text": text}
    assert "█" in out


async def test_a_sync_is_told_section_by_section_and_fails_where_one_does(ctl: Ctl) -> None:
    code, out, err = await ctl("sync")
    assert (code, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()][:2] == ["timestamp", "record"]
    ctl.environment.cloud.faults.fail("/api/iot/space/", status=500, times=10)
    code, out, err = await ctl("sync", "--json")
    failed = [row["name"] for row in json.loads(out) if row["state"] == "failed"]
    assert (code, failed, len(err.splitlines())) == (1, ["space"], 1)


async def in_the_cloud(ctl: Ctl, uuid: str) -> None:
    async with asyncio.timeout(60):
        while uuid not in {record["uuid"] for record in ctl.environment.cloud.records(OWNER)}:
            await asyncio.sleep(0.1)


async def dead_letters(ctl: Ctl, count: int) -> list[dict[str, Any]]:
    """As soon as there are so many."""
    async with asyncio.timeout(40):
        while len(dead := json.loads((await ctl("outbox", "--json"))[1])["dead"]) != count:
            await asyncio.sleep(0.1)
    return list(dead)


async def test_what_the_cloud_would_not_take_is_shown_with_its_reason_forgotten_or_sent_again(ctl: Ctl) -> None:
    await in_the_cloud(ctl, COORDINATOR)  # the gateway's own record is not what is refused
    refused = json.dumps({"msg": {}, "status": 400042, "desc": "权限不足"})
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
    await in_the_cloud(ctl, LAMP)
    assert await dead_letters(ctl, 0) == []
    assert await ctl("outbox", "discard", id_) == (1, "", f"gatewayctl: there is no dead letter {id_}\n")


async def test_the_provisioning_window_is_opened_and_shut(ctl: Ctl) -> None:
    assert (await ctl("provision-window", "3"))[0] == 0
    code, out, _ = await ctl("provision-window", "0")
    assert (code, "shut" in out or "closed" in out) == (0, True)


async def test_firmware_outbox_status_and_log_level_answer(ctl: Ctl) -> None:
    assert await ctl("firmware", "check") == (0, "9.9.9 is newer than 0.1.0, which runs here\n", "")
    assert json.loads((await ctl("outbox", "--json"))[1]).keys() == {"waiting", "dead"}
    status = json.loads((await ctl("status", "--json"))[1])
    assert (status["gateway"], status["mqtt"]["up"]) == (COORDINATOR, True)
    assert await ctl("log-level", "warning") == (0, "log level is warning\n", "")
