"""zigbee-herdsman, an independent EZSP host, runs on the simulated coordinator."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gatewayd.simulator.radio import SimulatedNetwork, switch
from gatewayd.simulator.radio.devices.common import OnOffCommand

HERE = Path(__file__).parent / "herdsman"
CACHE = Path(__file__).parents[3] / ".cache" / "herdsman"
TIMEOUT_S = 60.0

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="Node and npm are not installed"
)


async def installed() -> Path:
    """zigbee-herdsman as package.json pins it, fetched on first use."""
    pinned = (HERE / "package.json").read_text()
    stamp = CACHE / "installed.json"
    if not stamp.exists() or stamp.read_text() != pinned:
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", CACHE)
        npm = await asyncio.create_subprocess_exec(
            "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", cwd=CACHE
        )
        assert await npm.wait() == 0, "npm could not install zigbee-herdsman"
        stamp.write_text(pinned)
    return CACHE / "node_modules" / "zigbee-herdsman"


class Herdsman:
    """herdsman/host.js as a process; it prints its events as lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait_for(self, event: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            assert message["event"] != "failed", message["error"]
            if message["event"] == event:
                return message
        pytest.fail(f"herdsman ended before {event}")

    async def stop(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._process.wait()


@asynccontextmanager
async def herdsman_on(url: str, folder: Path) -> AsyncIterator[Herdsman]:
    library = await installed()
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "host.js"), url.replace("socket:", "tcp:"), str(folder),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "HERDSMAN": str(library)},
    )  # fmt: skip
    try:
        yield Herdsman(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_herdsman_forms_network_and_interviews_and_controls_switch(tmp_path: Path) -> None:
    network = SimulatedNetwork()
    light = network.add(switch("00158d0002a00001", channels=3))
    async with asyncio.timeout(TIMEOUT_S), network.serve() as url, herdsman_on(url, tmp_path) as herdsman:
        assert (await herdsman.wait_for("started"))["how"] == "reset"
        await herdsman.wait_for("permitted")
        await network.join(light)

        interview = await herdsman.wait_for("interview")
        assert interview["status"] == "successful"
        assert interview["ieee"] == "0x00158d0002a00001"
        assert (interview["manufacturer"], interview["model"]) == ("ZJCHILINK", "SW3")
        assert interview["endpoints"] == [1, 2, 3]

        report = await herdsman.wait_for("report")
        assert (report["endpoint"], report["data"]) == (2, {"onOff": 1})
        assert [(one.endpoint, one.command) for one in light.executed] == [(2, OnOffCommand.ON)]
        assert await herdsman.stop() == 0


async def test_herdsman_resumes_network_after_restart_of_both(tmp_path: Path) -> None:
    flash = tmp_path / "flash.json"
    for how in ("reset", "resumed"):
        network = SimulatedNetwork(flash=flash)
        async with asyncio.timeout(TIMEOUT_S), network.serve() as url, herdsman_on(url, tmp_path) as herdsman:
            assert (await herdsman.wait_for("started"))["how"] == how
            await herdsman.wait_for("permitted")
            assert await herdsman.stop() == 0
